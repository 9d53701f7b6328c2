"""When something breaks on our side: still a problem, and never more than that (api.md 1.3)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
from django.db import connection
from django.test import RequestFactory

from portal.ground.refusals import Refusal
from portal.ground.rest.calls import Answer, operation
from portal.ground.rest.views import Endpoint
from tests.people import Somebody
from tests.portal.rest.calls import body_of, refused, send


class Broken(Endpoint):
    @operation("Crash", public=True)
    def get(self, call, found) -> Answer:
        raise RuntimeError("a detail nobody outside may see")

    @operation("Say what nobody wrote", public=True)
    def post(self, call, found) -> Answer:
        raise Refusal("X-NONE-01")


@contextmanager
def database_away(superuser: psycopg.Connection) -> Iterator[None]:
    """The login role is locked out, as if PostgreSQL were gone."""
    superuser.execute("ALTER ROLE mooring_login NOLOGIN")
    connection.close()
    try:
        yield
    finally:
        superuser.execute("ALTER ROLE mooring_login LOGIN")
        connection.close()


def test_a_crash_is_a_problem_without_details(caplog):
    with caplog.at_level(logging.ERROR):
        answer = Broken.as_view()(RequestFactory().get("/api/v1/broken"))
    answer.render()
    problem = refused(answer, "X-SYS-01", 500)
    assert "nobody outside" not in answer.content.decode()
    assert problem["trace_id"] in problem["detail"]
    assert "nobody outside" in caplog.text


def test_a_code_without_a_sentence_is_our_fault():
    answer = Broken.as_view()(RequestFactory().post("/api/v1/broken", {}, "application/json"))
    answer.render()
    refused(answer, "X-SYS-01", 500)


def test_without_the_database_callers_are_asked_to_wait(alice: Somebody, superuser):
    caller = alice.api()
    with database_away(superuser):
        answer = send(caller, "GET", "/api/v1/me")
    problem = refused(answer, "X-SYS-02", 503)
    assert answer.headers["Retry-After"] == str(problem["retry_after"]) == "5"


def test_the_same_where_only_the_session_needed_it(alice: Somebody, superuser):
    browser = alice.signed_in(ago=timedelta(), raise_request_exception=False)
    with database_away(superuser):
        answer = send(browser, "GET", "/api/v1/me")
    refused(answer, "X-SYS-02", 503)


def test_what_needs_no_database_goes_on(nobody, superuser):
    with database_away(superuser):
        answer = send(nobody, "GET", "/api/v1/problems/X-SYS-02")
    assert body_of(answer)["status"] == 503
