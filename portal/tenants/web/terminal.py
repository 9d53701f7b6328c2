"""The pages behind `mooring login`: which tenant, Approve, and the token for who waits for it."""

from __future__ import annotations

from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.ground import turns
from portal.ground.refusals import Refusal
from portal.ground.rest import problems
from portal.tenants import access
from portal.tenants.access import Request
from portal.tenants.models import User
from portal.tenants.services import terminals


@require_safe
def start(request: HttpRequest) -> HttpResponseBase:
    """Where `mooring login` sends a browser: to the person's tenant, or the choice between them."""
    person = request.user
    if not isinstance(person, User):
        back = urlencode({"next": request.get_full_path()})
        return turns.to(request, f"{settings.LOGIN_URL}?{back}")
    terminals.read(request.GET.dict())
    known = access.memberships(person)
    asked = request.GET.urlencode()
    if len(known) == 1:
        return redirect(f"{reverse('terminal', args=[known[0].tenant.slug])}?{asked}")
    return render(request, "tenants/terminal_where.html", {"known": known, "asked": asked})


@require_http_methods(["GET", "POST"])
@never_cache
def approve(request: Request, tenant: str) -> HttpResponse:
    """Says what is asked; Approve sends the browser back to the terminal, with a code."""
    ask = terminals.read(request.GET.dict())
    here = f"http://127.0.0.1:{ask.port}"
    if request.method == "POST":
        back = {"code": terminals.approve(actor=request.actor, ask=ask), "state": ask.state}
        return HttpResponseRedirect(f"{here}/?{urlencode(back)}")
    context = {"ask": ask, "role": request.actor.role, "days": terminals.DAYS}
    response = render(request, "tenants/terminal.html", context)
    turns.forms_may_lead_to(response, [here])
    return response


@csrf_exempt  # no cookie counts here: the code and the terminal's word are the proof
@require_POST
@never_cache
@sensitive_variables("made")
def collect(request: HttpRequest) -> HttpResponse:
    """For the terminal, not for browsers: its token, once."""
    try:
        made = terminals.collect(
            code=request.POST.get("code", ""),
            verifier=request.POST.get("verifier", ""),
            ip=getattr(request, "ip", ""),
            now=timezone.now(),
        )
    except Refusal as refusal:
        return problems.page(request, refusal)
    return JsonResponse({"token": made.secret}, status=201)
