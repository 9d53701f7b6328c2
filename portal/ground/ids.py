"""Keys: UUIDv7 inside, a prefix and 26 characters of Crockford's base 32 outside."""

from __future__ import annotations

import os
import time
import uuid

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
_LENGTH = 26
# Two letters at a time: a list of fifty bindings writes two hundred ids (performance.md C1).
_PAIRS = tuple(left + right for left in ALPHABET for right in ALPHABET)
_SHIFTS = tuple(range(120, -1, -10))


def uuid7() -> uuid.UUID:
    """A new time-ordered key (RFC 9562, version 7): 48 bits of milliseconds, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    value = (milliseconds << 80) | random
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return uuid.UUID(int=value)


def public(prefix: str, key: uuid.UUID) -> str:
    """The public id of a key: `bnd` + key → `bnd_…`."""
    value = key.int
    letters = "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])
    return f"{prefix}_{letters}"


def key(prefix: str, text: str) -> uuid.UUID | None:
    """The key of a public id, or None when prefix or shape are wrong: simply not found."""
    head, _, letters = text.partition("_")
    if head != prefix or len(letters) != _LENGTH or letters[0] > "7":
        return None
    value = 0
    for letter in letters:
        if letter not in _VALUES:
            return None
        value = value * 32 + _VALUES[letter]
    return uuid.UUID(int=value)
