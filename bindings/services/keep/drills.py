"""Fire drills (product.md B12): begin one, end it, and tell what reacted.

A drill touches nothing real. The host is not asked on its behalf, the credential stays in use for
builds, host weather and mass guard do not count it, and when it ends (by itself after an hour, by
hand, or because somebody changes the binding for real) every column is what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from django.db.models import Model
from django.utils import timezone

from bindings import state
from bindings.models import Binding, Check, CodeHost, Drill, Notice, Schedule, facts
from bindings.services.custody.door import sandbox_origin
from bindings.services.keep import hook_drill
from bindings.services.keep.rehearsal import Scenario
from bindings.services.tell import outbox
from bindings.state import State
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from portal.tenants.models import Event

log = structlog.get_logger(__name__)

LASTS = timedelta(hours=1)
_KEPT = (*(name for name in facts.COLUMNS if name != "version"), "proofs")
_PLANNED = ("checked_at", "failures")
_WELL = frozenset({State.HEALTHY, State.EXPIRING})
_AT_ONCE = 200


def on_sandbox(host: CodeHost) -> bool:
    """Is this the built-in sandbox? On any other host only operators may hold a drill."""
    where = urlsplit(host.base_url)
    return sandbox_origin() == (where.hostname or "", where.port or 80)


def scenarios_for(binding: Binding) -> tuple[Scenario, ...]:
    """What can be rehearsed on this binding."""
    return tuple(one for one in Scenario if _unfit(binding, one) is None)


def start(
    *, actor: Actor, binding: Binding, scenario: Scenario, now: datetime | None = None
) -> Drill:
    """Begin a drill: the next check, which is due at once, gets the answer of `scenario`.

    Raises Refusal: X-STATE-01 for a binding that is not live and well, X-DRILL-01 while another
    drill runs, X-DRILL-02 where no webhook works that could be switched off, X-STATE-02 for an end
    of what renews itself; NotYours when it has ended, or for a tenant's people on a real host.
    """
    now = now or timezone.now()
    if actor.kind not in ("operator", "system") and not on_sandbox(binding.host):
        raise NotYours
    with rls.tenant(binding.tenant_id):
        row = _locked(binding.tenant_id, binding.pk)
        if row is None:
            raise NotYours
        _may_begin(row, scenario)
        plan = Schedule.objects.get(pk=row.pk)
        drill = Drill.objects.create(
            tenant_id=row.tenant_id,
            binding=row,
            scenario=scenario.value,
            by=actor.event(),
            begun_at=now,
            until=now + LASTS,
            kept=_columns(row, plan) | {"webhooks": _hooks(row, scenario, now)},
        )
        row.drill = scenario.value
        row.version += 1  # whatever real answer is still under way is about an older row
        row.save(update_fields=["drill", "version"])
        Schedule.objects.filter(pk=row.pk).update(next_check_at=now)
        _tell("binding.drill_started", row, actor.event(), now, drill)
    return drill


def end(*, actor: Actor, binding: Binding, now: datetime | None = None) -> Drill | None:
    """End the drill of a binding; None when none runs. Everything is as before, and the binding is
    checked for real at once."""
    now = now or timezone.now()
    with rls.tenant(binding.tenant_id):
        row = _locked(binding.tenant_id, binding.pk)
        return None if row is None else _end(row, actor.event(), now, why="by_hand")


def call_off(row: Binding, *, now: datetime) -> None:
    """Somebody is about to change a binding for real: a drill on it ends first. `row` is locked and
    is changed in place. Needs an open scope."""
    if row.drill:
        _end(row, outbox.SYSTEM, now, why="changed")


def end_overdue(now: datetime) -> int:
    """End the drills whose hour is over; how many."""
    with rls.fleet("drills whose hour is over"):
        due = Drill.objects.filter(ended_at=None, until__lte=now).order_by("until")
        rows = list(due.values_list("tenant_id", "binding_id")[:_AT_ONCE])
    for tenant_id, binding_id in rows:
        with rls.tenant(tenant_id):
            row = _locked(tenant_id, binding_id)
            if row is not None:
                _end(row, outbox.SYSTEM, now, why="time")
    return len(rows)


def of_binding(binding: Binding, most: int = 5) -> list[Drill]:
    """Its drills, the newest first: one that runs, and reports. Needs an open scope."""
    rows = Drill.objects.of(binding.tenant_id).filter(binding=binding)
    return list(rows.order_by("-begun_at")[:most])


def latest(most: int = 50) -> list[Drill]:
    """The drills of all tenants, the newest first, with their bindings. Opens the fleet's scope."""
    with rls.fleet("the fire drills"):
        rows = Drill.objects.select_related("binding__host", "binding__tenant")
        return list(rows.order_by("-id")[:most])


def running() -> dict[tuple[str, ...], float]:
    """(provider, scenario) → drills that run. Needs the fleet's scope."""
    found: dict[tuple[str, ...], float] = {}
    rows = Drill.objects.filter(ended_at=None).values_list("binding__provider", "scenario")
    for pair in rows:
        found[pair] = found.get(pair, 0) + 1
    return found


# -- beginning ------------------------------------------------------------------------------------


def _may_begin(row: Binding, scenario: Scenario) -> None:
    if row.drill:
        until = Drill.objects.of(row.tenant_id).filter(binding=row, ended_at=None)
        raise Refusal("X-DRILL-01", time=until.values_list("until", flat=True).first())
    if row.state not in _WELL:
        word = row.state.value
        raise Refusal("X-STATE-01", state=word, extra={"state": word})
    if code := _unfit(row, scenario):
        raise Refusal(code)


def _unfit(binding: Binding, scenario: Scenario) -> str | None:
    if scenario is Scenario.HOOK_DISABLED:
        return None if hook_drill.possible(binding) else "X-DRILL-02"
    return "X-STATE-02" if scenario is Scenario.EXPIRED and binding.renews else None


def _locked(tenant_id: UUID, key: UUID) -> Binding | None:
    return (
        Binding.objects.of(tenant_id)
        .select_for_update(of=("self",))
        .select_related("host", "instance")
        .filter(pk=key, unbound_at=None)
        .first()
    )


def _hooks(row: Binding, scenario: Scenario, now: datetime) -> dict[str, Any]:
    return hook_drill.begin(row, now) if scenario is Scenario.HOOK_DISABLED else {}


def _columns(row: Binding, plan: Schedule) -> dict[str, Any]:
    return {
        "binding": {name: _written(getattr(row, name)) for name in _KEPT},
        "schedule": {name: _written(getattr(plan, name)) for name in _PLANNED},
    }


def _written(value: Any) -> Any:
    """For JSON, to the microsecond: Django's own encoder keeps milliseconds only."""
    return value.isoformat() if isinstance(value, datetime) else value


def _read(model: type[Model], kept: Mapping[str, Any]) -> dict[str, Any]:
    fields = {field.name: field for field in model._meta.concrete_fields}
    return {name: fields[name].to_python(value) for name, value in kept.items()}


# -- ending ---------------------------------------------------------------------------------------


def _end(row: Binding, by: Mapping[str, Any], now: datetime, *, why: str) -> Drill | None:
    mine = Drill.objects.of(row.tenant_id).select_for_update()
    drill = mine.filter(binding=row, ended_at=None).first()
    if drill is None:
        return None
    drilled = facts.of(row)
    _put_back(row, drill, now)
    # Whoever was told of the trouble is told that it is over, and that it was a drill.
    over = state.Verdict(facts.of(row), drilled, events=_over(drilled, row))
    outbox.tell_verdict(row, over, at=now, actor=by)
    hook_drill.end(row, drill.kept.get("webhooks", {}), by=by, now=now)
    closed = _close_notices(row, drill, now)
    drill.ended_at, drill.report = now, _report(row, drill, by, now, why=why, notices=closed)
    drill.save(update_fields=["ended_at", "report"])
    _tell("binding.drill_ended", row, by, now, drill)
    row.drill = ""
    row.save(update_fields=["drill"])
    log.info("a fire drill has ended", binding=row.public_id, scenario=drill.scenario, why=why)
    return drill


def _put_back(row: Binding, drill: Drill, now: datetime) -> None:
    """Every column is what it was; the next check is a real one and due at once."""
    for name, value in _read(Binding, drill.kept["binding"]).items():
        setattr(row, name, value)
    row.version += 1
    row.save(update_fields=[*_KEPT, "version"])
    plan = _read(Schedule, drill.kept["schedule"])
    Schedule.objects.filter(pk=row.pk).update(next_check_at=now, **plan)


def _over(drilled: state.Facts, row: Binding) -> tuple[str, ...]:
    was = state.one_word(drilled.status, drilled.reach, suspicion=drilled.suspicion)
    told = (State.REVOKED, State.EXPIRED, State.INSUFFICIENT, State.UNREACHABLE)
    return ("binding.recovered",) if was in told and row.state is not was else ()


def _close_notices(row: Binding, drill: Drill, now: datetime) -> list[dict[str, Any]]:
    """What people were told during the drill is no longer open, and may be told again."""
    mine = Notice.objects.of(row.tenant_id).filter(binding=row, opened_at__gte=drill.begun_at)
    told = [dict(one) for one in mine.order_by("opened_at").values("kind", "step", "opened_at")]
    mine.filter(closed_at=None).update(closed_at=now)
    return told


def _report(
    row: Binding,
    drill: Drill,
    by: Mapping[str, Any],
    now: datetime,
    *,
    why: str,
    notices: list[dict[str, Any]],
) -> dict[str, Any]:
    """What reacted, from what was stored while it did. `state`: under which words the figure
    `mooring_bindings` counted it, in order."""
    since = {"binding_id": row.pk, "at__gte": drill.begun_at}
    told = Event.objects.of(row.tenant_id).filter(**since, data__drill=True).order_by("seq")
    climbed = Check.objects.of(row.tenant_id).filter(
        binding_id=row.pk, drill=True, started_at__gte=drill.begun_at
    )
    made = list(climbed.order_by("started_at", "id"))
    return {
        "ended_by": dict(by),
        "why": why,
        "seconds": int((now - drill.begun_at).total_seconds()),
        "checks": [
            {"at": check.started_at, "code": check.code, "state": check.state} for check in made
        ],
        "states": list(dict.fromkeys(check.state for check in made)),
        "events": [{"id": event.public_id, "type": event.type, "at": event.at} for event in told],
        "notices": notices,
        "as_before": _as_before(row, drill),
    }


def _as_before(row: Binding, drill: Drill) -> bool:
    """Asked of the database, not of what we meant to write."""
    stored = Binding.objects.of(row.tenant_id).values(*_KEPT).get(pk=row.pk)
    same = dict(stored) == _read(Binding, drill.kept["binding"])
    return same and hook_drill.as_before(row, drill.kept.get("webhooks", {}))


def _tell(type: str, row: Binding, by: Mapping[str, Any], now: datetime, drill: Drill) -> None:
    outbox.tell(
        type,
        binding=row,
        actor=by,
        at=now,
        scenario=drill.scenario,
        until=drill.until.isoformat(),
    )
