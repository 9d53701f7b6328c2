"""Mail servers for tests: what people got, and backends that fail or never answer."""

from __future__ import annotations

import time
from email.message import EmailMessage
from typing import Any

from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend

from bindings import tasks
from portal.tenants.models import User

HERE = "tests.bindings.tell.post"


class Dead(BaseEmailBackend):
    """Nobody listens there."""

    def send_messages(self, messages: Any) -> int:
        raise ConnectionRefusedError("nobody listens")


class Frozen(BaseEmailBackend):
    """Takes the mail, and never says so."""

    def send_messages(self, messages: Any) -> int:
        print("taken", flush=True)
        time.sleep(600)
        return 0


def tick() -> None:
    """What the worker does each minute, twice, as two beats would make it."""
    for _ in range(2):
        tasks.climb_ladder()
        tasks.tell_people()
        tasks.send_mails()


def box() -> list[EmailMessage]:
    return [message.message() for message in mail.outbox]


def to(person: User) -> list[Any]:
    """The mails of one person, oldest first."""
    return [message for message in mail.outbox if message.to == [person.email]]


def subjects(person: User) -> list[str]:
    return [message.subject for message in to(person)]
