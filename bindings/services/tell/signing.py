"""Sign what endpoints are sent, in the format of Standard Webhooks (standardwebhooks.com, 1.0).

The signature covers the id, the time and the body, so that neither can be taken for another's and
an old request cannot be sent again. Who receives it needs fifteen lines to verify (api.md 6.3).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence

PREFIX = "whsec_"
_BYTES = 32


def new_secret() -> str:
    """A new secret: `whsec_` and 32 random bytes in base 64."""
    return PREFIX + base64.b64encode(os.urandom(_BYTES)).decode()


def headers(secrets: Sequence[str], *, event: str, at: int, body: bytes) -> dict[str, str]:
    """The three headers of one attempt at `at` (Unix seconds): one signature for each secret that
    counts, the newest first. Raises ValueError for what is no secret of this format."""
    signed = f"{event}.{at}.".encode() + body
    return {
        "webhook-id": event,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{_signature(secret, signed)}" for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
