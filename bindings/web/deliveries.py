"""Deliveries of 30 days: the list with its filters, one of them, and replaying one or many."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import BinaryField, F, Func, IntegerField, Q, QuerySet, Value
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from bindings.models import Binding, Delivery, Dispatch, Hook
from bindings.models.hooks import Outcome
from bindings.services.browse.specs import LABELS
from bindings.services.listen import replay as service
from bindings.web import feed, heard, sending
from bindings.web.binding import find, head
from portal.ground import ids, refusals, rls, turns
from portal.ground.refusals import Refusal
from portal.tenants import access
from portal.tenants.middleware import Request
from portal.tenants.models import Event

READ = "deliveries:read"
REPLAY = "deliveries:replay"
KEPT = timedelta(days=30)
SHOWN_BYTES = 256 * 1024
_PAGE = 50
_FILTERS = ("event", "outcome", "signature")
_KINDS = {
    "push": Q(refs__0__ref__startswith="refs/heads/"),
    "tag": Q(refs__0__ref__startswith="refs/tags/"),
    "other": Q(refs=[]),
}


@require_GET
def listing(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """What came through all webhooks of a binding."""
    binding = find(request.actor, public_id, READ)
    context = {
        **head(request, binding, timezone.now(), trail(binding), (_("Deliveries"), "")),
        **table(request, binding),
        "tab": "webhooks",
    }
    return TemplateResponse(request, "bindings/deliveries.html", context)


@require_GET
def page(request: Request, tenant: str, public_id: str, delivery: str) -> HttpResponse:
    """One delivery: its headers without secrets, its payload, what became of it."""
    binding = find(request.actor, public_id, READ)
    found = access.get(request.actor, _whole(binding), delivery, READ)
    events = list(Event.objects.of(binding.tenant_id).filter(pk__in=found.events).order_by("seq"))
    told = _told(binding, events)
    sent = heard.Sent()
    for row in told:
        sent.of[str(row.event_id)][row.endpoint_id] = row.state
    context = {
        **head(request, binding, timezone.now(), trail(binding), (heard.title(found), "")),
        **heard.delivery_row(found, sent, LABELS[binding.provider]),
        **_payload(found),
        "tab": "webhooks",
        "hook": found.hook,
        "headers": sorted(found.headers.items()),
        "events": list(feed.lines(events)),
        "told": [sending.row(row) for row in told],
        "may_replay": request.actor.may(REPLAY) and found.outcome != Outcome.REFUSED,
        "may_mend": request.actor.may("webhooks:write") and binding.unbound_at is None,
    }
    return TemplateResponse(request, "bindings/delivery.html", context)


@require_POST
def replay(request: Request, tenant: str, public_id: str, delivery: str) -> HttpResponse:
    """Send the same events again, or judge the triggers anew."""
    binding = find(request.actor, public_id, REPLAY)
    found = access.get(request.actor, _of(binding), delivery, REPLAY)
    _again(request, [found])
    return redirect("delivery", tenant, public_id, delivery)


@require_POST
def replay_many(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """Replay those that were ticked, a page of them at most."""
    binding = find(request.actor, public_id, REPLAY)
    picked = request.POST.getlist("delivery")[:_PAGE]
    keys = [key for key in (ids.key(Delivery.PREFIX, one) for one in picked) if key is not None]
    rows = access.visible(request.actor, _of(binding)).filter(pk__in=keys)
    _again(request, list(rows.order_by("received_at", "id")))
    back = reverse("deliveries", args=[tenant, public_id])
    return redirect(turns.safe_next(request, back))


def trail(binding: Binding) -> tuple[str, str]:
    """The step of a path that leads to the webhooks of a binding."""
    return _("Webhooks"), reverse("hooks", args=[binding.instance.tenant.slug, binding.public_id])


def table(request: Request, binding: Binding, hook: Hook | None = None) -> dict[str, Any]:
    """The context of a list of deliveries, with its filters. Needs the tenant's scope."""
    wanted = {name: request.GET.get(name, "") for name in _FILTERS}
    before = ids.key(Delivery.PREFIX, request.GET.get("before", ""))
    rows = _of(binding).filter(_matching(wanted))
    if hook is not None:
        rows = rows.filter(hook_id=hook.pk)
    if before is not None:
        cursor = Delivery.objects.of(binding.tenant_id).filter(pk=before)
        at = cursor.values_list("received_at", flat=True).first()
        rows = rows.filter(Q(received_at__lt=at) | Q(received_at=at, pk__lt=before))
    found = list(rows.order_by("-received_at", "-id")[: _PAGE + 1])
    shown = found[:_PAGE]
    sent, platform = heard.sent(shown), LABELS[binding.provider]
    chosen = {name: value for name, value in wanted.items() if value}
    older = urlencode({**chosen, "before": shown[-1].public_id}) if len(found) > _PAGE else ""
    return {
        "deliveries": [heard.delivery_row(row, sent, platform) for row in shown],
        "failed": [row.public_id for row in shown if row.outcome in heard.FAILED],
        "wanted": wanted,
        "filtered": bool(chosen),
        "kinds": heard.EVENTS.items(),
        "outcomes": heard.OUTCOMES.items(),
        "signatures": heard.SIGNATURES.items(),
        "older_url": f"?{older}" if older else "",
        "newer_url": f"?{urlencode(chosen)}" if before is not None else "",
        "may_replay": request.actor.may(REPLAY),
        "of_hook": hook is not None,
    }


def _matching(wanted: dict[str, str]) -> Q:
    """The filters. Platforms call a push by many names, so its kind is told by what moved."""
    chosen = _KINDS.get(wanted["event"], Q())
    if wanted["outcome"] in heard.OUTCOMES:
        chosen &= Q(outcome=wanted["outcome"])
    if wanted["signature"] in heard.SIGNATURES:
        chosen &= Q(signature=wanted["signature"])
    return chosen


def _of(binding: Binding) -> QuerySet[Delivery]:
    """The deliveries of a binding, without their bodies: one may have 25 MB."""
    rows = Delivery.objects.of(binding.tenant_id).filter(hook__binding_id=binding.pk)
    near = rows.select_related("hook__repository")
    return near.defer("body", "headers", "hook__secret", "hook__previous_secret")


def _whole(binding: Binding) -> QuerySet[Delivery]:
    """The same with headers and the part of the body that is shown."""
    part = Func(F("body"), Value(1), Value(SHOWN_BYTES), function="substr")
    size = Func(F("body"), function="octet_length", output_field=IntegerField())
    part.output_field = BinaryField()
    rows = Delivery.objects.of(binding.tenant_id).filter(hook__binding_id=binding.pk)
    near = rows.select_related("hook__repository").annotate(part=part, size=size)
    return near.defer("body", "hook__secret", "hook__previous_secret")


def _told(binding: Binding, events: Sequence[Event]) -> list[Dispatch]:
    rows = Dispatch.objects.of(binding.tenant_id).filter(event__in=events)
    near = rows.select_related("endpoint", "event").order_by("created_at", "id")
    return list(near.defer("body", "endpoint__secret", "endpoint__previous_secret"))


def _payload(delivery: Delivery) -> dict[str, Any]:
    """The body as text, JSON set out line by line; only its beginning when it is very long."""
    kept, size = bytes(vars(delivery)["part"]), int(vars(delivery)["size"])
    text, cut = kept.decode("utf-8", "replace"), size > len(kept)
    if not cut:
        # What is not JSON, or nothing anybody would write, is shown as it came.
        with suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return {"payload": text, "cut": cut, "size": size}


def _again(request: Request, rows: Sequence[Delivery]) -> None:
    """Replay each of these; says how many were, and why the first other one was not."""
    done, refused = 0, None
    for row in rows:
        try:
            with rls.tenant(row.tenant_id):
                service.replay(actor=request.actor, delivery=row)
            done += 1
        except Refusal as refusal:
            refused = refused or refusal
    if done:
        said = ngettext(
            "%(n)d delivery is being replayed.", "%(n)d deliveries are being replayed.", done
        )
        messages.success(request, said % {"n": done})
    if refused is not None:
        messages.error(request, refusals.words(refused.code, refused.facts).detail)
    if not rows:
        messages.info(request, _("Nothing was ticked."))
