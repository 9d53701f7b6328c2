"""The site with a few pages more, which do what real pages do, each one thing."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.urls import path

from portal.ground import rls
from portal.ground.refusals import NotAllowed, Refusal
from portal.tenants.access import Request
from portal.tenants.middleware import reaches_provider
from portal.tenants.models import Event, Instance, Tenant
from portal.tenants.signin import recent_sign_in
from portal.urls import urlpatterns as site


def scope_page(request: HttpRequest, tenant: str) -> HttpResponse:
    return HttpResponse(str(rls.current()))


def late_page(request: HttpRequest, tenant: str) -> TemplateResponse:
    """Its rows are read while it renders, after the view has returned."""
    template = engines["django"].from_string("{% for one in rows %}{{ one.name }}{% endfor %}")
    return TemplateResponse(request, template, {"rows": Instance.objects.all()})


@reaches_provider
def reaching_page(request: HttpRequest, tenant: str) -> HttpResponse:
    return HttpResponse(str(rls.current()))


def begin(request: Request) -> None:
    """Write something, which must not stay when the page fails."""
    Instance.objects.create(tenant=request.tenant, name="half-done", region="default")


def failing_page(request: Request, tenant: str, code: str) -> HttpResponse:
    """Writes, and is refused then."""
    begin(request)
    raise Refusal(code, n=7, retry_after=6.2)


@reaches_provider
def forbidden_page(request: HttpRequest, tenant: str) -> HttpResponse:
    raise NotAllowed("X-ROLE-01", role="viewer", names=["Alice"])


def crashing_page(request: Request, tenant: str) -> HttpResponse:
    begin(request)
    raise RuntimeError("test")


def risky_page(request: HttpRequest, tenant: str) -> HttpResponse:
    return HttpResponse("done")


urlpatterns = [
    path("t/<slug:tenant>/scope/", scope_page),
    path("t/<slug:tenant>/late/", late_page),
    path("t/<slug:tenant>/reaching/", reaching_page),
    path("t/<slug:tenant>/failing/<str:code>/", failing_page),
    path("t/<slug:tenant>/forbidden/", forbidden_page),
    path("t/<slug:tenant>/crashing/", crashing_page),
    path("t/<slug:tenant>/risky/", recent_sign_in(risky_page)),
    *site,
]
handler404 = "portal.ground.refused.not_found"
handler500 = "portal.ground.refused.crashed"


def said(response: Any) -> str:
    """The page as text."""
    text: str = response.content.decode()
    return text


def log_of(tenant: Tenant, type: str) -> list[dict[str, Any]]:
    """The events of one type in a tenant's log, oldest first."""
    with rls.tenant(tenant.pk):
        rows = Event.objects.of(tenant).filter(type=type).order_by("seq")
        return list(rows.values("actor", "data"))
