"""Who calls the API: the bearer of a token, or a person signed in to the portal."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from portal.ground.rest.problems import Objection
from portal.tenants import access
from portal.tenants.access import Actor
from portal.tenants.models import User

Found = tuple[User | AnonymousUser, Actor]


class Bearer(BaseAuthentication):
    """`Authorization: Bearer mrg_…`; the token's tenant is the tenant."""

    def authenticate(self, request: Request) -> Found | None:
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        actor = access.by_token(token.strip(), _ip(request))
        return actor.person or AnonymousUser(), actor


class SignedIn(BaseAuthentication):
    """The portal's cookie with `X-CSRFToken`, and `Mooring-Tenant` for people in several."""

    def authenticate(self, request: Request) -> Found | None:
        inner = request._request
        person = inner.user
        if not isinstance(person, User) or not person.is_active:
            return None
        _demand_csrf(inner)
        slug = request.headers.get("Mooring-Tenant", "")
        when = access.signed_in_at(inner.session)
        return person, access.enter(person, slug, ip=_ip(request), signed_in_at=when)


def _ip(request: Request) -> str:
    """As `portal.ground.middleware` found it."""
    return getattr(request._request, "ip", "")


class _Csrf(CsrfViewMiddleware):
    """Says why instead of answering."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def _demand_csrf(request: HttpRequest) -> None:
    check = _Csrf(lambda _: HttpResponse())
    check.process_request(request)
    if check.process_view(request, lambda _: HttpResponse(), (), {}):
        raise Objection("X-AUTH-03", header="X-CSRFToken", action=_("change anything"))
