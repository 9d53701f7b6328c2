"""A renewed pair on its way into the database, and how it is written down when that is long."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from bindings.services.custody import sealed
from bindings.services.custody.intents import Claim
from providers.types import Credential as Secret
from providers.types import Expiry, Quality

_SPOOLED = "spool.pair"


@dataclass(frozen=True, slots=True)
class Pair:
    """What a host issued for a credential of `generation`. `spent`: the refresh token it cost, ""
    where none was."""

    tenant_id: UUID
    binding_id: UUID
    label: str
    generation: int
    attempt: UUID
    fresh: Secret = field(repr=False)
    spent: str = field(repr=False)

    @property
    def name(self) -> str:
        """Names the one request that this is the answer to."""
        return f"{self.binding_id}-{self.attempt}"


def of(mine: Claim, fresh: Secret) -> Pair:
    """The pair that a claimed request brought."""
    was = mine.secret.refresh_token
    return Pair(
        tenant_id=mine.tenant_id,
        binding_id=mine.binding_id,
        label=mine.label,
        generation=mine.generation,
        attempt=mine.attempt,
        fresh=fresh,
        spent="" if was == fresh.refresh_token else was,
    )


def written(pair: Pair) -> dict[str, Any]:
    """The pair as a document: ids in the open, the rest sealed."""
    fresh = pair.fresh
    secret = {
        "token": fresh.token,
        "refresh_token": fresh.refresh_token,
        "spent": pair.spent,
        "scopes": None if fresh.scopes is None else sorted(fresh.scopes),
        "expires_at": _text(fresh.expiry.at),
        "quality": fresh.expiry.quality.value,
        "refresh_expires_at": _text(fresh.refresh_expires_at),
    }
    closed = sealed.seal_for(json.dumps(secret), _SPOOLED, pair.binding_id)
    return {
        "tenant": str(pair.tenant_id),
        "binding": str(pair.binding_id),
        "label": pair.label,
        "generation": pair.generation,
        "attempt": str(pair.attempt),
        "sealed": base64.b64encode(closed).decode(),
    }


def read(document: dict[str, Any]) -> Pair:
    """What `written` has written. Raises Undecryptable."""
    binding_id = UUID(document["binding"])
    opened = sealed.unseal_for(base64.b64decode(document["sealed"]), _SPOOLED, binding_id)
    secret = json.loads(opened)
    scopes = secret["scopes"]
    return Pair(
        tenant_id=UUID(document["tenant"]),
        binding_id=binding_id,
        label=document["label"],
        generation=document["generation"],
        attempt=UUID(document["attempt"]),
        fresh=Secret(
            token=secret["token"],
            refresh_token=secret["refresh_token"],
            scopes=None if scopes is None else frozenset(scopes),
            expiry=Expiry(_moment(secret["expires_at"]), Quality(secret["quality"])),
            refresh_expires_at=_moment(secret["refresh_expires_at"]),
        ),
        spent=secret["spent"],
    )


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
