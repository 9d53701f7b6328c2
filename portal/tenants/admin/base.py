"""What every list of the operators' admin keeps: no guessing by filter, no counting of all."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from portal.tenants.admin.pages import CappedPaginator


class Listed(admin.ModelAdmin):  # type: ignore[type-arg]  # generic only in the stubs
    """Only the filters that are shown, and those of `filters`, may stand in the address. Django
    allows any column of the row itself, and so a digest could be guessed letter by letter."""

    filters: ClassVar[tuple[str, ...]] = ()
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        known = {one for one in self.list_filter if isinstance(one, str)} | set(self.filters)
        column = lookup.partition("__")[0]
        return column in known and super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]  # stubs want a request


class Seen(Listed):
    """A list that operators read and do not change."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
