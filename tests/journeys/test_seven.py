"""All seven platforms with a mouse: bound, checked, renewed, all at once, and unbound again."""

from __future__ import annotations

from playwright.sync_api import Page

from bindings.services.browse.specs import LABELS
from portal.tenants.models import Instance
from tests.bindings.seven import ACCOUNTS, BY_CONSENT, BY_TOKEN, Seven
from tests.bindings.sources import live
from tests.journeys.browser import Visit
from tests.journeys.conftest import Enter
from tests.people import Somebody

DIALOG = "dialog[open]"
LEAVE = "Go to the source code repository to bind account"


def consent(page: Page, account: str) -> None:
    """At the platform: who am I, and yes. Both pages are shown the first time only."""
    known, sure = page.get_by_text(f"Continue as {account}"), page.locator("button.go")
    ours = page.locator("main#main, #main, .tabs")
    known.or_(sure).or_(ours).first.wait_for()
    if known.count():
        known.first.click()
        sure.or_(ours).first.wait_for()
    if sure.count():
        sure.first.click()


def by_consent(visit: Visit, slug: str, sources: str) -> None:
    visit.press(f"Bind account {LABELS[slug]}")
    visit.press(LEAVE, within=DIALOG)
    consent(visit.page, ACCOUNTS[slug])
    visit.says(f"Bind {ACCOUNTS[slug]} to prod-registry?")
    visit.press("Confirm")
    did = "linked" if slug == "github" else "bound"
    visit.says(f"You have successfully {did} your {LABELS[slug]} account.")


def by_token(visit: Visit, slug: str, all_seven: Seven) -> None:
    visit.press(f"Bind account {LABELS[slug]}")
    visit.page.locator(DIALOG).wait_for()
    for name, text in all_seven.typed(slug).items():
        visit.page.fill(f"#id_{name}", text)
    visit.page.fill("#id_token", all_seven.token(slug))
    visit.press("Test connection", within=DIALOG)
    visit.says(f"Bind {ACCOUNTS[slug]} to prod-registry?")
    visit.press("Confirm", within=DIALOG)
    visit.says(f"You have successfully bound your {LABELS[slug]} account.")


def check_and_renew(visit: Visit, slug: str, all_seven: Seven, sources: str) -> None:
    page = visit.page
    visit.press(f"Open {LABELS[slug]}")
    visit.says(f"{LABELS[slug]} · {ACCOUNTS[slug]}")
    here = page.url
    with page.expect_navigation():
        visit.press("Check now")
    page.locator("#overview:not([hx-get])").wait_for()
    visit.says("Checked just now")
    if slug in BY_TOKEN:
        visit.press("Replace token")
        page.locator(DIALOG).wait_for()
        page.fill("#id_token", all_seven.another_token(slug))
        visit.press("Replace token", within=DIALOG)
        visit.says("New token works. Nothing else changed.")
    elif slug in BY_CONSENT:
        visit.open(f"{sources}{slug}/bind/?reconnect={here.rstrip('/').rpartition('/')[2]}")
        visit.press(LEAVE)
        consent(page, ACCOUNTS[slug])
        page.wait_for_url(f"**{sources}")
    visit.open(sources)


def test_all_seven_are_bound_checked_renewed_and_unbound(
    enter: Enter, alice: Somebody, instance: Instance, all_seven: Seven, sources: str
) -> None:
    all_seven.cloud.connect(alice.tenant)
    visit = enter(alice)
    page = visit.open(sources)
    assert "bound by the platform Cloud account" in visit.row("codearts")
    for slug in (*BY_CONSENT, *BY_TOKEN):
        if slug in BY_CONSENT:
            by_consent(visit, slug, sources)
        else:
            by_token(visit, slug, all_seven)
        check_and_renew(visit, slug, all_seven, sources)
    check_and_renew(visit, "codearts", all_seven, sources)

    assert {binding.provider for binding in live(instance)} == set(ACCOUNTS)
    for slug, account in ACCOUNTS.items():
        assert account in visit.row(slug)
        assert "Healthy" in visit.row(slug)
        assert "Bound Open" in visit.row(slug)
    visit.picture("all-seven")

    visit.press("Open CodeArts")
    visit.says("It cannot be removed here.")
    assert page.get_by_role("link", name="Unbind").count() == 0
    assert page.get_by_role("link", name="Replace token").count() == 0
    for slug in (*BY_CONSENT, *BY_TOKEN):
        visit.open(sources)
        visit.press(f"Open {LABELS[slug]}")
        page.locator(".card.risk").get_by_role("link").click()
        visit.press("Unbind", within=DIALOG)
        visit.says(f"{ACCOUNTS[slug]} on {LABELS[slug]} is unbound.")
    assert [binding.provider for binding in live(instance)] == ["codearts"]
