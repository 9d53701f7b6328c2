"""Using a binding: a webhook, a trigger, a build, an endpoint and a clone, by pages alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from bindings.models import Binding
from portal.ground import jobs
from portal.ground.jobs import Job
from portal.tenants.models import Instance
from tests.bindings.sources import GitLab, stored
from tests.hosts import Sandbox
from tests.journeys.conftest import Enter
from tests.people import Somebody
from tests.receiver import Receiver


@pytest.fixture
def bound(sandbox: Sandbox, alice: Somebody, instance: Instance, settings: object) -> Binding:
    """build-bot of the sandbox's GitLab."""
    settings.MOORING_SANDBOX_URL = sandbox.url  # type: ignore[attr-defined]
    return stored(GitLab(sandbox).bind(alice.actor, instance))


def test_from_a_webhook_to_a_build_that_is_told(
    enter: Enter, alice: Somebody, bound: Binding, instance: Instance
) -> None:
    visit = enter(alice)
    page = visit.open(f"/t/acme/bindings/{bound.public_id}/webhooks/")
    visit.says("No webhooks yet. Turn on automatic builds for a repository.")
    visit.press("Add webhook")
    page.locator("dialog[open]").wait_for()
    page.fill("#id_repository", "platform/api")
    visit.press("Add webhook", within="dialog[open]")
    visit.says("The webhook was added.")

    visit.press("Send test event")
    visit.says("A test event is on its way. It appears below.")

    def worked_off() -> bool:
        page.reload()
        said = page.inner_text("main .card")
        return "Push to main" in said and "Received. Being read" not in said

    _until(page, worked_off)
    visit.press("Open Push to main")
    visit.says("Secrets are removed before anything is stored.")
    assert visit.glance("journey-delivery") == []

    jobs.start(Job.RELAY)  # beat's part, once: a relay goes on by itself
    with Receiver() as builder:
        visit.open("/t/acme/endpoints/")
        page.locator(".page-head").get_by_role("link", name="New endpoint").click()
        page.fill("#id_name", "builder")
        page.fill("#id_url", builder.url)
        visit.press("Add endpoint")
        visit.says("Your builder needs this secret to check our signature. Copy it now.")
        secret = page.inner_text("#secret").strip()
        visit.press("Done")
        visit.press("Send test event")
        visit.says("A test event is on its way. It appears below.")

        visit.open(f"/t/acme/instances/{instance.name}/triggers/new/")
        page.fill("#id_name", "api main")
        page.fill("#id_repository", "platform/api")
        page.fill("#id_branches", "main")
        visit.press("Show what matches now")
        visit.says("Matches 1 branch or tag now:")
        visit.press("Make the trigger")
        visit.says("The trigger api main was made.")
        visit.press("Run now")
        page.locator("dialog[open]").wait_for()
        page.fill("#id_reason", "test")
        visit.press("Run now", within="dialog[open]")
        visit.says("A build of main was started.")

        def told() -> set[str]:
            return {event["type"] for event in builder.verified(secret)}

        _until(page, lambda: {"endpoint.test", "build.manual"} <= told())
    visit.open("/t/acme/activity/?kind=builds")
    visit.says("Alice started a build of main in platform/api")


def _until(page: Page, true: Callable[[], bool]) -> None:
    """Wait for what a worker does, but not for ever."""
    for _ in range(75):
        if true():
            return
        page.wait_for_timeout(200)
    raise AssertionError(page.inner_text("main"))
