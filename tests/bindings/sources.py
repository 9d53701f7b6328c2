"""Code hosts of the sandbox as services reach them: to bind with a token, or by consent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.utils import timezone

from bindings import expiry
from bindings.models import Authorization, Binding, CodeHost, Credential, Schedule
from bindings.services.bind import grant, links, token
from bindings.services.bind.token import Bound, TokenAsk
from bindings.services.browse.specs import consent_of
from bindings.services.custody import sealed
from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants.access import Actor
from portal.tenants.models import Event, Instance, Tenant
from providers.catalogue import REGISTRY
from tests.hosts import Sandbox

CALLBACK = "http://127.0.0.1:8000/oauth/callback/github-sandbox/"
APP = "mooring-sandbox"
APP_SECRET = "sandbox-client-secret"


@dataclass(frozen=True)
class GitLab:
    """The sandbox's GitLab, whose address and token a person types."""

    sandbox: Sandbox

    @property
    def base_url(self) -> str:
        return self.sandbox.base("gitlab")

    def token(self, name: str = "full", login: str = "build-bot") -> str:
        return self.sandbox.token("gitlab", login, name)

    def ends(self, name: str = "full") -> dict[str, Any]:
        """The end of a token of build-bot, as a binding has it in its columns."""
        day = date.fromisoformat(
            self.sandbox.token_facts("gitlab", "build-bot", name)["expires_on"]
        )
        return {"expires_at": expiry.deadline(day), "quality": "exact"}

    def ask(self, name: str = "full", login: str = "build-bot", **more: Any) -> TokenAsk:
        """What somebody types, with the token of that name."""
        typed = {"provider": "gitlab", "base_url": self.base_url, "token": ""} | more
        return TokenAsk(**{**typed, "token": typed["token"] or self.token(name, login)})

    def bind(self, actor: Actor, instance: Instance, name: str = "full", **more: Any) -> Binding:
        """A live binding, proven by the whole ladder."""
        return self.bound(actor, instance, name, **more).binding

    def bound(self, actor: Actor, instance: Instance, name: str = "full", **more: Any) -> Bound:
        labels = more.pop("labels", None)
        asked = self.ask(name, **more)
        return token.bind(actor=actor, instance=instance, ask=asked, labels=labels)

    def fault(self, fault: str, path: str = "**", **more: Any) -> None:
        self.sandbox.fault("gitlab", fault, path, **more)

    def asked(self, path: str = "/api/v4/personal_access_tokens/self") -> int:
        """How often a path was asked for since the test began."""
        return self.sandbox.count("gitlab", path)


@dataclass(frozen=True)
class GitHub:
    """The sandbox's GitHub, an operator's host with a registered app."""

    sandbox: Sandbox
    host: CodeHost

    def begin(self, actor: Actor, instance: Instance, **more: Any) -> Authorization:
        """An attempt, as it is found when the browser comes back."""
        begun = links.begin(actor=actor, instance=instance, provider="github", **more)
        return self.waiting(begun.authorization)

    def waiting(self, attempt: Authorization) -> Authorization:
        return links.waiting(tenant_id=attempt.tenant_id, authorization_id=attempt.pk)

    def consent(self, attempt: Authorization, account: str = "octavia") -> str:
        """The code with which the platform sends the browser back."""
        asked = consent_of(attempt.host)
        query = {
            "client_id": attempt.host.client_id,
            "redirect_uri": CALLBACK,
            "scope": asked.scope_separator.join(asked.scopes_for(attempt.mode)),
            "state": "test-state",
        }
        url = f"{asked.authorize_url}?{urlencode(query)}"
        back = self.sandbox.authorize("github", url, account)
        return parse_qs(urlsplit(back).query)["code"][0]

    def finish(self, actor: Actor, attempt: Authorization, code: str = "") -> Binding:
        return grant.finish(
            actor=actor,
            attempt=attempt,
            code=code or self.consent(attempt),
            redirect_uri=CALLBACK,
            verifier="",
        )

    def bind(self, actor: Actor, instance: Instance, account: str = "octavia") -> Binding:
        """A live binding: consented to, and confirmed."""
        attempt = self.begin(actor, instance)
        pending = self.finish(actor, attempt, self.consent(attempt, account))
        return grant.confirm(actor=actor, binding=pending)


def github_host(sandbox: Sandbox) -> CodeHost:
    """The operator's GitHub, which is the sandbox."""
    base_url = sandbox.base("github")
    host = CodeHost(
        slug="github-sandbox",
        provider="github",
        label="GitHub sandbox",
        base_url=base_url,
        api_url=REGISTRY["github"].api_url(base_url),
        client_id=APP,
    )
    sealed.put_client_secret(host, APP_SECRET, now=timezone.now())
    with rls.fleet("a test's GitHub"):
        host.save(force_insert=True)
    return host


# -- looking at rows ------------------------------------------------------------------------------


def stored(binding: Binding) -> Binding:
    """The row as it is now, with its host, instance, schedule and credential."""
    with rls.tenant(binding.tenant_id):
        rows = Binding.objects.of(binding.tenant_id)
        near = rows.select_related("host", "instance", "schedule", "ending")
        return near.get(pk=binding.pk)


def credential(binding: Binding) -> Credential:
    with rls.tenant(binding.tenant_id):
        return Credential.objects.of(binding.tenant_id).get(pk=binding.pk)


def opened(binding: Binding) -> str:
    """The access token that is stored."""
    row = credential(binding)
    return sealed.secret_of(row, binding).token


def live(instance: Instance) -> list[Binding]:
    with rls.tenant(instance.tenant_id):
        rows = Binding.objects.of(instance.tenant_id).filter(instance=instance, unbound_at=None)
        return list(rows.select_related("host"))


def events(tenant: Tenant, prefix: str = "binding.") -> list[Any]:
    """The events of a tenant whose type begins so, oldest first."""
    with rls.tenant(tenant.pk):
        rows = Event.objects.of(tenant).filter(type__startswith=prefix)
        return list(rows.order_by("seq"))


def told(tenant: Tenant, prefix: str = "binding.") -> list[str]:
    return [event.type for event in events(tenant, prefix)]


def make_due(*bindings: Binding, at: datetime | None = None) -> None:
    """Let the next sweep ask about these."""
    with rls.fleet("a test makes rows due"):
        Schedule.objects.filter(pk__in=[one.pk for one in bindings]).update(
            next_check_at=at or timezone.now()
        )


def refused(call: Callable[[], Any]) -> Refusal:
    """How a call is refused."""
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value
