"""Triggers: make, change, delete, and start a build by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext as _

from bindings import patterns
from bindings.models import Binding, Endpoint, Firing, Repository, Trigger
from bindings.models.repositories import repository_key
from bindings.models.triggers import TriggerMode
from bindings.services.browse import refs
from bindings.services.browse import repositories as browse
from bindings.services.custody.use import usable
from bindings.services.listen import hooks, pushes
from bindings.services.tell import outbox
from portal.ground import ids, rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from portal.tenants.models import Event, Instance
from portal.tenants.services import events
from portal.tenants.services.events import Entry
from providers.types import Push, Ref

MOST = 1000  # triggers of a tenant
MOST_VARIABLES, LONGEST_VALUE, LONGEST_NAME, LONGEST_REASON = 20, 500, 80, 500
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_CHANGEABLE = ("name", "mode", "enabled", "branches", "tags", "variables", "endpoints")


@dataclass
class _Mistakes:
    """What is wrong with the fields of a trigger, all of it at once."""

    found: list[Refusal] = field(default_factory=list)

    def note(self, place: str, why: str) -> None:
        self.found.append(Refusal("X-FORM-03", field=place, why=why))

    def judge(self) -> None:
        if self.found:
            first = self.found[0]
            raise Refusal(first.code, field=first.field, errors=self.found, **first.facts)


def create(
    *,
    actor: Actor,
    instance: Instance,
    name: str,
    binding: Binding,
    repository: str,
    mode: str = TriggerMode.AUTOMATIC.value,
    branches: Sequence[str] = (),
    tags: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    endpoints: Sequence[str] | None = None,
    enabled: bool = True,
) -> Trigger:
    """Make a trigger of a repository (its id or path) that a live binding of the instance sees; an
    automatic one makes the webhook if there is none. `endpoints`: their public ids.

    Opens its own scopes; asks the host. Raises Refusal: X-FORM-01, X-FORM-03, X-LIMIT-01,
    X-NAME-01, X-STATE-01, *-REPO-02, *-HOOK-02, *-HOOK-07 and what the host did.
    """
    given = {
        "name": name,
        "mode": mode,
        "enabled": enabled,
        "branches": list(branches),
        "tags": list(tags),
        "variables": dict(variables or {}),
        "endpoints": endpoints,
    }
    columns = _columns(instance.tenant_id, given)
    usable(binding)
    _may_be_one_more(instance, columns["name"])
    if mode == TriggerMode.AUTOMATIC:
        hook, _made = hooks.add(actor=actor, binding=binding, repository=repository)
        key = hook.repository_id
    else:
        seen = browse.repository(binding=binding, key=repository)
        key = repository_key(binding.instance_id, binding.host_id, seen.external_id)
    made = Trigger(
        tenant_id=instance.tenant_id,
        instance=instance,
        repository_id=key,
        made_by=None if actor.person is None else actor.person.pk,
        **columns,
    )
    with rls.tenant(instance.tenant_id):
        _save(made, new=True)
        _log("trigger.created", actor, made)
    return made


def change(*, actor: Actor, trigger: Trigger, **fields: Any) -> Trigger:
    """Change name, mode, enabled, branches, tags, variables or endpoints. One that becomes
    automatic gets its webhook first, where something is bound.

    Raises as `create`, NotYours, X-MATCH-02 when somebody changed it meanwhile.
    """
    columns = _columns(trigger.tenant_id, {k: v for k, v in fields.items() if k in _CHANGEABLE})
    turns = columns.get("mode") == TriggerMode.AUTOMATIC and trigger.mode != columns["mode"]
    if turns and (binding := binding_of(trigger)) is not None:
        hooks.add(actor=actor, binding=binding, repository=trigger.repository.public_id)
    with rls.tenant(trigger.tenant_id):
        rows = Trigger.objects.of(trigger.tenant_id).select_for_update(of=("self",))
        row = rows.select_related("repository__host").filter(pk=trigger.pk).first()
        if row is None:
            raise NotYours
        if row.version != trigger.version:
            raise Refusal("X-MATCH-02")
        for name, value in columns.items():
            setattr(row, name, value)
        row.version += 1
        _save(row, new=False)
        _log("trigger.changed", actor, row, changed=sorted(columns))
    return row


def delete(*, actor: Actor, trigger: Trigger) -> None:
    """Delete a trigger. Its webhook stays: other triggers, and people, may count on it."""
    with rls.tenant(trigger.tenant_id):
        rows = Trigger.objects.of(trigger.tenant_id).filter(pk=trigger.pk)
        # Not by the ORM, which would delete the firings by itself: the keys of the tables do.
        if rows._raw_delete(rows.db):
            _log("trigger.deleted", actor, trigger)


def run(*, actor: Actor, trigger: Trigger, ref: str, reason: str = "") -> Event:
    """Start a build by hand, of any ref of the repository, whatever the patterns and also when the
    trigger is disabled. Returns the `build.manual` event.

    Raises Refusal: *-REF-01, *-REPO-02, X-STATE-01 when nothing is bound or it cannot be used.
    """
    binding = binding_of(trigger)
    if binding is None:
        raise Refusal("X-STATE-01", state="unbound", extra={"state": "unbound"})
    repository = trigger.repository
    found = refs.resolve(binding=binding, repository=repository.public_id, ref=ref)
    push = Push(repository.remote_id, found.full, before="", after=found.commit)
    now = timezone.now()
    told = pushes.build_data(
        trigger,
        binding=binding,
        repository=repository,
        push=push,
        kind=found.kind,
        name=found.name,
        actor=actor.name,
        reason=reason.strip()[:LONGEST_REASON] or None,
    )
    key = ids.uuid7()
    entry = Entry(
        tenant_id=trigger.tenant_id,
        type="build.manual",
        actor=actor.event(),
        at=now,
        instance_id=trigger.instance_id,
        binding_id=binding.pk,
        data=told,
        key=key,
    )
    with rls.tenant(trigger.tenant_id):
        Firing.objects.create(
            tenant_id=trigger.tenant_id,
            trigger=trigger,
            ref=found.full[: pushes.LONGEST_REF],
            sha=found.commit,
            event=key,
            manual=True,
        )
        Trigger.objects.of(trigger.tenant_id).filter(pk=trigger.pk).update(last_event_at=now)
        return outbox.record([entry], only={0: trigger.endpoints})[0]


def preview(
    *, binding: Binding, repository: str, branches: Sequence[str] = (), tags: Sequence[str] = ()
) -> list[Ref]:
    """The branches and tags that these patterns mean now. Raises Refusal X-FORM-03 and what the
    host did."""
    mistakes = _Mistakes()
    _patterns(mistakes, "branches", branches)
    _patterns(mistakes, "tags", tags)
    mistakes.judge()
    known, _kept = refs.branches(binding=binding, repository=repository)
    default = next((ref.name for ref in known if ref.default), "")
    if tags:
        known = known + refs.tags(binding=binding, repository=repository)[0]
    return [
        ref
        for ref in known
        if patterns.fires(ref.full, branches=branches, tags=tags, default_branch=default)
    ]


def binding_of(trigger: Trigger) -> Binding | None:
    """The live binding that serves a trigger (read with its repository). Opens the tenant's
    scope."""
    with rls.tenant(trigger.tenant_id):
        rows = Binding.objects.of(trigger.tenant_id).select_related("host", "instance__tenant")
        return (
            rows.filter(
                instance_id=trigger.instance_id,
                host_id=trigger.repository.host_id,
                unbound_at=None,
            )
            .exclude(status="pending")
            .first()
        )


# -- smaller parts --------------------------------------------------------------------------------


def _columns(tenant_id: UUID, given: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of what was given. Raises Refusal with all mistakes."""
    mistakes, columns = _Mistakes(), dict(given)
    if "name" in given:
        columns["name"] = _name(mistakes, given["name"])
    if given.get("mode", TriggerMode.MANUAL.value) not in TriggerMode.values:
        mistakes.note("mode", ", ".join(TriggerMode.values))
    for which in ("branches", "tags"):
        _patterns(mistakes, which, given.get(which, ()))
    _variables(mistakes, given.get("variables", {}))
    if given.get("endpoints") is not None:
        columns["endpoints"] = _endpoints(mistakes, tenant_id, given["endpoints"])
    mistakes.judge()
    return columns


def _name(mistakes: _Mistakes, given: str) -> str:
    name = given.strip()
    if not name:
        mistakes.found.append(Refusal("X-FORM-01", field="name"))
    elif len(name) > LONGEST_NAME or not name.isprintable():
        mistakes.note("name", f"1-{LONGEST_NAME}")
    return name


def _patterns(mistakes: _Mistakes, which: str, given: Sequence[str]) -> None:
    if len(given) > patterns.MOST:
        mistakes.note(which, f"≤ {patterns.MOST}")
    for place, pattern in enumerate(given):
        if not 1 <= len(pattern) <= patterns.LONGEST or not pattern.isprintable():
            mistakes.note(f"{which}/{place}", f"1-{patterns.LONGEST}")


def _variables(mistakes: _Mistakes, given: Mapping[str, str]) -> None:
    if len(given) > MOST_VARIABLES:
        mistakes.note("variables", f"≤ {MOST_VARIABLES}")
    for name, value in given.items():
        if not _VARIABLE.fullmatch(name):
            mistakes.note("variables", "A-Z a-z 0-9 _, 1-40")
        elif len(value) > LONGEST_VALUE or "\x00" in value:
            mistakes.note(f"variables/{name}", f"0-{LONGEST_VALUE}")


def _endpoints(mistakes: _Mistakes, tenant_id: UUID, given: Sequence[str]) -> list[UUID]:
    keys = [ids.key(Endpoint.PREFIX, public_id) for public_id in given]
    with rls.tenant(tenant_id):
        rows = Endpoint.objects.of(tenant_id).filter(pk__in=[key for key in keys if key])
        known = set(rows.values_list("pk", flat=True))
    for place, key in enumerate(keys):
        if key not in known:
            mistakes.note(f"endpoints/{place}", _("there is no such endpoint"))
    return [key for key in dict.fromkeys(keys) if key in known]


def _may_be_one_more(instance: Instance, name: str) -> None:
    """Before a host is asked for anything. Raises Refusal X-LIMIT-01, X-NAME-01."""
    with rls.tenant(instance.tenant_id):
        mine = Trigger.objects.of(instance.tenant_id)
        if len(mine.values_list("pk")[:MOST]) >= MOST:
            raise Refusal("X-LIMIT-01", n=MOST)
        if mine.filter(instance=instance, name=name).exists():
            raise _taken(instance.pk, instance.tenant_id, name)


def _save(row: Trigger, *, new: bool) -> None:
    try:
        with rls.attempt():
            row.save(force_insert=new)
    except IntegrityError:
        raise _taken(row.instance_id, row.tenant_id, row.name) from None


def _taken(instance_id: UUID, tenant_id: UUID, name: str) -> Refusal:
    rows = Trigger.objects.of(tenant_id).filter(instance_id=instance_id)
    taken, stem = set(rows.values_list("name", flat=True)), name[: LONGEST_NAME - 5]
    other = next(f"{stem}-{n}" for n in count(2) if f"{stem}-{n}" not in taken)
    return Refusal("X-NAME-01", field="name", name=name, extra={"suggestion": other})


def _log(type: str, actor: Actor, trigger: Trigger, **more: Any) -> None:
    repository = Repository.objects.of(trigger.tenant_id).get(pk=trigger.repository_id)
    events.record(
        tenant_id=trigger.tenant_id,
        type=type,
        actor=actor.event(),
        at=timezone.now(),
        instance_id=trigger.instance_id,
        data={
            "trigger": {"id": trigger.public_id, "name": trigger.name},
            "repository": {"id": repository.public_id, "path": repository.path},
            **more,
        },
    )
