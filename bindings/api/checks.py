"""Checks over the API: begin one, and look at those of the last 30 days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet

from bindings.api import shapes
from bindings.api.endpoint import BindingEndpoint, Call
from bindings.models import Binding, Check
from bindings.services.keep import checks, steps
from portal.ground import ids
from portal.ground.refusals import NotYours
from portal.ground.rest import pagination
from portal.ground.rest.calls import Answer, listed, one, operation
from portal.ground.rest.fields import Nothing

_KEPT = timedelta(days=30)
_COLUMNS = (
    "id",
    "binding_id",
    "cause",
    "status",
    "started_at",
    "finished_at",
    "ms",
    "steps",
    "state",
    "drill",
)
_OWN = ("409 X-STATE-01", "410 X-GONE-01", "429 X-RATE-02")


class Checks(BindingEndpoint):
    @operation(
        "Check a binding now",
        scope="bindings:check",
        body=Nothing,
        answers=shapes.Check,
        status=202,
        located=True,
        reaches_provider=True,
        about="A running check is returned instead of starting a second one.",
        codes=_OWN,
    )
    def post(self, call: Call, found: Binding) -> Answer:
        check = checks.start(actor=call.actor, binding=found)
        row = {name: getattr(check, name) for name in _COLUMNS}
        location = f"/api/v1/bindings/{found.public_id}/checks/{check.public_id}"
        return Answer(_shape(row), location=location, tagged=False)

    @operation(
        "List checks",
        scope="bindings:read",
        answers=shapes.Check,
        lists=True,
        about="Newest first, of the last 30 days.",
        codes=("410 X-GONE-01",),
    )
    def get(self, call: Call, found: Binding) -> Answer:
        page = pagination.page(_kept(call, found), ["-started_at", "-id"], call.paging)
        return listed([_shape(row) for row in page.rows], page)


class OneCheck(BindingEndpoint):
    @operation("Get a check", scope="bindings:read", answers=shapes.Check, codes=("410 X-GONE-01",))
    def get(self, call: Call, found: Binding) -> Answer:
        key = ids.key(Check.PREFIX, call.path["check"])
        row = _kept(call, found).filter(pk=key).first() if key else None
        if row is None:
            raise NotYours
        return one(_shape(row))


def _kept(call: Call, binding: Binding) -> QuerySet[Check, dict[str, Any]]:
    mine = Check.objects.of(binding.tenant_id).filter(binding=binding)
    rows: QuerySet[Check, dict[str, Any]] = mine.filter(started_at__gte=call.now - _KEPT).values(
        *_COLUMNS
    )
    return rows


def _shape(row: Mapping[str, Any]) -> shapes.Check:
    shown: shapes.Check = {
        "id": ids.public(Check.PREFIX, row["id"]),
        "binding": ids.public(Binding.PREFIX, row["binding_id"]),
        "cause": row["cause"],
        "status": row["status"],
        "started_at": row["started_at"],
        "finished_at": row["finished_at"],
        "ms": row["ms"],
        "steps": [steps.read(stored).shown() for stored in row["steps"]],  # type: ignore[misc]  # plain dictionaries
        "state": row["state"] or None,
    }
    if row["drill"]:
        shown["drill"] = True
    return shown
