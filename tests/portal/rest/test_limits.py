"""Request limits and their headers (api.md 1.7)."""

from __future__ import annotations

import re

import pytest
import time_machine

from portal.ground.rest import throttles
from tests.people import Somebody, bearer
from tests.portal.rest.calls import refused, send

ME = "/api/v1/me"
NOON = "2026-11-21T12:00:05Z"


def left(answer) -> list[tuple[str, int, int]]:
    found = re.findall(r'"(\w+)";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
    return [(policy, int(r), int(t)) for policy, r, t in found]


@pytest.fixture
def three(settings):
    settings.MOORING_RATE_DEFAULT, settings.MOORING_RATE_PROVIDER = 3, 2


def test_every_authenticated_answer_tells_where_one_stands(alice: Somebody, three):
    with time_machine.travel(NOON, tick=False):
        caller = alice.api("bindings:read")
        answer = send(caller, "GET", ME)
        assert answer.headers["RateLimit-Policy"] == '"default";q=3;w=60'
        assert left(answer) == [("default", 2, 55)]
        assert left(send(caller, "POST", "/api/v1/instances", {})) == [("default", 1, 55)]


def test_nobody_has_no_standing(nobody):
    assert "RateLimit" not in send(nobody, "GET", ME).headers
    assert "RateLimit" not in send(nobody, "GET", "/api/v1/problems/X-AUTH-01").headers


def test_one_request_too_many_waits(alice: Somebody, three):
    with time_machine.travel(NOON, tick=False) as clock:
        caller = alice.api()
        assert [send(caller, "GET", ME).status_code for _ in range(3)] == [200, 200, 200]
        answer = send(caller, "GET", ME)
        assert refused(answer, "X-RATE-01", 429)["retry_after"] == 55
        assert answer.headers["Retry-After"] == "55"
        assert left(answer) == [("default", 0, 55)]
        clock.shift(55)
        assert send(caller, "GET", ME).status_code == 200


def test_limits_are_per_token(alice: Somebody, three):
    with time_machine.travel(NOON, tick=False):
        one, other = alice.api(), alice.api()
        for _ in range(4):
            send(one, "GET", ME)
        assert left(send(other, "GET", ME)) == [("default", 2, 55)]


def test_calls_that_may_reach_a_platform_count_twice(alice: Somebody, three):
    with time_machine.travel(NOON, tick=False):
        caller, path = alice.api(), "/api/v1/connection-tests"
        answer = send(caller, "POST", path, {})
        assert answer.headers["RateLimit-Policy"] == '"default";q=3;w=60, "provider";q=2;w=60'
        assert left(answer) == [("default", 2, 55), ("provider", 1, 55)]
        send(caller, "POST", path, {})
        refused(send(caller, "POST", path, {}), "X-RATE-01", 429)
        refused(send(caller, "GET", ME), "X-RATE-01", 429)


def test_a_list_from_the_cache_does_not_count_twice(alice: Somebody):
    caller, path = alice.api(), "/api/v1/bindings/bnd_x/repositories"
    assert len(left(send(caller, "GET", path))) == 1
    assert len(left(send(caller, "GET", f"{path}?fresh=true"))) == 2


def test_thirty_wrong_tokens_a_minute_are_enough(alice: Somebody):
    with time_machine.travel(NOON, tick=False):
        wrong = bearer("mrg_test")
        for _ in range(30):
            refused(send(wrong, "GET", ME), "X-AUTH-02", 401)
        assert send(wrong, "GET", ME).headers["Retry-After"] == "55"
        refused(send(wrong, "GET", ME), "X-RATE-01", 429)
        assert send(alice.api(), "GET", ME).status_code == 200


def test_without_redis_each_process_counts_alone(alice: Somebody, three, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with time_machine.travel(NOON, tick=False):
        caller = alice.api()
        assert [send(caller, "GET", ME).status_code for _ in range(4)] == [200, 200, 200, 429]


def test_the_last_request_of_a_quota_is_let_through(db):
    standings = [throttles.take("default", "somebody", 0.0)]
    throttles.judge(standings)
    assert standings[0].left == standings[0].quota - 1
