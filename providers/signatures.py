"""Proof that a delivery came from whoever knows the hook's secret: constant time, over raw bytes.

Every function raises DeliveryRefused, and returns nothing: "missing" without a proof, "no_secret"
where none is stored (closed, not open), "mismatch", and "stale" outside the time window.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from hmac import compare_digest
from hmac import digest as hmac

from providers.errors import DeliveryRefused
from providers.types import Headers


def require_hmac(header: str, body: bytes, secrets: Sequence[str], prefix: str = "sha256=") -> None:
    """`header` is `prefix` and the hex HMAC-SHA256 of the body under one of `secrets`."""
    keys = [secret.encode() for secret in _known(header, secrets)]
    _require_any([header], [prefix + hmac(key, body, "sha256").hex() for key in keys])


def require_standard(
    headers: Headers, body: bytes, secrets: Sequence[str], now: float, tolerance: float = 300
) -> None:
    """Standard Webhooks: `webhook-signature` proves id, time and body. `now`: Unix seconds.

    The header holds one or more signatures with a space between them: one of them has to fit.
    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    given = headers.get("webhook-signature", "")
    name, when = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not name or not when:
        raise DeliveryRefused("missing")
    message = f"{name}.{when}.".encode("utf-8", "backslashreplace") + body
    keys = [_standard_key(secret) for secret in _known(given, secrets)]
    expected = [f"v1,{b64encode(hmac(key, message, 'sha256')).decode()}" for key in keys]
    _require_any(given.split(" "), expected)
    if not (when.isascii() and when.isdigit() and len(when) <= 12):
        raise DeliveryRefused("stale")
    if abs(now - int(when)) > tolerance:
        raise DeliveryRefused("stale")


def require_time(
    given: str, when: str, secrets: Sequence[str], now: float, tolerance: float = 3600
) -> None:
    """Gitee's signature: base64 HMAC-SHA256 of the time, a line break and the secret, under the
    secret. It proves that the sender knew it then, not what was sent. `when`: Unix milliseconds.
    """
    keys = [secret.encode() for secret in _known(given, secrets)]
    stamp = when.encode("utf-8", "backslashreplace")
    proofs = [b64encode(hmac(key, stamp + b"\n" + key, "sha256")).decode() for key in keys]
    _require_any([given], proofs)
    if not (when.isascii() and when.isdigit() and len(when) <= 15):
        raise DeliveryRefused("stale")
    if abs(now - int(when) / 1000) > tolerance:
        raise DeliveryRefused("stale")


def require_word(given: str, secrets: Sequence[str]) -> None:
    """The secret itself, as it stands in a header. It proves the sender, not the body."""
    _require_any([given], _known(given, secrets))


def _known(given: str, secrets: Iterable[str]) -> list[str]:
    known = [secret for secret in secrets if secret]
    if not known:
        raise DeliveryRefused("no_secret")
    if not given:
        raise DeliveryRefused("missing")
    return known


def _require_any(given: Iterable[str], expected: Iterable[str]) -> None:
    """Compare everything with everything: no early end tells which secret nearly fitted.

    As bytes: `compare_digest` refuses texts that are not ASCII.
    """
    words = [word.encode("utf-8", "backslashreplace") for word in given]
    proofs = [proof.encode() for proof in expected]
    if not sum(compare_digest(word, proof) for word in words for proof in proofs):
        raise DeliveryRefused("mismatch")


def _standard_key(secret: str) -> bytes:
    """The bytes after `whsec_`; a secret that is no base64 is its own key."""
    try:
        return b64decode(secret.removeprefix("whsec_"), validate=True) or secret.encode()
    except (binascii.Error, ValueError):
        return secret.encode()
