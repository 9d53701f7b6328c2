"""The operators' site (Django's admin): our own tables only, in English, every look logged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar, cast

import structlog
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.apps import AdminConfig
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import translation

log = structlog.get_logger(__name__)

OURS = frozenset({"tenants", "bindings"})
COMPLETED = ("bindings", "hostoffer", "tenant")
"""The one field that completes while one types."""
_LANGUAGE = "en"

V = TypeVar("V", bound=Callable[..., HttpResponseBase])


class OperatorsConfig(AdminConfig):
    """In place of `django.contrib.admin` among the installed apps."""

    default_site = "portal.operators.Operators"


class Operators(AdminSite):
    """The site that `admin.register` fills."""

    site_header = site_title = "Mooring"
    index_title = "Operators"

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Tables of other apps stay out: allauth would show second factors and app secrets."""
        asked = [model_or_iterable] if isinstance(model_or_iterable, type) else model_or_iterable
        ours = [model for model in asked if model._meta.app_label in OURS]
        super().register(ours, admin_class, **options)

    def admin_view(self, view: V, cacheable: bool = False) -> V:
        """Django's texts are translated and ours are not: one language a page."""

        @wraps(view)
        def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            who = getattr(request.user, "public_id", "")
            log.info("operator", who=who, method=request.method, path=request.path)
            with translation.override(_LANGUAGE):
                response = view(request, *args, **kwargs)
                render = getattr(response, "render", None)
                if callable(render):
                    response = render()
            response.headers["Content-Language"] = _LANGUAGE
            return response

        return super().admin_view(cast(V, shown), cacheable)

    def autocomplete_view(self, request: HttpRequest) -> Any:
        """Only for the field that asks: others would search tables outside of any scope."""
        asked = tuple(request.GET.get(name) for name in ("app_label", "model_name", "field_name"))
        if asked != COMPLETED:
            raise Http404
        return super().autocomplete_view(request)

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """There is one place for it, with its limits."""
        return HttpResponseRedirect(reverse("account_change_password"))
