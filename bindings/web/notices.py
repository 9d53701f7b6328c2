"""Notifications: what the reader was told in this tenant, newest first; and marking it as read."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from bindings import problems
from bindings.notices import Kind
from bindings.services.tell import stories, wording
from bindings.services.tell.wording import Story
from bindings.web.sources import READ
from portal.ground.refusals import NotYours
from portal.tenants import access
from portal.tenants.middleware import Request
from portal.tenants.models import User

_BAD = (Kind.EXPIRED, Kind.REVOKED, Kind.UNDECRYPTABLE, Kind.UNREACHABLE)
_LOOKS = {
    Kind.EXPIRING: ("warn", "clock"),
    Kind.INSUFFICIENT: ("warn", "warn"),
    Kind.WEBHOOK: ("warn", "hook"),
    Kind.ENDPOINT: ("warn", "hook"),
    Kind.CONFIRM: ("info", "info"),
    Kind.ORPHANED: ("warn", "warn"),
    Kind.SUSPENDED: ("", "lock"),
    Kind.UNBOUND: ("", "off"),
    Kind.BOUND: ("", "link"),
    Kind.SWITCHED: ("", "link"),
    **dict.fromkeys(_BAD, ("bad", "bad")),
}
"""Tone and icon; what is not named is good news."""


@require_GET
def page(request: Request, tenant: str) -> HttpResponse:
    """One line for everything the reader was told."""
    access.demand(request.actor, READ)
    now, before = timezone.now(), request.GET.get("before", "")
    found, more = stories.of_person(request.tenant, _reader(request), before=before)
    context = {
        "section": "notices",
        "crumbs": [(_("Notifications"), "")],
        "lines": [_line(tenant, story) for story in found],
        "unread": any(story.telling.read_at is None for story in found),
        "older_url": f"?before={found[-1].telling.public_id}" if more else "",
        "newer_url": "?" if before else "",
        "now": now,
    }
    return TemplateResponse(request, "bindings/notices.html", context)


@require_POST
def read(request: Request, tenant: str) -> HttpResponse:
    """The reader has seen all of it, or one line."""
    access.demand(request.actor, READ)
    line, now = request.POST.get("line", ""), timezone.now()
    stories.read(tenant=request.tenant, person=_reader(request), now=now, line=line)
    return redirect("notices", tenant=tenant)


def _reader(request: Request) -> User:
    if request.actor.person is None:
        raise NotYours
    return request.actor.person


def _line(tenant: str, story: Story) -> dict[str, Any]:
    line, binding = story.telling, story.one
    tone, symbol = _LOOKS.get(Kind(line.kind), ("ok", "ok"))
    return {
        "id": line.public_id,
        "text": wording.title(story, line.opened_at),  # as it was told
        "note": _note(story),
        "at": line.opened_at,
        "tone": tone,
        "symbol": symbol,
        "unread": line.read_at is None,
        "url": reverse("binding", args=[tenant, binding.public_id])
        if binding and binding.unbound_at is None
        else "",
        "mono": problems.prefix_of(binding.provider) if binding else "",
    }


def _note(story: Story) -> str:
    """The bindings of a line about many, as far as there is room; else the account."""
    if story.telling.many > 1:
        names = ", ".join(binding.instance.name for binding in story.bindings)
        return names + (" …" if story.telling.many > len(story.bindings) else "")
    if story.one is None:
        return ""
    return f"{wording.platform_of(story.one)} · {story.one.account_login}"
