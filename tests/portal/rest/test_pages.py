"""Lists: cursor pages that neither repeat nor lose a row, at one cost everywhere (api.md 1.4)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.conf import settings as configured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.ground import rls
from portal.tenants.models import Instance, Tenant
from tests import factories
from tests.people import Somebody
from tests.portal.rest.calls import body_of, refused, send

PATH = "/api/v1/instances"


def fill(tenant: Tenant, count: int, word: str = "registry") -> None:
    rows = [Instance(tenant=tenant, name=f"{word}-{n:04}", region="default") for n in range(count)]
    with rls.tenant(tenant.pk):
        Instance.objects.bulk_create(rows)


def names(answer: Any) -> list[str]:
    return [row["name"] for row in body_of(answer)["data"]]


def walk(caller: Any, path: str) -> list[str]:
    found, cursor = [], ""
    while cursor is not None:
        answer = send(caller, "GET", path + (f"&cursor={cursor}" if cursor else ""))
        found += names(answer)
        cursor = body_of(answer)["next_cursor"]
    return found


def test_pages_join_into_the_whole_list(alice: Somebody):
    fill(alice.tenant, 23)
    caller = alice.api()
    assert walk(caller, f"{PATH}?limit=5") == [f"registry-{n:04}" for n in range(23)]


def test_a_page_has_fifty_rows_unless_told(alice: Somebody):
    fill(alice.tenant, 51)
    caller = alice.api()
    assert len(names(send(caller, "GET", PATH))) == 50
    assert len(names(send(caller, "GET", f"{PATH}?limit=100"))) == 51


def test_the_next_page_has_a_link_and_the_last_has_none(alice: Somebody):
    fill(alice.tenant, 3)
    caller = alice.api()
    answer = send(caller, "GET", f"{PATH}?limit=2&q=registry")
    link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers["Link"])
    assert link is not None
    target = urlsplit(link[1])
    assert f"{target.scheme}://{target.netloc}" == configured.MOORING_URL
    assert parse_qs(target.query)["cursor"] == [body_of(answer)["next_cursor"]]
    last = send(caller, "GET", f"{target.path}?{target.query}")
    assert names(last) == ["registry-0002"]
    assert body_of(last)["next_cursor"] is None
    assert "Link" not in last.headers


def test_a_page_that_is_exactly_full_is_the_last(alice: Somebody):
    fill(alice.tenant, 4)
    caller = alice.api()
    assert body_of(send(caller, "GET", f"{PATH}?limit=4"))["next_cursor"] is None


def test_new_rows_do_not_move_the_others(alice: Somebody):
    fill(alice.tenant, 4)
    caller = alice.api()
    first = send(caller, "GET", f"{PATH}?limit=2")
    factories.instance(alice.tenant, "a-new-one")
    second = send(caller, "GET", f"{PATH}?limit=2&cursor={body_of(first)['next_cursor']}")
    assert names(second) == ["registry-0002", "registry-0003"]


@pytest.mark.parametrize("changed", ["limit=3", "limit=2&q=reg", "limit=2&region=default", ""])
def test_a_cursor_belongs_to_its_parameters(alice: Somebody, changed: str):
    fill(alice.tenant, 4)
    caller = alice.api()
    cursor = body_of(send(caller, "GET", f"{PATH}?limit=2"))["next_cursor"]
    answer = send(caller, "GET", f"{PATH}?{changed}&cursor={cursor}")
    problem = refused(answer, "X-CURSOR-01", 400)
    assert problem["errors"][0]["parameter"] == "cursor"


def test_a_cursor_belongs_to_its_list(alice: Somebody):
    fill(alice.tenant, 4)
    caller = alice.api()
    cursor = body_of(send(caller, "GET", f"{PATH}?limit=2"))["next_cursor"]
    answer = send(caller, "GET", f"/api/v1/bindings?limit=2&cursor={cursor}")
    refused(answer, "X-CURSOR-01", 400)


def test_a_cursor_belongs_to_its_tenant(alice: Somebody, mallory: Somebody):
    fill(mallory.tenant, 4)
    cursor = body_of(send(mallory.api(), "GET", f"{PATH}?limit=2"))["next_cursor"]
    refused(send(alice.api(), "GET", f"{PATH}?limit=2&cursor={cursor}"), "X-CURSOR-01", 400)


def test_a_cursor_lives_a_day(alice: Somebody):
    fill(alice.tenant, 4)
    caller = alice.api()
    path = f"{PATH}?limit=2"
    path += f"&cursor={body_of(send(caller, 'GET', path))['next_cursor']}"
    with time_machine.travel(timezone.now() + timedelta(hours=23, minutes=59)):
        assert send(caller, "GET", path).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(hours=24, minutes=1)):
        refused(send(caller, "GET", path), "X-CURSOR-01", 400)


@pytest.mark.parametrize("cursor", ["x", "eyJhIjoxfQ:1abc:sig", "%F0%9F%90%99", "a" * 2000])
def test_a_cursor_that_is_none_of_ours(alice: Somebody, cursor: str):
    refused(send(alice.api(), "GET", f"{PATH}?cursor={cursor}"), "X-CURSOR-01", 400)


def test_repeating_a_filter_means_or_and_several_mean_and(alice: Somebody):
    for name, region in (("one-eu", "eu"), ("two-us", "us"), ("three-cn", "cn")):
        with rls.tenant(alice.tenant.pk):
            Instance.objects.create(tenant=alice.tenant, name=name, region=region)
    caller = alice.api()
    either = send(caller, "GET", f"{PATH}?region=eu&region=us")
    assert names(either) == ["one-eu", "two-us"]
    assert names(send(caller, "GET", f"{PATH}?region=eu&region=us&q=two")) == ["two-us"]
    assert names(send(caller, "GET", f"{PATH}?q=two&q=THREE")) == ["three-cn", "two-us"]


def test_the_deepest_page_asks_no_more_than_the_first(alice: Somebody):
    """performance.md C2: at most 3 queries and the scope's statement, and nothing is counted."""
    caller, asked = alice.api(), {}
    send(caller, "GET", PATH)  # its first use is noted once
    for count, more, word in ((10, 10, "few"), (500, 490, "many")):
        fill(alice.tenant, more, word)
        with CaptureQueriesContext(connection) as seen:
            answer = send(caller, "GET", f"{PATH}?limit=10")
        assert len(names(answer)) == 10
        asked[count] = [entry["sql"] for entry in seen.captured_queries]
    statements = [s for s in asked[500] if not s.startswith(("BEGIN", "COMMIT"))]
    assert len(asked[10]) == len(asked[500])
    assert len(statements) <= 3 + 1
    assert not [sql for sql in statements if "count(" in sql.lower()]
