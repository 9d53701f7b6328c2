"""Take a delivery in: prove the raw bytes, store them once, commit. What they say is read later.

No JSON is parsed here and Redis is not asked (CodeArts alone has its delivery id in the body, which
is read once the word is right). Secrets that a host repeats in its deliveries never reach the disk:
of the headers only those of `KEPT` are stored, and in the body the values of `Spec.secret_keys`
and our own secret are blanked out as bytes.

600 a minute and hook: what was stored is counted by PostgreSQL in the statement that reads the
hook, for all processes together; repeats leave no row and are counted by each process for itself.
What was not proven counts for nothing: nobody who knows an address can shut it for its host.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

import orjson
from django.db import OperationalError

from bindings.models import Delivery, Hook
from bindings.models.hooks import Outcome, Proof, Signature
from bindings.services.custody import sealed
from bindings.services.listen import bell
from portal.ground import bulk, ids, metrics, rls
from portal.ground.refusals import NotYours, Refusal
from providers.catalogue import REGISTRY
from providers.errors import DeliveryRefused
from providers.types import Headers, HookKey, Receipt

A_MINUTE = 600  # deliveries of one hook (api.md 4.2)
REFUSED_KEPT = 60  # refused ones that leave a row, per hook and hour: a flood fills no disk
KEPT = frozenset(
    {"content-type", "user-agent"}
    | {"x-github-event", "x-github-delivery", "x-github-hook-id"}
    | {
        "x-gitlab-event",
        "x-gitlab-event-uuid",
        "x-gitlab-webhook-uuid",
        "x-gitlab-instance",
        "idempotency-key",
        "webhook-id",
        "webhook-timestamp",
    }
    | {"x-gitee-event", "x-gitee-timestamp", "x-gitee-ping"}
    | {"x-event-key", "x-request-uuid", "x-hook-uuid", "x-attempt-number"}
    | {"codeup-event", "x-codeup-event", "x-repo-event", "x-devcloud-event"}
    | {"x-gitea-event", "x-gitea-event-type", "x-gitea-delivery"}
)
"""Headers that say something about a delivery; the proof and all others are not stored."""
_LONGEST = {"key": 200, "event": 80, "header": 500}
_BLANK = b"[removed]"
_SIGNATURES = {"missing": Signature.MISSING, "stale": Signature.STALE}


@dataclass(frozen=True, slots=True)
class Known:
    """A hook that may receive, and how many deliveries it has had in the last minute. `tenant`
    None: a stand-in for a hook nobody knows, so that both cost the same time."""

    key: UUID
    tenant: UUID | None
    proof: str
    provider: str
    secret: bytes | None = field(repr=False)
    previous: bytes | None = field(repr=False)
    previous_until: datetime | None
    lately: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a delivery: accepted, duplicate or pong."""

    delivery: str
    status: str


class Refused(Refusal):
    """Not proven. `known` and `signature` say whose log it belongs into, and what was wrong with
    it; the sender is told neither."""

    def __init__(self, code: str, known: Known, signature: Signature) -> None:
        super().__init__(code)
        self.known, self.signature = known, signature


def accept(hook_id: str, headers: Headers, body: bytes, *, now: datetime) -> Accepted:
    """Prove and store one delivery. `hook_id`: the public id in the address.

    Raises NotYours, Refused X-HOOK-01 or X-HOOK-02, Refusal X-RATE-01, Undecryptable when our own
    keys are missing, and DatabaseError when it could not be stored.
    """
    with rls.fleet("a delivery"):
        known = find(hook_id, headers, now=now)
        return take(known, headers, body, now=now)


def may_be_proven(headers: Headers) -> bool:
    """Does it carry the proof of any platform? Else nobody has to read its body."""
    return any(headers.get(name) for name in _PROOFS)


def find(hook_id: str, headers: Headers, *, now: datetime) -> Known:
    """The hook an address names; for an unknown one a stand-in, which proves nothing."""
    key = ids.key(Hook.PREFIX, hook_id)
    since = now - timedelta(minutes=1)
    given = {"hook": key or ids.uuid7(), "since": since, "most": A_MINUTE}
    with rls.fleet("a delivery"):
        row = bulk.execute(_FIND, given).fetchone()
    return _stand_in(headers) if row is None else Known(*row)


def demand_proof(known: Known, headers: Headers, *, now: datetime) -> None:
    """Refuse what has no proof at all, before anybody reads its body. Raises as `take`."""
    try:
        _verify(known, headers, b"", now)
    except DeliveryRefused as refused:
        if refused.reason in ("missing", "no_secret"):
            raise _refusal(known, refused) from None


def take(known: Known, headers: Headers, body: bytes, *, now: datetime) -> Accepted:
    """Prove and store what came to a hook. Raises as `accept`."""
    try:
        receipt, shared = _verify(known, headers, body, now)
    except DeliveryRefused as refused:
        raise _refusal(known, refused) from None
    if known.tenant is None:
        raise NotYours
    _limit(known, now)
    accepted = _store(known, receipt, _Parcel(headers, body, shared), now)
    metrics.deliveries.labels(known.provider, accepted.status).inc()
    rls.after(bell.ring)
    return accepted


def note_refused(refused: Refused, headers: Headers, *, now: datetime) -> None:
    """Leave a row for people to see, without id and body: a forgery must not block the real one.
    Nothing for unknown hooks, and at most 60 an hour for a known one."""
    known = refused.known
    if known.tenant is None:
        return
    metrics.deliveries.labels(known.provider, Outcome.REFUSED.value).inc()
    with rls.fleet("a refused delivery"):
        bulk.execute(
            _NOTE_REFUSED,
            {
                "id": ids.uuid7(),
                "tenant": known.tenant,
                "hook": known.key,
                "headers": _json(_kept(headers)),
                "signature": refused.signature.value,
                "now": now,
                "since": now - timedelta(hours=1),
                "most": REFUSED_KEPT,
            },
        )


@dataclass(frozen=True, slots=True)
class _Parcel:
    headers: Headers
    body: bytes = field(repr=False)
    shared: tuple[str, ...] = field(repr=False)


def _verify(
    known: Known, headers: Headers, body: bytes, now: datetime
) -> tuple[Receipt, tuple[str, ...]]:
    shared = sealed.hook_secrets(
        known.key, known.secret, known.previous, known.previous_until, now=now
    )
    key = HookKey(shared, mode="signed" if known.proof == Proof.SIGNED else "plain")
    provider = REGISTRY[known.provider]
    return provider.verify(headers, body, key, now=now.timestamp()), shared


def _refusal(known: Known, refused: DeliveryRefused) -> Refusal:
    if known.tenant is None:
        return NotYours()
    code = "X-HOOK-02" if refused.reason == "stale" else "X-HOOK-01"
    return Refused(code, known, _SIGNATURES.get(refused.reason, Signature.MISMATCH))


def _stand_in(headers: Headers) -> Known:
    """Of a platform whose proof covers the body, as far as the sender seems to be of one."""
    seeming = next((slug for name, slug in _SEEMING.items() if name in headers), "github")
    key, secret = _nobody()
    return Known(key, None, Proof.HMAC.value, seeming, secret, None, None, 0)


@cache
def _nobody() -> tuple[UUID, bytes]:
    key = ids.uuid7()
    return key, sealed.nobodys_secret(key)


def _limit(known: Known, now: datetime) -> None:
    if known.lately >= A_MINUTE or _mine.count(known.key, now) > A_MINUTE:
        raise Refusal("X-RATE-01", retry_after=60, n=60)


def _store(known: Known, receipt: Receipt, parcel: _Parcel, now: datetime) -> Accepted:
    digest = hashlib.sha256(parcel.body).digest()
    given = {
        "id": ids.uuid7(),
        "tenant": known.tenant,
        "hook": known.key,
        "key": _key(receipt.key, digest),
        "digest": digest if receipt.body_once else None,
        "event": _event(receipt.event),
        "headers": _json(_kept(parcel.headers)),
        "body": _without_secrets(parcel.body, known.provider, parcel.shared),
        "now": now,
    }
    with rls.fleet("a delivery"):
        # Twice: what somebody else stores meanwhile is in the way, but not yet in sight.
        row = bulk.execute(_STORE, given).fetchone() or bulk.execute(_REPEAT, given).fetchone()
    if row is None:
        raise OperationalError("a delivery was neither stored nor found")
    word = "duplicate" if not row[1] else "pong" if receipt.ping else "accepted"
    return Accepted(ids.public(Delivery.PREFIX, row[0]), word)


def _key(told: str, digest: bytes) -> str:
    """What a repeat is found by: the id that was told, else the body. An id that no column can
    hold counts by its hash."""
    if not told:
        return f"body:{digest.hex()}"
    if len(told) <= _LONGEST["key"] and told.isprintable():
        return told
    return f"id:{hashlib.sha256(told.encode('utf-8', 'backslashreplace')).hexdigest()}"


def _event(told: str) -> str:
    """push, tag, or else the host's own word; the pushes themselves say it better, later."""
    word = told.lower()
    found = next((known for known in ("tag", "push") if known in word), "")
    return found or _printable(told)[: _LONGEST["event"]]


def _kept(headers: Headers) -> dict[str, str]:
    longest = _LONGEST["header"]
    return {k: _printable(v)[:longest] for k, v in headers.items() if k in KEPT}


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(x for x in text if x.isprintable())


def _json(headers: Mapping[str, str]) -> str:
    return orjson.dumps(headers).decode()


def _without_secrets(body: bytes, provider: str, shared: tuple[str, ...]) -> bytes:
    """The body with every secret blanked out that a host repeats in it: found as bytes, because
    nothing is parsed here. Inside a JSON text a quoted word has its quotes escaped, so that only
    keys are met."""
    for secret in shared:
        body = body.replace(secret.encode(), _BLANK)
    keys = REGISTRY[provider].spec.secret_keys
    return _secret_values(keys).sub(rb'\1"' + _BLANK + b'"', body) if keys else body


@cache
def _secret_values(keys: tuple[str, ...]) -> re.Pattern[bytes]:
    names = "|".join(map(re.escape, keys))
    return re.compile(rf'("(?:{names})"\s*:\s*)(?:"(?:[^"\\]|\\.)*"|[^\s,}}\]]+)'.encode())


class _Counter:
    """How often each hook was heard of in this minute, by this process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._minute, self._counts = 0, Counter[UUID]()

    def count(self, key: UUID, now: datetime) -> int:
        minute = int(now.timestamp()) // 60
        with self._guard:
            if minute != self._minute:
                self._minute, self._counts = minute, Counter()
            self._counts[key] += 1
            return self._counts[key]


_mine = _Counter()
_PROOFS = (
    "x-hub-signature-256",
    "x-hub-signature",
    "x-gitea-signature",
    "x-gitlab-token",
    "webhook-signature",
    "x-gitee-token",
    "x-codeup-token",
    "x-repo-token",
)
_SEEMING = {"x-gitea-signature": "gitea", "x-hub-signature-256": "github"} | {
    "x-hub-signature": "bitbucket"
}
_FIND = """
SELECT h.id, h.tenant_id, h.proof, b.provider, h.secret, h.previous_secret, h.previous_until,
       (SELECT count(*) FROM (
          SELECT FROM bindings_delivery d
          WHERE d.hook_id = h.id AND d.received_at > %(since)b LIMIT %(most)b) lately)
FROM bindings_hook h JOIN bindings_binding b ON b.id = h.binding_id
WHERE h.id = %(hook)b AND h.status NOT IN ('removing', 'removed') AND b.unbound_at IS NULL
"""
_AGAIN = """
UPDATE bindings_delivery SET duplicates = duplicates + 1
WHERE id = (
  SELECT id FROM bindings_delivery
  WHERE hook_id = %(hook)b AND (key = %(key)b OR body_hash = %(digest)b)
  ORDER BY key = %(key)b DESC LIMIT 1)
"""
_STORE = f"""
WITH new AS (
  INSERT INTO bindings_delivery
    (id, tenant_id, created_at, hook_id, key, body_hash, event, headers, body, origin, signature,
     outcome, trouble, refs, events, duplicates, replays, attempts, next_at, received_at)
  VALUES (%(id)b, %(tenant)b, %(now)b, %(hook)b, %(key)b, %(digest)b, %(event)b,
          %(headers)s::jsonb, %(body)b, 'provider', 'valid', 'queued', '', '[]', '[]', 0, 0, 0,
          %(now)b, %(now)b)
  ON CONFLICT DO NOTHING RETURNING id
), again AS ({_AGAIN} AND NOT EXISTS (SELECT FROM new) RETURNING id)
SELECT id, true FROM new UNION ALL SELECT id, false FROM again
"""  # noqa: S608 - only our own statement is put in
_REPEAT = f"{_AGAIN} RETURNING id, false"
_NOTE_REFUSED = """
INSERT INTO bindings_delivery
  (id, tenant_id, created_at, hook_id, event, headers, body, origin, signature, outcome, trouble,
   refs, events, duplicates, replays, attempts, received_at, processed_at)
SELECT %(id)b, %(tenant)b, %(now)b, %(hook)b, '', %(headers)s::jsonb, '', 'provider',
       %(signature)b, 'refused', '', '[]', '[]', 0, 0, 0, %(now)b, %(now)b
WHERE (SELECT count(*) FROM (
         SELECT FROM bindings_delivery
         WHERE hook_id = %(hook)b AND received_at > %(since)b AND outcome = 'refused'
         LIMIT %(most)b) lately) < %(most)b
"""
