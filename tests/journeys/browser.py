"""A real Chromium, and what every page has to keep while somebody walks through it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

from portal import embedded

ARTIFACTS = Path(embedded.__file__).parent.parent / ".artifacts" / "journeys"
WIDTHS = (1440, 390, 320)
THEMES = ("light", "dark")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# A theme changes colours and nothing else, so the second one is judged by what depends on them.
OF_COLOUR = ["color-contrast", "link-in-text-block"]
RULES = {
    "light": {"runOnly": TAGS, "resultTypes": ["violations"]},
    "dark": {"runOnly": {"type": "rule", "values": OF_COLOUR}, "resultTypes": ["violations"]},
}
TURN = "(theme) => { document.documentElement.dataset.theme = theme; }"
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Main buttons have to be hit with a thumb.
SMALL = """() => [...document.querySelectorAll(".page-head .btn, .acts .btn, .tail .btn")]
  .filter((one) => one.getClientRects().length && one.offsetHeight < 42)
  .map((one) => one.textContent.trim())"""


@dataclass
class Visit:
    """One person's browser window. `complaints` must stay empty."""

    page: Page
    site: str
    hosts: set[str]
    complaints: list[str] = field(default_factory=list)
    clicks: int = 0

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._see)

    def open(self, path: str) -> Page:
        """Go to a page of the site."""
        self.page.goto(f"{self.site}{path}", wait_until="load")
        return self.page

    def press(self, words: str, *, within: str = "body") -> None:
        """Click the button or link that is called so."""
        self.clicks += 1
        here = self.page.locator(within)
        link = here.get_by_role("link", name=words, exact=True)
        here.get_by_role("button", name=words, exact=True).or_(link).first.click()

    def says(self, words: str) -> None:
        """Wait until the page says this."""
        self.page.get_by_text(words).first.wait_for()

    def row(self, slug: str) -> str:
        """The text of a platform's row."""
        return " ".join(self.page.locator(f"#row-{slug}").inner_text().split())

    def picture(self, name: str) -> None:
        """Keep a picture of the whole page, for people who look."""
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        # "initial": hiding the caret would put a style into the page, which its policy forbids.
        self.page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True, caret="initial")

    def judge(self, name: str, *, pictures: bool = True) -> list[str]:
        """What is wrong with the page as it stands, in both themes and at three widths."""
        axe, found = Axe(), []
        self.page.evaluate(axe.axe_script)
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            for theme in THEMES:
                self.page.evaluate(TURN, theme)
                here = f"{name} {theme} {width}"
                found += [f"{here}: {said}" for said in self._violations(theme)]
                if pictures and (width, theme) in {(1440, "light"), (390, "dark")}:
                    self.picture(here.replace(" ", "-"))
            over = self.page.evaluate(SIDEWAYS)
            found += [f"{name} {width}: {over} px too wide"] if over > 0 else []
            if width == 390:
                found += [f"{name}: low button {text!r}" for text in self.page.evaluate(SMALL)]
        self.page.set_viewport_size({"width": 1440, "height": 900})
        return found

    def glance(self, name: str) -> list[str]:
        """The same where pages are many: light on a screen, dark on a phone, and the narrowest."""
        axe, found = Axe(), []
        self.page.evaluate(axe.axe_script)
        for width, theme in ((1440, "light"), (390, "dark")):
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.evaluate(TURN, theme)
            found += [f"{name} {theme} {width}: {said}" for said in self._violations("light")]
            self.picture(f"{name}-{theme}-{width}")
        found += [f"{name}: low button {text!r}" for text in self.page.evaluate(SMALL)]
        self.page.set_viewport_size({"width": 320, "height": 900})
        over = self.page.evaluate(SIDEWAYS)
        found += [f"{name} 320: {over} px too wide"] if over > 0 else []
        self.page.set_viewport_size({"width": 1440, "height": 900})
        return found

    def _violations(self, theme: str) -> list[str]:
        results: Any = self.page.evaluate("(rules) => axe.run(document, rules)", RULES[theme])
        return [
            f"{one['id']} at {node['target']}"
            for one in results["violations"]
            for node in one["nodes"]
        ]

    def _hear(self, said: ConsoleMessage) -> None:
        source = str(said.location["url"])
        ours = self.page.url.startswith(self.site)  # what the platform's pages say is theirs
        # A page that refuses has a status of its own, which Chromium reports.
        refusal = (
            "the server responded with a status of 4" in said.text and "/static/" not in source
        )
        if ours and not refusal and said.type in ("error", "warning"):
            self.complaints.append(f"{self.page.url}: {said.text}")

    def _see(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if (
            parts.scheme in ("http", "https")
            and f"{parts.scheme}://{parts.netloc}" not in self.hosts
        ):
            self.complaints.append(f"a request to {request.url}")


def sign_in(context: BrowserContext, site: str, cookie: str) -> None:
    """Give a browser the session of somebody who has signed in."""
    context.add_cookies([{"name": "mooring", "value": cookie, "url": site}])
