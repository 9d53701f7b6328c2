"""Seal and open: every secret at rest, tied to its row and field, under a ring of keys.

A value is `1 | length of key id | key id | body`. The body is django-cryptography's Fernet
primitive (AES-256-CBC, then HMAC-SHA256) under a key of its own, derived by HKDF from the ring's
key and the place the value belongs to: copied to another row or field, it does not open.
Version 2 is reserved for an AEAD body (`security.md` 3).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NoReturn
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.signing import BadSignature
from django_cryptography.core.signing import FernetSigner
from django_cryptography.utils.crypto import FernetBytes, InvalidToken

from portal.ground.sealing import DoesNotOpen

VERSION = 1
_KEY_BYTES = 32


class Undecryptable(DoesNotOpen):
    """A sealed value does not open. `key_id` names the key it asks for; `missing`: that key is not
    in the ring, so nothing is wrong with the value itself."""

    missing = False

    def __init__(self, key_id: str) -> None:
        super().__init__(f"sealed with key {key_id}")
        self.key_id = key_id


class UnknownKey(Undecryptable):
    """Its key is not in the ring: an operator's mistake, nothing is lost."""

    missing = True


class Tampered(Undecryptable):
    """The key is there, but value, row or field is not the one that was sealed."""


class BadKeyRing(ValueError):
    """MOORING_KEYS cannot be used; the message names the trouble, never a key."""


class Sealed:
    """Ciphertext. It never prints, pickles or serialises."""

    __slots__ = ("ciphertext",)

    def __init__(self, ciphertext: bytes) -> None:
        self.ciphertext = ciphertext

    @property
    def key_id(self) -> str:
        """The id of the key it was sealed with; "" when the value is damaged."""
        head, rest = self.ciphertext[:2], self.ciphertext[2:]
        if len(head) < 2 or head[0] != VERSION or len(rest) <= head[1]:
            return ""
        name = rest[: head[1]].decode("ascii", "replace")
        return name if _is_id(name) else ""

    def __repr__(self) -> str:
        return "<sealed>"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and hmac.compare_digest(self.ciphertext, other.ciphertext)

    def __hash__(self) -> int:
        return hash(self.ciphertext)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a sealed value is not pickled")


@dataclass(frozen=True)
class KeyRing:
    """Keys by id, the active one first: the first seals, all open."""

    keys: dict[str, bytes] = field(repr=False)

    @property
    def active(self) -> str:
        return next(iter(self.keys))

    @classmethod
    def parse(cls, text: str, *, secret_key: str = "") -> KeyRing:
        """Read `id2:base64,id1:base64`. Raises BadKeyRing when it is missing, a key is short,
        an id is used twice, or a key equals Django's own."""
        keys: dict[str, bytes] = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            key_id, _, encoded = entry.partition(":")
            if not _is_id(key_id):
                raise BadKeyRing("MOORING_KEYS: a key id is 1 to 32 letters and digits.")
            if key_id in keys:
                raise BadKeyRing(f"MOORING_KEYS: the id {key_id} is used twice.")
            keys[key_id] = _decode(key_id, encoded)
            if secret_key and secret_key.encode() in (keys[key_id], encoded.encode()):
                raise BadKeyRing(f"MOORING_KEYS: the key {key_id} equals MOORING_SECRET_KEY.")
        if not keys:
            raise BadKeyRing("MOORING_KEYS is empty: make a key with 32 random bytes.")
        return cls(keys)


def _is_id(name: str) -> bool:
    return name.isascii() and name.isalnum() and len(name) <= 32


def _decode(key_id: str, encoded: str) -> bytes:
    padded = encoded + "=" * (-len(encoded) % 4)
    try:
        key = base64.b64decode(padded.translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        raise BadKeyRing(f"MOORING_KEYS: the key {key_id} is not base64.") from None
    if len(key) < _KEY_BYTES:
        raise BadKeyRing(f"MOORING_KEYS: the key {key_id} is shorter than 32 bytes.")
    return key


def ring() -> KeyRing:
    """The ring of the settings, read once. Raises BadKeyRing."""
    return _ring(settings.MOORING_KEYS, settings.SECRET_KEY)


@lru_cache(maxsize=1)
def _ring(text: str, secret_key: str) -> KeyRing:
    return KeyRing.parse(text, secret_key=secret_key)


def place(field: str, row: UUID) -> str:
    """Where a value belongs: `credential.access:<uuid>`."""
    return f"{field}:{row}"


def seal(plaintext: str, where: str, *, keys: KeyRing | None = None) -> Sealed:
    """Seal `plaintext` for one row and field, with the active key."""
    used = keys or ring()
    key_id = used.active
    body: bytes = _fernet(used.keys[key_id], where).encrypt(plaintext.encode())
    name = key_id.encode()
    return Sealed(bytes([VERSION, len(name)]) + name + body)


def open_sealed(sealed: Sealed, where: str, *, keys: KeyRing | None = None) -> str:
    """The plaintext of a value sealed for `where`. Raises UnknownKey or Tampered."""
    used, key_id = keys or ring(), sealed.key_id
    if not key_id:
        raise Tampered("?")
    if key_id not in used.keys:
        raise UnknownKey(key_id)
    body = sealed.ciphertext[2 + len(key_id) :]
    try:
        plaintext: bytes = _fernet(used.keys[key_id], where).decrypt(body)
    except (BadSignature, InvalidToken, ValueError):
        raise Tampered(key_id) from None
    return plaintext.decode()


def fingerprint(plaintext: str, *, keys: KeyRing | None = None) -> str:
    """12 hex digits to tell secrets apart by; keyed, so that nobody can test a guess. The oldest
    key of the ring is used, which the first rotations keep."""
    used = keys or ring()
    key = _derive(used.keys[list(used.keys)[-1]], "fingerprint", 32)
    return hmac.new(key, plaintext.encode(), hashlib.sha256).hexdigest()[:12]


def _derive(key: bytes, info: str, length: int) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=f"mooring/1|{info}".encode()).derive(key)


def _fernet(key: bytes, where: str) -> FernetBytes:
    both = _derive(key, where, 64)
    return FernetBytes(both[:32], FernetSigner(both[32:]))
