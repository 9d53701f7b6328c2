"""Event logs in the admin: one tenant at a time, read-only, and the look itself is recorded."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from portal.ground import rls
from portal.tenants import access
from portal.tenants.admin.base import Seen
from portal.tenants.models import Event, Tenant, User
from portal.tenants.services import events

_TENANT = "tenant__id__exact"


@admin.register(Event)
class EventAdmin(Seen):
    """Opens in the scope of the tenant named in the address; without one leads to the tenants."""

    list_display = ("seq", "at", "type", "who", "data")
    list_display_links = None
    search_fields = ("type",)
    filters = ("tenant", "binding_id")
    ordering = ("-seq",)
    list_per_page = 50

    @admin.display(description="actor")
    def who(self, event: Event) -> str:
        return f"{event.actor.get('name', '')} ({event.actor.get('kind', '')})"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        tenant = _tenant(request.GET.get(_TENANT, ""))
        if tenant is None:
            messages.info(request, "Choose a tenant first.")
            return HttpResponseRedirect(reverse("admin:tenants_tenant_changelist"))
        _look(request, tenant)
        with rls.tenant(tenant.pk):
            response = super().changelist_view(request, extra_context)
            render = getattr(response, "render", None)
            return render() if callable(render) else response

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """An event says everything in its line."""
        raise Http404

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Nothing is taken out of a log."""
        raise Http404

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Events have no history: they are one."""
        raise Http404


def _tenant(text: str) -> Tenant | None:
    try:
        return Tenant.objects.filter(pk=UUID(text)).first()
    except ValueError:
        return None


def _look(request: HttpRequest, tenant: Tenant) -> None:
    """The tenant can see that the staff looked. Also asks for what the scope may not read."""
    person = request.user
    if not isinstance(person, User):
        raise Http404
    person.get_all_permissions()
    actor = access.operator(person, tenant, ip=getattr(request, "ip", ""))
    with rls.tenant(tenant.pk):
        events.record(
            tenant_id=tenant.pk,
            type="tenant.viewed_by_operator",
            actor=actor.event(),
            at=timezone.now(),
            data={"what": "events"},
        )
