"""A GitLab of the sandbox that tenants may bind, and the ways tests bind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.http import HttpResponse

from portal.tenants.models import Instance
from tests.hosts import Sandbox
from tests.people import Somebody
from tests.portal.rest.calls import body_of, send


@dataclass(frozen=True)
class GitLab:
    """The sandbox's GitLab, as somebody types it."""

    sandbox: Sandbox

    @property
    def base_url(self) -> str:
        return self.sandbox.base("gitlab")

    def token(self, name: str = "full", login: str = "build-bot") -> str:
        return self.sandbox.token("gitlab", login, name)

    def ask(self, name: str = "full", login: str = "build-bot", **more: Any) -> dict[str, Any]:
        """The body of a bind."""
        typed = {"provider": "gitlab", "base_url": self.base_url, "token": self.token(name, login)}
        return {**typed, **more}


@pytest.fixture
def gitlab(sandbox: Sandbox, settings: Any) -> GitLab:
    settings.MOORING_SANDBOX_URL = sandbox.url
    return GitLab(sandbox)


def bind(caller: Any, instance: Instance, asked: dict[str, Any], **headers: str) -> HttpResponse:
    return send(
        caller, "POST", f"/api/v1/instances/{instance.public_id}/bindings", asked, **headers
    )


@pytest.fixture
def bound(alice: Somebody, instance: Instance, gitlab: GitLab) -> dict[str, Any]:
    """A binding of build-bot on alice's instance, as the API shows it."""
    answer = bind(alice.api(), instance, gitlab.ask())
    assert answer.status_code == 201, answer.content
    found: dict[str, Any] = body_of(answer)
    return found
