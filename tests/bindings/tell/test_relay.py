"""The relay against a builder that really listens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from bindings.models import Binding, Dispatch, Endpoint
from bindings.services.tell import endpoints, outbox, relay
from portal.ground import rls
from portal.tenants.models import Event, Tenant
from tests.bindings.fleet import Clock
from tests.people import Somebody
from tests.receiver import Receiver


def listen(
    builder: Receiver, who: Somebody, name: str = "builder", **more: Any
) -> tuple[Endpoint, str]:
    """An endpoint of this builder that wants everything, and its secret."""
    asked = {"kinds": ["build.*", "binding.*", "webhook.*"]} | more
    return endpoints.create(actor=who.actor, name=name, url=builder.url, **asked)


def happens(binding: Binding, *types: str, **data: Any) -> list[Event]:
    """Something is told of a binding."""
    now = timezone.now()
    with rls.tenant(binding.tenant_id):
        return outbox.record(
            [
                outbox.entry(type, binding=binding, actor=outbox.SYSTEM, at=now, **data)
                for type in types
            ]
        )


def once(at: datetime | None = None) -> relay.Result:
    """Send what is due now, or at another time."""
    return relay.run(once=True, clock=Clock(at or timezone.now()))


def rows(tenant: Tenant) -> list[Dispatch]:
    with rls.tenant(tenant.pk):
        return list(Dispatch.objects.of(tenant).select_related("endpoint").order_by("pk"))


def stored(endpoint: Endpoint) -> Endpoint:
    with rls.tenant(endpoint.tenant_id):
        return Endpoint.objects.get(pk=endpoint.pk)


def test_an_event_reaches_its_builder_signed_and_is_marked(
    binding: Binding, alice: Somebody, acme: Tenant, builder: Receiver
) -> None:
    endpoint, secret = listen(builder, alice)
    (event,) = happens(binding, "binding.suspended")
    assert once().outcomes == {"delivered": 1}
    (got,) = builder.verified(secret)
    assert (got["id"], got["type"]) == (event.public_id, "binding.suspended")
    assert got["tenant"] == {"id": acme.public_id, "slug": "acme"}
    assert got["instance"]["name"] == "prod-registry"
    assert builder.got[0].headers["content-type"] == "application/json"
    assert builder.got[0].headers["user-agent"].startswith("Mooring/")
    assert builder.ids == [event.public_id]
    (row,) = rows(acme)
    assert (row.state, row.tries, row.next_at) == ("delivered", 0, None)
    assert [one["http_status"] for one in row.attempts] == [204]
    assert stored(endpoint).last_delivery_at is not None


def test_what_fails_is_tried_again_later_and_later_and_then_given_up(
    binding: Binding, alice: Somebody, acme: Tenant, builder: Receiver
) -> None:
    listen(builder, alice)
    happens(binding, "binding.suspended")
    builder.answers(500, body=b"\x1b[31mno " + b"x" * 2000)
    now, waits = timezone.now() + timedelta(seconds=1), []
    for _ in range(9):
        once(now)
        (row,) = rows(acme)
        waits.append(None if row.next_at is None else (row.next_at - now).total_seconds())
        now = row.next_at or now
    goals = (10, 60, 300, 1800, 7200, 21600, 43200, 86400)
    for wait, goal in zip(waits, goals, strict=False):
        assert wait is not None
        assert 0.9 * goal <= wait <= 1.1 * goal
    assert (waits[-1], row.state, row.tries) == (None, "abandoned", 9)
    assert once(now + timedelta(days=3)).sent == 0
    assert len(set(builder.ids)) == 1
    assert len({one.body for one in builder.got}) == 1
    said = row.attempts[0]["error"]
    assert said.startswith("\\x1b[31mno xxx")
    assert len(said) <= 1100
