"""The message catalogue over the API: every code with its sentence in both languages."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypedDict

from django.conf import settings

from bindings import problems
from bindings.api import shapes
from bindings.api.endpoint import Call, Endpoint
from portal.ground.refusals import NotYours
from portal.ground.rest.calls import Answer, listed, one, operation
from portal.ground.rest.shapes import Uri

# A sentence in both languages, its variables still in it.
CatalogueText = TypedDict("CatalogueText", {"en": str, "zh-hans": str})


class CatalogueEntry(TypedDict):
    """One code of the catalogue. `status` is null for notices."""

    code: str
    status: int | None
    level: Literal["error", "warn", "info"]
    field: str | None
    provider: shapes.ProviderWord | None
    type: Uri
    text: CatalogueText


class Problems(Endpoint):
    @operation(
        "List all codes",
        public=True,
        answers=CatalogueEntry,
        lists=True,
        whole=True,
        about="By code.",
    )
    def get(self, call: Call, found: None) -> Answer:
        return listed(_every())


class OneProblem(Endpoint):
    @operation("Get a code", public=True, answers=CatalogueEntry)
    def get(self, call: Call, found: None) -> Answer:
        code = call.path["code"]
        if code not in problems.ALL:
            raise NotYours
        return one(_entry(code))


@lru_cache(maxsize=1)
def _every() -> list[CatalogueEntry]:
    return [_entry(code) for code in problems.ALL]


def _entry(code: str) -> CatalogueEntry:
    found, texts = problems.get(code), problems.texts(code)
    platform = problems.PLATFORMS.get(found.prefix)
    return {
        "code": code,
        "status": found.status or None,
        "level": found.level.value,
        "field": {"address": "base_url"}.get(found.field, found.field) or None,
        "provider": platform.slug if platform else None,  # type: ignore[typeddict-item]  # one of seven
        "type": f"{settings.MOORING_URL}/help/errors/{code}/",
        "text": {"en": texts["en"], "zh-hans": texts["zh-hans"]},
    }
