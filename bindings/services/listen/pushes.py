"""What pushes start: one firing for each trigger, ref and commit, and one event for each firing.

Used by whatever has found pushes: the worker of deliveries, a replay, and the filling of gaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from bindings.models import Binding, Delivery, Head, Hook, Repository, Trigger
from bindings.models.hooks import HookStatus, Origin, Outcome
from bindings.models.triggers import TriggerMode
from bindings.patterns import fires
from bindings.services.tell import outbox
from portal.ground import bulk, ids, rls
from portal.tenants.models import Event
from portal.tenants.services.events import Entry
from providers.types import Push

LONGEST_REF = 400
"""Letters of a ref that rows hold; git itself refuses much longer ones on most file systems."""
_TAG = "refs/tags/"
_SETTLED = ("outcome", "trouble", "next_at", "processed_at", "event", "refs", "events")
_FIRE = """
INSERT INTO bindings_firing (id, created_at, tenant_id, trigger_id, delivery_id, ref, sha, event,
                             manual)
SELECT new.id, %(at)b, %(tenant)b, new.trigger, %(delivery)b, new.ref, new.sha, new.event, false
FROM unnest(%(ids)b::uuid[], %(triggers)b::uuid[], %(refs)b::text[], %(shas)b::text[],
            %(events)b::uuid[]) AS new (id, trigger, ref, sha, event)
ON CONFLICT DO NOTHING RETURNING event
"""


@dataclass(frozen=True, slots=True)
class _Match:
    """A push a trigger means, and the key its event is going to have."""

    trigger: Trigger
    push: Push
    event: UUID


def handle(
    *, hook: Hook, delivery: Delivery, pushes: Sequence[Push], origin: str, at: datetime
) -> list[Event]:
    """Settle a delivery whose pushes are proven to be of this hook's repository: heads, firings,
    outcome and events in one transaction. Returns the events, in the order of the pushes.

    Opens the tenant's scope, or joins it; this is its last step. `hook` comes with its binding and
    repository. `origin` recovered makes `build.recovered`.
    """
    living = [push for push in pushes if not push.deleted and len(push.ref) <= LONGEST_REF]
    with rls.tenant(hook.tenant_id):
        matches = _matches(hook, living)
        fired = _fire(hook, delivery, matches, at)
        _heads(hook, pushes, delivery.received_at)
        if origin != Origin.RECOVERED:
            heard(hook, delivery.received_at)
        delivery.event = "tag" if pushes and pushes[0].ref.startswith(_TAG) else "push"
        delivery.refs = [_moved(push) for push in pushes]
        delivery.events = [str(match.event) for match in fired]
        outcome = Outcome.NO_TRIGGER if living else Outcome.IGNORED
        settle(delivery, Outcome.MATCHED if matches else outcome, at=at)
        return _tell(hook, delivery, fired, origin, at) if fired else []


def settle(delivery: Delivery, outcome: Outcome, *, at: datetime, trouble: str = "") -> None:
    """Write down what became of a delivery; nothing is left to do. Needs the tenant's scope."""
    delivery.outcome, delivery.trouble = outcome.value, trouble
    delivery.next_at, delivery.processed_at = None, at
    delivery.save(
        update_fields=["outcome", "trouble", "next_at", "processed_at", "event", "refs", "events"]
    )


def heard(hook: Hook, at: datetime) -> None:
    """An authentic delivery came: the hook works. Needs the tenant's scope."""
    if hook.heard_at is not None and hook.heard_at >= at:
        return
    changes: dict[str, Any] = {"heard_at": at}
    if hook.status == HookStatus.UNVERIFIED:
        changes |= {"status": HookStatus.ACTIVE.value, "status_since": at, "trouble": ""}
    Hook.objects.of(hook.tenant_id).filter(pk=hook.pk, status=hook.status).update(**changes)


def build_data(
    trigger: Trigger, *, binding: Binding, repository: Repository, push: Push, **more: Any
) -> dict[str, Any]:
    """The `data` of a `build.*` event (api.md 6.2). `more`: actor, delivery, reason. The clone
    address is the repository's own, never what a delivery says."""
    kind = "tag" if push.ref.startswith(_TAG) else "branch"
    return {
        "trigger": {
            "id": trigger.public_id,
            "name": trigger.name,
            "variables": trigger.variables,
        },
        "binding": {
            "id": binding.public_id,
            "provider": binding.provider,
            "account": binding.account_login,
        },
        "repository": {
            "id": repository.public_id,
            "external_id": repository.remote_id,
            "path": repository.path,
            "web_url": repository.web_url or None,
            "clone_url": repository.clone_url,
            "default_branch": repository.default_branch or None,
        },
        "ref": push.ref,
        "kind": kind,
        "name": push.ref.split("/", 2)[-1],
        "before": push.before if push.before.strip("0") else None,
        "after": push.after,
        "created": push.created,
        "forced": push.forced,
        "commit": {
            "sha": push.after,
            "title": push.title or None,
            "author": push.author or None,
            "timestamp": push.committed_at or None,
            "web_url": push.web_url or None,
        },
        "actor": None,
        "delivery": None,
        "reason": None,
        **more,
    }


def _matches(hook: Hook, pushes: Sequence[Push]) -> list[_Match]:
    if not pushes:
        return []
    triggers = list(
        Trigger.objects.of(hook.tenant_id)
        .filter(
            repository_id=hook.repository_id,
            enabled=True,
            mode=TriggerMode.AUTOMATIC.value,
            waiting_since=None,
        )
        .order_by("name")
    )
    default = hook.repository.default_branch
    return [
        _Match(trigger, push, ids.uuid7())
        for push in pushes
        for trigger in triggers
        if fires(push.ref, branches=trigger.branches, tags=trigger.tags, default_branch=default)
    ]


def _fire(hook: Hook, delivery: Delivery, matches: Sequence[_Match], at: datetime) -> list[_Match]:
    """Those that are first with their trigger, ref and commit: the unique index decides, and a
    second worker waits for the first."""
    if not matches:
        return []
    given: Mapping[str, Any] = {
        "at": at,
        "tenant": hook.tenant_id,
        "delivery": delivery.pk,
        "ids": [ids.uuid7() for _ in matches],
        "triggers": [match.trigger.pk for match in matches],
        "refs": [match.push.ref for match in matches],
        "shas": [match.push.after for match in matches],
        "events": [match.event for match in matches],
    }
    first = {row[0] for row in bulk.execute(_FIRE, given).fetchall()}
    return [match for match in matches if match.event in first]


def _tell(
    hook: Hook, delivery: Delivery, fired: Sequence[_Match], origin: str, at: datetime
) -> list[Event]:
    keys = {match.trigger.pk for match in fired}
    Trigger.objects.of(hook.tenant_id).filter(pk__in=keys).update(last_event_at=at)
    entries = [_entry(hook, delivery, match, origin, at) for match in fired]
    only = {n: match.trigger.endpoints for n, match in enumerate(fired)}
    return outbox.record(entries, only=only)


def _entry(hook: Hook, delivery: Delivery, match: _Match, origin: str, at: datetime) -> Entry:
    binding, push = hook.binding, match.push
    found = "tag" if push.ref.startswith(_TAG) else "push"
    word = "recovered" if origin == Origin.RECOVERED else found
    return Entry(
        tenant_id=hook.tenant_id,
        type=f"build.{word}",
        actor={"kind": "provider", "id": "", "name": binding.provider, "ip": ""},
        at=at,
        instance_id=binding.instance_id,
        binding_id=binding.pk,
        data=build_data(
            match.trigger,
            binding=binding,
            repository=hook.repository,
            push=push,
            actor=push.pusher or None,
            delivery=delivery.public_id,
        ),
        key=match.event,
    )


def _moved(push: Push) -> dict[str, Any]:
    return {
        "ref": push.ref,
        "before": push.before if push.before.strip("0") else None,
        "after": None if push.deleted else push.after,
        "forced": push.forced,
    }


def _heads(hook: Hook, pushes: Sequence[Push], at: datetime) -> None:
    """What gap fill compares with. A delivery that is worked off late never overwrites a newer
    one."""
    last = {push.ref: push for push in pushes if len(push.ref) <= LONGEST_REF}
    mine = Head.objects.of(hook.tenant_id).filter(hook_id=hook.pk, ref__in=last)
    newer = set(mine.filter(at__gt=at).values_list("ref", flat=True))
    settled = {ref: push for ref, push in last.items() if ref not in newer}
    mine.filter(ref__in=[ref for ref, push in settled.items() if push.deleted]).delete()
    Head.objects.bulk_create(
        (
            Head(tenant_id=hook.tenant_id, hook_id=hook.pk, ref=ref, sha=push.after, at=at)
            for ref, push in settled.items()
            if not push.deleted
        ),
        update_conflicts=True,
        unique_fields=["hook", "ref"],
        update_fields=["sha", "at"],
    )


def at_head(push: Push, commit: str) -> Push:
    """The push as the host itself confirms it: its commit, and what was said of another one is
    forgotten."""
    if push.after == commit:
        return push
    return replace(push, before="", after=commit, title="", author="", committed_at="", web_url="")
