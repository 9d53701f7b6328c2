"""An operator in a browser, and rows of two tenants to look at."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bindings.models import Binding, Dispatch, Endpoint
from bindings.services.tell import outbox
from portal.ground import rls
from portal.tenants import access
from portal.tenants.models import Event, Instance, Tenant, User
from portal.tenants.services import events
from tests import factories
from tests.bindings.api import rows
from tests.people import ADDRESS


@dataclass(frozen=True)
class Operator:
    """A member of the staff, who is in no tenant."""

    person: User
    client: Client

    def sees(self, where: str, *args: Any, **query: str) -> str:
        """The text of a page of the admin, by the name of its address."""
        answer = self.client.get(address(where, *args), query)
        assert answer.status_code == 200, (answer.status_code, answer.content[:500])
        return answer.content.decode()

    def does(self, action: str, *chosen: Binding, **typed: str) -> Any:
        """One of the actions of the list of bindings, as its page sends it."""
        keys = [str(binding.pk) for binding in chosen]
        sent = {"action": action, "_selected_action": keys, **(typed or {"index": "0"})}
        return self.client.post(address("bindings_binding_changelist"), sent, follow=True)


def address(where: str, *args: Any) -> str:
    return reverse(where if where.startswith("operator_") else f"admin:{where}", args=args)


def said(answer: HttpResponse | Any) -> list[str]:
    """What the page says happened."""
    return [str(message) for message in answer.context["messages"]]


def told(tenant: Tenant, *types: str) -> list[Event]:
    """The events of a tenant of these types, oldest first."""
    with rls.tenant(tenant.pk):
        return list(Event.objects.of(tenant).filter(type__in=types).order_by("seq"))


def now_is(binding: Binding) -> Binding:
    """The row as it is now."""
    with rls.tenant(binding.tenant_id):
        return (
            Binding.objects.of(binding.tenant_id)
            .select_related("schedule", "host")
            .get(pk=binding.pk)
        )


def changed(bindings: Iterable[Binding], **columns: Any) -> None:
    """As if something else had written these columns."""
    for binding in bindings:
        with rls.tenant(binding.tenant_id):
            Binding.objects.of(binding.tenant_id).filter(pk=binding.pk).update(**columns)


def sent(tenant: Tenant, *states: str) -> list[Dispatch]:
    """Events on their way to an endpoint that is off because it failed, in these states."""
    facts = {"name": "builder", "url": "https://builder.example.com/", "kinds": ["build.*"]}
    off = {"enabled": False, "why": "failures", "disabled_at": timezone.now()}
    with rls.tenant(tenant.pk):
        endpoint = Endpoint.objects.create(tenant=tenant, **facts, **off)
        made = [
            events.record(
                tenant_id=tenant.pk, type="endpoint.test", actor=outbox.SYSTEM, at=timezone.now()
            )
            for _ in states
        ]
        attempt = {"at": "2026-11-21T07:00:13Z", "ms": 48, "http_status": 500, "error": "<b>no"}
        return Dispatch.objects.bulk_create(
            Dispatch(
                tenant=tenant,
                event=event,
                endpoint=endpoint,
                seq=event.seq,
                body="{}",
                state=state,
                tries=9 if state == "abandoned" else 0,
                attempts=[attempt],
            )
            for event, state in zip(made, states, strict=True)
        )


@pytest.fixture
def operator(db: None) -> Operator:
    """Not alice, bob, carol or mallory: those are people of tenants."""
    person = factories.person("operator", is_staff=True, is_superuser=True)
    client = Client(REMOTE_ADDR=ADDRESS)
    client.force_login(person)
    session = client.session
    session[access.SIGNED_IN] = time.time()
    session.save()
    return Operator(person, client)


@pytest.fixture
def bound(instance: Instance) -> Binding:
    """A binding of acme."""
    return rows.binding(instance)


@pytest.fixture
def foreign(foreign_instance: Instance) -> Binding:
    """A binding of globex, at the same server."""
    return rows.binding(foreign_instance, account_login="globex-bot", account_id="77")
