"""People who are told: bob binds in English, dora is an admin who reads Chinese in Shanghai."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bindings.models import Binding
from portal.tenants.models import Tenant
from tests import factories
from tests.bindings.fleet import host, many
from tests.bindings.sources import GitLab
from tests.people import Somebody

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
