"""Who is here and where: opens the tenant's scope around a page, and turns refusals into pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from portal.ground import logs, refused, rls, turns
from portal.ground.middleware import Next, after_answer
from portal.ground.refusals import NotAllowed, NotYours, Refusal
from portal.tenants import access
from portal.tenants.access import Actor, Request
from portal.tenants.models import Membership, User
from portal.tenants.services import events, members, tokens

__all__ = ["Request", "Tenancy", "reaches_provider"]

View = Callable[..., HttpResponseBase]
V = TypeVar("V", bound=View)

_OUTSIDE = "_mooring_reaches_provider"


def reaches_provider(view: V) -> V:
    """Marks a page that asks a code host: it runs outside any scope, and its services open short
    ones. Rows it gets may not load more of themselves while it renders."""
    setattr(view, _OUTSIDE, True)
    return view


class Tenancy:
    """Last in the list, because it runs the view itself.

    Sets `request.actor` on every page, and below `/t/<tenant>/` also `request.tenant` and
    `request.memberships`. There the page runs in the tenant's transaction until it is rendered; an
    exception rolls back. Who is not a member gets the same 404 as for a tenant that does not exist.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        _start(request, None, [])
        response = self.get_response(request)
        _note_use(request)
        return response

    def process_view(
        self, request: HttpRequest, view: View, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Runs the page of a tenant and returns its answer; None leaves it to Django."""
        person = _person(request)
        if "tenant" not in kwargs:
            if person is not None:
                _start(request, _outside(request, person), [])
            return None
        if person is None:
            back = turns.came_from(request)
            return turns.to(request, f"{settings.LOGIN_URL}?{urlencode({'next': back})}")
        try:
            actor = _enter(request, person, kwargs["tenant"])
            if getattr(view, _OUTSIDE, False):
                return None
            return _inside(actor, partial(view, request, *args, **kwargs))
        except Refusal as refusal:
            return self.process_exception(request, refusal)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        """The page of a Refusal; other exceptions stay Django's."""
        if not isinstance(exception, Refusal):
            return None
        if isinstance(exception, NotAllowed | NotYours):
            _note_denial(request, exception)
        return refused.page(request, exception)


def _person(request: HttpRequest) -> User | None:
    """Who is signed in; asked before a scope opens, because a tenant may not read sessions."""
    user = request.user
    return user if isinstance(user, User) and user.is_authenticated else None


def _enter(request: HttpRequest, person: User, slug: str) -> Actor:
    known = access.memberships(person)
    actor = _outside(request, person)
    _start(request, actor, known)
    actor = access.enter(person, slug, ip=actor.ip, signed_in_at=actor.signed_in_at, among=known)
    _start(request, actor, known)
    member = next(one for one in known if one.tenant == actor.tenant)
    now = timezone.now()
    if member.seen_at is None or member.seen_at < now - members.SEEN_EVERY:
        after_answer(partial(members.seen, member_id=member.pk, now=now))
    return actor


def _outside(request: HttpRequest, person: User) -> Actor:
    return Actor(
        "user",
        person,
        ip=getattr(request, "ip", ""),
        signed_in_at=access.signed_in_at(request.session),
    )


def _start(request: HttpRequest, actor: Actor | None, known: Sequence[Membership]) -> None:
    # Plain attributes, as Django's own middleware sets request.user: every page reads them.
    vars(request).update(actor=actor, tenant=actor.tenant if actor else None, memberships=known)


def _inside(actor: Actor, page: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    with rls.tenant(access.tenant_of(actor).pk):
        response = page()
        render = getattr(response, "render", None)
        return render() if callable(render) else response


def _note_denial(request: HttpRequest, refusal: Refusal) -> None:
    """In the tenant the person is in; for another's tenant in their own, the one used last."""
    actor: Actor | None = vars(request)["actor"]
    if actor is None:
        return
    known: Sequence[Membership] = vars(request)["memberships"]
    if actor.tenant is None and known:
        actor = replace(actor, tenant=known[0].tenant, role=known[0].role)
    events.denied(actor, code=refusal.code, path=logs.scrub(request.path), at=timezone.now())


def _note_use(request: HttpRequest) -> None:
    """An API token was used: written down after the answer, at most once a minute."""
    actor: Actor | None = vars(request)["actor"]
    now = timezone.now()
    if actor is not None and actor.token is not None and tokens.worth_noting(actor.token, now):
        after_answer(partial(tokens.used, token_id=actor.token.pk, now=now))
