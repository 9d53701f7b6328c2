"""The repositories an account can read: all of them or an error, never a list cut short."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from bindings import problems
from bindings.models import Binding, CodeHost, Repository
from bindings.models.bindings import Mode
from bindings.models.repositories import repository_key
from bindings.services.browse import places, walk
from bindings.services.browse.cache import Kept, ask, known
from portal.ground import ids, rls
from portal.ground.refusals import Refusal
from providers import types
from providers.base import Provider
from providers.catalogue import REGISTRY
from providers.errors import NotFound, ProviderError
from providers.types import Access, Profile

_ALL = "repositories"
_VISIBLE = frozenset({"private", "internal", "public"})


@dataclass(frozen=True, slots=True)
class Listed:
    """One repository as faces show it. `trigger_mode_reason` is a code of the catalogue."""

    id: str
    external_id: str
    path: str
    name: str
    web_url: str
    clone_url: str
    visibility: str
    default_branch: str | None
    archived: bool
    empty: bool
    access: str
    access_name: str
    clone: bool
    hooks: bool | None
    trigger_mode: str
    trigger_mode_reason: str | None
    pushed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Listing:
    """All repositories by path, and how old the list is."""

    rows: tuple[Listed, ...]
    fetched_at: datetime
    source: str
    stale: bool
    hidden: tuple[Mapping[str, str], ...] = ()
    left_out: int = 0
    searched: bool = False  # by the host itself: only what it found

    @property
    def fresh(self) -> bool:
        return Kept(None, self.fetched_at).fresh


def repositories(*, binding: Binding, fresh: bool = False) -> Listing:
    """Every repository the account reads; asks the host when the cache is older than ten minutes.

    Raises Refusal with the code of what the host did, when there is no last good list.
    """
    try:
        return _whole(binding, fresh=fresh)
    except ProviderError as error:
        raise refusal(error, binding) from None


def last(*, binding: Binding, searched: str = "") -> Listing | None:
    """The last good list, or what the host's own search for `searched` gave the last time; nobody
    is asked. None when nothing is kept."""
    kept = known(binding, _search(searched) if searched else _ALL)
    return None if kept is None else _listing(binding, kept, searched=bool(searched))


def search(*, binding: Binding, q: str, fresh: bool = False) -> Listing:
    """What the host itself finds: by its own search where it has one, and whatever a typed path or
    a pasted link names. Raises Refusal as `repositories`."""

    def fetch(provider: Provider, _before: Any) -> list[walk.Row]:
        return [*walk.matching(provider, q), *_named(provider, binding.host, q)]

    try:
        kept = ask(binding, _search(q), fetch, fresh=fresh, remember=partial(_remember, binding))
        return _listing(binding, kept, searched=True)
    except ProviderError as error:
        raise refusal(error, binding) from None


def lookup(*, binding: Binding, q: str, fresh: bool = False) -> Listing:
    """A list that holds what matches `q`: the account's own; where that has nothing, or is too long
    to be read, what the host itself finds. Raises Refusal as `repositories`."""
    try:
        whole = _whole(binding, fresh=fresh)
    except ProviderError as error:
        if error.reason != "truncated":
            raise refusal(error, binding) from None
        return search(binding=binding, q=q)
    if any(select(whole.rows, q=q, archived="all")):
        return whole
    try:
        return search(binding=binding, q=q)
    except Refusal:
        return replace(whole, stale=True)


def repository(*, binding: Binding, key: str, fresh: bool = False) -> Listed:
    """One repository by its `rep_` id or its path. Raises Refusal *-REPO-02 and the host's."""
    remote = _remote_id(binding, key)

    def fetch(provider: Provider, _before: Any) -> walk.Row:
        return walk.plain(provider.repository(remote))

    try:
        kept = ask(
            binding,
            f"repository:{remote}",
            fetch,
            fresh=fresh,
            remember=lambda row: _remember(binding, [{"rows": [row]}]),
        )
    except ProviderError as error:
        raise refusal(error, binding, path=key) from None
    return _listed(binding, _value(kept.value))


def keep(*, binding: Binding, row: types.Repository) -> Listed:
    """Remember what a host has just told of one repository; as faces show it."""
    _remember(binding, [{"rows": [walk.plain(row)]}])
    return _listed(binding, row)


def offered(host: CodeHost, row: types.Repository) -> bool:
    """Under `seed` GitHub's repositories of organizations are left out (product.md R9.2)."""
    if row.owner_is_person is not False:
        return True
    return not (REGISTRY[host.provider].spec.seed_wants_persons and _strict(host))


def remote_of(*, binding: Binding, key: str) -> tuple[str, str]:
    """(the host's number, path) of a repository; from our own rows where it is known."""
    with rls.tenant(binding.tenant_id):
        known = _known(binding, key)
    if known is not None:
        return known.remote_id, known.path
    found = repository(binding=binding, key=key)
    return found.external_id, found.path


def select(
    rows: Sequence[Listed],
    *,
    q: str = "",
    visibility: str = "",
    archived: str = "false",
    hooks: bool | None = None,
) -> Iterator[Listed]:
    """Those that match: `q` anywhere in the path without case; archived false, true or all."""
    wanted = q.lower()
    for row in rows:
        if wanted and wanted not in row.path.lower() and wanted not in row.name.lower():
            continue
        if visibility and row.visibility != visibility:
            continue
        if archived != "all" and row.archived != (archived == "true"):
            continue
        if hooks and not row.hooks:
            continue
        yield row


def refusal(error: ProviderError, binding: Binding, **context: Any) -> Refusal:
    """What an error of the host becomes for whoever asked."""
    return problems.refusal(
        error,
        prefix=REGISTRY[binding.provider].spec.prefix,
        login=binding.account_login,
        host=binding.host.base_url,
        egress=", ".join(settings.MOORING_EGRESS_RANGES),
        **context,
    )


def _search(q: str) -> str:
    return f"search:{q.casefold()}"


def _whole(binding: Binding, *, fresh: bool) -> Listing:
    remember = partial(_remember, binding)
    return _listing(binding, ask(binding, _ALL, walk.repositories, fresh=fresh, remember=remember))


def _listing(binding: Binding, kept: Kept, *, searched: bool = False) -> Listing:
    rows = [_value(raw) for raw in walk.rows(kept.value)]
    shown = [row for row in rows if offered(binding.host, row)]
    prefix = REGISTRY[binding.provider].spec.prefix
    hidden = ({**part, "code": f"{prefix}-{part['code']}"} for part in walk.hidden(kept.value))
    return Listing(
        rows=tuple(sorted((_listed(binding, row) for row in shown), key=_by_path)),
        fetched_at=kept.fetched_at,
        source=kept.source,
        stale=kept.stale,
        hidden=tuple(hidden),
        left_out=len(rows) - len(shown),
        searched=searched,
    )


def _by_path(row: Listed) -> tuple[str, str]:
    return row.path.lower(), row.id


def _named(provider: Provider, host: CodeHost, q: str) -> list[walk.Row]:
    """The repository that a typed path or a pasted link names, as one more page, if there is one
    that this account may see."""
    try:
        place = places.read(host, q)
    except Refusal:
        return []
    if place.elsewhere:
        return []
    try:
        found = walk.plain(provider.repository(place.path))
    except NotFound:
        return []
    return [{"rows": [found], "hidden": []}]


def _value(raw: Mapping[str, Any]) -> types.Repository:
    values = dict(raw)
    pushed = values.pop("pushed_at")
    return types.Repository(
        **{**values, "access": Access(values["access"])},
        pushed_at=datetime.fromisoformat(pushed) if pushed else None,
    )


def _strict(host: CodeHost) -> bool:
    return Profile(host.profile or settings.MOORING_PROFILE) is Profile.SEED


def _listed(binding: Binding, row: types.Repository) -> Listed:
    mode, reason = _trigger_mode(binding, row)
    clone = bool(binding.proofs.get("clone", {}).get("ok", True))
    return Listed(
        id=_public_id(binding.instance_id, binding.host_id, row.id),
        external_id=row.id,
        path=row.path,
        name=row.name,
        web_url=row.web_url,
        clone_url=row.clone_url,
        visibility=row.visibility,
        default_branch=row.default_branch,
        archived=row.archived,
        empty=row.empty,
        access=row.access.value,
        access_name=row.access_name,
        clone=clone,
        hooks=row.hookable,
        trigger_mode=mode,
        trigger_mode_reason=reason,
        pushed_at=row.pushed_at,
    )


@lru_cache(maxsize=20_000)
def _public_id(instance_id: UUID, host_id: UUID, remote_id: str) -> str:
    return ids.public(Repository.PREFIX, repository_key(instance_id, host_id, remote_id))


def _trigger_mode(binding: Binding, row: types.Repository) -> tuple[str, str | None]:
    spec = REGISTRY[binding.provider].spec
    prefix = spec.prefix
    if row.archived:
        return "manual", f"{prefix}-REPO-03"
    if binding.mode == Mode.MANUAL:
        return "manual", problems.existing(prefix, "SCOPE-02")
    if spec.groups_nest and row.path.count("/") > 1 and _strict(binding.host):
        return "manual", f"{prefix}-HOOK-07"
    if row.hookable is False:
        return "manual", f"{prefix}-HOOK-02"
    return "automatic", None


def _remember(binding: Binding, pages: Iterable[Mapping[str, Any]]) -> None:
    """One after the other: of two that insert the same rows at once, one would fail."""
    now = timezone.now()
    made = [
        Repository(
            id=repository_key(binding.instance_id, binding.host_id, row.id),
            tenant_id=binding.tenant_id,
            instance_id=binding.instance_id,
            host_id=binding.host_id,
            remote_id=row.id[:200],
            path=row.path[:1000],
            clone_url=row.clone_url[:1500],
            web_url=row.web_url[:1500],
            default_branch=(row.default_branch or "")[:300],
            visibility=row.visibility if row.visibility in _VISIBLE else "private",
            archived=row.archived,
            seen_at=now,
        )
        for row in map(_value, walk.rows(pages))
    ]
    with rls.tenant(binding.tenant_id):
        rls.in_turn(f"repositories of {binding.instance_id} at {binding.host_id}")
        Repository.objects.bulk_create(
            made,
            batch_size=500,
            update_conflicts=True,
            unique_fields=["instance", "host", "remote_id"],
            update_fields=[
                "path",
                "clone_url",
                "web_url",
                "default_branch",
                "visibility",
                "archived",
                "seen_at",
            ],
        )


def _remote_id(binding: Binding, key: str) -> str:
    with rls.tenant(binding.tenant_id):
        known = _known(binding, key)
    if known is not None:
        return known.remote_id
    if key.startswith(f"{Repository.PREFIX}_"):
        prefix = REGISTRY[binding.provider].spec.prefix
        raise Refusal(f"{prefix}-REPO-02", path=key, login=binding.account_login)
    return key


def _known(binding: Binding, key: str) -> Repository | None:
    number = ids.key(Repository.PREFIX, key)
    which = Q(pk=number) if number is not None else Q(path=key)
    return (
        Repository.objects.of(binding.tenant_id)
        .filter(which, instance_id=binding.instance_id, host_id=binding.host_id)
        .order_by("-seen_at")  # of two that had one path, the one that has it now
        .first()
    )
