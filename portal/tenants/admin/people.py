"""People in the admin: operators are made here; nobody sees or sets a password."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from portal.tenants.admin.base import Listed
from portal.tenants.models import Membership, User


class NewPerson(forms.ModelForm):  # type: ignore[type-arg]  # generic only in the stubs
    """A new person gets no password: they choose one by the mail for a forgotten password."""

    class Meta:
        model = User
        fields = ("email", "name", "is_staff")

    def save(self, commit: bool = True) -> User:
        person: User = super().save(commit=False)
        person.email = person.email.lower()
        person.set_unusable_password()
        if commit:
            person.save()
        return person


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]  # generic only in the stubs
    """Where this person is, and as what; changed by the tenant's own admins."""

    model = Membership
    fields = ("tenant", "role", "created_at", "seen_at", "left_at")
    readonly_fields = fields
    can_delete = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(Listed):
    """The password's hash is in no field, no filter and no search."""

    list_display = ("email", "name", "is_staff", "is_active", "last_login")
    list_filter = ("is_staff", "is_active")
    search_fields = ("email", "name")
    fields = ("email", "name", "language", "zone", "is_active", "is_staff", "is_superuser")
    inlines = (MembershipInline,)

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs |= {"form": NewPerson, "fields": NewPerson.Meta.fields}
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return NewPerson.Meta.fields if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Nobody takes the admin from themselves, and only an operator in full makes others."""
        if obj is not None and obj == request.user:
            return ("is_active", "is_staff", "is_superuser")
        full = bool(getattr(request.user, "is_superuser", False))
        return () if full else ("is_staff", "is_superuser")

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """People are switched off, not deleted: what they did keeps its author."""
        return False
