"""Pages of the operators' lists: as many as anybody reads, so that no list is counted whole."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

MOST = 1000


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # generic only in the stubs
    """Counts to a thousand and stops: counting a million rows for a number nobody needs takes a
    third of a second (performance.md C3). Who looks for more narrows the list down."""

    @cached_property
    def count(self) -> int:
        if isinstance(self.object_list, list | tuple):
            return len(self.object_list)
        return min(self._reached, MOST)

    @cached_property
    def capped(self) -> bool:
        """Are there more rows than the pages show?"""
        return not isinstance(self.object_list, list | tuple) and self._reached > MOST

    @cached_property
    def _reached(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[: MOST + 1].count())
