"""The event log of a tenant: record what happened in the chain, and prove that nobody changed it.

Each event carries `mac = HMAC-SHA256(audit key, previous mac | canonical JSON of the event)`. The
head of the chain is locked last in a transaction, in tenant order when there are several, so that
sequence numbers have no gaps and no two transactions wait for each other in a circle.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from portal.ground import ids, metrics, redis, rls
from portal.tenants.access import Actor
from portal.tenants.models import ChainHead, Event, Tenant

log = logging.getLogger(__name__)

FIRST = bytes(32)  # what the first event of a chain follows
_DENIED_PER_MINUTE = 30
_BATCH = 2000


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to record. `actor` is `Actor.event()`, or the like for a provider."""

    tenant_id: UUID
    type: str
    actor: Mapping[str, Any]
    at: datetime
    instance_id: UUID | None = None
    binding_id: UUID | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    key: UUID | None = None  # where something has to name the event before it is recorded


@dataclass(frozen=True, slots=True)
class Mark:
    """The head of a chain as it was told to the outside: a chain without it was cut."""

    tenant_id: UUID
    seq: int
    mac: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing wrong with a chain, in one sentence, and where."""

    seq: int
    what: str


def record(
    *,
    tenant_id: UUID,
    type: str,
    actor: Mapping[str, Any],
    at: datetime,
    instance_id: UUID | None = None,
    binding_id: UUID | None = None,
    data: Mapping[str, Any] | None = None,
) -> Event:
    """Append one event to the tenant's chain. Needs an open scope, and should be its last step."""
    entry = Entry(tenant_id, type, actor, at, instance_id, binding_id, data or {})
    return record_many([entry])[0]


def record_many(entries: Sequence[Entry]) -> list[Event]:
    """Append many events, of one tenant or, in the fleet's scope, of many. In the order given."""
    heads = _locked({entry.tenant_id for entry in entries})
    made = [_append(heads[entry.tenant_id], entry) for entry in entries]
    Event.objects.bulk_create(made, batch_size=500)
    _move(heads.values())
    rls.after(lambda: _count(made))
    return made


def denied(actor: Actor, *, code: str, path: str, at: datetime) -> None:
    """Record in the actor's own tenant that something was refused, at most 30 times a minute.

    Call it after the refused transaction has ended; opens its own.
    """
    if actor.tenant is None or actor.kind == "system":
        return
    who = f"denied:{actor.tenant.pk}:{actor.public_id}"
    if redis.count(who, window=60, now=at.timestamp()) > _DENIED_PER_MINUTE:
        return
    with rls.tenant(actor.tenant.pk):
        record(
            tenant_id=actor.tenant.pk,
            type="access.denied",
            actor=actor.event(),
            at=at,
            data={"code": code, "path": path},
        )


def verify(tenant: Tenant, *, marks: Iterable[Mark] = ()) -> Finding | None:
    """Walk the chain of a tenant. None when it is whole; else the first event that was edited,
    is missing, or was cut off, judged by the chain, its head and heads that were told before."""
    known = {mark.seq: mark.mac for mark in marks if mark.tenant_id == tenant.pk}
    with rls.tenant(tenant.pk):
        seq, previous = 0, FIRST
        for event in Event.objects.of(tenant).order_by("seq").iterator(chunk_size=_BATCH):
            seq += 1
            trouble = _trouble(event, seq, previous, known.pop(seq, None))
            if trouble:
                return Finding(seq, trouble)
            previous = bytes(event.mac)
        head = ChainHead.objects.filter(pk=tenant.pk).first()
    if (head.seq, bytes(head.mac)) != (seq, previous) if head else seq:
        return Finding(seq + 1, "The end of the log is missing.")
    if known:
        return Finding(min(known), "The log once went further than it does now.")
    return None


def heads() -> Iterator[Mark]:
    """The head of every chain, for the outside; needs no open scope."""
    with rls.fleet("the heads of the event logs"):
        found = list(ChainHead.objects.order_by("pk").values_list("pk", "seq", "mac"))
    for tenant_id, seq, mac in found:
        yield Mark(tenant_id, seq, bytes(mac))


def tell_heads() -> int:
    """Write the head of every chain into the server's log, signed, so that a tail cut later shows.
    Returns how many there were."""
    told = 0
    for mark in heads():
        log.info(
            "head of an event log",
            extra={
                "tenant": str(mark.tenant_id),
                "seq": mark.seq,
                "mac": mark.mac.hex(),
                "signature": _mac(b"head", str(mark.tenant_id).encode(), mark.mac).hex(),
            },
        )
        told += 1
    return told


def canonical(event: Event) -> bytes:
    """The bytes an event is signed as: every column that says something, keys sorted."""
    return json.dumps(
        {
            "id": str(event.pk),
            "tenant": str(event.tenant_id),
            "seq": event.seq,
            "type": event.type,
            "actor": plain(event.actor),
            "instance": str(event.instance_id or ""),
            "binding": str(event.binding_id or ""),
            "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "data": plain(event.data),
        },
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    ).encode()


def _append(head: ChainHead, entry: Entry) -> Event:
    head.seq += 1
    event = Event(
        id=entry.key or ids.uuid7(),
        tenant_id=entry.tenant_id,
        seq=head.seq,
        type=entry.type,
        actor=plain(entry.actor),
        instance_id=entry.instance_id,
        binding_id=entry.binding_id,
        data=plain(entry.data),
        at=entry.at,
        previous=bytes(head.mac),
    )
    head.mac = event.mac = _mac(bytes(head.mac), canonical(event))
    return event


def _trouble(event: Event, seq: int, previous: bytes, told: bytes | None) -> str:
    if event.seq != seq:
        return f"Event {seq} is missing."
    if bytes(event.previous) != previous:
        return "This event does not follow the one before it."
    if not hmac.compare_digest(bytes(event.mac), _mac(previous, canonical(event))):
        return "This event was changed."
    if told is not None and told != event.mac:
        return "This event is not the one that was told before."
    return ""


def _locked(tenants: set[UUID]) -> dict[UUID, ChainHead]:
    """The heads, locked in tenant order; made where a tenant has none yet."""
    wanted = ChainHead.objects.select_for_update().filter(pk__in=tenants).order_by("pk")
    found = {head.pk: head for head in wanted}
    if missing := sorted(tenants - set(found)):
        fresh = [ChainHead(tenant_id=tenant_id) for tenant_id in missing]
        ChainHead.objects.bulk_create(fresh, ignore_conflicts=True)
        found = {head.pk: head for head in wanted.all()}
    return found


def _move(changed: Iterable[ChainHead]) -> None:
    ids, seqs, macs = [], [], []
    for head in changed:
        ids.append(head.pk)
        seqs.append(head.seq)
        macs.append(head.mac)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {ChainHead._meta.db_table} AS head SET seq = new.seq, mac = new.mac"  # noqa: S608 - our own table's name
            " FROM unnest(%s::uuid[], %s::bigint[], %s::bytea[]) AS new(tenant_id, seq, mac)"
            " WHERE head.tenant_id = new.tenant_id",
            [ids, seqs, macs],
        )


def _count(made: Iterable[Event]) -> None:
    for event in made:
        metrics.events.labels(event.type).inc()


def _mac(*parts: bytes) -> bytes:
    return hmac.new(_key(), b"|".join(parts), hashlib.sha256).digest()


def _key() -> bytes:
    """MOORING_AUDIT_KEY; without it one made from the oldest key of the ring, which stays the same
    while newer ones are put before it."""
    given: str = settings.MOORING_AUDIT_KEY
    if given:
        return given.encode()
    oldest = settings.MOORING_KEYS.split(",")[-1].strip().partition(":")[2]
    return hmac.new(oldest.encode(), b"mooring/1|audit", hashlib.sha256).digest()


def plain(value: Any) -> Any:
    """As PostgreSQL's jsonb gives it back: whole floats are integers, and control characters and
    halves of surrogate pairs, which jsonb refuses or a terminal obeys, are written out."""
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, str):
        return value if value.isprintable() else "".join(_visible(letter) for letter in value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _visible(letter: str) -> str:
    hidden = unicodedata.category(letter) in ("Cc", "Cs")
    return f"\\x{ord(letter):02x}" if hidden else letter
