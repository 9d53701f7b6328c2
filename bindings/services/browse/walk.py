"""Walking through what a host lists, to the end or not at all: pages of plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from providers.base import Provider
from providers.errors import BadAnswer
from providers.types import Page, Ref, Repository

PAGES = 200  # per listing (security.md 6)

Row = dict[str, Any]


def repositories(provider: Provider, before: Any) -> list[Row]:
    """All pages of an account's repositories. `before`: what this gave the last time; pages that
    have not changed since are not sent again. Raises BadAnswer("truncated") for a list that does
    not end."""
    known = {page["cursor"]: page for page in before or ()}
    return list(_pages(lambda cursor: _page(provider, cursor, known.get(cursor))))


def matching(provider: Provider, wanted: str) -> list[Row]:
    """All pages of those repositories whose path or name holds `wanted`, by the host's own search
    where it has one."""

    def page(cursor: str) -> Row:
        return _plain(cursor, provider.repositories(matching=wanted, cursor=cursor))

    return list(_pages(page))


def refs(list_page: Callable[..., Page[Ref]], repository: str) -> list[Row]:
    """All branches or all tags of a repository."""

    def page(cursor: str) -> Row:
        found = list_page(repository, cursor=cursor)
        return {"rows": [asdict(ref) for ref in found.items], "next": found.next}

    return [row for part in _pages(page) for row in part["rows"]]


def rows(pages: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The repositories of all pages, each once: what moved while somebody turned pages comes
    twice."""
    found: dict[str, Row] = {}
    for page in pages:
        for row in page["rows"]:
            found.setdefault(row["id"], row)
    return list(found.values())


def hidden(pages: Iterable[Mapping[str, Any]]) -> list[Row]:
    """What the pages leave out, each part once."""
    parts = [part for page in pages for part in page["hidden"]]
    return list({(part["code"], part["organization"]): part for part in parts}.values())


def plain(row: Repository) -> Row:
    """A repository as JSON."""
    found = asdict(row)
    found["pushed_at"] = row.pushed_at.isoformat() if row.pushed_at else None
    return found


def _page(provider: Provider, cursor: str, known: Row | None) -> Row:
    etag = known["etag"] if known else ""
    if not etag:
        return _plain(cursor, provider.repositories(cursor=cursor))
    found = provider.repositories_since(etag, cursor=cursor)
    return known if found is None and known else _plain(cursor, found or Page(()))


def _plain(cursor: str, found: Page[Repository]) -> Row:
    return {
        "cursor": cursor,
        "next": found.next,
        "etag": found.etag,
        "rows": [plain(row) for row in found.items],
        "hidden": [asdict(part) for part in found.hidden],
    }


def _pages(ask: Callable[[str], Row]) -> Iterator[Row]:
    """A page that fails fails the list; a cursor seen twice ends it as broken."""
    cursor, seen = "", {""}
    for _ in range(PAGES):
        page = ask(cursor)
        yield page
        cursor = page["next"]
        if not cursor:
            return
        if cursor in seen:
            break
        seen.add(cursor)
    raise BadAnswer("truncated")
