"""Every platform over the API: bound, checked, renewed with the same account, and unbound."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from bindings.services.bind import unbind
from bindings.services.keep import checks
from portal.ground import ids
from portal.tenants.models import Instance
from tests.bindings.seven import ACCOUNTS, BY_CONSENT, BY_TOKEN, Seven
from tests.bindings.sources import live
from tests.people import Somebody
from tests.portal.rest.calls import body_of, send

ALL = [*BY_CONSENT, *BY_TOKEN, "codearts"]
MATCH = {"If-Match": "*"}


class Caller:
    """alice's program and alice's browser, with one instance."""

    def __init__(self, alice: Somebody, instance: Instance, all_seven: Seven) -> None:
        self.api, self.browser = alice.api(), alice.client
        self.tenant, self.instance, self.seven = alice.tenant, instance, all_seven
        self.home = f"/api/v1/instances/{instance.public_id}"

    def asked(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = send(self.api, method, path, body, **MATCH)
        assert answer.status_code == status, answer.content.decode()
        return body_of(answer)

    def bind(self, provider: str) -> dict[str, Any]:
        """The live binding of a platform, made in the way that is its own."""
        if provider == "codearts":
            self.seven.cloud.connect(self.tenant)
            (bound,) = self.asked("GET", f"/api/v1/bindings?instance={self.instance.public_id}")[
                "data"
            ]
            return dict(bound)
        if provider in BY_TOKEN:
            typed = {"provider": provider, "token": self.seven.token(provider)}
            body = typed | self.seven.typed(provider)
            return dict(self.asked("POST", f"{self.home}/bindings", body, 201))
        waiting = self.consent(provider)
        assert waiting["status"] == "confirming"
        path = f"/api/v1/bindings/{waiting['binding']}"
        assert self.asked("GET", path)["state"] == "pending"
        return dict(self.asked("PATCH", path, {"confirmed": True}))

    def consent(self, provider: str, **more: Any) -> Any:
        """From an authorization to the return from the consent page, which a browser makes."""
        begun = self.asked(
            "POST", f"{self.home}/authorizations", {"provider": provider, **more}, 201
        )
        page = urlsplit(begun["url"]).path
        away = self.browser.post(page).headers["Location"]
        back = urlsplit(self.seven.sandbox.authorize(provider, away, ACCOUNTS[provider]))
        assert self.browser.get(f"{back.path}?{back.query}").status_code == 302
        return self.asked("GET", f"/api/v1/authorizations/{begun['id']}")

    def check(self, bound: dict[str, Any]) -> Any:
        """A check from its start to its end; a worker climbs it."""
        path = f"/api/v1/bindings/{bound['id']}/checks"
        begun = self.asked("POST", path, {}, 202)
        key = ids.key("chk", begun["id"])
        assert key is not None
        checks.run(tenant_id=self.tenant.pk, check_id=key)
        return self.asked("GET", f"{path}/{begun['id']}")

    def renew(self, bound: dict[str, Any]) -> None:
        provider, path = bound["provider"], f"/api/v1/bindings/{bound['id']}"
        if provider in BY_TOKEN:
            fresh = {"token": self.seven.another_token(provider)}
            self.asked("PUT", f"{path}/credential", fresh)
        elif provider in BY_CONSENT:
            done = self.consent(provider, binding=bound["id"])
            assert (done["status"], done["binding"]) == ("done", bound["id"])
        else:
            self.seven.cloud.connect(self.tenant, self.seven.cloud.new_keys())


@pytest.fixture
def caller(alice: Somebody, instance: Instance, all_seven: Seven) -> Caller:
    return Caller(alice, instance, all_seven)


@pytest.mark.parametrize("provider", ALL)
def test_a_platform_is_bound_checked_renewed_and_unbound(caller: Caller, provider: str) -> None:
    bound = caller.bind(provider)
    assert (bound["provider"], bound["state"]) == (provider, "healthy")
    assert bound["account"]["login"] == ACCOUNTS[provider]
    assert {name for name, able in bound["capabilities"].items() if able["ok"]} == {
        *("list", "refs", "clone", "hooks"),
    }
    assert all(able["proven_at"] for able in bound["capabilities"].values())

    checked = caller.check(bound)
    assert (checked["status"], checked["state"]) in {("ok", "healthy"), ("warn", "healthy")}
    assert [step["status"] for step in checked["steps"]][:5] == [
        *("ok", "skipped", "ok", "ok", "ok"),
    ]

    caller.renew(bound)
    renewed = caller.asked("GET", f"/api/v1/bindings/{bound['id']}")
    assert renewed["credential"]["generation"] == 2
    assert renewed["credential"]["fingerprint"] != bound["credential"]["fingerprint"]
    assert renewed["bound_at"] == bound["bound_at"]

    path = f"/api/v1/bindings/{bound['id']}"
    if provider == "codearts":
        assert caller.asked("DELETE", path, status=409)["code"] == "CA-LOCK-01"
        return
    receipt = caller.asked("DELETE", path)
    assert receipt["account"] == ACCOUNTS[provider]
    ended = ids.key("bnd", bound["id"])
    assert ended is not None
    unbind.work_off(tenant_id=caller.tenant.pk, binding_id=ended)
    left = caller.asked("GET", f"{path}/receipt")["items"]
    assert {item["action"]: item["status"] for item in left}["erase_credential"] == "done"
    assert live(caller.instance) == []


def test_one_instance_holds_all_seven_at_once(caller: Caller, alice: Somebody) -> None:
    for provider in ALL:
        if provider != "codearts":
            caller.bind(provider)
    caller.seven.cloud.connect(caller.tenant)
    found = caller.asked("GET", f"{caller.home}/sources")["data"]
    assert {row["provider"]: row["state"] for row in found} == dict.fromkeys(ACCOUNTS, "healthy")
    assert {row["action"] for row in found} == {"open"}


def test_gitlab_and_gitea_are_bound_by_consent_too_where_an_app_is_registered(
    caller: Caller,
) -> None:
    for provider in ("gitlab", "gitea"):
        waiting = caller.consent(provider)
        bound = caller.asked("PATCH", f"/api/v1/bindings/{waiting['binding']}", {"confirmed": True})
        assert (bound["kind"], bound["state"], bound["credential"]["renews"]) == (
            *("oauth", "healthy", True),
        )
        assert all(able["ok"] for able in bound["capabilities"].values())


def test_every_consent_page_may_be_led_to(caller: Caller) -> None:
    """The policy of a page decides where its forms may lead, redirects included."""
    page = f"/t/acme/instances/{caller.instance.name}/sources/"
    browser: Client = caller.browser
    for provider in (*BY_CONSENT, "gitlab", "gitea"):
        consent = "?consent=1" if provider in BY_TOKEN else ""
        for path in (page, f"{page}{provider}/bind/{consent}"):
            policy = browser.get(path).headers["Content-Security-Policy"]
            allowed = next(part for part in policy.split(";") if "form-action" in part)
            assert caller.seven.sandbox.url in allowed, (path, allowed)
