"""Pages that belong to no tenant: the way in, and the choice between tenants."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portal.ground import turns
from portal.tenants import access
from portal.tenants.models import User
from portal.tenants.services import tenants

SEARCH_ABOVE = 7


@require_safe
def start(request: HttpRequest) -> HttpResponseBase:
    """`/`: to the chooser, and from there to the only tenant."""
    return redirect("tenants")


@require_safe
def choose(request: HttpRequest) -> HttpResponseBase:
    """`/t/`: the tenants of this person, last used first; `q` narrows. The only one opens."""
    person = request.user
    if not isinstance(person, User):
        return turns.to(request, f"{settings.LOGIN_URL}?next={request.path}")
    known = access.memberships(person)
    if len(known) == 1:
        return redirect("tenant", known[0].tenant.slug)
    text = request.GET.get("q", "").strip()
    shown = [one for one in known if text.casefold() in one.tenant.name.casefold()]
    waiting = tenants.attention(one.tenant for one in shown)
    rows = [
        {"tenant": one.tenant, "role": one.role, "attention": waiting.get(one.tenant_id, 0)}
        for one in shown
    ]
    context = {
        "rows": rows,
        "q": text,
        "searches": len(known) > SEARCH_ABOVE,
        "none": not known,
        "crumbs": [(_("Tenants"), request.path)],
    }
    return render(request, "tenants/choose.html", context)
