"""What an account can do for us, ability by ability, with the time of the last proof (B3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bindings import problems
from providers.types import Inspection, Purpose

Abilities = dict[str, Mapping[str, Any]]
"""list, refs, clone, hooks → {"ok", "code", "proven_at"}: plain JSON."""


def of(found: Inspection, *, prefix: str, now: datetime) -> Abilities:
    """The abilities that an inspection shows. `prefix`: of the platform ("GL")."""
    return {ability.value: _one(found, ability, prefix, now) for ability in Purpose}


def lost(code: str) -> Mapping[str, Any]:
    """An ability that was tried and refused."""
    return {"ok": False, "code": code, "proven_at": None}


def turned(
    known: Mapping[str, Any], found: Inspection, *, prefix: str, now: datetime
) -> Abilities | None:
    """`known` after a later inspection; None when it has turned nothing.

    An inspection reads rights and tries none of them, so it takes nothing back that a refused
    clone has shown, and proves anew only what a missing right had taken away.
    """
    fresh = {}
    for name, shown in of(found, prefix=prefix, now=now).items():
        was = known.get(name, {})
        by_a_right = "-SCOPE-" in str(was.get("code"))
        if was.get("ok", True) != shown["ok"] and (by_a_right or not shown["ok"]):
            fresh[name] = shown
    return {**known, **fresh} if fresh else None


def _one(found: Inspection, ability: Purpose, prefix: str, now: datetime) -> Mapping[str, Any]:
    if not found.missing.get(ability):
        return {"ok": True, "code": None, "proven_at": now.isoformat()}
    # A token that cannot even list is told that first, whatever else it lacks.
    worst = Purpose.LIST if found.missing.get(Purpose.LIST) else ability
    code, _ = problems.explain_missing(
        {worst: found.missing[worst]}, prefix=prefix, has=found.scopes
    )
    return lost(code)
