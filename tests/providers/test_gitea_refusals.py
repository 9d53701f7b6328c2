"""Gitea: each refusal has its class and reason (`providers.md` 10)."""

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
from providers.gitea import Gitea
from tests.providers.canned import Says, account_of

API = "/api/v1"
HTML = {"content-type": "text/html"}
TEXT = {"content-type": "text/plain"}


@pytest.mark.parametrize(
    ("says", "error", "reason"),
    [
        (Says({"message": "token is required"}, 401), TokenRejected, "unknown"),
        (Says(b"Missing CSRF token.\n", 401, TEXT), TokenRejected, "unknown"),
        (Says(b"", 401), TokenRejected, "unknown"),
        (Says(b"<html>", 401, HTML), BadAnswer, "gateway"),
        (Says(b"no", 401, {"www-authenticate": "Negotiate"}), BadAnswer, "gateway"),
        (
            Says({"message": "Only signed in user is allowed to call APIs."}, 403),
            TokenRejected,
            "unknown",
        ),
        (
            Says({"message": "This account is prohibited from signing in, please …"}, 403),
            TokenRejected,
            "suspended",
        ),
        (Says({"message": "This account is not activated."}, 403), TokenRejected, "suspended"),
        (Says({"message": "You must change your password."}, 403), TokenRejected, "suspended"),
        (Says({"message": "token scope is limited to public repos"}, 403), NotFound, "hidden"),
        (Says({"message": "user should be the owner of the repo"}, 403), MissingScope, "role"),
        (Says(b"Forbidden", 403, TEXT), MissingScope, "role"),
        (Says(b"<html>no</html>", 403, HTML), BadAnswer, "gateway"),
        (Says({"message": "not found"}, 404), NotFound, "unknown"),
        (Says({"message": "Git Repository is empty."}, 409), NotFound, "empty"),
        (Says({"message": "conflict"}, 409), BadAnswer, "refused"),
        (Says({"message": "workshop/engine is archived"}, 423), BadAnswer, "refused"),
        (Says(b"Too Many Requests", 429, TEXT), RateLimited, "limit"),
        (Says(b"", 307, {"location": "/api/v1/x"}), BadAnswer, "redirect"),
        (Says(b"<html>", 503, HTML), Unreachable, "http_5xx"),
        (Says(b"<html>", 200, HTML), BadAnswer, "not_json"),
        (Says({"id": 1}), BadAnswer, "shape"),
        (Says({"id": True, "login": "alice"}), BadAnswer, "shape"),
    ],
)
def test_each_refusal_has_its_class_and_reason(says, error, reason):
    with (
        account_of(Gitea, {f"GET {API}/user": says}) as (account, _),
        pytest.raises(ProviderError) as caught,
    ):
        account.identify()
    assert (type(caught.value), caught.value.reason) == (error, reason)
    assert account.credential.token not in f"{caught.value!r}{caught.value.facts}"


@pytest.mark.parametrize(
    ("said", "missing", "granted"),
    [
        (
            "token does not have at least one of required scope(s): [read:user]",
            ("read:user",),
            "",
        ),
        (
            "token does not have at least one of required scope(s), required=[write:repository "
            "write:organization], token scope=public-only,read:user",
            ("write:repository", "write:organization"),
            "public-only read:user",
        ),
        ("token does not have required scope: read:org", (), ""),
        ("token does not have at least one of required scope(s): []", (), ""),
    ],
)
def test_what_a_token_lacks_is_read_from_the_sentence(said, missing, granted):
    with (
        account_of(Gitea, {f"GET {API}/user": Says({"message": said}, 403)}) as (account, _),
        pytest.raises(MissingScope) as caught,
    ):
        account.identify()
    assert (caught.value.reason, caught.value.missing) == ("scope", missing)
    assert caught.value.facts == {"granted": granted}
