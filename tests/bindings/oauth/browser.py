"""A browser on its way to a platform of the sandbox and back."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.http import HttpResponse
from django.test import Client

from portal.tenants.models import Instance
from tests.hosts import Sandbox

EXCHANGE = "/login/oauth/access_token"


class Traveller:
    """Somebody's browser: leaves from an instance's page, comes back with what it was given."""

    def __init__(self, client: Client, sandbox: Sandbox) -> None:
        self.client, self.sandbox = client, sandbox

    def start(self, instance: Instance, **posted: str) -> HttpResponse:
        """Press the button that leads to the platform."""
        tenant = instance.tenant.slug
        where = f"/t/{tenant}/instances/{instance.name}/sources/github/start/"
        answer: HttpResponse = self.client.post(where, posted)
        return answer

    def leave(self, instance: Instance, **posted: str) -> str:
        """The address of the consent page."""
        answer = self.start(instance, **posted)
        assert answer.status_code == 302, answer.content.decode()
        return str(answer.headers["Location"])

    def consent(self, url: str, account: str = "octavia", *, approve: bool = True) -> str:
        """Sign in there and press the button; where the platform sends the browser."""
        return self.sandbox.authorize("github", url, account, approve)

    def come_back(self, url: str) -> Any:
        """Open the address the platform sent the browser to."""
        parts = urlsplit(url)
        return self.client.get(f"{parts.path}?{parts.query}")

    def bind(self, instance: Instance, account: str = "octavia", **posted: str) -> Any:
        """All the way; the answer of the callback."""
        return self.come_back(self.consent(self.leave(instance, **posted), account))

    @property
    def exchanges(self) -> int:
        """How often the platform was asked to turn a code into a token."""
        return self.sandbox.count("github", EXCHANGE)


def query_of(url: str) -> dict[str, str]:
    """The query of an address, each name once."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def dead_tokens(sandbox: Sandbox, account: str) -> int:
    """How many tokens the platform has ended for an account since the test began."""
    known = sandbox.account("github", account)["tokens"]
    return sum(token["kind"] == "oauth" and token["state"] == "revoked" for token in known)
