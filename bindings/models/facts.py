"""Between a binding's columns and the pure facts that the state functions judge."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db.models import Q

from bindings.models.bindings import Binding, Mode
from bindings.state import Facts, Reach, State, Status, Why, one_word
from providers.types import Expiry, Method, Quality

COLUMNS = (
    "status",
    "status_since",
    "why",
    "why_facts",
    "before",
    "before_why",
    "reach",
    "reach_since",
    "reach_why",
    "reach_facts",
    "reach_until",
    "suspicion",
    "refused_at",
    "first_failure_at",
    "expires_at",
    "quality",
    "version",
)
"""What a verdict may write; the sweep's bulk statement and `apply` agree on it."""


def of(
    binding: Binding,
    *,
    generation: int = 1,
    failures: int = 0,
    next_check_at: datetime | None = None,
    access_until: datetime | None = None,
) -> Facts:
    """The facts of a binding; `generation` and `access_until` are its credential's, `failures` and
    `next_check_at` its schedule's."""
    return Facts(
        status=Status(binding.status),
        reach=Reach(binding.reach),
        kind=Method(binding.kind),
        manual_only=binding.mode == Mode.MANUAL,
        account_id=binding.account_id,
        version=binding.version,
        generation=generation,
        since=binding.status_since,
        why=Why(binding.why),
        before=Status(binding.before) if binding.before else None,
        before_why=Why(binding.before_why),
        reach_since=binding.reach_since,
        reach_why=binding.reach_why,
        reach_until=binding.reach_until,
        suspicion=binding.suspicion,
        refused_at=binding.refused_at,
        failures=failures,
        first_failure_at=binding.first_failure_at,
        end=Expiry(binding.expires_at, Quality(binding.quality)),
        renews=binding.renews,
        access_until=access_until,
        used_at=binding.used_at,
        next_check_at=next_check_at,
    )


def apply(binding: Binding, facts: Facts) -> None:
    """Write facts into the (unsaved) columns of a binding. `version` is the caller's to raise."""
    binding.status, binding.why = facts.status.value, facts.why.value
    binding.status_since = facts.since or binding.status_since
    binding.before = facts.before.value if facts.before else ""
    binding.before_why = facts.before_why.value
    binding.reach, binding.reach_why = facts.reach.value, facts.reach_why
    binding.reach_since = facts.reach_since or binding.reach_since
    binding.reach_until = facts.reach_until
    binding.suspicion, binding.refused_at = facts.suspicion, facts.refused_at
    binding.first_failure_at = facts.first_failure_at
    binding.expires_at, binding.quality = facts.end.at, facts.end.quality.value


def in_states(wanted: Collection[State]) -> Q:
    """The rows whose one word is among `wanted`; asked of the function that makes the word."""
    found = Q(pk__in=[])
    for status in Status:
        for reach in Reach:
            calm = one_word(status, reach) in wanted
            doubted = one_word(status, reach, suspicion=1) in wanted
            if calm or doubted:
                here = Q(status=status, reach=reach)
                if calm != doubted:
                    here &= Q(suspicion=0) if calm else Q(suspicion__gt=0)
                found |= here
    return found
