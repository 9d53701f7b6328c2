"""Finding a repository: search, refresh, why one is missing, branches and tags."""

from __future__ import annotations

import pytest

from bindings.models import Binding
from portal.tenants.models import Instance
from tests.bindings.sources import GitLab, stored
from tests.hosts import Sandbox
from tests.journeys.conftest import Enter
from tests.people import Somebody


@pytest.fixture
def bound(sandbox: Sandbox, alice: Somebody, instance: Instance, settings: object) -> Binding:
    """build-bot of the sandbox's GitLab."""
    settings.MOORING_SANDBOX_URL = sandbox.url  # type: ignore[attr-defined]
    return stored(GitLab(sandbox).bind(alice.actor, instance))


def test_a_repository_is_searched_diagnosed_opened_and_built(
    enter: Enter, alice: Somebody, bound: Binding, sandbox: Sandbox
) -> None:
    visit, here = enter(alice), f"/t/acme/bindings/{bound.public_id}/"
    page = visit.open(here)
    page.get_by_role("link", name="Repositories").first.click()
    visit.says("platform/images/base/alpine")  # read by the page itself, once it is open
    assert visit.judge("repositories") == []

    page.fill("#f-q", "debian")
    page.locator("#list tbody tr").nth(1).wait_for(state="detached")
    assert "platform/images/base/debian" in page.locator("#list").inner_text()
    page.fill("#f-q", "no such")
    visit.says("Nothing matches “no such”. Searched 12 repositories")
    sandbox.add_repositories("gitlab", "platform/images", prefix="brand-new")
    page.fill("#f-q", "brand-new")
    visit.says("Nothing matches “brand-new”.")
    visit.press("Ask GitLab itself.")
    visit.says("platform/images/brand-new")
    visit.open(f"{here}repositories/")
    visit.press("Refresh list")
    visit.says("platform/images/brand-new")

    page.fill("#missing_link", f"{sandbox.base('gitlab')}/ann/diary/-/issues/3")
    visit.press("Find out")
    visit.says("GitLab says there is no ann/diary for build-bot")
    assert visit.judge("missing") == []
    sandbox.set_role("gitlab", "build-bot", "maintain", repository="ann/diary")
    visit.press("Check again")
    visit.says("ann/diary is visible. Open it.")
    visit.press("Open it")

    visit.says("Branches and tags")
    page.fill("#ref", "main")
    visit.press("Look it up")
    visit.says("refs/heads/main")
    visit.press("Turn on automatic builds of ann/diary")
    visit.says("The webhook of ann/diary is in place")
    assert visit.judge("repository") == []
    assert [hook["repository"] for hook in sandbox.hooks("gitlab")] == ["ann/diary"]
    visit.press("Turn off automatic builds of ann/diary")
    visit.says("Pushes to ann/diary start no builds any more.")

    language = {"name": "mooring_language", "value": "zh-hans", "url": visit.site}
    page.context.add_cookies([language])
    visit.open(f"{here}repositories/?q=images")
    visit.says("找不到仓库？")
    visit.picture("repositories-chinese")
