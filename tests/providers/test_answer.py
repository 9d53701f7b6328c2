"""What an answer holds, and what it means where the provider says no more."""

from __future__ import annotations

import json
from email.utils import formatdate
from time import time

import pytest

from providers.answer import Answer, failure_of, retry_after, settle, wait_asked
from providers.errors import (
    BadAnswer,
    NotFound,
    ProviderError,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from providers.types import Headers

TOKEN = "glpat-test-0123456789abcdef"


# -- what an answer is ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"id": 1, "username": "al',
        b"\xff\xfe\xfa",
        b"[" * 200_000,
        b'{"id":' + b"9" * 5000 + b"}",
        b'{"id": NaN}',
        b'{"id": Infinity}',
    ],
    ids=["empty", "page", "cut", "bytes", "deep", "long", "nan", "infinity"],
)
def test_what_is_no_json_is_a_bad_answer(body: bytes) -> None:
    with pytest.raises(BadAnswer, match="not_json"):
        Answer(200, {}, body).json()


@pytest.mark.parametrize("body", [b"null", b"[]", b'"x"', b"123", b"true"])
def test_what_is_no_object_is_not_taken_for_one(body: bytes) -> None:
    with pytest.raises(BadAnswer, match="shape"):
        Answer(200, {}, body).object()


def test_null_is_an_empty_list_and_an_object_is_none() -> None:
    assert Answer(200, {}, b"null").items() == []
    assert Answer(200, {}, b"[1]").items() == [1]
    with pytest.raises(BadAnswer, match="shape"):
        Answer(200, {}, b"{}").items()


def test_characters_that_a_database_refuses_are_left_out() -> None:
    body = json.dumps({"a\0b": ["x\0", {"y": "\0"}], "n": 1}).encode()
    assert Answer(200, {}, body).json() == {"ab": ["x", {"y": ""}], "n": 1}
    assert Answer(200, {}, rb'"a\\u0000b"').json() == r"a\u0000b"
    assert Answer(200, {}, rb'["\ud83d", "\ud83d\ude00"]').json() == ["?", "\U0001f600"]


def test_nothing_prints_a_body() -> None:
    assert TOKEN not in repr(Answer(200, {}, TOKEN.encode()))


# -- the common table ----------------------------------------------------------------------------


JSON = {"content-type": "application/json"}
PAGE = {"content-type": "text/html; charset=utf-8"}


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "reason"),
    [
        (301, {"location": "https://gitlab.example.com/x?t=1"}, b"", BadAnswer, "redirect"),
        (400, JSON, b"{}", BadAnswer, "refused"),
        (401, JSON, b'{"message":"401 Unauthorized"}', TokenRejected, "unknown"),
        (401, {}, b"", TokenRejected, "unknown"),
        (401, {"content-type": "text/plain"}, b"Missing CSRF token.", TokenRejected, "unknown"),
        (401, PAGE, b"", BadAnswer, "gateway"),
        (401, {}, b"  <!doctype html>", BadAnswer, "gateway"),
        (401, {"www-authenticate": "Negotiate"}, b"", BadAnswer, "gateway"),
        (401, {"www-authenticate": "NTLM"}, b"{}", BadAnswer, "gateway"),
        (401, {"www-authenticate": 'Basic realm="corp"'}, b"", BadAnswer, "gateway"),
        (401, {"www-authenticate": 'Basic realm="api"'}, b"{}", TokenRejected, "unknown"),
        (403, PAGE, b"<html>", BadAnswer, "gateway"),
        (403, JSON, b"{}", BadAnswer, "refused"),
        (404, JSON, b"{}", NotFound, "unknown"),
        (409, JSON, b"{}", BadAnswer, "refused"),
        (410, JSON, b"{}", BadAnswer, "api_removed"),
        (418, JSON, b"{}", BadAnswer, "refused"),
        (422, JSON, b"{}", BadAnswer, "refused"),
        (429, JSON, b"Retry later", RateLimited, "limit"),
        (451, JSON, b"{}", BadAnswer, "refused"),
        (500, PAGE, b"<html>", Unreachable, "http_5xx"),
        (503, {"retry-after": "30"}, b"", Unreachable, "http_5xx"),
        (999, JSON, b"{}", BadAnswer, "protocol"),
    ],
)
def test_what_an_answer_means(
    status: int, headers: Headers, body: bytes, kind: type[ProviderError], reason: str
) -> None:
    error = failure_of(Answer(status, headers, body))
    assert (type(error), error.reason) == (kind, reason)
    with pytest.raises(kind):
        settle(Answer(status, headers, body))


def test_a_good_answer_settles_as_itself() -> None:
    good = Answer(204, {}, b"")
    assert settle(good) is good


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://gitlab.example.com/x?private_token=y#z", "https://gitlab.example.com/x"),
        ("/api/v4/projects/7", "/api/v4/projects/7"),
        ("https://user:test-word@gitlab.example.com/", ""),
        ("javascript:alert(1)", ""),
        ("//127.0.0.1/", ""),
        ("\0", ""),
        ("<script>", ""),
    ],
)
def test_only_a_plain_place_is_told_of_a_redirect(location: str, told: str) -> None:
    assert failure_of(Answer(302, {"location": location}, b"")).facts["location"] == told


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("99999999999999999999", 3600.0),
        ("9" * 60_000, 3600.0),
        ("-5", None),
        ("1.5", None),
        ("abc", None),
        ("", None),
        ("٣", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_read_or_absent(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}) == seconds


def test_a_moment_counts_by_the_hosts_own_clock() -> None:
    now = time() - 86_400
    clock = {"date": formatdate(now, usegmt=True)}
    assert retry_after({"retry-after": formatdate(now + 90, usegmt=True), **clock}) == 90.0
    assert wait_asked({"ratelimit-reset": str(int(now) + 90), **clock}) == pytest.approx(90, abs=1)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 60.0),
        ({"retry-after": "7", "ratelimit-reset": "99"}, 7.0),
        ({"ratelimit-reset": "45"}, 45.0),
        ({"ratelimit-reset": "1000000000"}, 0.0),
        ({"x-ratelimit-reset": "9999999999"}, 3600.0),
        ({"x-ratelimit-reset": "soon"}, 60.0),
    ],
)
def test_a_limit_says_how_long(headers: Headers, seconds: float) -> None:
    assert wait_asked(headers) == seconds


def test_a_503_says_when_to_come_back() -> None:
    error = failure_of(Answer(503, {"retry-after": "30"}, b""))
    assert isinstance(error, Unreachable)
    assert error.retry_after == 30.0
