"""Pages of the account rules: hand-off, switch, put back, reconnect in one click."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Authorization, Binding
from bindings.services.bind import replace, switch
from bindings.services.browse import refs, repositories
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings.oauth.browser import Traveller
from tests.bindings.sources import GitHub, GitLab, live, opened, stored
from tests.bindings.web.conftest import Address, kept
from tests.bindings.web.reading import Page, read
from tests.people import Somebody

CHINESE = {"Accept-Language": "zh-hans"}
TAKEN = {
    "en": "One account per platform per instance.",
    "zh": "每个实例在每个平台只能绑定一个账号。",
}


@pytest.fixture
def lonely(gitlab: GitLab, binding: Binding) -> str:
    """A repository in use that only build-bot sees."""
    (made,) = gitlab.sandbox.add_repositories(
        "gitlab", "build-bot", count=1, prefix="own", visibility="private"
    )
    repositories.repositories(binding=binding)
    refs.resolve(binding=binding, repository=str(made["path"]), ref="main")
    return str(made["path"])


def typed(gitlab: GitLab, login: str = "ann", **more: str) -> dict[str, str]:
    return {"base_url": gitlab.base_url, "token": gitlab.token(login=login), **more}


# -- hand-off -------------------------------------------------------------------------------------


def test_a_link_is_made_shown_once_and_withdrawn(
    alice: Somebody, at: Address, github: GitHub, instance: Instance
) -> None:
    client, where = alice.client, f"{at.sources}github/handoff/"
    assert (
        read(client.get(at.sources)).links["Send this step to a colleague"].startswith(at.sources)
    )
    page = read(client.get(where))
    said = "Whoever opens this link can bind GitHub to prod-registry, and nothing else."
    assert f"{said} They need no account here." in page.text
    chinese = read(client.get(where, headers=CHINESE)).text
    assert "打开此链接的人仅可为 prod-registry 绑定 GitHub，无其他权限，也无需本站账号。" in chinese
    made = client.post(where)
    assert "no-store" in made.headers["Cache-Control"]
    text = made.content.decode()
    code = text.partition("/i/")[2].partition("/")[0]
    assert "Start" in read(client.get(f"/i/{code}/")).text
    again = client.get(where)
    assert code not in again.content.decode()
    with rls.tenant(instance.tenant_id):
        row = Authorization.objects.of(instance.tenant_id).get()
    assert read(again).fields["withdraw"]["value"] == row.public_id
    client.post(where, {"withdraw": row.public_id})
    assert "This link was withdrawn." in read(client.get(f"/i/{code}/")).text
    assert "withdraw" not in read(client.get(where)).fields


def test_only_admins_hand_off(
    bob: Somebody, mallory: Somebody, at: Address, github: GitHub
) -> None:
    where = f"{at.sources}github/handoff/"
    assert bob.client.post(where).status_code == 403
    assert mallory.client.post(where).status_code == 404
    assert bob.client.get(at.sources).content.decode().count("handoff/") == 0


# -- switching ------------------------------------------------------------------------------------


def test_a_second_bind_offers_to_switch(alice: Somebody, at: Address, binding: Binding) -> None:
    page = read(alice.client.get(at.bind()))
    assert page.links["Switch account"] == at.of(binding, "switch/")
    assert "GitLab is already bound to build-bot. Unbind it first, or switch account." in page.text
    assert TAKEN["en"] in page.text
    chinese = read(alice.client.get(at.bind(), headers=CHINESE)).text
    assert "GitLab 已绑定 build-bot，请先解绑或切换账号。" in chinese
    assert TAKEN["zh"] in chinese


def test_what_the_new_account_loses_is_shown_before_it_takes_over(
    alice: Somebody, at: Address, gitlab: GitLab, binding: Binding, lonely: str, instance: Instance
) -> None:
    client, where = alice.client, at.of(binding, "switch/")
    assert "Switch from build-bot to another account" in read(client.get(where)).text
    said = "0 of 1 repositories in use are visible to ann. These are not:"
    chinese = "正在使用的 1 个仓库中，ann 可访问 0 个，以下不可访问："
    compared = read(client.post(f"{where}test/", typed(gitlab)))
    assert said in compared.text
    assert lonely in compared.text
    assert "Keep build-bot" in compared.links
    assert chinese in read(client.post(f"{where}test/", typed(gitlab), headers=CHINESE)).text
    refused = client.post(where, typed(gitlab))
    assert said in read(refused).text
    assert gitlab.token(login="ann") not in refused.content.decode()
    assert [one.pk for one in live(instance)] == [binding.pk]
    done = client.post(where, typed(gitlab, accept_missing="1"))
    assert done.headers["Location"] == at.sources
    assert live(instance)[0].account_login == "ann"


def test_an_account_that_sees_everything_takes_over_with_one_button(
    alice: Somebody, at: Address, gitlab: GitLab, binding: Binding, instance: Instance
) -> None:
    client, where = alice.client, at.of(binding, "switch/")
    assert "No repository is in use, so nothing stops." in (
        read(client.post(f"{where}test/", typed(gitlab))).text
    )
    assert client.post(where, typed(gitlab)).headers["Location"] == at.sources
    assert live(instance)[0].account_login == "ann"


def test_by_consent_both_are_compared_on_the_way_back(
    alice: Somebody, at: Address, github: GitHub, instance: Instance
) -> None:
    old = github.bind(alice.actor, instance)
    traveller, where = Traveller(alice.client, github.sandbox), at.of(old, "switch/")
    page = read(traveller.client.get(where))
    assert page.fields["replaces"]["value"] == old.public_id
    answer = traveller.bind(instance, "otto", replaces=old.public_id)
    assert answer.headers["Location"] == where
    page = read(traveller.client.get(where))
    assert "Switch from octavia to otto?" in page.text
    assert [one.pk for one in live(instance)] == [old.pk]
    aside = page.fields["aside"]["value"]
    kept_ = traveller.client.post(where, {"aside": aside, "keep": "1"})
    assert kept_.headers["Location"] == at.of(old)
    assert switch.waiting(old) is None
    traveller.bind(instance, "otto", replaces=old.public_id)
    aside = read(traveller.client.get(where)).fields["aside"]["value"]
    assert traveller.client.post(where, {"aside": aside}).headers["Location"] == at.sources
    assert [one.account_login for one in live(instance)] == ["otto"]


def test_who_cancels_there_comes_back_to_the_switch(
    alice: Somebody, at: Address, github: GitHub, instance: Instance
) -> None:
    old = github.bind(alice.actor, instance)
    traveller = Traveller(alice.client, github.sandbox)
    url = traveller.leave(instance, replaces=old.public_id)
    answer = traveller.come_back(traveller.consent(url, "otto", approve=False))
    assert answer.headers["Location"] == f"{at.of(old, 'switch/')}?problem=GH-OAUTH-01"
    page = read(traveller.client.get(answer.headers["Location"]))
    assert "You cancelled on GitHub. Nothing changed." in page.text
    assert page.fields["replaces"]["value"] == old.public_id


# -- replacing and putting back -------------------------------------------------------------------


def test_the_old_token_is_put_back_with_one_click(
    alice: Somebody, at: Address, gitlab: GitLab, binding: Binding
) -> None:
    client, where = alice.client, at.of(binding)
    assert "Put the old token back" not in read(client.get(where)).text
    fresh = gitlab.sandbox.new_token("gitlab", "build-bot", "fresh", ["api"], "2027-10-01")
    replace.replace_token(actor=alice.actor, binding=binding, token=fresh)
    assert "Put the old token back" in read(client.get(where)).text
    assert "恢复旧令牌" in read(client.get(where, headers=CHINESE)).text
    assert client.post(at.of(binding, "back/")).headers["Location"] == where
    assert "The old token serves again." in read(client.get(where)).text
    assert opened(binding) == gitlab.token()


def test_another_accounts_token_leads_to_the_switch(
    alice: Somebody, at: Address, gitlab: GitLab, binding: Binding
) -> None:
    answer = alice.client.post(at.of(binding, "replace/"), {"token": gitlab.token(login="ann")})
    page = read(answer)
    assert page.links["Switch account"] == at.of(binding, "switch/")
    said = "This token belongs to ann; the binding belongs to build-bot."
    assert said in page.text


def test_a_token_that_sees_less_is_replaced_only_when_that_is_ticked(
    alice: Somebody, at: Address, gitlab: GitLab, binding: Binding, lonely: str
) -> None:
    rows: Any = repositories.repositories(binding=binding).rows
    number = next(row.external_id for row in rows if row.path == lonely)
    gitlab.fault("status:404", f"/api/v4/projects/{number}")
    fresh = gitlab.sandbox.new_token("gitlab", "build-bot", "fresh", ["api"], "2027-10-01")
    page = read(alice.client.post(at.of(binding, "replace/"), {"token": fresh}))
    assert "0 of 1 repositories in use are visible to build-bot. These are not:" in page.text
    assert opened(binding) == gitlab.token()
    ticked = {"token": fresh, "accept_missing": "1"}
    assert alice.client.post(at.of(binding, "replace/"), ticked).status_code == 302
    assert opened(binding) == fresh


# -- reconnecting ---------------------------------------------------------------------------------


def reconnects(page: Page) -> bool:
    return page.fields.get("binding", {}).get("value", "").startswith("bnd_")


def test_reconnect_is_one_click_wherever_it_is_shown(
    alice: Somebody, at: Address, github: GitHub, instance: Instance
) -> None:
    bound = github.bind(alice.actor, instance)
    old = opened(bound)
    kept(bound, status="revoked", why="refused", why_facts={"time": "then"})
    client = alice.client
    for where in (at.sources, at.of(bound), at.of(bound, "activity/")):
        answer = client.get(where)
        assert reconnects(read(answer)), where
        assert github.sandbox.url in answer.headers["Content-Security-Policy"]
    traveller = Traveller(client, github.sandbox)
    answer = traveller.bind(instance, binding=bound.public_id)
    assert answer.headers["Location"] == at.sources
    row = stored(bound)
    assert (row.pk, row.status, opened(row) != old) == (bound.pk, "active", True)


def test_another_account_that_comes_back_may_be_switched_to(
    alice: Somebody, at: Address, github: GitHub, instance: Instance
) -> None:
    bound = github.bind(alice.actor, instance)
    traveller = Traveller(alice.client, github.sandbox)
    answer = traveller.bind(instance, "otto", binding=bound.public_id)
    page = read(traveller.client.get(answer.headers["Location"]))
    assert "Sign in as octavia" in page.text
    assert page.links["Switch account"] == at.of(bound, "switch/")


def test_a_person_and_a_robot_are_told_apart(
    alice: Somebody, at: Address, binding: Binding
) -> None:
    kept(binding, robot=False)
    assert "A person A service account outlives" in read(alice.client.get(at.of(binding))).text
    kept(binding, robot=True)
    text = read(alice.client.get(at.of(binding))).text
    assert "Account A service account" in text
    assert timezone.now() > (binding.bound_at or timezone.now())
