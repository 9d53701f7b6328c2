"""What people and the API are shown of a delivery, without any secret."""

from __future__ import annotations

from typing import Any

import orjson

from bindings.models import Delivery
from bindings.models.hooks import Outcome
from providers.catalogue import REGISTRY

_DEEPEST = 60  # levels of a payload that are shown


def provider_id(key: str | None) -> str | None:
    """The id the host gave it; None where it gave none, or one that no column holds."""
    return None if key is None or key.startswith(("body:", "id:")) else key


def headers_of(delivery: Delivery) -> dict[str, str]:
    """The headers that were kept, as they are usually written."""
    return {
        "-".join(part.capitalize() for part in name.split("-")): value
        for name, value in sorted(delivery.headers.items())
    }


def payload_of(delivery: Delivery) -> Any:
    """The body as JSON; None where it cannot be read, or was not kept. What repeats a secret was
    blanked out before it was stored, and is left out here once more. Needs its hook and binding."""
    if delivery.outcome == Outcome.REFUSED or not delivery.body:
        return None
    try:
        read = orjson.loads(bytes(delivery.body))
    except orjson.JSONDecodeError:
        return None
    keys = REGISTRY[delivery.hook.binding.provider].spec.secret_keys
    return _shown(read, frozenset(keys), _DEEPEST)


def _shown(value: Any, hidden: frozenset[str], deeper: int) -> Any:
    if isinstance(value, dict | list) and not deeper:
        return None
    if isinstance(value, dict):
        kept = ((key, one) for key, one in value.items() if key not in hidden)
        return {key: _shown(one, hidden, deeper - 1) for key, one in kept}
    if isinstance(value, list):
        return [_shown(one, hidden, deeper - 1) for one in value]
    return value
