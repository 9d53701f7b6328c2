"""Gitee: each refusal has its class and reason (`providers.md` 10)."""

from __future__ import annotations

import pytest

from providers.errors import (
    BadAnswer,
    MissingScope,
    NotFound,
    ProviderError,
    RateLimited,
    TokenRejected,
)
from providers.gitee import Gitee
from tests.providers.canned import Says, account_of

API = "/api/v5"
USER = f"GET {API}/user"


def _token(why: str) -> Says:
    return Says({"message": f"401 Unauthorized: Access token {why}"}, 401)


@pytest.mark.parametrize(
    ("says", "error", "reason"),
    [
        (_token("is expired"), TokenRejected, "expired"),
        (_token("已过期"), TokenRejected, "expired"),
        (_token("does not exist"), TokenRejected, "revoked"),
        (_token("不存在"), TokenRejected, "revoked"),
        (_token("is required"), BadAnswer, "refused"),
        (Says({"message": "?"}, 401), TokenRejected, "unknown"),
        (Says(b"nope", 401, {"content-type": "text/plain"}), TokenRejected, "unknown"),
        (Says(b"", 401), TokenRejected, "unknown"),
        (Says(b"<html>", 401, {"content-type": "text/html"}), BadAnswer, "gateway"),
        (Says({"message": "没有权限"}, 403), MissingScope, "scope"),
        (Says({"message": "该帐号已被锁定"}, 403), TokenRejected, "suspended"),
        (Says({"message": "Your account has been blocked"}, 403), TokenRejected, "suspended"),
        (Says({"message": "no User-Agent"}, 403), BadAnswer, "refused"),
        (Says({"message": "x"}, 403, {"x-ratelimit-remaining": "0"}), RateLimited, "limit"),
        (Says({"message": "x"}, 429, {"x-ratelimit-remaining": "0"}), RateLimited, "limit"),
        (Says({"message": "x"}, 429), RateLimited, "secondary"),
        (Says(b"<html>", 403, {"content-type": "text/html"}), BadAnswer, "gateway"),
        (Says({"message": "Not Found Project"}, 404), NotFound, "unknown"),
        (Says(b"<html>", 200, {"content-type": "text/html"}), BadAnswer, "not_json"),
        (Says({"id": 1}, 200), BadAnswer, "shape"),
    ],
)
def test_each_refusal_has_its_class_and_reason(says, error, reason):
    with account_of(Gitee, {USER: says}) as (account, _), pytest.raises(ProviderError) as caught:
        account.identify()
    assert (type(caught.value), caught.value.reason) == (error, reason)
    assert account.credential.token not in f"{caught.value!r}{caught.value.facts}"


def test_a_403_names_the_scope_of_what_was_asked():
    refused = Says({"message": "没有权限"}, 403)
    answers = {USER: refused, f"GET {API}/user/repos": refused}
    with account_of(Gitee, answers) as (account, _):
        for ask, scope in ((account.identify, "user_info"), (account.repositories, "projects")):
            with pytest.raises(MissingScope) as caught:
                ask()
            assert caught.value.missing == (scope,)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30),
        ({"x-ratelimit-reset": "1795244520"}, 120),
        ({"x-ratelimit-reset": "45"}, 45),
        ({}, 60),
    ],
)
def test_the_wait_is_what_the_host_said(headers, seconds):
    says = Says({"message": "x"}, 403, {"x-ratelimit-remaining": "0", **headers})
    with account_of(Gitee, {USER: says}) as (account, _), pytest.raises(RateLimited) as caught:
        account.identify()
    assert caught.value.retry_after == seconds
