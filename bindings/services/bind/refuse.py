"""From a ladder that broke to the refusal people read: code, field, steps, and where to fix it."""

from __future__ import annotations

from bindings.models import CodeHost
from bindings.services.keep.doctor import Examination
from portal.ground.refusals import Refusal
from providers.catalogue import REGISTRY


def refusal_of(found: Examination, host: CodeHost, instance: str = "") -> Refusal:
    """The refusal of an examination that is not ok. `instance`: its name, for the page that makes
    tokens."""
    refusal = Refusal(
        found.code,
        field=_json_field(found.about),
        fix_url=fix_url(found, host, instance),
        retry_after=found.retry_after,
        steps=[step.shown() for step in found.steps],
    )
    refusal.facts.update(found.facts)  # a host may name a fact of its own "field"
    return refusal


def fix_url(found: Examination, host: CodeHost, instance: str = "") -> str:
    """Where a person can put it right: the page that makes tokens, when the token is at fault."""
    if found.about != "token":
        return ""
    return REGISTRY[host.provider].token_page(host.base_url, proposed(instance))


def proposed(instance: str) -> str:
    """What a new token could be called, so that its owner knows it again (product.md R5.2)."""
    return f"mooring-{instance}" if instance else "mooring"


def _json_field(about: str) -> str:
    return {"address": "base_url"}.get(about, about)
