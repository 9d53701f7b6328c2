"""API tokens of a tenant: the list, making one and showing its secret once, revoking."""

from __future__ import annotations

from typing import Any

from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from portal.ground.refusals import Refusal
from portal.tenants import access
from portal.tenants.access import Request
from portal.tenants.models import Instance
from portal.tenants.services import tokens
from portal.tenants.web.forms import TokenForm


@require_safe
def listed(request: Request, tenant: str) -> HttpResponse:
    """All tokens for admins, their own for everybody else."""
    actor = request.actor
    now = timezone.now()
    # A tenant may read people's names, not their whole rows.
    shown = tokens.visible_to(actor).annotate(owner_name=F("owner__name"), email=F("owner__email"))
    rows = [
        {
            "token": token,
            "owner": token.owner_name or token.email,
            "unused": (token.used_at or token.created_at) < now - tokens.UNUSED_AFTER,
        }
        for token in shown
    ]
    return _page(request, "tenants/tokens.html", {"rows": rows, "now": now})


@require_http_methods(["GET", "POST"])
@sensitive_variables("made")
def new(request: Request, tenant: str) -> HttpResponse:
    """The form; after it the secret, in this one answer and never again."""
    actor = request.actor
    live = access.visible(actor, Instance.objects.filter(closed_at=None))
    form = TokenForm(request.POST or None, actor=actor, instances=live)
    if request.method == "POST" and form.is_valid():
        now = timezone.now()
        try:
            made = tokens.create(actor=actor, ask=form.ask(now.date()), now=now)
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return _page(request, "tenants/token_made.html", {"made": made})
    status = 422 if form.errors else 200
    return _page(request, "tenants/token_new.html", {"form": form}, status=status)


@require_http_methods(["GET", "POST"])
def revoke(request: Request, tenant: str, token: str) -> HttpResponse:
    """Asks once, then ends the token."""
    actor = request.actor
    found = tokens.find(actor=actor, public_id=token, scope="tokens:write")
    if request.method == "POST":
        tokens.revoke(actor=actor, public_id=token, now=timezone.now())
        return redirect("tokens", tenant=tenant)
    return _page(request, "tenants/token_revoke.html", {"token": found})


def _page(
    request: Request, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    tenant = request.tenant
    frame = {
        "section": "tokens",
        "crumbs": [
            (tenant.name, f"/t/{tenant.slug}/"),
            (_("API tokens"), f"/t/{tenant.slug}/tokens/"),
        ],
    }
    return render(request, template, frame | context, status=status)
