"""Clone credentials of a binding: who cloned what with which, making one by hand, ending it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods

from bindings.models import Binding, Lease
from bindings.models.leases import LeaseKind
from bindings.services.browse.specs import spec_of
from bindings.services.clone import leases as service
from bindings.web.binding import find, frame, head
from bindings.web.forms import posted
from bindings.web.known import paths
from bindings.web.using_forms import LeaseForm
from portal.ground import ids
from portal.ground.refusals import Refusal
from portal.templatetags.words import Pill, Words
from portal.tenants import access
from portal.tenants.middleware import Request, reaches_provider

READ, WRITE = "leases:read", "leases:write"
_PAGE = 50
STATUSES: Mapping[str, Pill] = {
    "active": Pill(gettext_lazy("Active"), "ok", "ok"),
    "expired": Pill(gettext_lazy("Ended"), "", "clock"),
    "revoked": Pill(gettext_lazy("Revoked"), "", "lock"),
    "ended": Pill(gettext_lazy("Ended with the binding"), "warn", "warn"),
}
KINDS: Mapping[str, Words] = {
    LeaseKind.PROXIED: gettext_lazy("Git proxy"),
    LeaseKind.PROVIDER_TOKEN: gettext_lazy("Token of the platform"),
}


@require_GET
def listing(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """The clone credentials of 30 days, newest first."""
    binding = find(request.actor, public_id, READ)
    now, wanted = timezone.now(), request.GET.get("status", "")
    before = ids.key(Lease.PREFIX, request.GET.get("before", ""))
    rows = _of(binding)
    if wanted in STATUSES:
        rows = service.with_status(rows, [wanted], now)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-id")[: _PAGE + 1])
    shown = found[:_PAGE]
    only = f"status={wanted}&" if wanted in STATUSES else ""
    context = {
        **head(request, binding, now, (_("Clones"), "")),
        "tab": "leases",
        "rows": [_row(lease, now) for lease in shown],
        "wanted": wanted,
        "statuses": [(word, pill.label) for word, pill in STATUSES.items()],
        "older_url": f"?{only}before={shown[-1].public_id}" if len(found) > _PAGE else "",
        "newer_url": f"?{only}" if before is not None else "",
        "may_change": request.actor.may(WRITE) and binding.unbound_at is None,
        "helper": _helper(binding),
    }
    return TemplateResponse(request, "bindings/leases.html", context)


@require_http_methods(["GET", "POST"])
@reaches_provider
@sensitive_variables("issued")
def new(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """The form; after it the password, in this one answer and never again."""
    binding = find(request.actor, public_id, WRITE)
    spec = spec_of(binding.provider)
    form = LeaseForm(
        posted(request),
        paths=paths(binding.tenant_id, [binding]),
        kinds=spec.lease_kinds if spec else (),
        initial={"repository": request.GET.get("repository", "")[:1000]},
    )
    context = {
        **frame(tenant, binding, (_("Clones"), reverse("leases", args=[tenant, public_id]))),
        "back_url": reverse("leases", args=[tenant, public_id]),
        "form": form,
    }
    if request.method == "POST" and form.is_valid():
        try:
            issued = service.issue(actor=request.actor, binding=binding, **form.asked())
        except Refusal as refused:
            form.refuse(refused)
        else:
            context |= {"issued": issued, "now": timezone.now()}
            return TemplateResponse(request, "bindings/lease_made.html", context)
    status = 422 if form.errors else 200
    return TemplateResponse(request, "bindings/lease_new.html", context, status=status)


@require_http_methods(["GET", "POST"])
@reaches_provider
def revoke(request: Request, tenant: str, public_id: str, lease: str) -> HttpResponse:
    """Asks once, then ends it at once."""
    binding = find(request.actor, public_id, WRITE)
    found = access.get(request.actor, _of(binding), lease, WRITE)
    if request.method == "POST":
        service.revoke(actor=request.actor, lease=found)
        messages.success(request, _("The clone credential was revoked."))
        return redirect("leases", tenant, public_id)
    context = {
        **frame(tenant, binding),
        "back_url": reverse("leases", args=[tenant, public_id]),
        "lease": found,
        "now": timezone.now(),
    }
    return TemplateResponse(request, "bindings/lease_revoke.html", context)


def _of(binding: Binding) -> QuerySet[Lease]:
    rows = Lease.objects.of(binding.tenant_id).filter(binding_id=binding.pk)
    return rows.select_related("repository", "binding__host").defer("digest")


def _row(lease: Lease, now: datetime) -> dict[str, Any]:
    status = service.status_of(lease, now)
    ends = (lease.expires_at, lease.revoked_at, lease.ended_at)
    return {
        "lease": lease,
        "ends": min(at for at in ends if at is not None),
        "pill": STATUSES[status],
        "kind": KINDS[lease.kind],
        "who": lease.issued_to.get("name", ""),
        "active": status == "active",
    }


def _helper(binding: Binding) -> str:
    """How a build machine clones without any token on disk (api.md 8)."""
    site = settings.MOORING_URL.rstrip("/")
    theirs = binding.host.base_url.rstrip("/")
    return "\n".join(
        (
            f"git config --global credential.{site}.helper mooring",
            f"git config --global credential.{site}.useHttpPath true",
            f'git config --global url."{site}/git/{binding.public_id}/".insteadOf "{theirs}/"',
        )
    )
