"""The same journeys by other ways: without JavaScript, in Chinese, by keyboard, on a phone."""

from __future__ import annotations

from bindings.models import CodeHost
from portal.tenants.models import Instance
from tests.bindings.api import rows
from tests.bindings.sources import live
from tests.hosts import Sandbox
from tests.journeys.conftest import Enter, gitlab_token
from tests.people import Somebody


def test_without_javascript_everything_is_a_page(
    enter: Enter,
    alice: Somebody,
    instance: Instance,
    sandbox: Sandbox,
    github: CodeHost,
    sources: str,
) -> None:
    visit = enter(alice, java_script_enabled=False)
    page = visit.open(sources)
    visit.press("Bind account GitLab")
    page.fill("#id_base_url", sandbox.base("gitlab"))
    page.fill("#id_token", gitlab_token(sandbox))
    visit.press("Test connection")
    visit.says("Bind build-bot to prod-registry?")
    visit.says("Paste the token again. For safety we do not keep it after an error.")
    assert page.input_value("#id_token") == ""
    page.fill("#id_token", gitlab_token(sandbox))
    visit.press("Confirm")
    visit.says("You have successfully bound your GitLab account.")

    # The page waits for the check, which a worker runs meanwhile.
    page.locator("#row-gitlab summary").click()
    visit.press("Check now", within="#row-gitlab")
    assert "Healthy" in visit.row("gitlab")
    assert page.url.endswith(sources)

    visit.press("Bind account GitHub")
    visit.press("Go to the source code repository to bind account")
    page.get_by_text("Continue as octavia").click()
    page.get_by_role("button", name="Authorize").first.click()
    visit.press("Confirm")
    visit.says("You have successfully linked your GitHub account.")

    page.locator("#row-gitlab summary").click()
    visit.press("Unbind", within="#row-gitlab")
    visit.press("Unbind", within="main .dialog")
    visit.says("build-bot on GitLab is unbound.")
    assert [one.provider for one in live(instance)] == ["github"]


def test_the_same_words_in_chinese_on_a_phone(
    enter: Enter, alice: Somebody, instance: Instance, sandbox: Sandbox, sources: str
) -> None:
    phone = {"width": 390, "height": 844}
    visit = enter(alice, viewport=phone, locale="zh-CN", has_touch=True, color_scheme="dark")
    page = visit.open(sources)
    visit.says("您的代码在哪里？")
    visit.press("绑定账号 GitLab")
    page.locator("dialog[open]").wait_for()
    page.fill("#id_base_url", sandbox.base("gitlab"))
    page.fill("#id_token", gitlab_token(sandbox))
    visit.press("测试连接", within="dialog[open]")
    visit.says("将 build-bot 绑定到 prod-registry？")
    visit.picture("bind-chinese-phone")
    visit.press("确定", within="dialog[open]")
    visit.says("您已成功绑定 GitLab 账号。")
    visit.says("已将 build-bot 绑定到 prod-registry，可构建 12 个仓库。")
    assert "已绑定" in visit.row("gitlab")
    visit.picture("sources-chinese-phone")


def test_keys_lead_where_they_say(
    enter: Enter, alice: Somebody, instance: Instance, sources: str
) -> None:
    rows.binding(instance, "gitlab")
    visit = enter(alice)
    page = visit.open(sources)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "jump"
    page.keyboard.type("prod")
    page.keyboard.press("Enter")
    page.wait_for_url("**/instances/?q=prod")
    page.locator("h1").click()
    page.keyboard.press("g")
    page.keyboard.press("e")
    page.wait_for_url("**/expiry/")
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/t/acme/instances/")
    visit.open(sources)
    page.locator("#row-gitlab summary").click()
    page.keyboard.press("Escape")
    assert page.locator("#row-gitlab details[open]").count() == 0
    page.locator("#row-gitlab summary").press("Enter")
    page.locator("#row-gitlab").get_by_text("Copy API id").wait_for()


def test_language_and_theme_are_chosen_in_place(
    enter: Enter, alice: Somebody, instance: Instance, sources: str
) -> None:
    visit = enter(alice)
    page = visit.open(sources)
    page.get_by_role("button", name="简体中文").click()
    visit.says("您的代码在哪里？")
    assert page.url.endswith(sources)
    page.get_by_label("主题").first.click()
    page.get_by_role("button", name="深色").click()
    page.locator("html[data-theme=dark]").wait_for()
    page.get_by_role("button", name="English").click()
    visit.says("Where does your code live?")
    assert page.locator("html[data-theme=dark]").count() == 1


def test_a_sign_in_that_grew_old_leads_back_to_the_form(
    enter: Enter, alice: Somebody, instance: Instance, site: str, sources: str
) -> None:
    from datetime import timedelta

    from tests import factories
    from tests.journeys.browser import sign_in

    visit = enter(None)
    late = alice.signed_in(ago=timedelta(minutes=16)).cookies["mooring"].value
    sign_in(visit.page.context, site, late)
    page = visit.open(sources)
    visit.press("Bind account GitLab")
    page.wait_for_url("**/accounts/reauthenticate/**")
    page.fill("input[name=password]", factories.PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"**{sources}gitlab/bind/")
    visit.says("GitLab code source authorization")
