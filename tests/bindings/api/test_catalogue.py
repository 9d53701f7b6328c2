"""Providers, problems and end dates over the API (api.md 3.1, 3.10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from bindings import problems
from portal.tenants.models import Instance
from tests.bindings.api import rows
from tests.people import Somebody
from tests.portal.rest.calls import body_of, refused, send

ORDER = ["github", "gitlab", "gitee", "bitbucket", "codearts", "codeup", "gitea"]
EXPIRIES = "/api/v1/expiries"


def test_providers_come_in_a_fixed_order(alice: Somebody):
    found = body_of(send(alice.api("events:read"), "GET", "/api/v1/providers"))
    assert [row["slug"] for row in found["data"]] == ORDER
    assert found["next_cursor"] is None


def test_gitlab_as_the_contract_shows_it(alice: Somebody, settings):
    settings.MOORING_PROFILE = "seed"
    host = rows.host("gitlab", slug="gitlab-com", base_url="https://gitlab.com", label="GitLab.com")
    found = body_of(send(alice.api(), "GET", "/api/v1/providers/gitlab"))
    assert found | {"token_url": "", "expires_quality": []} == {
        "slug": "gitlab",
        "name": "GitLab",
        "offered": True,
        "methods": ["token", "oauth"],
        "accepts_address": True,
        "default_address": "https://gitlab.com",
        "address_policy": {
            "profile": "seed",
            "schemes": ["https", "http"],
            "https_ports": "443",
            "http_ports": "80,21,443,70,210,280,488,591,777,1025-65535",
            "private_addresses": False,
            "own_ca": False,
        },
        "fields": [
            {"name": "base_url", "required": False, "secret": False},
            {"name": "username", "required": False, "secret": False},
            {"name": "token", "required": True, "secret": True},
            {"name": "expires_on", "required": False, "secret": False},
        ],
        "scopes": {"full": ["api"], "manual": ["read_api", "read_repository"]},
        "token_url": "",
        "expires_quality": [],
        "rotates": True,
        "lease_kinds": ["proxied"],
        "subgroup_triggers": "manual",
        "owners": None,
        "hosts": [
            {
                "id": host.public_id,
                "slug": "gitlab-com",
                "name": "GitLab.com",
                "base_url": "https://gitlab.com",
                "methods": ["token"],
                "owner": "operator",
            }
        ],
    }
    assert "scopes=api" in found["token_url"]


@pytest.mark.parametrize(("profile", "owners"), [("seed", "personal"), ("extended", "all")])
def test_github_tells_whose_repositories_are_built(alice: Somebody, settings, profile, owners):
    settings.MOORING_PROFILE = profile
    found = body_of(send(alice.api(), "GET", "/api/v1/providers/github"))
    assert (found["owners"], found["subgroup_triggers"]) == (owners, None)


def test_a_server_somebody_typed_is_shown_to_its_tenant_alone(alice: Somebody, mallory: Somebody):
    rows.host("gitlab", slug="own", base_url="https://git.acme.example", owner=alice.tenant)
    shown = body_of(send(alice.api(), "GET", "/api/v1/providers/gitlab"))["hosts"]
    assert [(host["slug"], host["owner"]) for host in shown] == [("own", "tenant")]
    assert body_of(send(mallory.api(), "GET", "/api/v1/providers/gitlab"))["hosts"] == []


def test_an_unknown_provider_is_not_found(alice: Somebody):
    refused(send(alice.api(), "GET", "/api/v1/providers/subversion"), "X-FOUND-01", 404)


def test_the_catalogue_is_public_and_whole(nobody):
    found = body_of(send(nobody, "GET", "/api/v1/problems"))
    codes = [entry["code"] for entry in found["data"]]
    assert codes == sorted(problems.ALL)
    for entry in found["data"]:
        assert set(entry["text"]) == {"en", "zh-hans"}
        assert (entry["status"] is None) == (entry["level"] != "error") or entry["code"] in {
            "X-FORM-02"
        }


def test_one_code_as_the_contract_shows_it(nobody):
    assert body_of(send(nobody, "GET", "/api/v1/problems/GL-SCOPE-01")) == {
        "code": "GL-SCOPE-01",
        "status": 422,
        "level": "error",
        "field": "token",
        "provider": "gitlab",
        "type": "http://127.0.0.1:8000/help/errors/GL-SCOPE-01/",
        "text": {
            "en": "This token has {scopes} only. Create one with api, then paste it here.",
            "zh-hans": "该令牌只有 {scopes} 权限。请新建一个勾选 api 的令牌，再粘贴到这里。",
        },
    }
    refused(send(nobody, "GET", "/api/v1/problems/GL-NONE-01"), "X-FOUND-01", 404)


# -- end dates -------------------------------------------------------------------------------------


def midnight(days: int) -> datetime:
    today = timezone.now().date() + timedelta(days=days)
    return datetime.combine(today, datetime.min.time(), UTC)


def ends(answer) -> list[str]:
    return [row["account"] for row in body_of(answer)["data"]]


@pytest.fixture
def five(alice: Somebody) -> list[Instance]:
    made = rows.instances(alice.tenant, 6)
    facts = [
        {"account_login": "later", "expires_at": midnight(89)},
        {"account_login": "ended", "expires_at": midnight(-3), "status": "expired"},
        {"account_login": "stated", "expires_at": midnight(20), "quality": "stated"},
        {"account_login": "idle", "expires_at": midnight(10), "quality": "idle"},
        {"account_login": "renewing", "expires_at": midnight(5), "renews": True},
        {"account_login": "far", "expires_at": midnight(300)},
    ]
    for instance, more in zip(made, facts, strict=True):
        rows.binding(instance, "github" if more["account_login"] == "later" else "gitlab", **more)
    return made


def test_end_dates_come_soonest_first_and_ended_ones_first_of_all(alice: Somebody, five):
    assert ends(send(alice.api(), "GET", EXPIRIES)) == ["ended", "stated", "later"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("within=P365D", ["ended", "stated", "later", "far"]),
        ("within=P30D", ["ended", "stated"]),
        ("within=P1D", ["ended"]),
        ("quality=stated", ["stated"]),
        ("provider=github", ["later"]),
        ("include_renewing=true", ["ended", "renewing", "stated", "later"]),
        ("instance=ins_x", []),
    ],
)
def test_end_dates_are_chosen(alice: Somebody, five, query: str, found: list[str]):
    assert ends(send(alice.api(), "GET", f"{EXPIRIES}?{query}")) == found


@pytest.mark.parametrize("within", ["P0D", "P366D", "90", "P1M", "P01D", "p1d"])
def test_durations_are_days(alice: Somebody, within: str):
    refused(send(alice.api(), "GET", f"{EXPIRIES}?within={within}"), "X-PARAM-02", 400)


def test_an_end_date_letter_by_letter(alice: Somebody, five):
    found = body_of(send(alice.api(), "GET", f"{EXPIRIES}?quality=stated"))["data"][0]
    assert found == {
        "binding": found["binding"],
        "instance": {"id": five[2].public_id, "name": five[2].name},
        "provider": "gitlab",
        "account": "stated",
        "state": "healthy",
        "expires_at": f"{midnight(20).date()}T00:00:00Z",
        "expires_quality": "stated",
        "renews": False,
        "triggers": 0,
        "clients": 0,
        "url": f"http://127.0.0.1:8000/t/acme/bindings/{found['binding']}/",
    }
