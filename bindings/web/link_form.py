"""The token form for the holder of a hand-off link: the same form and the same six-step test."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from bindings import problems
from bindings.models import Authorization
from bindings.services.bind import handoff
from bindings.services.bind.handoff import Standing
from bindings.services.bind.token import TokenAsk
from bindings.services.browse.specs import LABELS, Spec, spec_of
from bindings.web import token_form
from bindings.web.forms import TokenForm
from bindings.web.token_form import Desk
from portal.ground.refusals import NotYours, Refusal


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("token")
@never_cache
def page(request: HttpRequest, code: str) -> HttpResponse:
    """Paste a token; what comes of it waits for an admin. Only in the browser that opened it."""
    row, back = _mine(request, code), redirect("attempt", code)
    if row is None:
        return back
    desk, form = _desk(row, code), token_form.filled(request, _spec(row), server=row.host)
    if request.method == "GET" or not form.is_valid():
        return token_form.show(request, desk, form)
    try:
        handoff.finish_with_token(row=row, ask=_ask(row, form))
    except NotYours:
        return back
    except Refusal as refused:
        if refused.code.endswith(("-DUP-01", "-ACC-01", "-OAUTH-02")):
            return redirect(f"{reverse('attempt', args=[code])}?problem={refused.code}")
        return token_form.show(request, desk, form, refused=refused)
    return back


@require_POST
@sensitive_post_parameters("token")
@never_cache
def test(request: HttpRequest, code: str) -> HttpResponse:
    """Climb the ladder and show it; nothing is saved."""
    row = _mine(request, code)
    if row is None:
        return redirect("attempt", code)
    form = token_form.filled(request, _spec(row), server=row.host)
    tested, refused = None, None
    if form.is_valid():
        try:
            tested = handoff.test(row=row, ask=_ask(row, form))
        except Refusal as said:
            refused = said
    return token_form.show(request, _desk(row, code), form, tested=tested, refused=refused)


@require_POST
def address(request: HttpRequest, code: str) -> HttpResponse:
    """What can be said of an address while it is typed, without asking anybody."""
    row = _mine(request, code)
    if row is None:
        return redirect("attempt", code)
    return token_form.judge(request, _desk(row, code))


def _mine(request: HttpRequest, code: str) -> Authorization | None:
    """The link, if this is the browser that opened it and it still waits for a token."""
    row = handoff.by_code(code)
    if row is None:
        raise NotYours
    name = f"{settings.SESSION_COOKIE_NAME}_{handoff.cookie_of(row)}"
    mine = bool(handoff.code_for(row, request.COOKIES.get(name, "")))
    standing = handoff.standing(row, mine=mine, now=timezone.now())
    return row if standing is Standing.MINE and not handoff.by_consent(row) else None


def _desk(row: Authorization, code: str) -> Desk:
    platform = LABELS[row.provider]
    asks = _(
        "%(person)s asks you to connect %(platform)s to %(instance)s. This does exactly that, once."
    ) % {"person": row.made_by_name, "platform": platform, "instance": row.instance.name}
    more: dict[str, Any] = {
        "mono": problems.prefix_of(row.provider),
        "asks": asks,
        "back_url": reverse("attempt", args=[code]),
    }
    return Desk(
        row.instance,
        row.provider,
        page=reverse("link_form", args=[code]),
        test=reverse("link_test", args=[code]),
        address=reverse("link_address", args=[code]),
        template="sources/link_form.html",
        server=row.host,
        more=more,
    )


def _spec(row: Authorization) -> Spec:
    spec = spec_of(row.provider)
    if spec is None:
        raise NotYours
    return spec


def _ask(row: Authorization, form: TokenForm) -> TokenAsk:
    return token_form.ask_of(row.provider, form, server=row.host, mode=row.mode)
