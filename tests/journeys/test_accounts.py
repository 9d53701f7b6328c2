"""A step handed to somebody without an account, and accounts that are switched, with a mouse."""

from __future__ import annotations

from typing import Any

from bindings.models import CodeHost
from portal.tenants.models import Instance
from tests.bindings.sources import live, opened
from tests.hosts import Sandbox
from tests.journeys.conftest import Enter, gitlab_token
from tests.journeys.test_bind import DIALOG, bind_gitlab
from tests.people import Somebody


def make_link(visit: Any, sources: str, slug: str, name: str) -> str:
    """As an admin: from the row's menu to a link; its path."""
    visit.open(sources)
    visit.page.locator(f"#row-{slug} summary").click()
    visit.press("Send this step to a colleague", within=f"#row-{slug} details")
    visit.page.locator(DIALOG).wait_for()
    visit.says(f"Whoever opens this link can bind {name} to prod-registry, and nothing else.")
    visit.press("Make a link", within=DIALOG)
    visit.says("Copy the link now. You will not see it again.")
    text = str(visit.page.locator("#link").inner_text()).strip()
    assert "/i/" in text
    return f"/i/{text.partition('/i/')[2]}"


def test_a_colleague_without_an_account_binds_and_an_admin_confirms(
    enter: Enter,
    alice: Somebody,
    instance: Instance,
    sandbox: Sandbox,
    github: CodeHost,
    sources: str,
) -> None:
    admin = enter(alice)
    found = []
    to_github = make_link(admin, sources, "github", "GitHub")
    found += admin.judge("handoff-made")
    to_gitlab = make_link(admin, sources, "gitlab", "GitLab")

    # By consent, in a browser that was never here.
    colleague = enter(None)
    page = colleague.open(to_github)
    colleague.says("Alice asks you to connect GitHub to prod-registry.")
    found += colleague.judge("link")
    colleague.press("Start")
    page.get_by_text("Continue as octavia").click()
    page.get_by_role("button", name="Authorize").first.click()
    colleague.says("Thank you. Alice confirms the account; you can close this page.")
    found += colleague.judge("link-thanks")

    # By token, in another one; and a third finds it used.
    other = enter(None, locale="zh-CN")
    page = other.open(to_gitlab)
    other.press("开始")
    page.fill("#id_base_url", f"{sandbox.base('gitlab')}/platform/api")
    page.fill("#id_token", gitlab_token(sandbox))
    other.press("测试连接")
    other.says("将 build-bot 绑定到 prod-registry？")
    found += other.judge("link-form")
    late = enter(None)
    late.open(to_gitlab)
    late.says("This link has been used.")
    other.press("确定")
    other.says("谢谢。账号将由 Alice 确认，您可以关闭此页面。")
    page.goto(f"{other.site}{sources}")
    assert "/accounts/login/" in page.url
    assert {one.status for one in live(instance)} == {"pending"}

    for slug, login, platform in (
        ("github", "octavia", "linked your GitHub"),
        ("gitlab", "build-bot", "bound your GitLab"),
    ):
        admin.open(sources)
        assert "Waiting for confirmation" in admin.row(slug)
        admin.press(f"Continue {'GitHub' if slug == 'github' else 'GitLab'}")
        admin.says(f"{login} came back through your link. Is that the right account?")
        found += admin.judge(f"confirm-handed-{slug}", pictures=slug == "github")
        admin.press("Confirm", within=DIALOG)
        admin.says(f"You have successfully {platform} account.")
    assert {one.status for one in live(instance)} == {"active"}
    assert found == []


def test_an_account_is_switched_and_a_token_put_back(
    enter: Enter, alice: Somebody, instance: Instance, sandbox: Sandbox, sources: str
) -> None:
    visit = enter(alice)
    page, found = visit.open(sources), []
    bind_gitlab(visit, sandbox, gitlab_token(sandbox))
    (first,) = live(instance)
    fresh = sandbox.new_token("gitlab", "build-bot", "fresh", ["api"], "2027-10-01")
    visit.open(f"/t/acme/bindings/{first.public_id}/replace/")
    page.fill("#id_token", fresh)
    visit.press("Replace token", within="main .dialog")
    visit.says("New token works. Nothing else changed.")
    found += visit.judge("binding-replaced")
    visit.press("Put the old token back")
    visit.says("The old token serves again. Nothing else changed.")
    assert opened(first) == gitlab_token(sandbox)

    visit.open(sources)
    page.locator("#row-gitlab summary").click()
    visit.press("Switch account", within="#row-gitlab details")
    page.locator(DIALOG).wait_for()
    page.fill("#id_base_url", sandbox.base("gitlab"))
    page.fill("#id_token", gitlab_token(sandbox, login="ann"))
    visit.press("Compare", within=DIALOG)
    visit.says("No repository is in use, so nothing stops.")
    found += visit.judge("switch-token")
    visit.press("Switch", within=DIALOG)
    visit.says("You have successfully bound your GitLab account.")
    assert [one.account_login for one in live(instance)] == ["ann"]
    assert found == []
