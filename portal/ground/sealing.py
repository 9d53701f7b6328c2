"""Sealing for those who stand below the vault, which lives above, with the product: it is handed
in at start-up by `seal_with`."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

Seal = Callable[[str, str, UUID], bytes]
Unseal = Callable[[bytes, str, UUID], str]
_vault: tuple[Seal, Unseal] | None = None


class DoesNotOpen(Exception):
    """A sealed value does not open: its key is not there, or it is not what was sealed."""


def seal_with(seal: Seal, unseal: Unseal) -> None:
    """Called once, while the applications load."""
    global _vault
    _vault = (seal, unseal)


def seal(text: str, field: str, row: UUID) -> bytes:
    """`text` sealed for one field of one row."""
    return _handed_in()[0](text, field, row)


def unseal(ciphertext: bytes, field: str, row: UUID) -> str:
    """What was sealed for that field and row. Raises DoesNotOpen."""
    return _handed_in()[1](ciphertext, field, row)


def _handed_in() -> tuple[Seal, Unseal]:
    if _vault is None:
        raise LookupError("no vault has been handed in")
    return _vault
