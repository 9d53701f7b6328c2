"""What every page's frame needs: tenant, role, switcher, menu, theme. No query, no scope."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from portal.ground import choices
from portal.tenants.access import Actor
from portal.tenants.models import Membership, Tenant

Entry = tuple[str, str, str, str, int]  # key, label, address, icon, badge

_NEEDS = {"endpoints": "endpoints:read"}  # pages that are not for every role
_SECTION = 3  # of the path `/t/<tenant>/<section>/`, cut at the slashes


def frame(request: HttpRequest) -> dict[str, Any]:
    """The context processor; see templates/base.html for what each name is for."""
    tenant: Tenant | None = getattr(request, "tenant", None)
    actor = getattr(request, "actor", None)
    known: Sequence[Membership] = getattr(request, "memberships", ())
    return {
        "tenant": tenant,
        "role": actor.role if actor else "",
        "memberships": [_switch(member, request.path) for member in known],
        "navigation": list(_menu(tenant, _unread(tenant, known), actor)) if tenant else [],
        "bell": _bell(tenant, known) if tenant else None,
        "account_links": list(_account()) if actor else [],
        "jump_url": _address("instances", tenant) if tenant else "",
        "theme": choices.theme_of(request),
    }


def _unread(tenant: Tenant, known: Sequence[Membership]) -> int:
    """Notices the reader has not read here; kept with the membership, so it costs no question."""
    return next((member.unread for member in known if member.tenant_id == tenant.pk), 0)


def _bell(tenant: Tenant, known: Sequence[Membership]) -> dict[str, Any] | None:
    address = _address("notices", tenant)
    return {"url": address, "unread": _unread(tenant, known)} if address else None


def _menu(tenant: Tenant, unread: int, actor: Actor | None) -> Iterator[Entry]:
    """The pages of a tenant, those that this server has and the reader may open."""
    wanted = [
        ("instances", _("Instances"), "box"),
        ("expiry", _("Expiry"), "cal"),
        ("activity", _("Activity"), "pulse"),
        ("", _("Tenant"), ""),
        ("members", _("Members"), "users"),
        ("endpoints", _("Endpoints"), "out"),
        ("tokens", _("API tokens"), "key"),
        ("notices", _("Notifications"), "bell"),
    ]
    for name, label, icon in wanted:
        if name in _NEEDS and not (actor and actor.may(_NEEDS[name])):
            continue
        address = _address(name, tenant) if name else ""
        if address or not name:
            yield (name, label, address, icon, unread if name == "notices" else 0)


def _account() -> Iterator[tuple[str, str, str]]:
    yield (_("How you are told"), reverse("preferences"), "bell")
    yield (_("Second step and passkeys"), reverse("mfa_index"), "shield")
    yield (_("Change password"), reverse("account_change_password"), "lock")


def _switch(member: Membership, path: str) -> dict[str, Any]:
    """One line of the switcher; switching keeps the section."""
    parts = path.split("/")
    section = parts[_SECTION] if len(parts) > _SECTION + 1 else "instances"
    return {
        "tenant": member.tenant,
        "role": member.role,
        "attention": 0,
        "url": f"/t/{member.tenant.slug}/{section}/",
    }


def _address(name: str, tenant: Tenant) -> str:
    try:
        return reverse(name, kwargs={"tenant": tenant.slug})
    except NoReverseMatch:
        return ""
