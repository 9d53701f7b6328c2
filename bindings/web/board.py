"""What the Code sources page reads, in two questions to the database.

A page is asked for at most six (`ux/spec.md` 12): four are its frame's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Q, Subquery
from django.db.models.functions import JSONObject

from bindings.models import Binding, Check, CodeHost
from bindings.services.browse import people
from bindings.services.browse.specs import ORDER, consent_pages, people_bind, takes_address
from bindings.services.keep.checks import RUNNING_FOR
from bindings.web import feed, used
from portal.tenants import access
from portal.tenants.access import Actor
from portal.tenants.models import Event, Instance

_LATELY = 6  # events beside the table
POLL_FOR = timedelta(seconds=30)
"""How long a page follows a check by itself (`ux/spec.md` 10)."""


@dataclass(frozen=True, slots=True)
class Board:
    """An instance, its live bindings, the servers offered to it, and what happened lately.

    `checking`: id → when its check began, of the bindings of which one runs. `polls`: should the
    page ask again soon? `servers`: provider, base_url options, and whether an OAuth app
    is registered.
    """

    instance: Instance
    live: list[Binding]
    checking: dict[Any, datetime]
    polls: bool
    servers: list[dict[str, Any]]
    lately: list[dict[str, Any]]

    @property
    def in_region(self) -> bool:
        """May code sources be bound in the instance's region?"""
        return self.instance.region in settings.MOORING_REGIONS

    @property
    def offered(self) -> set[str]:
        """The platforms that can be bound here."""
        known = {server["provider"] for server in self.servers}
        return {
            slug
            for slug in ORDER
            if self.in_region and people_bind(slug) and (slug in known or takes_address(slug))
        }

    @property
    def consent_pages(self) -> list[str]:
        """The servers whose consent page a form on this page may lead to."""
        pages = (
            consent_pages(server["provider"], server["base_url"], server["options"])
            for server in self.servers
            if server["oauth"]
        )
        return [page for some in pages for page in some]


def of_instance(actor: Actor, name: str, scope: str, now: datetime) -> Board:
    """Read the board. Needs the tenant's scope; raises as `access.get_instance`."""
    tenant = access.tenant_of(actor)
    rows = Instance.objects.annotate(
        servers=ArraySubquery(_servers(tenant.pk)), lately=ArraySubquery(_lately(tenant.pk))
    )
    instance = access.get_instance(actor, name, scope, rows=rows)
    live = list(_live(instance, now))
    found = vars(instance)
    checking = {one.pk: vars(one)["began"] for one in live if vars(one)["began"]}
    return Board(
        instance=instance,
        live=live,
        checking=checking,
        polls=any(began > now - POLL_FOR for began in checking.values()),
        servers=found["servers"],
        lately=list(feed.lines(_event(told) for told in found["lately"])),
    )


def _live(instance: Instance, now: datetime) -> Any:
    checks = Check.objects.of(instance.tenant_id).filter(
        binding=OuterRef("pk"), status="running", started_at__gt=now - RUNNING_FOR
    )
    rows = Binding.objects.of(instance.tenant_id).filter(instance=instance, unbound_at=None)
    began = Subquery(checks.order_by("-started_at").values("started_at")[:1])
    return rows.select_related("host", "schedule", "instance").annotate(
        began=began, stays=people.stays(), triggers=used.triggers()
    )


def _servers(tenant_id: Any) -> Any:
    mine = (
        Q(owner=tenant_id) | Q(owner=None, offered=True) | Q(owner=None, offers__tenant=tenant_id)
    )
    rows = CodeHost.objects.filter(mine, enabled=True).distinct()
    shown = JSONObject(
        provider="provider", base_url="base_url", options="options", oauth=~Q(client_id="")
    )
    return rows.order_by().values(json=shown)


def _lately(tenant_id: Any) -> Any:
    rows = Event.objects.of(tenant_id).filter(instance_id=OuterRef("pk")).order_by("-id")
    return rows[:_LATELY].values(json=JSONObject(type="type", actor="actor", data="data", at="at"))


def _event(told: dict[str, Any]) -> Event:
    return Event(
        type=told["type"],
        actor=told["actor"],
        data=told["data"],
        at=datetime.fromisoformat(told["at"]),
    )
