"""What both ways back from a platform share: the exchange, and the page that says: start again."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from bindings import problems
from bindings.models import Authorization, Binding, CodeHost
from bindings.oauth.provider import callback_url
from bindings.services.bind import grant, links
from portal.ground import refusals
from portal.ground.refusals import Refusal
from portal.tenants.access import Actor


def finish(request: HttpRequest, actor: Actor, attempt: Authorization, verifier: str) -> Binding:
    """Turn what the platform sent back into a binding. Raises Refusal, noted at the attempt."""
    if "error" in request.GET or not request.GET.get("code"):
        prefix = problems.prefix_of(attempt.provider)
        refused = Refusal(problems.explain_consent(request.GET.get("error", ""), prefix=prefix))
        links.fail(attempt, refused)
        raise refused
    return grant.finish(
        actor=actor,
        attempt=attempt,
        code=request.GET["code"],
        redirect_uri=callback_url(links.server_of(attempt)),
        verifier=verifier,
    )


def start_again(request: HttpRequest, host: CodeHost) -> HttpResponse:
    """Nothing of the attempt is known, so nothing of it is said; no request was made."""
    code = f"{problems.prefix_of(host.provider)}-OAUTH-02"
    words = refusals.words(code, {})
    return render(request, "refusal.html", {"words": words}, status=400)
