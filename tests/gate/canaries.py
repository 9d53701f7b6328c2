"""Planted secrets: every form in which one could come to light, and where to look for them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from django.contrib.sessions.backends.db import SessionStore

from portal.ground import redis
from tests.gate.many import Superuser

_ENDS = 8
_SHORTEST = 12  # shorter texts would be found by chance


def encodings(secret: str) -> dict[str, list[bytes]]:
    """The nine forms of `leak_sinks`: name → what to search for, of which one is enough."""
    raw = secret.encode()
    return {
        "plain": [raw],
        "base64": [_middle(raw, offset) for offset in range(3)],
        "base64url": [_middle(raw, offset, url=True) for offset in range(3)],
        "hex": [raw.hex().encode(), raw.hex().upper().encode()],
        "url-encoded": [
            quote(secret, safe="").encode(),
            "".join(f"%{byte:02x}" for byte in raw).encode(),
            "".join(f"%{byte:02X}" for byte in raw).encode(),
        ],
        "reversed": [raw[::-1]],
        "JSON-escaped": [
            json.dumps(secret)[1:-1].encode(),
            "".join(f"\\u{ord(letter):04x}" for letter in secret).encode(),
        ],
        "UTF-16": [secret.encode("utf-16-le"), secret.encode("utf-16-be")],
        # Nobody shows a beginning with the end left out: the end alone says that it is there.
        "first and last": [raw[-_ENDS:]],
    }


def _middle(raw: bytes, offset: int, *, url: bool = False) -> bytes:
    """The base64 digits of `raw` that do not depend on what stands around it."""
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    digits = encode(b"\0" * offset + raw).rstrip(b"=")
    first = -(-offset * 4 // 3)
    return digits[first : (offset + len(raw)) * 4 // 3]


@dataclass
class Sinks:
    """All that was written down while secrets passed through: place → its bytes."""

    superuser: Superuser
    planted: dict[str, str] = field(default_factory=dict)
    places: dict[str, bytearray] = field(default_factory=dict)

    def plant(self, name: str, secret: str) -> str:
        """Remember a secret; returns it."""
        assert len(secret) >= _SHORTEST, name
        self.planted[name] = secret
        return secret

    def keep(self, place: str, content: str | bytes) -> None:
        kept = (
            content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
        )
        self.places.setdefault(place, bytearray()).extend(kept + b"\n")

    def look(self, when: str) -> None:
        """Take in what stands in PostgreSQL and Redis at this moment."""
        for name, content in _tables(self.superuser):
            self.keep(f"table {name}", content)
        for name, content in _redis():
            self.keep(f"redis {when}", name + b" " + content)

    def leaks(self) -> list[str]:
        """Every place that holds a planted secret, in which form, with what is around it."""
        found = []
        for name, secret in self.planted.items():
            for form, texts in encodings(secret).items():
                for place, content in self.places.items():
                    at = max(content.find(text) for text in texts)
                    if at >= 0:
                        around = bytes(content[max(0, at - 60) : at + 60])
                        found.append(f"{name} as {form} in {place}: {around!r}")
        return found


def _tables(superuser: Superuser) -> Iterator[tuple[str, bytes]]:
    """All rows of all tables as text; bytes are in hex, sessions also opened."""
    tables = superuser.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for (table,) in tables.fetchall():
        rows = superuser.execute(f'SELECT row_to_json(t)::text FROM "{table}" t').fetchall()  # type: ignore[arg-type]  # a name of the catalogue
        yield table, "\n".join(row for (row,) in rows).encode()
        for (column,) in superuser.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass"
            " AND atttypid = 'bytea'::regtype AND attnum > 0",
            [table],
        ).fetchall():
            values = superuser.execute(f'SELECT "{column}" FROM "{table}"').fetchall()  # type: ignore[arg-type]  # as above
            yield f"{table}.{column}", b"\n".join(bytes(value) for (value,) in values if value)
    for (data,) in superuser.execute("SELECT session_data FROM django_session").fetchall():
        yield "django_session, opened", repr(SessionStore().decode(data)).encode()


def _redis() -> Iterator[tuple[bytes, bytes]]:
    """Every key with all that it holds: cache, counters, messages."""
    client = redis.client()
    read = {
        b"string": lambda key: [client.get(key)],
        b"list": lambda key: client.lrange(key, 0, -1),
        b"hash": lambda key: [part for pair in client.hgetall(key).items() for part in pair],
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
    }
    for key in client.scan_iter("*"):
        yield key, b"\n".join(read[client.type(key)](key))
