"""Bitbucket: each refusal has its class and reason (`providers.md` 10)."""

from __future__ import annotations

import pytest

from providers.bitbucket import Bitbucket
from providers.errors import (
    BadAnswer,
    MissingScope,
    NotFound,
    ProviderError,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from tests.providers.canned import Says, account_of

API = "/2.0"
HTML = {"content-type": "text/html"}


def error(status: int, message: str, **more: object) -> Says:
    return Says({"type": "error", "error": {"message": message, **more}}, status)


SCOPES = {"granted": ["account"], "required": ["repository", "account"]}


@pytest.mark.parametrize(
    ("says", "kind", "reason"),
    [
        (error(401, "Access token expired. Use your refresh token …"), TokenRejected, "expired"),
        (
            error(401, "Token is invalid, expired, or not supported for this endpoint."),
            TokenRejected,
            "unknown",
        ),
        (Says(b"nope", 401, {"content-type": "text/plain"}), TokenRejected, "unknown"),
        (Says(b"", 401), TokenRejected, "unknown"),
        (Says({"error": "odd"}, 401), TokenRejected, "unknown"),
        (Says(b"<html>", 401, HTML), BadAnswer, "gateway"),
        (Says(b"no", 401, {"www-authenticate": "NTLM"}), BadAnswer, "gateway"),
        (error(403, "Your credentials lack …", detail=SCOPES), MissingScope, "scope"),
        (error(403, "You do not have access.", detail="no"), MissingScope, "role"),
        (error(403, "This account has been deactivated."), TokenRejected, "suspended"),
        (Says(b"<html>blocked</html>", 403, HTML), BadAnswer, "gateway"),
        (error(404, "You may not have access"), NotFound, "unknown"),
        (error(410, "CHANGE-2770 - Functionality has been deprecated"), BadAnswer, "api_removed"),
        (Says(b"", 410), BadAnswer, "api_removed"),
        (error(429, "Rate limit for this resource"), RateLimited, "limit"),
        (error(400, "CHANGE-1 is mentioned"), BadAnswer, "refused"),
        (error(422, "Invalid event name"), BadAnswer, "refused"),
        (Says(b"<html>", 200, HTML), BadAnswer, "not_json"),
        (Says(b"<html>", 503, HTML), Unreachable, "http_5xx"),
        (Says({"nickname": "alice"}), BadAnswer, "shape"),
        (Says({"uuid": "{1}"}), BadAnswer, "shape"),
    ],
)
def test_each_refusal_has_its_class_and_reason(says, kind, reason):
    with (
        account_of(Bitbucket, {f"GET {API}/user": says}) as (account, _),
        pytest.raises(ProviderError) as caught,
    ):
        account.identify()
    assert (type(caught.value), caught.value.reason) == (kind, reason)
    assert account.credential.token not in f"{caught.value!r}{caught.value.facts}"


def test_of_the_scopes_a_call_wants_the_missing_one_is_named():
    with (
        account_of(Bitbucket, {f"GET {API}/user": error(403, "…", detail=SCOPES)}) as (account, _),
        pytest.raises(MissingScope) as caught,
    ):
        account.identify()
    assert caught.value.missing == ("repository",)


def test_the_change_that_took_a_function_away_is_named():
    says = error(410, "CHANGE-3022 - Functionality has been deprecated")
    with (
        account_of(Bitbucket, {f"GET {API}/user": says}) as (account, _),
        pytest.raises(BadAnswer) as caught,
    ):
        account.identify()
    assert caught.value.facts == {"status": "410", "change": "CHANGE-3022"}


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"retry-after": "30"}, 30), ({}, 3600), ({"retry-after": "x"}, 3600)]
)
def test_without_a_word_a_limit_is_a_rolling_hour(headers, seconds):
    says = Says({"type": "error", "error": {"message": "Rate limit"}}, 429, headers)
    with (
        account_of(Bitbucket, {f"GET {API}/user": says}) as (account, _),
        pytest.raises(RateLimited) as caught,
    ):
        account.identify()
    assert caught.value.retry_after == seconds
