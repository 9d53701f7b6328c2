"""Answers to Idempotency-Key requests: remembered for a day, their secrets for ten minutes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet

from portal.ground import ids, rls, strongbox
from portal.ground.rest.idempotency import HEADER, Ask, Remembered
from portal.ground.rest.problems import Objection
from portal.tenants.models import Reply

KEPT = timedelta(hours=24)
# A request that has not answered by now has died with its process; its key is free again.
RUNNING = timedelta(minutes=5)


@dataclass(slots=True)
class Replies:
    """The memory of one tenant, as `portal.ground.rest.idempotency.Memory` asks for it."""

    tenant_id: UUID
    now: datetime
    _key: UUID = field(default_factory=ids.uuid7, init=False)

    def begin(self, ask: Ask) -> Remembered | None:
        """Take the key, or return the answer it already has; commits by itself.

        Raises Objection X-IDEM-01 for another body, X-IDEM-02 while the first request runs,
        X-IDEM-04 when its secret can no longer be repeated.
        """
        mine = Reply(
            id=self._key,
            tenant_id=self.tenant_id,
            actor=ask.who,
            key=ask.key,
            route=ask.route,
            body_hash=ask.digest,
            until=self.now + RUNNING,
        )
        with rls.alone(self.tenant_id):
            self._rows(ask).filter(until__lte=self.now).delete()
            Reply.objects.bulk_create([mine], ignore_conflicts=True)
            found = self._rows(ask).first()
        if found is None:
            raise Objection("X-IDEM-02", header=HEADER)  # the first one has just given it back
        if found.pk == self._key:
            return None
        return _repeated(found, ask)

    def keep(self, ask: Ask, answer: Remembered) -> None:
        """Remember the answer for a day, in the open scope if there is one."""
        body, secret = dict(answer.body or {}), ""
        if answer.shown_once:
            secret = json.dumps({answer.shown_once: body.pop(answer.shown_once)})
        with rls.tenant(self.tenant_id):
            self._mine(ask).update(
                status=answer.status,
                headers=dict(answer.headers),
                body=None if answer.body is None else body,
                secret=bool(secret),
                until=self.now + KEPT,
            )
        if secret:
            strongbox.put(self._key, secret)

    def drop(self, ask: Ask) -> None:
        """Give the key back."""
        with rls.tenant(self.tenant_id):
            self._mine(ask).delete()

    def _mine(self, ask: Ask) -> QuerySet[Reply]:
        return self._rows(ask).filter(pk=self._key)

    def _rows(self, ask: Ask) -> QuerySet[Reply]:
        rows: QuerySet[Reply] = Reply.objects.of(self.tenant_id).filter(
            actor=ask.who, route=ask.route, key=ask.key
        )
        return rows


def _repeated(found: Reply, ask: Ask) -> Remembered:
    if bytes(found.body_hash) != ask.digest:
        raise Objection("X-IDEM-01", header=HEADER)
    if found.status is None:
        raise Objection("X-IDEM-02", header=HEADER)
    body = found.body
    if found.secret:
        secret = strongbox.take(found.pk)
        if secret is None:
            raise Objection("X-IDEM-04", header=HEADER)
        body = body | json.loads(secret)
    return Remembered(found.status, body, found.headers)
