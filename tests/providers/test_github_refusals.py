"""GitHub: each refusal has its class and reason (`providers.md` 10)."""

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
from providers.github import GitHub
from tests.providers.canned import Says, account_of

API = "/api/v3"


@pytest.mark.parametrize(
    ("says", "error", "reason"),
    [
        (Says({"message": "Bad credentials", "status": "401"}, 401), TokenRejected, "revoked"),
        (Says({"message": "Requires authentication"}, 401), TokenRejected, "unknown"),
        (Says(b"<html>", 401, {"content-type": "text/html"}), BadAnswer, "gateway"),
        (Says(b"<html>", 403, {"content-type": "text/html"}), BadAnswer, "gateway"),
        (
            Says({"message": "API rate limit exceeded"}, 403, {"x-ratelimit-remaining": "0"}),
            RateLimited,
            "limit",
        ),
        (Says({"message": "slow"}, 429, {"x-ratelimit-remaining": "0"}), RateLimited, "limit"),
        (Says({"message": "wait"}, 403, {"retry-after": "90"}), RateLimited, "secondary"),
        (
            Says({"message": "You have exceeded a secondary rate limit."}, 403),
            RateLimited,
            "secondary",
        ),
        (
            Says({"message": "Maximum number of login attempts exceeded."}, 403),
            RateLimited,
            "login_lockout",
        ),
        (
            Says({"message": "x"}, 403, {"x-github-sso": "required; url=https://github.com/sso"}),
            MissingScope,
            "sso",
        ),
        (
            Says(
                {
                    "message": "Although you appear to have the correct authorization "
                    "credentials, the `acme-inc` organization has enabled OAuth App access "
                    "restrictions, meaning that data access to third-parties is limited."
                },
                403,
            ),
            MissingScope,
            "org_policy",
        ),
        (
            Says(
                {"message": "Must have admin rights"},
                403,
                {"x-accepted-oauth-scopes": "repo", "x-oauth-scopes": "read:org"},
            ),
            MissingScope,
            "scope",
        ),
        (
            Says(
                {"message": "Must have admin rights"},
                403,
                {"x-accepted-oauth-scopes": "repo", "x-oauth-scopes": "repo"},
            ),
            MissingScope,
            "role",
        ),
        (Says({"message": "Sorry. Your account was suspended."}, 403), TokenRejected, "suspended"),
        (
            Says({"message": "Please make sure your request has a User-Agent header"}, 403),
            BadAnswer,
            "refused",
        ),
        (Says({"message": "Not Found"}, 404), NotFound, "unknown"),
        (Says({"message": "Git Repository is empty."}, 409), NotFound, "empty"),
        (Says({"message": "Gone"}, 410), BadAnswer, "api_removed"),
        (Says({"message": "Validation Failed"}, 422), BadAnswer, "refused"),
        (Says({"message": "x"}, 301, {"location": "https://evil.example/"}), BadAnswer, "redirect"),
        (Says({"message": "x"}, 502), Unreachable, "http_5xx"),
        (Says([], 200), BadAnswer, "shape"),
        (Says({"login": "a"}, 200), BadAnswer, "shape"),
        (Says({"id": None, "login": "a"}, 200), BadAnswer, "shape"),
    ],
)
def test_each_refusal_has_its_class_and_reason(says, error, reason):
    with (
        account_of(GitHub, {f"GET {API}/user": says}) as (account, _),
        pytest.raises(ProviderError) as caught,
    ):
        account.identify()
    assert (type(caught.value), caught.value.reason) == (error, reason)
    assert account.credential.token not in f"{caught.value!r}{caught.value.facts}"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "90", "x-ratelimit-remaining": "0"}, 90),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795244520"}, 120),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "Sat, 21 Nov 2026 07:02:00 GMT"}, 120),
        ({"x-ratelimit-remaining": "0"}, 60),
    ],
)
def test_the_wait_is_what_the_host_said(headers, seconds):
    says = Says({"message": "You have exceeded a secondary rate limit"}, 403, headers)
    with (
        account_of(GitHub, {f"GET {API}/user": says}) as (account, _),
        pytest.raises(RateLimited) as caught,
    ):
        account.identify()
    assert caught.value.retry_after == seconds


def test_single_sign_on_names_the_page_that_helps():
    sso = {"x-github-sso": "required; url=https://github.com/orgs/acme-inc/sso?x=1"}
    with (
        account_of(GitHub, {f"GET {API}/user": Says({}, 403, sso)}) as (account, _),
        pytest.raises(MissingScope) as caught,
    ):
        account.identify()
    assert caught.value.facts == {
        "fix_url": "https://github.com/orgs/acme-inc/sso?x=1",
        "organization": "acme-inc",
    }
