"""What `manage.py check --deploy` asks beside Django's own checks."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from portal import probes

_METRICS_TOKEN_LETTERS = 16


def put_in_place() -> None:
    """Called once, while the applications load."""
    for check in (held_apart, sealed, known_from_outside):
        register(Tags.security, deploy=True)(check)


def held_apart(**_: Any) -> list[CheckMessage]:
    """Row security on every tenant's table, by a role that cannot pass it by."""
    trouble = probes.row_security()
    return [Error(trouble, id="mooring.E001")] if trouble else []


def sealed(**_: Any) -> list[CheckMessage]:
    """A key ring that opens what is there."""
    trouble = probes.keys()
    return [Error(trouble, id="mooring.E002")] if trouble else []


def known_from_outside(**_: Any) -> list[CheckMessage]:
    """How browsers and monitoring reach us."""
    found: list[CheckMessage] = []
    if not settings.MOORING_URL.startswith("https://"):
        found.append(Error("MOORING_URL does not begin with https://.", id="mooring.E003"))
    elif settings.MOORING_TRUSTED_PROXIES == 0:
        found.append(
            Warning(
                "MOORING_TRUSTED_PROXIES is 0: nobody in front of us can tell that a request came"
                " over TLS, so every request is redirected.",
                id="mooring.W001",
            )
        )
    token = settings.MOORING_METRICS_TOKEN
    if token and len(token) < _METRICS_TOKEN_LETTERS:
        hint = f"Use at least {_METRICS_TOKEN_LETTERS} random characters."
        found.append(Error("MOORING_METRICS_TOKEN is short.", hint=hint, id="mooring.E004"))
    return found
