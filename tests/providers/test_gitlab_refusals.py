"""GitLab: each refusal has its class and reason (`providers.md` 10)."""

from __future__ import annotations

import pytest

from providers.errors import (
    BadAnswer,
    MissingScope,
    NotFound,
    ProviderError,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from providers.gitlab import GitLab
from tests.providers.canned import Says, account_of

API = "/api/v4"


@pytest.mark.parametrize(
    ("says", "error", "reason"),
    [
        (
            Says({"error": "invalid_token", "error_description": "Token is expired."}, 401),
            TokenRejected,
            "expired",
        ),
        (
            Says({"error": "invalid_token", "error_description": "Token was revoked."}, 401),
            TokenRejected,
            "revoked",
        ),
        (Says({"message": "401 Unauthorized"}, 401), TokenRejected, "unknown"),
        (Says(b"nope", 401, {"content-type": "text/plain"}), TokenRejected, "unknown"),
        (Says(b"", 401), TokenRejected, "unknown"),
        (Says(b"<html>", 401, {"content-type": "text/html"}), BadAnswer, "gateway"),
        (Says(b"no", 401, {"www-authenticate": "Negotiate"}), BadAnswer, "gateway"),
        (Says({"error": "insufficient_scope", "scope": "api"}, 403), MissingScope, "scope"),
        (Says({"message": "403 Forbidden"}, 403), MissingScope, "role"),
        (
            Says({"message": "403 Forbidden - Your account has been blocked."}, 403),
            TokenRejected,
            "suspended",
        ),
        (
            Says({"message": "Your account has been deactivated by your administrator."}, 403),
            TokenRejected,
            "suspended",
        ),
        (Says(b"<html>blocked</html>", 403, {"content-type": "text/html"}), BadAnswer, "gateway"),
        (Says({"message": "404 Project Not Found"}, 404), NotFound, "unknown"),
        (Says(b"Retry later", 429, {"content-type": "text/plain"}), RateLimited, "limit"),
        (Says({}, 400), BadAnswer, "refused"),
        (Says({}, 410), BadAnswer, "api_removed"),
        (Says(b"<html>", 200, {"content-type": "text/html"}), BadAnswer, "not_json"),
        (Says(b"<html>", 503, {"content-type": "text/html"}), Unreachable, "http_5xx"),
        (Says({"id": 1}, 200), BadAnswer, "shape"),
        (Says({"id": True, "username": "alice"}, 200), BadAnswer, "shape"),
    ],
)
def test_each_refusal_has_its_class_and_reason(says, error, reason):
    with (
        account_of(GitLab, {f"GET {API}/user": says}) as (account, _),
        pytest.raises(ProviderError) as caught,
    ):
        account.identify()
    assert (type(caught.value), caught.value.reason) == (error, reason)
    assert account.credential.token not in f"{caught.value!r}{caught.value.facts}"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30),
        ({"ratelimit-reset": "1795244520"}, 120),
        ({}, 60),
        ({"retry-after": "99999999999999999999"}, 3600),
    ],
)
def test_the_wait_is_what_the_host_said(headers, seconds):
    says = Says(b"Retry later", 429, {"content-type": "text/plain", **headers})
    with (
        account_of(GitLab, {f"GET {API}/user": says}) as (account, _),
        pytest.raises(RateLimited) as caught,
    ):
        account.identify()
    assert caught.value.retry_after == seconds
