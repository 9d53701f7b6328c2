"""Branches, tags, and what a name stands for: always a commit."""

from __future__ import annotations

from typing import Any

from bindings.models import Binding
from bindings.services.browse import usage, walk
from bindings.services.browse.cache import Kept, ask
from bindings.services.browse.repositories import refusal, remote_of
from bindings.services.custody.use import use
from providers.base import Provider
from providers.errors import ProviderError
from providers.types import Ref as Ref  # faces show it, and may not import providers


def branches(
    *, binding: Binding, repository: str, q: str = "", fresh: bool = False
) -> tuple[list[Ref], Kept]:
    """All branches whose name holds `q`: the default one first, then by name. Raises Refusal."""
    rows, kept = _listed(binding, repository, "branches", q, fresh)
    return sorted(rows, key=lambda ref: (not ref.default, ref.name)), kept


def tags(
    *, binding: Binding, repository: str, q: str = "", fresh: bool = False
) -> tuple[list[Ref], Kept]:
    """All tags whose name holds `q`, by name descending. Raises Refusal."""
    rows, kept = _listed(binding, repository, "tags", q, fresh)
    return sorted(rows, key=lambda ref: ref.name, reverse=True), kept


def resolve(*, binding: Binding, repository: str, ref: str) -> Ref:
    """The branch, tag or commit a name means; asked of the host each time, because it moves.

    Raises Refusal *-REF-01, *-REPO-02, *-REPO-04 and what the host did.
    """
    remote, path = remote_of(binding=binding, key=repository)
    try:
        with use(binding, why="resolve") as provider:
            found = provider.resolve_ref(remote, ref)
    except ProviderError as error:
        raise refusal(error, binding, path=path, ref=ref) from None
    usage.note(binding=binding, remote_id=remote)
    return found


def _listed(
    binding: Binding, repository: str, what: str, q: str, fresh: bool
) -> tuple[list[Ref], Kept]:
    remote, path = remote_of(binding=binding, key=repository)

    def fetch(provider: Provider, _before: Any) -> list[dict[str, Any]]:
        list_page = provider.branches if what == "branches" else provider.tags
        return walk.refs(list_page, remote)

    try:
        kept = ask(binding, f"{what}:{remote}", fetch, fresh=fresh)
    except ProviderError as error:
        raise refusal(error, binding, path=path) from None
    wanted = q.lower()
    return [Ref(**raw) for raw in kept.value if wanted in raw["name"].lower()], kept
