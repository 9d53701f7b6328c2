"""Binding, checking, replacing and unbinding, as somebody does it with a mouse."""

from __future__ import annotations

from typing import Any

from bindings.models import CodeHost
from portal.tenants.models import Instance
from tests import factories
from tests.bindings.sources import live, opened
from tests.hosts import Sandbox
from tests.journeys.conftest import Enter, gitlab_token
from tests.people import Somebody

DIALOG = "dialog[open]"


def bind_gitlab(visit: Any, sandbox: Sandbox, token: str) -> None:
    """From Code sources: two pasted fields, three clicks."""
    visit.press("Bind account GitLab")
    visit.page.locator(DIALOG).wait_for()
    visit.page.fill("#id_base_url", f"{sandbox.base('gitlab')}/platform/api")
    visit.page.fill("#id_token", token)
    visit.press("Test connection", within=DIALOG)
    visit.says("Bind build-bot to prod-registry?")
    visit.press("Confirm", within=DIALOG)
    visit.says("You have successfully bound your GitLab account.")


def test_gitlab_is_bound_with_two_pasted_fields_and_three_clicks(
    enter: Enter, alice: Somebody, instance: Instance, sandbox: Sandbox, sources: str
) -> None:
    visit = enter(None)
    visit.open(sources)
    assert "/accounts/login/" in visit.page.url
    visit.page.fill("input[name=login]", alice.person.email)
    visit.page.fill("input[name=password]", factories.PASSWORD)
    visit.page.press("input[name=password]", "Enter")
    visit.page.wait_for_url(f"**{sources}")
    visit.says("Where does your code live?")
    token = gitlab_token(sandbox)
    bind_gitlab(visit, sandbox, token)
    assert visit.clicks == 3
    assert visit.page.url.endswith(sources)
    visit.says("build-bot is bound to prod-registry. 12 repositories can be built.")
    assert "Healthy" in visit.row("gitlab")
    assert "Bound Open" in visit.row("gitlab")
    assert token not in visit.page.content()
    assert opened(live(instance)[0]) == token


def test_a_failed_test_keeps_what_was_typed_and_takes_the_focus(
    enter: Enter, alice: Somebody, instance: Instance, sandbox: Sandbox, sources: str
) -> None:
    visit = enter(alice)
    page = visit.open(sources)
    visit.press("Bind account GitLab")
    wrong = gitlab_token(sandbox, "registry")
    page.fill("#id_base_url", f"{sandbox.base('gitlab')}/platform/api")
    page.fill("#id_token", wrong)
    visit.press("Test connection", within=DIALOG)
    visit.says("GitLab accepted the token, but it cannot do this job. Nothing has been saved.")
    assert page.evaluate("document.activeElement.hasAttribute('data-errors')")
    assert page.input_value("#id_token") == wrong
    assert page.input_value("#id_base_url") == sandbox.base("gitlab")
    assert visit.judge("bind-failed") == []

    page.fill("#id_username", "mallory")
    page.fill("#id_token", gitlab_token(sandbox))
    visit.press("Test connection", within=DIALOG)
    visit.press("Use build-bot", within=DIALOG)
    visit.says("Bind build-bot to prod-registry?")
    assert page.input_value("#id_username") == "build-bot"
    assert page.input_value("#id_token") == gitlab_token(sandbox)
    assert visit.judge("bind-passed") == []
    page.keyboard.press("Escape")
    page.locator(DIALOG).wait_for(state="detached")
    assert live(instance) == []


def test_an_address_is_judged_while_it_is_typed(
    enter: Enter, alice: Somebody, instance: Instance, sandbox: Sandbox, sources: str
) -> None:
    visit = enter(alice)
    page = visit.open(f"{sources}gitlab/bind/")
    page.locator("#id_token").fill("glpat-sandbox-not-sent-anywhere")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.post_data or ""))
    page.locator("#id_base_url").fill("http://gitlab.example.org:1024")
    visit.says("HTTP port 1024 is not allowed.")
    page.locator("#id_base_url").fill("https://gitlab.example.org/users/sign_in")
    page.locator("#guide a.btn[href^='https://gitlab.example.org/-/']").wait_for()
    assert sent
    assert not any("glpat" in one for one in sent)
    assert sandbox.state()["requests"].get("gitlab", {}) == {}


def test_github_is_bound_by_consent(
    enter: Enter, alice: Somebody, instance: Instance, github: CodeHost, sources: str
) -> None:
    visit = enter(alice)
    page = visit.open(sources)
    visit.press("Bind account GitHub")
    visit.press("Go to the source code repository to bind account", within=DIALOG)
    page.get_by_text("Continue as octavia").click()
    page.get_by_role("button", name="Cancel").click()
    visit.says("You cancelled on GitHub. Nothing changed.")
    visit.press("Go to the source code repository to bind account")
    page.get_by_role("button", name="Authorize").first.click()
    visit.says("Bind octavia to prod-registry?")
    visit.press("Confirm")
    visit.says("You have successfully linked your GitHub account.")
    visit.says("octavia is bound to prod-registry. 9 repositories can be built.")
    assert "octavia 9 repositories OAuth" in visit.row("github")
    assert [one.status for one in live(instance)] == ["active"]


def test_a_bound_account_is_checked_replaced_kept_and_unbound(
    enter: Enter, alice: Somebody, instance: Instance, sandbox: Sandbox, sources: str
) -> None:
    visit = enter(alice)
    page = visit.open(sources)
    bind_gitlab(visit, sandbox, gitlab_token(sandbox, "ending"))
    visit.says("The GitLab token ends in")
    page.locator("#row-gitlab summary").click()
    visit.press("Open", within="#row-gitlab")
    visit.says("GitLab · build-bot")
    visit.press("Check now")
    visit.says("The check has finished.")

    visit.press("Replace token")
    page.locator(DIALOG).wait_for()
    page.fill("#id_token", gitlab_token(sandbox, "full", "ann"))
    visit.press("Replace token", within=DIALOG)
    visit.says("This token belongs to ann; the binding belongs to build-bot.")
    assert visit.judge("replace-refused", pictures=False) == []
    page.fill("#id_token", gitlab_token(sandbox))
    visit.press("Replace token", within="form.dialog, main")
    visit.says("New token works. Nothing else changed.")

    page.locator(".card.risk").get_by_role("link").click()
    page.locator(DIALOG).wait_for()
    focused = page.evaluate("document.activeElement.textContent.trim()")
    assert focused == "Keep it"
    page.keyboard.press("Enter")
    page.locator(DIALOG).wait_for(state="detached")
    assert len(live(instance)) == 1
    page.locator(".card.risk").get_by_role("link").click()
    visit.press("Unbind", within=DIALOG)
    visit.says("build-bot on GitLab is unbound. Trigger settings are kept until")
    assert live(instance) == []


def test_all_accounts_are_checked_and_the_rows_follow(
    enter: Enter, alice: Somebody, instance: Instance, sandbox: Sandbox, sources: str
) -> None:
    visit = enter(alice)
    page = visit.open(sources)
    bind_gitlab(visit, sandbox, gitlab_token(sandbox))
    sandbox.fault("gitlab", "slow", value=0.4)
    visit.press("Check all now")
    visit.says("Checking 1 account…")
    page.locator("#row-gitlab").get_by_text("Checking…").wait_for()
    page.locator("#row-gitlab").get_by_text("Healthy").wait_for()
    page.locator("#said", has_text="The check has finished.").wait_for(state="attached")
    assert page.locator("#poll[hx-get]").count() == 0
