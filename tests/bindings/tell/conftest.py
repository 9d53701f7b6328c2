"""People who are told: bob binds in English, dora is an admin who reads Chinese in Shanghai; and
builders that listen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bindings.models import Binding
from portal.tenants.models import Tenant
from tests import factories, receiver
from tests.bindings.fleet import host, many
from tests.bindings.sources import GitLab
from tests.people import Somebody
from tests.receiver import Receiver

ENDS = datetime(2027, 1, 20, tzinfo=UTC)


@pytest.fixture
def dora(acme: Tenant) -> Somebody:
    person = factories.person("dora", language="zh-hans", zone="Asia/Shanghai")
    factories.member(acme, person, "admin")
    return Somebody(person, acme)


@pytest.fixture
def dated(gitlab: GitLab, acme: Tenant, bob: Somebody) -> Binding:
    """Bound by bob; it ends on a known day."""
    (row,) = many(
        acme,
        host(gitlab),
        1,
        token=gitlab.token("ending"),
        quality="exact",
        expires_at=ENDS,
        due=ENDS,
        bound_by=bob.person,
        repositories_seen=12,
    )
    return row


@pytest.fixture
def on_loopback(settings: Any) -> None:
    """Builders on this machine may be reached, over plain HTTP."""
    settings.MOORING_ENDPOINT_ALLOW_CIDRS = ("127.0.0.0/8",)
    settings.MOORING_ENDPOINT_ALLOW_HTTP = True


@pytest.fixture
def builder(on_loopback: None) -> Iterator[Receiver]:
    with receiver.Receiver() as listening:
        yield listening
