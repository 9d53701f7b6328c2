"""Pushes we never heard of: heads of branches and tags, compared with those we know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from bindings.models import Head, Hook
from providers.base import Provider
from providers.errors import BadAnswer
from providers.types import Page, Ref

PAGES = 200
"""Pages of one listing (security.md 6)."""

Heads = Mapping[str, str]
"""Full name of a branch or tag → its commit."""


def heads(provider: Provider, remote_id: str) -> Heads:
    """Where all branches and tags are now. Raises ProviderError: all of them, or none."""
    found: dict[str, str] = {}
    for listing in (provider.branches, provider.tags):
        for ref in _all(lambda cursor, of=listing: of(remote_id, cursor=cursor)):  # type: ignore[misc]
            found[ref.full] = ref.commit
    return found


def _all(page_at: Callable[[str], Page[Ref]]) -> list[Ref]:
    rows: list[Ref] = []
    cursor, seen = "", {""}
    for _ in range(PAGES):
        page = page_at(cursor)
        rows += page.items
        cursor = page.next
        if not cursor:
            return rows
        if cursor in seen:
            break
        seen.add(cursor)
    raise BadAnswer("truncated")


def know(hook: Hook, found: Heads, *, now: datetime) -> None:
    """These are the heads from which pushes are counted from now on. Needs the tenant's scope."""
    Head.objects.bulk_create(
        (
            Head(tenant_id=hook.tenant_id, hook=hook, ref=ref[:400], sha=sha, at=now)
            for ref, sha in found.items()
        ),
        batch_size=500,
        update_conflicts=True,
        unique_fields=["hook", "ref"],
        update_fields=["sha", "at"],
    )
