"""What the operators' lists share: the fleet's scope, capped pages, and a trace of every look."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import get_content_type_for_model
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal.ground import rls
from portal.tenants import access
from portal.tenants.access import Actor
from portal.tenants.admin.base import Listed
from portal.tenants.models import Tenant, User
from portal.tenants.services import events

_CHECKBOX = (
    '<input type="checkbox" name="{}" value="{}" class="action-select"'
    ' aria-label="Select this object for an action - {}">'
)


def operator(request: HttpRequest) -> User:
    """Who sits there; Http404 for nobody."""
    if not isinstance(request.user, User):
        raise Http404
    return request.user


def acting_in(request: HttpRequest, tenant: Tenant) -> Actor:
    """The operator as services and event logs know them, inside one tenant."""
    return access.operator(
        operator(request),
        tenant,
        ip=getattr(request, "ip", ""),
        signed_in_at=access.signed_in_at(request.session),
    )


def looked(
    request: HttpRequest, tenant: Tenant, *, what: str, at: datetime, binding_id: UUID | None = None
) -> None:
    """The tenant can see that the staff looked. Opens the tenant's scope."""
    with rls.tenant(tenant.pk):
        events.record(
            tenant_id=tenant.pk,
            type="tenant.viewed_by_operator",
            actor=acting_in(request, tenant).event(),
            at=at,
            binding_id=binding_id,
            data={"what": what},
        )


class FleetAdmin(Listed):
    """A list over all tenants. Its views run, and are rendered, in the fleet's scope; what has to
    be done outside it, by services that open their own, waits for the commit with `rls.after`."""

    list_per_page = list_max_show_all = 50
    sortable_by: ClassVar[tuple[str, ...]] = ()  # the order is that of an index

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        return self._in_fleet(request, partial(super().changelist_view, request, extra_context))

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._in_fleet(request, partial(super().changeform_view, request, *args, **kwargs))

    def get_object(self, *args: Any, **kwargs: Any) -> Any:
        with rls.fleet("one row for an operator"):
            return super().get_object(*args, **kwargs)

    def action_checkbox(self, obj: Model) -> SafeString:
        """As Django's, without a template for each line: a sixth of what a list costs."""
        return format_html(_CHECKBOX, ACTION_CHECKBOX_NAME, obj.pk, obj)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        ours = (one for one in self.list_filter if isinstance(one, type))
        known = {one.parameter_name for one in ours if issubclass(one, SimpleListFilter)}
        return lookup in known or super().lookup_allowed(lookup, value, request)

    # The admin's own log is Django's table, which the fleet may not touch.

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        rls.after(partial(super().log_addition, request, obj, message))

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        rls.after(partial(super().log_change, request, obj, message))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def _in_fleet(self, request: HttpRequest, view: Callable[[], Any]) -> HttpResponseBase:
        person = operator(request)
        # Asked now, because the fleet may read neither rights nor Django's list of tables.
        if not person.is_superuser:
            person.get_all_permissions()
        get_content_type_for_model(self.model)
        with rls.fleet(f"operator {person.public_id}: {request.path}"):
            response: HttpResponseBase = view()
            render = getattr(response, "render", None)
            return render() if callable(render) else response


class TenantRows(FleetAdmin):
    """Rows that belong to tenants: operators read them, and each look at one is in its log."""

    what = ""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        row = self.get_object(request, object_id)
        if row is not None and self.has_view_permission(request, row):
            now = timezone.now()
            looked(request, row.tenant, what=self.what, at=now, binding_id=self.binding_of(row))
        return super().change_view(request, object_id, *args, **kwargs)

    def history_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        """What happened to it stands in its tenant's own log."""
        row = self.get_object(request, object_id)
        if row is None or not self.has_view_permission(request, row):
            raise Http404
        log = reverse("admin:tenants_event_changelist")
        about = f"?tenant__id__exact={row.tenant.pk}"
        binding_id = self.binding_of(row)
        return HttpResponseRedirect(
            log + about + (f"&binding_id={binding_id}" if binding_id else "")
        )

    def binding_of(self, row: Model) -> UUID | None:
        """The binding a row is about, for the log."""
        return getattr(row, "binding_id", None)
