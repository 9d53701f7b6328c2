"""GitHub: webhooks at the host, and the deliveries that arrive."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from providers.errors import (
    BadAnswer,
    DeliveryRefused,
    MissingScope,
    Unreachable,
)
from providers.github import GitHub
from providers.http import Door
from providers.types import HookKey
from tests.providers.canned import Says, account_of
from tests.providers.stage import Stage

API = "/api/v3"
URL = "https://portal.example/hooks/hok_1"
SECRET = "sandbox-hook-secret"
REPOSITORY = {
    "id": 7,
    "full_name": "acme-inc/api",
    "name": "api",
    "clone_url": "https://github.com/acme-inc/api.git",
    "html_url": "https://github.com/acme-inc/api",
    "owner": {"login": "acme-inc", "type": "Organization"},
    "permissions": {"admin": True},
}
HOOK = {"id": 12, "active": True, "config": {"url": URL, "content_type": "json"}}
LIST = f"GET {API}/repos/acme-inc/api/hooks"
CREATE = f"POST {API}/repos/acme-inc/api/hooks"
CHANGE = f"PATCH {API}/repos/acme-inc/api/hooks/12"


# -- hooks ---------------------------------------------------------------------------------------


def test_a_hook_is_made_active_and_with_a_json_body():
    answers = {LIST: Says([]), CREATE: Says(HOOK, 201)}
    with account_of(GitHub, answers) as (account, host):
        made = account.add_hook("acme-inc/api", url=URL, secret=SECRET)
    assert made.id == "12"
    assert host.asked[-1].json() == {
        "active": True,
        "events": ["push"],
        "config": {"url": URL, "content_type": "json", "insecure_ssl": "0", "secret": SECRET},
    }


def test_a_hook_of_ours_is_taken_over_and_pushed_again():
    with account_of(GitHub, {LIST: Says([HOOK]), CHANGE: Says(HOOK)}) as (account, host):
        account.add_hook("acme-inc/api", url=URL, secret=SECRET)
    assert host.lines[-1] == CHANGE
    assert host.asked[-1].json()["config"]["secret"] == SECRET


@pytest.mark.parametrize(
    "lost", [Says(hang_up=True), Says({"message": "Hook already exists on this repository"}, 422)]
)
def test_a_lost_answer_does_not_make_a_second_hook(lost):
    answers = {LIST: [Says([]), Says([HOOK])], CREATE: lost, CHANGE: Says(HOOK)}
    with account_of(GitHub, answers) as (account, host):
        assert account.add_hook("acme-inc/api", url=URL, secret=SECRET).id == "12"
    assert host.lines.count(CREATE) == 1


def test_a_create_that_never_arrived_is_an_error():
    with (
        account_of(GitHub, {LIST: Says([]), CREATE: Says({}, 502)}) as (account, _),
        pytest.raises(Unreachable),
    ):
        account.add_hook("acme-inc/api", url=URL, secret=SECRET)


def test_the_limit_of_hooks_is_told_with_its_number():
    error = {"resource": "Hook", "message": 'The "push" event cannot have more than 20 hooks'}
    full = Says({"message": "Validation Failed", "errors": [error]}, 422)
    with (
        account_of(GitHub, {LIST: Says([]), CREATE: full}) as (account, _),
        pytest.raises(BadAnswer, match="hook_limit") as caught,
    ):
        account.add_hook("acme-inc/api", url=URL, secret=SECRET)
    assert caught.value.facts == {"n": "20"}


def test_repairing_a_hook_that_is_gone_makes_it_anew():
    answers = {LIST: Says([]), CREATE: Says({**HOOK, "id": 13}, 201)}
    with account_of(GitHub, answers) as (account, host):
        assert account.repair_hook("acme-inc/api", "12", url=URL, secret=SECRET).id == "13"
    assert host.lines == [CHANGE, f"{LIST}?per_page=100", CREATE]


def test_removing_a_hook_that_is_gone_is_no_error():
    with account_of(GitHub, {LIST: Says([])}) as (account, host):
        account.remove_hook("acme-inc/api", "12")
    assert host.lines[0] == f"DELETE {API}/repos/acme-inc/api/hooks/12"


@pytest.mark.parametrize(("admin", "reason"), [(True, "scope"), (False, "role")])
def test_hooks_behind_404_tell_scope_and_role_apart(admin, reason):
    found = {**REPOSITORY, "permissions": {"admin": admin, "push": True}}
    answers = {f"GET {API}/repos/acme-inc/api": Says(found)}
    with (
        account_of(GitHub, answers) as (account, _),
        pytest.raises(MissingScope) as caught,
    ):
        account.remove_hook("acme-inc/api", "12")
    assert caught.value.reason == reason


def test_all_pages_of_hooks_are_read_and_an_error_fails_them_all():
    more = {"link": f'<{{base}}{API}/repositories/7/hooks?page=2>; rel="next"'}
    second = f"GET {API}/repositories/7/hooks?page=2"
    answers = {
        LIST: Says([HOOK], headers=more),
        second: [Says([{**HOOK, "id": 13}]), Says({}, 500)],
    }
    with account_of(GitHub, answers) as (account, _):
        assert [hook.id for hook in account.hooks("acme-inc/api")] == ["12", "13"]
        with pytest.raises(Unreachable):
            account.hooks("acme-inc/api")


def test_a_test_is_a_ping():
    path = f"POST {API}/repos/acme-inc/api/hooks/12/pings"
    with account_of(GitHub, {path: Says(status=204)}) as (account, host):
        account.test_hook("acme-inc/api", "12")
    assert host.lines == [path]


# -- receiving -----------------------------------------------------------------------------------


def test_the_documented_signature_is_accepted():
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"x-hub-signature-256": f"sha256={digest}", "x-github-delivery": "d1"}
    key = HookKey(("It's a Secret to Everybody",))
    receipt = GitHub.verify(headers, b"Hello, World!", key, now=0)
    assert (receipt.key, receipt.body_once, receipt.ping) == ("d1", True, False)


def test_the_old_signature_alone_proves_nothing():
    body = b"{}"
    old = hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
    with pytest.raises(DeliveryRefused, match="missing"):
        GitHub.verify({"x-hub-signature": f"sha1={old}"}, body, HookKey((SECRET,)), now=0)


def test_a_ping_is_a_ping():
    body = json.dumps({"zen": "Keep it logically awesome."}).encode()
    proof = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-hub-signature-256": f"sha256={proof}", "x-github-event": "ping"}
    assert GitHub.verify(headers, body, HookKey((SECRET,)), now=0).ping
    assert GitHub.read(headers, body) == ()


def test_a_short_push_is_enough():
    body = json.dumps(
        {"ref": "refs/heads/main", "after": "a" * 40, "repository": {"id": 42}}
    ).encode()
    (push,) = GitHub.read({"x-github-event": "push"}, body)
    assert (push.repository_id, push.after, push.before, push.pusher) == ("42", "a" * 40, "", "")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"ref":', b"\xff", b"[" * 100_000])
def test_a_push_that_cannot_be_read_is_a_bad_answer(body):
    with pytest.raises(BadAnswer):
        GitHub.read({"x-github-event": "push"}, body)


# -- before the sandbox ----------------------------------------------------------------------------


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("github", sandbox, door, door, tmp_path)


def test_the_hook_is_what_github_was_told(stage):
    stage.account().add_hook("octavia/harbor", url="http://127.0.0.1:9/hooks/hok_1", secret=SECRET)
    (kept,) = stage.sandbox.hooks("github")
    assert (kept["settings"]["content_type"], kept["events"], kept["active"]) == (
        "json",
        ["push"],
        True,
    )


def test_a_full_house_of_hooks_is_told(stage):
    account = stage.account()
    for number in range(20):
        url = f"http://127.0.0.1:9/hooks/hok_{number}"
        account.add_hook("octavia/harbor", url=url, secret=SECRET)
    with pytest.raises(BadAnswer, match="hook_limit"):
        account.add_hook("octavia/harbor", url=URL, secret=SECRET)
    assert len(account.hooks("octavia/harbor")) == 20
