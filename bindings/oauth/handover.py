"""The page of a hand-off link, for people without an account here: Start, leave, come back, done.

It shows the instance's name, the platform and who sent the link, and nothing else of the tenant.
Nobody is signed in by it, and who is signed in already does not matter.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from bindings import problems
from bindings.models import Authorization, CodeHost
from bindings.oauth.provider import Returned, leave_for_host
from bindings.oauth.returning import finish, start_again
from bindings.services.bind import handoff
from bindings.services.bind.handoff import Standing
from bindings.services.browse.specs import LABELS, consent_pages
from portal.ground import refusals, turns
from portal.ground.refusals import NotYours, Refusal

_ABOUT_THE_TENANT = ("DUP-01", "ACC-01")
"""Refusals whose sentence names an account that is not the holder's to know."""


def page(request: HttpRequest, code: str, row: Authorization) -> HttpResponse:
    """A GET only shows it, so that a preview uses nothing up. Start ties it to this browser."""
    mine = bool(handoff.code_for(row, cookie(request, row)))
    standing = handoff.standing(row, mine=mine, now=timezone.now())
    if request.method == "POST" and standing in (Standing.OPEN, Standing.MINE):
        return _go_on(request, code, row, standing)
    if standing is Standing.MINE and not handoff.by_consent(row):
        return HttpResponseRedirect(reverse("link_form", args=[code]))
    response = render(request, "sources/link.html", _shown(request, row, standing))
    if row.host is not None:
        pages = consent_pages(row.provider, row.host.base_url, row.host.options)
        turns.forms_may_lead_to(response, pages)
    return response


def come_back(
    request: HttpRequest, row: Authorization, host: CodeHost, returned: Returned
) -> HttpResponse:
    """The platform sent the browser back: it must be the one that opened the link."""
    code = handoff.code_for(row, cookie(request, row))
    if not (code and row.handoff and returned.handoff):
        return start_again(request, host)
    here = reverse("attempt", args=[code])
    try:
        maker = handoff.maker(row)
        finish(request, maker, row, returned.verifier)
    except NotYours:
        return HttpResponseRedirect(here)
    except Refusal as refused:
        return HttpResponseRedirect(f"{here}?{urlencode({'problem': refused.code})}")
    return HttpResponseRedirect(here)


def cookie(request: HttpRequest, row: Authorization) -> str:
    """What this browser has to say for itself about a link."""
    return request.COOKIES.get(_name(row), "")


def _go_on(request: HttpRequest, code: str, row: Authorization, standing: Standing) -> HttpResponse:
    """To the platform, or to the token form; the first time with the cookie of this browser."""
    here = HttpResponseRedirect(reverse("attempt", args=[code]))
    try:
        handoff.maker(row)
        proof = handoff.open_link(row, code) if standing is Standing.OPEN else ""
    except Refusal:  # opened elsewhere a moment ago, or its maker may not bind any more
        return here
    response: HttpResponse = HttpResponseRedirect(reverse("link_form", args=[code]))
    if handoff.by_consent(row):
        another = request.POST.get("another") == "1"
        response = leave_for_host(request, row, choose_account=another)
    if proof:
        response.set_cookie(
            _name(row),
            proof,
            expires=row.expires_at,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",  # a code host's redirect has to find it
        )
    return response


def _shown(request: HttpRequest, row: Authorization, standing: Standing) -> dict[str, Any]:
    problem = _problem(request, row) if standing is Standing.MINE else None
    return {
        "link": row,
        "standing": standing.value,
        "platform": LABELS[row.provider],
        "provider": row.provider,
        "mono": problems.prefix_of(row.provider),
        "by_consent": handoff.by_consent(row),
        "problem": problem,
    }


def _problem(request: HttpRequest, row: Authorization) -> dict[str, str] | None:
    """Why it did not work, when the page's address says so and the link remembers it."""
    known = row.problem or {}
    code = known.get("code", "")
    if not code or request.GET.get("problem") != code:
        return None
    words = refusals.words(code, known.get("facts", {}))
    return {"code": code, "title": words.title, "detail": said(row, code, words.detail)}


def said(row: Authorization, code: str, detail: str) -> str:
    """The sentence for the holder of a link: it names no account of the tenant's."""
    what = code.partition("-")[2]
    if what not in _ABOUT_THE_TENANT:
        return detail
    if what == "ACC-01":
        other = _("This is not the account that is bound to %(instance)s. Use that one.")
        return other % {"instance": row.instance.name}
    told = _("%(instance)s has another %(platform)s account meanwhile. Nothing changed.")
    return told % {"instance": row.instance.name, "platform": LABELS[row.provider]}


def _name(row: Authorization) -> str:
    return f"{settings.SESSION_COOKIE_NAME}_{handoff.cookie_of(row)}"
