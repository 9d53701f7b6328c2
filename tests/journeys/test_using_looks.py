"""The pages of using a binding, judged at the widths and in the themes where they differ most."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.tenants.models import Instance
from tests.bindings import using
from tests.bindings.api import rows
from tests.journeys.conftest import Enter
from tests.people import Somebody

NOW = timezone.now()


class World:
    """A binding with something of everything that uses one, and the paths of its pages."""

    def __init__(self, alice: Somebody, instance: Instance) -> None:
        self.binding = rows.binding(instance, "gitlab", repositories_seen=128)
        self.instance = instance
        self.hook = using.hook(self.binding, heard_at=NOW - timedelta(minutes=3))
        for n, (path, status) in enumerate(
            {"platform/web": "missing", "tools/cli": "disabled", "data/jobs": "unverified"}.items()
        ):
            using.hook(self.binding, path, status=status, remote_id=str(5600 + n), proof="hmac")
        self.endpoint = using.endpoint(alice.tenant)
        self.off = using.endpoint(
            alice.tenant,
            "old builder",
            url="https://old-builder.example/hooks/mooring",
            enabled=False,
            why="failures",
            disabled_at=NOW - timedelta(days=2),
        )
        self.trigger = using.trigger(self.binding, last_event_at=NOW - timedelta(minutes=3))
        using.trigger(self.binding, "nightly", mode="manual", branches=[], tags=[])
        self._waiting(alice)
        self.delivery = self._deliveries()
        for n in range(4):
            using.lease(self.binding, uses=n, bytes=n * 8_400_000, used_at=NOW if n else None)
        using.lease(self.binding, revoked_at=NOW, build="")
        using.lease(self.binding, expires_at=NOW - timedelta(hours=3), build="jenkins-2190")
        self._happened()

    def _waiting(self, alice: Somebody) -> None:
        gone = rows.binding(self.instance, "gitea", unbound_at=NOW - timedelta(days=4))
        using.trigger(gone, "docs", path="docs/site", waiting_since=NOW - timedelta(days=4))

    def _deliveries(self) -> Any:
        told = using.event(
            self.binding,
            "build.push",
            repository={"path": "platform/api"},
            name="main",
            trigger={"name": "api main"},
        )
        fine = [{"at": NOW.isoformat(), "ms": 48, "http_status": 204, "error": None}]
        bad = [
            {"at": (NOW - timedelta(minutes=n)).isoformat(), "ms": 12, "http_status": 503}
            for n in (3, 2, 1)
        ]
        using.dispatch(told, self.endpoint, attempts=fine)
        using.dispatch(told, self.off, state="abandoned", tries=3, attempts=bad)
        test = using.event(
            self.binding,
            "endpoint.test",
            endpoint={"id": self.endpoint.public_id, "name": "builder"},
        )
        using.dispatch(test, self.endpoint, state="waiting", tries=2, attempts=bad, next_at=NOW)
        shown = [
            {"outcome": "matched", "events": [str(told.pk)]},
            {"outcome": "matched", "ref": "refs/tags/v4.12.0", "event": "tag", "events": []},
            {"outcome": "no_trigger", "ref": "refs/heads/fix/login", "duplicates": 2},
            {
                "outcome": "refused",
                "signature": "mismatch",
                "key": None,
                "body": b"",
                "headers": {},
            },
            {"outcome": "unconfirmed", "ref": "refs/heads/main"},
            {"outcome": "failed"},
            {"outcome": "ignored", "ref": "", "event": "ping"},
        ]
        made = [
            using.delivery(self.hook, received_at=NOW - timedelta(hours=3 * n), **facts)
            for n, facts in enumerate(shown)
        ]
        using.firing(self.trigger, made[0])
        using.firing(self.trigger, ref="refs/heads/release/4.11", manual=True)
        return made[0]

    def _happened(self) -> None:
        jenkins = {"kind": "token", "id": "tok_1", "name": "jenkins-eu", "ip": "203.0.113.9"}
        for _ in range(42):
            using.event(self.binding, "lease.created", actor=jenkins)
        for type in ("webhook.created", "webhook.failing", "webhook.repaired", "trigger.created"):
            using.event(
                self.binding,
                type,
                repository={"path": "platform/api"},
                trigger={"name": "api main"},
            )
        using.event(self.binding, "access.denied", code="X-ROLE-01")

    def of(self, page: str = "") -> str:
        return f"/t/acme/bindings/{self.binding.public_id}/{page}"

    def triggers(self, page: str = "") -> str:
        return f"/t/acme/instances/{self.instance.name}/triggers/{page}"


@pytest.fixture
def world(alice: Somebody, instance: Instance) -> World:
    return World(alice, instance)


PAGES: dict[str, Callable[[World], str]] = {
    "hooks": lambda w: w.of("webhooks/"),
    "hook": lambda w: w.of(f"webhooks/{w.hook.public_id}/"),
    "delivery": lambda w: w.of(f"deliveries/{w.delivery.public_id}/"),
    "leases": lambda w: w.of("leases/"),
    "log": lambda w: "/t/acme/activity/",
    "triggers": lambda w: w.triggers(),
    "trigger": lambda w: w.triggers(f"{w.trigger.public_id}/"),
    "endpoint": lambda w: f"/t/acme/endpoints/{w.endpoint.public_id}/",
    "endpoint-off": lambda w: f"/t/acme/endpoints/{w.off.public_id}/",
}


def test_the_pages_of_using_a_binding_look_right(
    enter: Enter, world: World, alice: Somebody
) -> None:
    visit, found = enter(alice), []
    for name, where in PAGES.items():
        visit.open(where(world))
        found += visit.glance(name)
    assert found == []


def test_they_look_right_in_chinese(enter: Enter, world: World, alice: Somebody) -> None:
    visit = enter(alice, locale="zh-CN")
    for name in ("hook", "trigger", "endpoint-off"):
        visit.open(PAGES[name](world))
        visit.picture(f"{name}-chinese")
