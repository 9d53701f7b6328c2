"""Help: open to everybody, one page per code and platform; what we saw only for those who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from bindings import problems
from bindings.models import Binding
from bindings.services.keep import checks
from tests.bindings.sources import GitLab
from tests.bindings.web.conftest import Address
from tests.bindings.web.reading import read
from tests.people import Somebody

CHINESE = {"Accept-Language": "zh-hans"}


def test_the_table_of_platforms_names_version_method_and_limits(
    nobody: Client, settings: Any
) -> None:
    text = read(nobody.get("/help/")).text
    assert "GitHub github.com, GHE.com and Enterprise Server OAuth No limits" in text
    assert "GitLab All versions, hosted or on your own server Access token, OAuth No limits" in text
    settings.MOORING_PROFILE = "seed"
    text = read(nobody.get("/help/")).text
    assert "Repositories of personal accounts only" in text
    assert "Repositories in subgroups are built manually" in text


def test_people_find_the_page_under_its_older_names(nobody: Client) -> None:
    assert (
        "Image Registry > My Images > Source Code Authorization" in read(nobody.get("/help/")).text
    )
    assert "镜像仓库 > 我的镜像 > 源代码授权" in read(nobody.get("/help/", headers=CHINESE)).text


@pytest.mark.parametrize("headers", [{}, CHINESE])
def test_every_code_has_a_page(nobody: Client, headers: dict[str, str]) -> None:
    for code in ("GL-SCOPE-01", "GH-OAUTH-02", "X-FORM-02", "GT-ADDR-02"):
        answer = nobody.get(f"/help/errors/{code}/", headers=headers)
        page = read(answer)
        assert answer.status_code == 200
        assert code in page.text
        assert ("What to do" in page.text) is (headers == {})
    assert nobody.get("/help/errors/GL-NONE-01/").status_code == 404


def test_codes_are_found_by_code_and_by_pasted_words(nobody: Client) -> None:
    page = read(nobody.get("/help/errors/?q=gl-scope"))
    assert {"GL-SCOPE-01", "GL-SCOPE-02"} <= set(page.links)
    assert "GH-SCOPE-01" not in page.links
    pasted = "The server did not answer in 15 seconds. If it is behind a firewall, allow 1.2.3.4."
    assert "GL-NET-01" in read(nobody.get("/help/errors/", {"q": pasted})).links
    assert len(read(nobody.get("/help/errors/")).links) > len(problems.ALL)
    none = read(nobody.get("/help/errors/?q=zzzz"))
    assert "Nothing matches. Clear search" in none.text


@pytest.mark.parametrize("profile", ["seed", "extended"])
def test_the_page_of_a_platform_has_the_rules_of_the_bind_page(
    nobody: Client, settings: Any, profile: str
) -> None:
    settings.MOORING_PROFILE = profile
    text = read(nobody.get("/help/gitlab/")).text
    ports = (
        "HTTPS works on port 443 only. HTTP works on ports 80, 21, 443, 70, 210, 280, 488, 591,"
        " 777 and 1025 to 65535."
    )
    assert (ports in text) is (profile == "seed")
    assert ("Your operator allows some private networks" in text) is (profile == "extended")
    assert "Tick api." in text
    assert nobody.get("/help/sourceforge/").status_code == 404


def test_what_we_saw_is_for_members_only(
    alice: Somebody,
    mallory: Somebody,
    nobody: Client,
    binding: Binding,
    gitlab: GitLab,
    at: Address,
) -> None:
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    check = checks.start(actor=alice.actor, binding=binding)
    checks.run(tenant_id=binding.tenant_id, check_id=check.pk)
    path = f"/help/errors/GL-TOK-01/?tenant=acme&binding={binding.public_id}"
    page = read(alice.client.get(path))
    assert "What we saw" in page.text
    assert "Token accepted" in page.text
    assert page.links["Back to binding"] == at.of(binding)
    for client in (mallory.client, nobody):
        page = read(client.get(path))
        assert "What we saw" not in page.text
        assert "build-bot" not in page.text
        assert "Back to binding" not in page.text
