"""allauth's redirect, state and PKCE, borrowed for binding: one unregistered class for all hosts.

Nothing here signs anybody in, and no allauth row is written: the SocialApp is never saved and
holds no secret. Exchange, refresh and revocation are `providers.oauth`'s, through our own door.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.provider import OAuth2Provider
from allauth.socialaccount.providers.oauth2.views import OAuth2Adapter
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from bindings.models import Authorization, CodeHost
from bindings.services.bind.links import server_of
from bindings.services.browse.specs import Consent, consent_of

PROCESS = "bind"
STATE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back with a state that was ours, fresh and unused."""

    tenant_id: UUID
    authorization_id: UUID
    user_id: str
    handoff: bool
    verifier: str = field(repr=False)


class StateRefused(Exception):
    """The state is missing, unknown, used, expired, or of another browser, user or host."""


class HostAdapter(OAuth2Adapter):  # type: ignore[misc]  # allauth ships no types
    """The addresses of one code host."""

    def __init__(self, request: HttpRequest, host: CodeHost, consent: Consent) -> None:
        super().__init__(request)
        self.host, self.consent = host, consent
        self.scope_delimiter = consent.scope_separator

    @property
    def authorize_url(self) -> str:
        return self.consent.authorize_url

    @property
    def access_token_url(self) -> str:
        return self.consent.token_url

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return callback_url(self.host)


class HostProvider(OAuth2Provider):  # type: ignore[misc]  # allauth ships no types
    """The one provider class: everything that differs between hosts is in `consent`."""

    id = "bind"
    name = "Mooring"

    def __init__(self, request: HttpRequest, host: CodeHost, *, scopes: tuple[str, ...]) -> None:
        self.host, self.consent = host, consent_of(host)
        app = SocialApp(
            provider="bind",
            # A name of its own for each host keeps the states of hosts, and of sign-in, apart.
            provider_id=f"bind:{host.slug}",
            client_id=host.client_id,
            settings={"scope": list(scopes), "oauth_pkce_enabled": self.consent.pkce},
        )
        super().__init__(request, app=app)

    def get_oauth2_adapter(self, request: HttpRequest) -> HostAdapter:
        return HostAdapter(request, self.host, self.consent)

    def get_auth_params(self) -> dict[str, str]:
        return {}


def callback_url(host: CodeHost) -> str:
    """The one address to register with a host's app."""
    return str(settings.MOORING_URL) + reverse("oauth_callback", args=[host.slug])


def leave_for_host(
    request: HttpRequest, attempt: Authorization, *, choose_account: bool
) -> HttpResponse:
    """Send the browser to the host's consent page. Nothing of the request changes what is asked."""
    host = server_of(attempt)
    consent = consent_of(host)
    provider = HostProvider(request, host, scopes=consent.scopes_for(attempt.mode))
    data = {
        "tenant": str(attempt.tenant_id),
        "authorization": str(attempt.pk),
        # Who holds a hand-off link is nobody here, even when somebody is signed in: the browser
        # that opened it is told by the link's own cookie.
        "user": "" if attempt.handoff else _person(request),
        "handoff": attempt.handoff,
    }
    params: dict[str, str] = dict(consent.account_chooser) if choose_account else {}
    answer: HttpResponse = provider.redirect(
        request, process=PROCESS, data=data, auth_params=params
    )
    return answer


def take_state(request: HttpRequest, host: CodeHost) -> Returned:
    """The attempt this return belongs to; its state is used up by asking. Raises StateRefused."""
    state_id = request.GET.get("state", "")
    try:
        stashed: dict[str, Any] = HostProvider(request, host, scopes=()).unstash_redirect_state(
            request, state_id
        )
    except PermissionDenied:
        raise StateRefused from None
    # Two returns at once can both have loaded the session: the first to mark the state wins.
    if not cache.add(f"bind-state:{state_id}", 1, timeout=STATE_SECONDS):
        raise StateRefused
    data = stashed.get("data") or {}
    handoff = data.get("handoff") is True
    person = "" if handoff else _person(request)
    if stashed.get("process") != PROCESS or data.get("user") != person:
        raise StateRefused
    return Returned(
        tenant_id=UUID(data["tenant"]),
        authorization_id=UUID(data["authorization"]),
        user_id=data["user"],
        handoff=handoff,
        verifier=stashed.get("pkce_code_verifier") or "",
    )


def _person(request: HttpRequest) -> str:
    """Who is signed in, as a state keeps it; "" for nobody."""
    return str(getattr(request.user, "pk", "") or "")
