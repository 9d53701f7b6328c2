"""The code sources of an instance over the API: always seven rows in the fixed order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from bindings.api import pictures, shapes
from bindings.api.endpoint import Call, InstanceEndpoint
from bindings.models import Binding, facts
from bindings.services.browse import offers, specs
from bindings.state import State, face
from portal.ground.rest.calls import Answer, listed, operation
from portal.tenants.models import Instance


class Sources(InstanceEndpoint):
    @operation(
        "List the code sources of an instance",
        scope="instances:read",
        answers=shapes.Source,
        lists=True,
        whole=True,
        about="Always seven rows in a fixed order.",
    )
    def get(self, call: Call, found: Instance) -> Answer:
        live = Binding.objects.of(found.tenant_id).filter(instance=found, unbound_at=None)
        bound = {row["provider"]: row for row in pictures.rows(live)}
        here = offers.slugs(found.tenant) if found.region in settings.MOORING_REGIONS else set()
        return listed([_shape(slug, bound.get(slug), slug in here, call) for slug in specs.ORDER])


def _shape(slug: str, row: Mapping[str, Any] | None, offered: bool, call: Call) -> shapes.Source:
    if row is None:
        state = State.UNBOUND if offered else State.NOT_OFFERED
        action = face(state).action
    else:
        state = State(pictures.state_of(row))
        action = face(state, kind=_kind(row), lists=_lists(row)).action
    return {
        "provider": slug,  # type: ignore[typeddict-item]  # one of the seven
        "name": specs.LABELS[slug],
        "state": state.value,
        "action": action.value,
        "binding": None if row is None else pictures.binding(row, call.now),
    }


def _kind(row: Mapping[str, Any]) -> Any:
    return facts.of(Binding(**{name: row[name] for name in pictures.REASON})).kind


def _lists(row: Mapping[str, Any]) -> bool:
    return bool(row["proofs"].get("list", {}).get("ok"))
