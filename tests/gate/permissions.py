"""Who may call what: the callers of every permission table, the things they call, and how.

A row is a method, a route as the site map spells it, and one status for each of CALLERS. Bodies
are empty and preconditions stale on purpose: 422 or 412 says "you may, but not like this", and
nothing is changed, so that all callers ask for the same things.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from bindings.models import (
    Authorization,
    Binding,
    Check,
    Delivery,
    Dispatch,
    Ending,
    Endpoint,
    Hook,
    Lease,
    Repository,
    Trigger,
)
from portal.ground import rls
from portal.tenants.models import Event, Instance
from portal.tenants.roles import LEAST
from tests.bindings.api import rows
from tests.people import Somebody

CALLERS = ("alice", "bob", "carol", "mallory", "nobody", "reader", "writer")
"""owner, developer, viewer, somebody of another tenant, no sign-in; tokens that read and write."""

READS = sorted(scope for scope in LEAST if scope.endswith(":read"))


@dataclass(frozen=True)
class Row:
    """`statuses`: one for each of CALLERS, separated by spaces. `body` is sent as JSON."""

    method: str
    route: str
    statuses: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def expected(self) -> dict[str, int]:
        return dict(zip(CALLERS, map(int, self.statuses.split()), strict=True))


class World:
    """alice's tenant with one of everything, and the seven callers."""

    def __init__(self, alice: Somebody, bob: Somebody, carol: Somebody, mallory: Somebody) -> None:
        self.alice, tenant = alice, alice.tenant
        instance, other = rows.instances(tenant, 2)
        binding = rows.binding(instance, "gitlab", status="suspended", bound_by=alice.person)
        ended = rows.binding(other, "gitlab", unbound_at=datetime.now(UTC))
        self.names = {
            "tenant": tenant.slug,
            "name": instance.name,
            "provider": "gitlab",
            "host_slug": "gitlab-example",
            "code": "GL-SCOPE-01",
            "slug": "gitlab",
            "key": "mrf_nobodys",
            "instance": instance.public_id,
            "binding": binding.public_id,
            "public_id": binding.public_id,
            "ended": ended.public_id,
            "repository": "platform%2Fapi",
            **self._things(instance, binding, ended),
        }
        self.browsers: dict[str, Callable[[], Client]] = {
            "alice": lambda: alice.client,
            "bob": lambda: bob.client,
            "carol": lambda: carol.client,
            "mallory": lambda: mallory.client,
            "nobody": Client,
            "reader": lambda: alice.api(*READS),
            "writer": lambda: alice.api(),
        }

    def ask(self, row: Row, caller: str) -> int:
        """The status this caller gets. `<fresh>` in a route is a token made for this call."""
        path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", self._fill, row.route)
        answer = self.browsers[caller]().generic(
            row.method, path, *_json(row.body), headers=row.headers
        )
        return int(answer.status_code)

    def _fill(self, found: re.Match[str]) -> str:
        if found[1] == "fresh":
            return self.alice.token("bindings:read").token.public_id
        return str(self.names[found[1]])

    def _things(self, instance: Instance, binding: Binding, ended: Binding) -> dict[str, str]:
        tenant, now = instance.tenant, datetime.now(UTC)
        with rls.tenant(tenant.pk):
            check = Check.objects.create(
                tenant=tenant, binding=binding, cause="manual", status="ok", started_at=now
            )
            Ending.objects.create(
                tenant=tenant,
                binding=ended,
                by={"kind": "user", "id": None, "name": "Alice"},
                next_try_at=now,
                give_up_at=now,
            )
            authorization = Authorization.objects.create(
                tenant=tenant,
                instance=instance,
                host=binding.host,
                provider="gitlab",
                digest=bytes(32),
                expires_at=now,
            )
            repository = Repository.objects.create(
                tenant=tenant,
                instance=instance,
                host=binding.host,
                remote_id="1077",
                path="platform/api",
                clone_url="https://gitlab.example/platform/api.git",
            )
            webhook = Hook.objects.create(
                tenant=tenant, binding=binding, repository=repository, remote_id="1", proof="hmac"
            )
            delivery = Delivery.objects.create(tenant=tenant, hook=webhook)
            trigger = Trigger.objects.create(
                tenant=tenant, instance=instance, repository=repository, name="api main"
            )
            lease = Lease.objects.create(
                tenant=tenant,
                binding=binding,
                repository=repository,
                kind="proxied",
                path=repository.path,
                digest=bytes(32),
                expires_at=now + timedelta(minutes=15),
            )
            event = Event.objects.of(tenant).order_by("seq").last()
            sent = _sent(event)
        token = self.alice.token("bindings:read").token
        made: dict[str, Any] = {"check": check, "authorization": authorization, "event": event}
        made |= {"token": token, "webhook": webhook, "lease": lease}
        made |= {"delivery": delivery, "trigger": trigger, "hook": webhook}
        return {name: row.public_id for name, row in (made | sent).items() if row is not None}


def _sent(event: Event) -> dict[str, Any]:
    """An endpoint, and what was sent to it. Needs the tenant's scope."""
    facts = {"name": "builder", "url": "https://builder.example.com/", "kinds": ["build.*"]}
    endpoint = Endpoint.objects.create(tenant_id=event.tenant_id, **facts)
    outgoing = Dispatch.objects.create(
        tenant_id=event.tenant_id, event=event, endpoint=endpoint, seq=1, body="{}"
    )
    return {"endpoint": endpoint, "outgoing": outgoing}


def _json(body: Any) -> tuple[str, str]:
    return ("", "application/json") if body is None else (body, "application/json")


def routes(below: URLResolver | None = None, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every address of the site map with its view, as the patterns spell it."""
    for pattern in (below or get_resolver()).url_patterns:
        spelled = before + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield spelled, pattern.callback
        else:
            yield from routes(pattern, spelled)
