"""Tell what happened to a binding, in the same transaction as the change itself.

The one place where the tenant's log (and with it whoever subscribes to it) and people's notices are
written, so that neither can be forgotten.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from bindings.models import Binding, Dispatch, Endpoint
from bindings.services.tell import envelope, notices, wake
from bindings.state import Reach, Verdict, one_word
from portal.tenants.models import Event
from portal.tenants.services import events
from portal.tenants.services.events import Entry

SYSTEM = {"kind": "system", "id": "", "name": "Mooring", "ip": ""}
"""The server itself, as an actor."""
_WITH_SPAN = frozenset({"binding.unreachable", "binding.recovered"})


OUTGOING = ("build.", "binding.", "webhook.", "endpoint.test")
"""The events endpoints may hear of, by how they begin (api.md 6.2); all others stay in the log."""
BY_HAND, GONE, FAILURES = "by_hand", "gone", "failures"
"""Why an endpoint is off: somebody switched it off, it answered 410, it failed for five days."""
_RECIPIENTS = Endpoint.objects.filter(Q(enabled=True) | Q(why=FAILURES)).defer(
    "secret", "previous_secret"
)
Only = Sequence[UUID] | None
"""The endpoints an event is meant for; None: all that want it."""


def record(entries: Sequence[Entry], *, only: Mapping[int, Only] | None = None) -> list[Event]:
    """Put events into their tenants' logs, note what people have to be told of them, and queue
    them for the endpoints that want them. `only` narrows the endpoints of an entry, by its place in
    `entries`. Needs an open scope, and should be its last step."""
    notices.note(entries)
    made = events.record_many(entries)
    outgoing = [at for at, event in enumerate(made) if event.type.startswith(OUTGOING)]
    if outgoing:
        _queue([made[at] for at in outgoing], [(only or {}).get(at) for at in outgoing])
    return made


def tell(
    type: str,
    *,
    binding: Binding,
    actor: Mapping[str, Any],
    at: datetime,
    **more: Any,
) -> Event:
    """Put one `binding.*` event into the tenant's log. Needs an open scope."""
    return record([entry(type, binding=binding, actor=actor, at=at, **more)])[0]


def tell_verdict(
    binding: Binding, verdict: Verdict, *, at: datetime, actor: Mapping[str, Any] = SYSTEM
) -> None:
    """Put what a verdict has turned into the tenant's log. Needs an open scope."""
    if verdict.events:
        record(of_verdict(binding, verdict, at=at, actor=actor))


def of_verdict(
    binding: Binding, verdict: Verdict, *, at: datetime, actor: Mapping[str, Any] = SYSTEM
) -> list[Entry]:
    """The entries of a verdict that was stored in `binding`, to be recorded together."""
    was = one_word(verdict.was.status, verdict.was.reach, suspicion=verdict.was.suspicion).value
    return [
        entry(
            event, binding=binding, actor=actor, at=at, previous_state=was, **_span(event, verdict)
        )
        for event in verdict.events
    ]


def entry(
    type: str, *, binding: Binding, actor: Mapping[str, Any], at: datetime, **more: Any
) -> Entry:
    """One `binding.*` event, to be recorded with others."""
    return Entry(
        tenant_id=binding.tenant_id,
        type=type,
        actor=dict(actor),
        at=at,
        instance_id=binding.instance_id,
        binding_id=binding.pk,
        data={"binding": picture(binding), **_mark(binding), **more},
    )


def wants(endpoint: Endpoint, event: Event) -> bool:
    """Has this endpoint subscribed to events of this type and instance? The test of an endpoint is
    wanted by the one it names alone."""
    if event.type == "endpoint.test":
        return bool(event.data.get("endpoint", {}).get("id") == endpoint.public_id)
    everywhere = endpoint.instances is None or event.instance_id in endpoint.instances
    family = event.type.partition(".")[0] + ".*"
    return everywhere and bool({event.type, family} & set(endpoint.kinds))


def _queue(made: Sequence[Event], only: Sequence[Only]) -> None:
    """One dispatch per event and endpoint. An event is stored with them or not at all. Endpoints
    that were switched off because they failed go on collecting."""
    listening: dict[UUID, list[Endpoint]] = defaultdict(list)
    tenants = {event.tenant_id for event in made}
    for endpoint in _RECIPIENTS.filter(tenant_id__in=tenants):
        listening[endpoint.tenant_id].append(endpoint)
    wanted = [
        (event, endpoint)
        for event, meant in zip(made, only, strict=True)
        for endpoint in listening[event.tenant_id]
        if wants(endpoint, event) and (meant is None or endpoint.pk in meant)
    ]
    if not wanted:
        return
    written = envelope.bodies(list({event.pk: event for event, _ in wanted}.values()))
    Dispatch.objects.bulk_create(
        (
            Dispatch(
                tenant_id=event.tenant_id,
                event=event,
                endpoint=endpoint,
                lane=_lane(event),
                seq=event.seq,
                body=written[event.pk],
            )
            for event, endpoint in wanted
        ),
        batch_size=500,
    )
    wake.ring()


def _lane(event: Event) -> str:
    """What must stay in order: the events of one ref, or of one binding."""
    about = event.data.get("repository") or event.data.get("binding") or {}
    return f"{about.get('id', '')} {event.data.get('ref') or ''}".strip()[:500]


def _mark(binding: Binding) -> dict[str, Any]:
    """Whatever happens during a fire drill says so."""
    return {"drill": True} if binding.drill else {}


def picture(binding: Binding) -> dict[str, Any]:
    """A binding as the log names it: no secret, and true at this moment. Endpoints are shown the
    whole of it (`envelope`)."""
    return {
        "id": binding.public_id,
        "provider": binding.provider,
        "account": binding.account_login,
        "state": binding.state.value,
        "credential_status": binding.status,
        "reachability": binding.reach,
        "expires_at": _moment(binding.expires_at),
        "expires_quality": binding.quality,
        "version": binding.version,
    }


def _span(event: str, verdict: Verdict) -> dict[str, Any]:
    """Since when the trouble is or was, and for how many seconds it lasted (api.md 6.2)."""
    if event not in _WITH_SPAN:
        return {}
    if event == "binding.unreachable":
        since = verdict.facts.first_failure_at or verdict.facts.reach_since
        return {"since": _moment(since)}
    away = verdict.was.reach is Reach.UNREACHABLE
    since = verdict.was.reach_since if away else verdict.was.since
    until = verdict.facts.reach_since if away else verdict.facts.since
    if since is None or until is None:
        return {"since": None, "seconds": None}
    return {"since": _moment(since), "seconds": int((until - since).total_seconds())}


def _moment(at: datetime | None) -> str | None:
    """A time as the API writes it (api.md 1.1)."""
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
