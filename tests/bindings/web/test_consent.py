"""Before leaving for a platform, and after the return: what is asked, whose account it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import time_machine
from django.utils import timezone

from bindings.models import Authorization, Binding
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings.api import rows
from tests.bindings.sources import GitHub, live, stored
from tests.bindings.web.conftest import Address
from tests.bindings.web.reading import read
from tests.people import Somebody

CHINESE = {"Accept-Language": "zh-hans"}


def pending(github: GitHub, somebody: Somebody, instance: Instance) -> Binding:
    return github.finish(somebody.actor, github.begin(somebody.actor, instance))


def test_the_page_says_what_is_asked_and_why(alice: Somebody, github: GitHub, at: Address) -> None:
    text = read(alice.client.get(at.bind("github"))).text
    for said in (
        "Authorize to sync GitHub code source",
        "Read and clone private repositories. GitHub has no read-only version for OAuth apps."
        " We never push.",
        "Add and remove our build webhook, only where you turn on automatic builds.",
        "See which organizations you belong to, so that their repositories appear.",
        "Using organization repositories? On GitHub's page press Grant or Request beside each"
        " organization.",
        "GitHub binds whichever account is signed in there. Use a different account",
        "Everyone in Acme can build from the repositories this account can read.",
        "This lets an instance read code. It does not change how you sign in.",
        "Go to the source code repository to bind account",
    ):
        assert said in text


def test_the_same_in_chinese(alice: Somebody, github: GitHub, at: Address) -> None:
    text = read(alice.client.get(at.bind("github"), headers=CHINESE)).text
    for said in (
        "立即授权同步 GitHub 代码源",
        "读取并克隆私有仓库。GitHub 的 OAuth 应用没有只读选项；我们不会推送。",
        "要使用组织仓库？请在 GitHub 页面点击各组织旁的 Grant 或 Request。",
        "将绑定当前在 GitHub 登录的账号。 使用其他账号",
        "Acme 的所有成员都可以使用该账号可读的仓库进行构建。",
        "前往源代码仓库绑定账号",
    ):
        assert said in text


def test_several_servers_give_a_choice(alice: Somebody, github: GitHub, at: Address) -> None:
    page = read(alice.client.get(at.bind("github")))
    assert "host" not in page.fields
    other = rows.host("github", client_id="test", base_url="https://github.example.org")
    page = read(alice.client.get(at.bind("github")))
    assert "Which server?" in page.text
    assert page.fields["host"]["type"] == "radio"
    assert other.base_url in page.text


def test_the_form_may_lead_to_the_platform(alice: Somebody, github: GitHub, at: Address) -> None:
    policy = alice.client.get(at.bind("github")).headers["Content-Security-Policy"]
    assert f"form-action 'self' {github.sandbox.url}" in policy


def test_a_return_that_was_refused_is_explained_with_its_names(
    alice: Somebody, github: GitHub, instance: Instance, at: Address
) -> None:
    binding = github.bind(alice.actor, instance)
    with rls.tenant(instance.tenant_id):
        Authorization.objects.create(
            tenant_id=instance.tenant_id,
            instance=instance,
            host=github.host,
            provider="github",
            intent="reconnect",
            binding=binding,
            status="failed",
            problem={"code": "GH-ACC-01", "facts": {"new": "otto", "old": "octavia"}},
            digest=bytes(32),
            expires_at=timezone.now(),
        )
    page = read(alice.client.get(f"{at.bind('github')}?problem=GH-ACC-01&new=mallory"))
    assert "This is otto, but the binding belongs to octavia." in page.text
    assert "Sign in as octavia" in page.text
    assert page.fields["binding"]["value"] == binding.public_id
    assert "mallory" not in page.text


def test_fewer_permissions_leave_two_ways(alice: Somebody, github: GitHub, at: Address) -> None:
    page = read(alice.client.get(f"{at.bind('github')}?problem=GH-SCOPE-02"))
    assert "Ask again" in page.text
    assert "Bind for manual builds only" in page.text
    chinese = read(alice.client.get(f"{at.bind('github')}?problem=GH-SCOPE-02", headers=CHINESE))
    assert "重新授权" in chinese.text
    assert "仅用于手动构建" in chinese.text


def test_an_invented_problem_says_nothing(alice: Somebody, github: GitHub, at: Address) -> None:
    page = read(alice.client.get(f"{at.bind('github')}?problem=<b>GH-FAKE-99</b>"))
    assert "FAKE" not in page.text


# -- the confirmation -----------------------------------------------------------------------------


def test_the_account_that_came_back_is_shown_before_it_lives(
    alice: Somebody, github: GitHub, instance: Instance, at: Address
) -> None:
    pending(github, alice, instance)
    page = read(alice.client.get(at.confirm()))
    assert "Bind octavia to prod-registry?" in page.text
    assert "Octavia Sandbox" in page.text
    assert "No end date · ends if unused for 1 year" in page.text
    for said in ("List repositories", "Clone private source", "Server found", "GitHub sandbox"):
        assert said in page.text
    assert "Confirm" in page.text
    assert "Use another account" in page.text
    chinese = read(alice.client.get(at.confirm(), headers=CHINESE)).text
    assert "将 octavia 绑定到 prod-registry？" in chinese
    assert "使用其他账号" in chinese


def test_confirm_makes_it_live_and_says_so_in_the_exact_words(
    alice: Somebody, github: GitHub, instance: Instance, at: Address
) -> None:
    binding = pending(github, alice, instance)
    client = alice.client
    assert "Waiting for confirmation" in read(client.get(at.sources)).rows["row-github"]
    assert client.post(at.confirm()).headers["Location"] == at.sources
    page = read(client.get(at.sources))
    assert "You have successfully linked your GitHub account." in page.text
    assert "octavia is bound to prod-registry. 9 repositories can be built." in page.text
    assert stored(binding).status == "active"
    client.post(at.confirm(), headers=CHINESE)
    assert "确认超时" in read(client.get(at.sources, headers=CHINESE)).text


def test_the_success_text_in_chinese(
    alice: Somebody, github: GitHub, instance: Instance, at: Address
) -> None:
    pending(github, alice, instance)
    client = alice.client
    client.post(at.confirm(), headers=CHINESE)
    assert "您已成功绑定 GitHub 账号。" in read(client.get(at.sources, headers=CHINESE)).text


def test_cancel_gives_it_up(
    alice: Somebody, github: GitHub, instance: Instance, at: Address
) -> None:
    pending(github, alice, instance)
    client = alice.client
    client.post(at.confirm(), {"discard": "1"})
    assert "Nothing is bound." in read(client.get(at.sources)).text
    assert live(instance) == []


def test_too_late_binds_nothing(
    alice: Somebody, github: GitHub, instance: Instance, at: Address
) -> None:
    pending(github, alice, instance)
    client = alice.client
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert client.get(at.confirm()).headers["Location"] == at.sources
        client.post(at.confirm())
        text = read(client.get(at.sources)).text
    assert "You did not confirm in time. Nothing is bound." in text
    assert live(instance)[0].status == "pending"


def test_a_developer_neither_sees_nor_confirms_it(
    alice: Somebody, bob: Somebody, github: GitHub, instance: Instance, at: Address
) -> None:
    binding = pending(github, alice, instance)
    assert bob.client.get(at.confirm()).status_code == 403
    assert bob.client.post(at.confirm()).status_code == 403
    assert stored(binding).status == "pending"
    assert "Open GitHub" in read(bob.client.get(at.sources)).rows["row-github"]


def test_a_platform_that_was_switched_off_meanwhile_is_not_offered(
    alice: Somebody, github: GitHub, at: Address, settings: Any
) -> None:
    with rls.fleet("a test switches a host off"):
        type(github.host).objects.filter(pk=github.host.pk).update(enabled=False)
    answer = alice.client.get(at.bind("github"))
    assert answer.status_code == 422
    assert "GitHub is not switched on here." in read(answer).text
