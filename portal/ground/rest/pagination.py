"""Cursor pages: keyset, so that the deepest page costs what the first one costs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from django.conf import settings
from django.core import signing
from django.db.models import Q, QuerySet
from django.http import QueryDict

from portal.ground.rest import parameters
from portal.ground.rest.problems import Objection

_LIFE = 86_400  # seconds
_SALT = "mooring.rest.cursor"
_LONGEST = 2_000  # letters of a cursor of ours, never reached

LIMIT = parameters.number("limit", "Rows on one page.", least=1, most=100, default=50)
CURSOR = parameters.text("cursor", "`next_cursor` of the page before.", most=_LONGEST, many=False)

Row = TypeVar("Row")
Position = list[Any]


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows of one page, and the cursor of the next one, "" on the last."""

    rows: list[Row]
    next: str = ""


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of which list: `scope` is a digest of the path, the caller's tenant and all
    parameters but the cursor, and a cursor of another scope is refused."""

    limit: int
    after: Position | None
    scope: str

    def cursor(self, position: Sequence[Any]) -> str:
        """The cursor of the page that begins behind `position`."""
        return signing.dumps([self.scope, *(_plain(part) for part in position)], salt=_SALT)


def paging_of(path: str, tenant: str, query: QueryDict, limit: int, cursor: str | None) -> Paging:
    """Read `limit` and `cursor` of a request. Raises Objection X-CURSOR-01."""
    others = sorted((name, value) for name, values in query.lists() for value in values)
    asked = [pair for pair in others if pair[0] != "cursor"]
    scope = hashlib.sha256(repr((path, tenant, asked)).encode()).hexdigest()[:16]
    return Paging(limit, None if cursor is None else _position(cursor, scope), scope)


def page(rows: QuerySet[Any, Any], order: Sequence[str], paging: Paging) -> Page[Any]:
    """One page of `rows` in `order`, whose last column has to be unique; "-" means descending.

    Asks for one row more than it returns, and never counts. Rows may be dictionaries (values()).
    """
    if paging.after is not None:
        rows = rows.filter(_behind(order, paging.after))
    found = list(rows.order_by(*order)[: paging.limit + 1])
    return _cut(found, lambda row: [_column(row, name.lstrip("-")) for name in order], paging)


def page_of(
    items: Iterable[Row],
    key: Callable[[Row], Position],
    paging: Paging,
    *,
    descending: bool = False,
) -> Page[Row]:
    """One page of a list in memory, in the order of `key`, which has to be unique."""
    ordered = sorted(items, key=key, reverse=descending)
    if paging.after is not None:
        after = paging.after
        ordered = [i for i in ordered if (key(i) < after if descending else key(i) > after)]
    return _cut(ordered[: paging.limit + 1], key, paging)


def link(path: str, query: QueryDict, cursor: str) -> str:
    """The Link header to the next page: an absolute address."""
    pairs = [(name, value) for name, values in query.lists() for value in values]
    others = [pair for pair in pairs if pair[0] != "cursor"]
    address = f"{settings.MOORING_URL}{path}?{urlencode([*others, ('cursor', cursor)])}"
    return f'<{address}>; rel="next"'


def _position(cursor: str, scope: str) -> Position:
    try:
        found = signing.loads(cursor, salt=_SALT, max_age=_LIFE)
    except signing.BadSignature:
        raise Objection("X-CURSOR-01", parameter="cursor") from None
    if found[0] != scope:
        raise Objection("X-CURSOR-01", parameter="cursor")
    return list(found[1:])


def _cut(found: list[Any], key: Callable[[Any], Position], paging: Paging) -> Page[Any]:
    rows = found[: paging.limit]
    more = len(found) > paging.limit
    return Page(rows, paging.cursor(key(rows[-1])) if more else "")


def _behind(order: Sequence[str], after: Position) -> Q:
    """(a, b) > (x, y), spelled so that an index on (a, b) is walked from x."""
    name, value = order[0], after[0]
    side = "lt" if name.startswith("-") else "gt"
    column = name.lstrip("-")
    if len(order) == 1:
        return Q((f"{column}__{side}", value))
    beyond = Q((f"{column}__{side}", value)) | _behind(order[1:], after[1:])
    return Q((f"{column}__{side}e", value)) & beyond


def _column(row: Any, name: str) -> Any:
    return row[name] if isinstance(row, Mapping) else getattr(row, name)


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, str)) else str(value)
