"""The operators' pages in a real browser: nothing the policy forbids, readable in both themes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Page, sync_playwright

from bindings.models import Binding
from portal.tenants.models import Tenant
from tests.bindings.admin.conftest import Operator, address

T = TypeVar("T")
LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3
# Colours fade into each other: only what they become counts.
TURN = """
(theme) => {
  document.documentElement.dataset.theme = theme;
  document.documentElement.clientHeight;
  return Promise.all(document.getAnimations().map((fading) => fading.finished)).then(() => null);
}
"""
# The colours of every text on the page, and of what it stands on.
TEXTS = """
() => {
  const visible = (node) => node.getClientRects().length > 0;
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/rgba\\(.*, 0\\)|transparent/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    const text = walk.currentNode.textContent.trim();
    if (text && visible(node) && !["SCRIPT", "OPTION"].includes(node.tagName))
      found.push([text, getComputedStyle(node).color, ground(node)]);
  }
  return found;
}
"""


@dataclass
class Session:
    """What happened in one browser while a test looked at pages."""

    page: Page
    site: str
    complaints: list[str] = field(default_factory=list)

    def open(self, where: str, *args: Any) -> Page:
        self.page.goto(f"{self.site}{address(where, *args)}", wait_until="load")
        return self.page

    def unreadable(self) -> list[str]:
        """The texts of the page whose contrast is too low."""
        texts = self.page.evaluate(TEXTS)
        assert texts
        return [text for text, colour, ground in texts if contrast(colour, ground) < LEAST_CONTRAST]


Look = Callable[[Session], T]


@pytest.fixture
def browse(operator: Operator, live_server: Any) -> Iterator[Callable[[Look[T]], T]]:
    """Run a look in a browser in which the operator is signed in.

    In a thread of its own: where Playwright runs, Django sees an event loop and refuses to work.
    """
    cookie = {"name": "mooring", "value": operator.client.cookies["mooring"].value}

    def visit(look: Look[T]) -> T:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            context = browser.new_context(viewport={"width": 1366, "height": 900})
            context.add_cookies([cookie | {"url": live_server.url}])  # type: ignore[list-item]  # a plain dict
            session = Session(context.new_page(), live_server.url)
            session.page.on("console", lambda said: note(session, said.type, said.text))
            session.page.on("pageerror", lambda error: note(session, "error", str(error)))
            try:
                found = look(session)
            finally:
                browser.close()
        assert session.complaints == []
        return found

    with ThreadPoolExecutor(1) as thread:
        yield lambda look: thread.submit(visit, look).result()


def note(session: Session, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        session.complaints.append(f"{session.page.url}: {text}")


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2 between two CSS colours."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def every_page(session: Session, bound: Binding) -> Iterator[str]:
    """Opens one page after the other; yields its name."""
    for where in (
        *("index", "operator_health", "operator_keys", "bindings_binding_changelist"),
        *("bindings_codehost_changelist", "bindings_codehost_add", "bindings_check_changelist"),
        *("bindings_ending_changelist", "tenants_instance_changelist", "tenants_user_changelist"),
        *("tenants_tenant_changelist", "tenants_membership_changelist"),
    ):
        session.open(where)
        yield where
    session.open("bindings_binding_change", bound.pk)
    yield "binding"
    session.open("bindings_codehost_change", bound.host_id)
    yield "host"


def test_every_page_keeps_the_policy_and_can_be_read(
    browse: Callable[[Look[Any]], Any], bound: Binding
) -> None:
    def look(session: Session) -> dict[str, list[str]]:
        found = {}
        for name in every_page(session, bound):
            for theme in ("light", "dark"):
                session.page.evaluate(TURN, theme)
                found[f"{name}, {theme}"] = session.unreadable()
        return found

    found = browse(look)
    assert len(found) == 28
    assert {name: texts for name, texts in found.items() if texts} == {}


def test_a_binding_is_chosen_and_suspended_with_the_mouse(
    browse: Callable[[Look[str]], str], bound: Binding, foreign: Binding
) -> None:
    def look(session: Session) -> str:
        page = session.open("bindings_binding_changelist")
        page.get_by_role("row", name="build-bot").get_by_role("checkbox").check()
        page.get_by_label("Action:").select_option("suspend")
        page.get_by_role("button", name="Go").click()
        page.get_by_label("Reason").fill("A test.")
        page.get_by_role("button", name="Suspend").click()
        return page.get_by_role("row", name="build-bot").inner_text()

    assert "Paused" in browse(look)


def test_a_host_is_offered_by_typing_a_tenants_name(
    browse: Callable[[Look[str]], str], bound: Binding, acme: Tenant
) -> None:
    def look(session: Session) -> str:
        page = session.open("bindings_codehost_change", bound.host_id)
        page.locator("#offers-0 .select2-selection").click()
        page.locator(".select2-search__field").fill("acm")
        page.get_by_role("option", name="Acme").click()
        page.get_by_role("button", name="Save", exact=True).click()
        page.wait_for_load_state("networkidle")
        return page.locator(".messagelist").inner_text()

    assert "was changed successfully" in browse(look)
