"""A running portal, a sandbox to bind, and a browser for each person."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.utils import timezone
from playwright.sync_api import Browser, sync_playwright

from bindings.models import CodeHost
from bindings.services.custody import sealed
from portal.ground import rls
from portal.tenants.models import Instance
from providers.catalogue import REGISTRY
from tests.embedded import Services
from tests.hosts import Sandbox
from tests.journeys import servers
from tests.journeys.browser import Visit, sign_in
from tests.people import Somebody

Enter = Callable[..., Visit]


@pytest.fixture(scope="package")
def site(
    services: Services,
    sandbox_process: Sandbox,
    django_db_setup: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The address of the running portal."""
    assert services.redis
    with servers.portal(sandbox_process.url, tmp_path_factory.mktemp("portal")) as address:
        yield address


@pytest.fixture(autouse=True)
def _empty_redis(services: Services) -> None:
    """Every journey begins with an empty Redis, but for what ties the worker to its queues."""
    assert services.redis
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as session:
        for key in session.scan_iter():
            if not key.startswith(b"_kombu"):
                session.delete(key)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One Chromium for all journeys."""
    with pytest.MonkeyPatch.context() as environment, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, which Django takes for asynchronous code.
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def enter(chromium: Browser, site: str, sandbox: Sandbox) -> Iterator[Enter]:
    """Open a window for somebody who has just signed in; None for a stranger."""
    open_windows = []

    def opened(somebody: Somebody | None, **options: Any) -> Visit:
        # Without motion colours do not fade into each other: what is judged is what they become.
        shape: dict[str, Any] = {
            "viewport": {"width": 1440, "height": 900},
            "locale": "en-GB",
            "reduced_motion": "reduce",
            **options,
        }
        context = chromium.new_context(**shape)
        context.set_default_timeout(15_000)
        if somebody is not None:
            sign_in(context, site, somebody.client.cookies["mooring"].value)
        visit = Visit(context.new_page(), site, {site, sandbox.url})
        open_windows.append((context, visit))
        return visit

    yield opened
    for context, _visit in open_windows:
        context.close()
    assert [said for _context, visit in open_windows for said in visit.complaints] == []


@pytest.fixture
def github(sandbox: Sandbox, db: None) -> CodeHost:
    """An operator's GitHub, which is the sandbox."""
    base_url = sandbox.base("github")
    host = CodeHost(
        slug="github-sandbox",
        provider="github",
        label="GitHub sandbox",
        base_url=base_url,
        api_url=REGISTRY["github"].api_url(base_url),
        client_id="mooring-sandbox",
    )
    sealed.put_client_secret(host, "sandbox-client-secret", now=timezone.now())
    with rls.fleet("a test's GitHub"):
        host.save(force_insert=True)
    return host


@pytest.fixture
def sources(instance: Instance) -> str:
    """The path of alice's Code sources."""
    return f"/t/acme/instances/{instance.name}/sources/"


def gitlab_token(sandbox: Sandbox, name: str = "full", login: str = "build-bot") -> str:
    """A token of the sandbox's GitLab."""
    return sandbox.token("gitlab", login, name)
