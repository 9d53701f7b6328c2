"""The API's own description, as a document and as pages of the same host."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe
from rest_framework.request import Request

from portal.ground.rest import schema
from portal.ground.rest.calls import Answer, Call, one, operation
from portal.ground.rest.views import Endpoint

# The pages are built in the browser: styles are set by script, icons are data addresses. Scripts
# still come from this host alone.
_POLICY = {"style-src": UNSAFE_INLINE, "img-src": "data:"}


class Description(Endpoint):
    """`/api/schema.json`: OpenAPI 3.1 of the operations at `patterns`."""

    patterns: ClassVar[Sequence[Any]] = ()

    @operation("This description", public=True)
    def get(self, call: Call[Any], found: None) -> Answer:
        return one(_described(tuple(self.patterns)))


class Nowhere(Endpoint):
    """Every path below `/api/` that is none."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise Http404


@require_safe
@ensure_csrf_cookie
@csp_update(_POLICY)
def pages(request: HttpRequest) -> HttpResponse:
    """`/api/docs/`: the reference, made in the browser from the document above."""
    return render(request, "rest/docs.html")


@lru_cache(maxsize=1)
def _described(patterns: tuple[Any, ...]) -> dict[str, Any]:
    with translation.override("en"):
        return schema.describe(patterns)
