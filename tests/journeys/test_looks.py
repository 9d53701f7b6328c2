"""Every page in both themes at three widths: no violation that axe can find, nothing too wide,
no complaint of the browser, no request to anybody else. Pictures go to `.artifacts/`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Authorization, Binding, Check, CodeHost, Ending
from bindings.services.bind import links
from bindings.services.browse.specs import ORDER
from bindings.services.keep import ladder
from bindings.services.tell import people
from portal.ground import rls
from portal.tenants.models import Instance
from tests import factories
from tests.bindings.api import rows
from tests.journeys.conftest import Enter
from tests.people import Somebody

NOW = timezone.now()
STEPS = [
    {"key": "server", "status": "ok", "ms": 38, "code": "", "facts": {"host": "gitlab.example"}},
    {"key": "tls", "status": "ok", "ms": 61, "code": "", "facts": {"until": "2027-03-04"}},
    {"key": "token", "status": "ok", "ms": 112, "code": "", "facts": {"login": "build-bot"}},
    {"key": "permissions", "status": "failed", "ms": 1, "code": "GL-SCOPE-01", "facts": {}},
    {"key": "repositories", "status": "not_run", "ms": None, "code": "", "facts": {}},
    {"key": "webhook", "status": "not_run", "ms": None, "code": "", "facts": {}},
]
COLUMNS: dict[str, dict[str, Any]] = {
    "github": {"kind": "oauth", "quality": "idle", "repositories_seen": 41},
    "gitlab": {
        "status": "expiring",
        "why": "ends_soon",
        "expires_at": datetime.combine(NOW.date() + timedelta(days=6), datetime.min.time(), UTC),
        "repositories_seen": 128,
        "used_at": NOW,
    },
    "gitee": {"kind": "oauth", "status": "revoked", "why": "refused", "quality": "idle"},
    "bitbucket": {"kind": "oauth", "renews": True},
    "codearts": {"kind": "platform"},
    "codeup": {"quality": "unknown", "expires_at": None},
    "gitea": {"reach": "unreachable", "reach_why": "timeout"},
}


class World:
    """alice's tenant with something of everything, and the paths of its pages."""

    def __init__(self, alice: Somebody, instance: Instance, github: CodeHost) -> None:
        self.alice, self.instance = alice, instance
        self.bound = {slug: rows.binding(instance, slug, **COLUMNS[slug]) for slug in ORDER}
        self.empty = factories.instance(alice.tenant, "sandbox")
        waits = factories.instance(alice.tenant, "staging")
        self.pending = rows.binding(
            waits,
            "github",
            kind="oauth",
            status="pending",
            quality="idle",
            bound_at=None,
            confirm_until=NOW + timedelta(minutes=9),
        )
        self.ended = rows.binding(self.empty, "gitlab", unbound_at=NOW)
        self.link = links.begin(actor=alice.actor, instance=self.empty, provider="github").code
        with rls.tenant(alice.tenant.pk):
            for binding in (self.bound["gitlab"], self.pending):
                Check.objects.create(
                    tenant=alice.tenant, binding=binding, cause="bind", status="failed", steps=STEPS
                )
            Ending.objects.create(
                tenant=alice.tenant,
                binding=self.ended,
                by={"kind": "user", "id": "", "name": "Alice"},
                steps=[
                    {
                        "action": "revoke_credential",
                        "status": "manual",
                        "url": "https://gl.example",
                    },
                    {"action": "erase_credential", "status": "done", "url": None},
                ],
                next_try_at=NOW,
                give_up_at=NOW + timedelta(days=7),
                attempts=1,
            )
            Authorization.objects.create(
                tenant=alice.tenant,
                instance=self.empty,
                host=github,
                provider="github",
                status="failed",
                problem={"code": "GH-SCOPE-02", "facts": {}},
                digest=b"1" * 32,
                expires_at=NOW,
            )

        ladder.climb(NOW)
        people.tell(NOW)

    def of(self, binding: Binding, page: str = "") -> str:
        return f"/t/acme/bindings/{binding.public_id}/{page}"

    def sources(self, name: str, page: str = "") -> str:
        return f"/t/acme/instances/{name}/sources/{page}"


@pytest.fixture
def world(alice: Somebody, instance: Instance, github: CodeHost) -> World:
    return World(alice, instance, github)


PAGES: dict[str, Callable[[World], str]] = {
    "instances": lambda w: "/t/acme/instances/",
    "instance-new": lambda w: "/t/acme/instances/new/",
    "sources": lambda w: w.sources("prod-registry"),
    "sources-empty": lambda w: w.sources("sandbox"),
    "bind-token": lambda w: w.sources("sandbox", "gitlab/bind/"),
    "bind-consent": lambda w: w.sources("sandbox", "github/bind/?problem=GH-SCOPE-02"),
    "bind-taken": lambda w: w.sources("prod-registry", "gitlab/bind/"),
    "confirm": lambda w: w.sources("staging", "github/confirm/"),
    "binding": lambda w: w.of(w.bound["gitlab"]),
    "binding-revoked": lambda w: w.of(w.bound["gitee"]),
    "binding-locked": lambda w: w.of(w.bound["codearts"]),
    "binding-activity": lambda w: w.of(w.bound["gitlab"], "activity/"),
    "replace": lambda w: w.of(w.bound["gitlab"], "replace/"),
    "end-date": lambda w: w.of(w.bound["codeup"], "end/"),
    "unbind": lambda w: w.of(w.bound["gitlab"], "unbind/"),
    "receipt": lambda w: w.of(w.ended, "receipt/"),
    "expiry": lambda w: "/t/acme/expiry/",
    "calendar": lambda w: "/t/acme/expiry/feed/",
    "notices": lambda w: "/t/acme/notices/",
    "preferences": lambda w: "/me/notifications/",
    "activity": lambda w: "/t/acme/activity/",
    "tokens": lambda w: "/t/acme/tokens/",
    "token-new": lambda w: "/t/acme/tokens/new/",
    "attempt": lambda w: f"/i/{w.link}/",
    "help": lambda w: "/help/",
    "help-errors": lambda w: "/help/errors/?q=gl-",
    "help-error": lambda w: "/help/errors/GL-SCOPE-01/",
    "help-platform": lambda w: "/help/gitlab/",
    "not-found": lambda w: "/t/acme/nothing/",
    "password": lambda w: "/accounts/password/change/",
    "second-step": lambda w: "/accounts/2fa/",
}
STRANGERS = {"sign-in": "/accounts/login/", "reset": "/accounts/password/reset/"}


def test_every_page_looks_right(enter: Enter, world: World) -> None:
    visit, found = enter(world.alice), []
    for name, where in PAGES.items():
        visit.open(where(world))
        found += visit.judge(name)
    assert found == []


def test_every_page_of_a_stranger_looks_right(enter: Enter, db: None) -> None:
    visit, found = enter(None), []
    for name, where in STRANGERS.items():
        visit.open(where)
        found += visit.judge(name)
    assert found == []


def test_a_refusal_and_the_eyes_of_a_viewer_look_right(
    enter: Enter, world: World, carol: Somebody
) -> None:
    visit, found = enter(carol), []
    for name, where in {
        "viewer-sources": world.sources("prod-registry"),
        "viewer-empty": world.sources("sandbox"),
        "forbidden": world.sources("sandbox", "gitlab/bind/"),
    }.items():
        visit.open(where)
        found += visit.judge(name)
    assert found == []


def test_open_dialogs_look_right(enter: Enter, world: World) -> None:
    visit, found = enter(world.alice), []
    page = visit.page
    for words, slug in {"Replace token": "gitlab", "Unbind": "gitlab"}.items():
        visit.open(world.sources("prod-registry"))
        page.locator(f"#row-{slug} summary").click()
        visit.press(words, within=f"#row-{slug} details")
        page.locator("dialog[open]").wait_for()
        found += visit.judge(f"dialog-{words.split()[0].lower()}")
    assert found == []


def test_a_first_page_is_small(enter: Enter, world: World) -> None:
    """HTML, CSS and scripts of a first visit: 40 KB compressed at most (ux/spec.md 12)."""
    import gzip

    visit = enter(world.alice)
    bodies: list[bytes] = []
    visit.page.on("response", lambda answer: bodies.append(answer.body()))
    visit.open(world.sources("sandbox"))
    assert sum(len(gzip.compress(body)) for body in bodies) < 40_960
