"""Idempotency-Key: the same request again gets the first answer, and nothing is done twice.

What is remembered lives with tenancy, which hands in a `Memory`; here is only what the header
means (api.md 1.5).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
from django.utils.crypto import salted_hmac

from portal.ground.rest.problems import Objection

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_NOT_REPEATED = frozenset({401, 403, 408, 429})


@dataclass(frozen=True, slots=True)
class Remembered:
    """An answer to repeat. `shown_once` names the member of `body` that holds a secret, "" if none;
    its value is in `body` only on the way in and, for 10 minutes, on the way out."""

    status: int
    body: Mapping[str, Any] | None
    headers: Mapping[str, str] = field(default_factory=dict)
    shown_once: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """Which request this is: who sent it, where to, with which key, and a digest of its body."""

    who: str
    route: str
    key: str
    digest: bytes


class Memory(Protocol):
    """Remembers answers. All methods may open a scope of their own."""

    def begin(self, ask: Ask) -> Remembered | None:
        """Take the key, or return the answer it has. Raises Objection X-IDEM-01, -02, -04."""

    def keep(self, ask: Ask, answer: Remembered) -> None:
        """Remember the answer, in the open scope if there is one."""

    def drop(self, ask: Ask) -> None:
        """Give the key back: the next request with it starts anew."""


def key_of(given: str) -> str:
    """The key, as it was given. Raises Objection X-IDEM-03."""
    if not _KEY.fullmatch(given):
        raise Objection("X-IDEM-03", header=HEADER)
    return given


def digest_of(body: Mapping[str, Any]) -> bytes:
    """A keyed digest of what the body says: it may hold a token, and spacing does not matter."""
    plain = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return salted_hmac("mooring.rest.idempotency", plain, algorithm="sha256").digest()


def route_of(path: str) -> str:
    """The path, shortened to what a column holds."""
    return path if len(path) <= 200 else f"{path[:100]}#{hashlib.sha256(path.encode()).hexdigest()}"


def is_repeated(status: int, code: str = "") -> bool:
    """Is an answer of this status given again? Faults and waits are not: they may be over."""
    if status >= 500 or status in _NOT_REPEATED:
        return False
    return code not in {"X-IDEM-01", "X-IDEM-02", "X-IDEM-03", "X-IDEM-04"}
