"""`manage.py create_operator EMAIL`: the first operator, and a link to choose a password once."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from portal.tenants.models import User
from portal.tenants.signin import first_sign_in_link


class Command(BaseCommand):
    help = "Makes an operator, or one of a known person, and prints a link that works once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        address = email.strip().lower()
        try:
            validate_email(address)
        except ValidationError:
            raise CommandError("This is not an e-mail address.", returncode=2) from None
        person = User.objects.filter(email=address).first()
        if person is None:
            person = User.objects.create_superuser(address)
        else:
            person.is_staff = person.is_superuser = person.is_active = True
            person.save(update_fields=["is_staff", "is_superuser", "is_active"])
        self.stdout.write(first_sign_in_link(person))
