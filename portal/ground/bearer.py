"""Our own bearer secrets: a prefix, 43 random characters, a checksum; kept only as a digest.

`mrg_` + 43 characters of base 62 (256 random bits) + 6 characters: the CRC-32 of everything before
them, in base 62. The checksum lets a scanner, and us, tell a mistyped secret without a database;
it guards nothing. A secret this long needs no slow hash: SHA-256 is enough (`performance.md` C4).
"""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 43
_CHECK = 6  # 62 ** 6 > 2 ** 32


def make(prefix: str) -> str:
    """A new secret, like `mrg_…` for the prefix `mrg`."""
    return _sealed(prefix, "".join(secrets.choice(ALPHABET) for _ in range(_RANDOM)))


def derive(prefix: str, seed: bytes) -> str:
    """The same secret for the same 32 secret bytes, where one has to be made again."""
    value, letters = int.from_bytes(seed), ""
    for _ in range(_RANDOM):
        value, rest = divmod(value, len(ALPHABET))
        letters += ALPHABET[rest]
    return _sealed(prefix, letters)


def well_formed(prefix: str, text: str) -> bool:
    """Has `text` the shape and the checksum of a secret with this prefix?"""
    head, check = text[:-_CHECK], text[-_CHECK:]
    letters = head.removeprefix(f"{prefix}_")
    shaped = len(letters) == _RANDOM and len(head) == len(prefix) + 1 + _RANDOM
    return shaped and set(letters) <= set(ALPHABET) and check == _checksum(head)


def digest(text: str) -> bytes:
    """What is stored, and what is looked up."""
    return hashlib.sha256(text.encode()).digest()


def _sealed(prefix: str, letters: str) -> str:
    head = f"{prefix}_{letters}"
    return head + _checksum(head)


def _checksum(head: str) -> str:
    value, letters = zlib.crc32(head.encode()), ""
    for _ in range(_CHECK):
        value, rest = divmod(value, len(ALPHABET))
        letters = ALPHABET[rest] + letters
    return letters
