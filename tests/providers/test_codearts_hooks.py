"""CodeArts: webhooks at the host, the deliveries that arrive, and each refusal with its class."""

from __future__ import annotations

import json

import pytest

from providers.codearts import CodeArts
from providers.errors import (
    BadAnswer,
    DeliveryRefused,
    MissingScope,
    NotFound,
    ProviderError,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from providers.http import Door
from providers.types import HookKey, Method
from tests.providers.canned import Says, account_of, canned
from tests.providers.stage import Stage

PLACE = "/v4/repositories/7"
URL = "https://portal.example/hooks/hok_1"
SECRET = "sandbox-hook-secret"
HOOK = {"id": 12, "url": URL, "name": "Mooring", "token": "******"}
OTHER = {"id": 99, "url": "https://ci.example/", "name": "CI", "token": ""}
LIST = f"GET {PLACE}/hooks"
CREATE = f"POST {PLACE}/hooks"
CHANGE = f"PUT {PLACE}/hooks/12"
REMOVE = f"DELETE {PLACE}/hooks/12"
LOGS = f"GET {PLACE}/hooks/12/logs"
NO = Says({"error_code": "PAP5.0056", "error_msg": "没有权限执行此操作"}, 403)
PLATFORM = {"kind": Method.PLATFORM}


# -- hooks ---------------------------------------------------------------------------------------


def test_a_hook_tells_of_pushes_to_any_branch_and_its_secret_goes_no_further():
    with account_of(CodeArts, {LIST: Says([]), CREATE: Says(HOOK)}, **PLATFORM) as (account, host):
        made = account.add_hook("7", url=URL, secret=SECRET)
    assert (made.id, made.url, made.signed, made.health) == ("12", URL, False, "unknown")
    assert host.asked[-1].json() == {
        "url": URL,
        "name": "Mooring",
        "description": "Mooring",
        "push_events": True,
        "push_events_branch_regex_filter": ".*",
        "tag_push_events": True,
        "merge_requests_events": False,
        "note_events": False,
        "token": SECRET,
        "token_type": "X-Repo-Token",
    }
    assert SECRET not in f"{made!r}"


def test_a_hook_of_ours_is_taken_over_with_all_of_it():
    answers = {LIST: Says([OTHER, HOOK]), LOGS: Says([]), CHANGE: Says(HOOK)}
    with account_of(CodeArts, answers, **PLATFORM) as (account, host):
        account.add_hook("7", url=URL, secret=SECRET)
    assert host.lines[-1] == CHANGE
    assert {"url", "token", "push_events", "token_type"} <= set(host.asked[-1].json())


def test_a_lost_answer_does_not_make_a_second_hook():
    answers = {
        LIST: [Says([]), Says([HOOK])],
        CREATE: Says(hang_up=True),
        CHANGE: Says(HOOK),
        LOGS: Says([]),
    }
    with account_of(CodeArts, answers, **PLATFORM) as (account, host):
        assert account.add_hook("7", url=URL, secret=SECRET).id == "12"
    assert host.lines.count(CREATE) == 1


@pytest.mark.parametrize(("others", "made"), [(19, True), (20, False)])
def test_a_repository_has_room_for_twenty_hooks(others, made):
    full = Says([{**OTHER, "id": 100 + n} for n in range(others)])
    with account_of(CodeArts, {LIST: full, CREATE: Says(HOOK)}, **PLATFORM) as (account, host):
        if made:
            assert account.add_hook("7", url=URL, secret=SECRET).id == "12"
        else:
            with pytest.raises(BadAnswer, match="hook_limit") as caught:
                account.add_hook("7", url=URL, secret=SECRET)
            assert caught.value.facts == {"n": "20"}
    assert (CREATE in host.lines) is made


def test_ours_among_twenty_is_repaired_not_refused():
    full = Says([HOOK, *({**OTHER, "id": 100 + n} for n in range(19))])
    answers = {LIST: full, LOGS: Says([]), CHANGE: Says(HOOK)}
    with account_of(CodeArts, answers, **PLATFORM) as (account, _):
        assert account.add_hook("7", url=URL, secret=SECRET).id == "12"


def test_repairing_a_hook_that_is_gone_makes_it_anew():
    answers = {LIST: Says([]), CREATE: Says({**HOOK, "id": 13})}
    with account_of(CodeArts, answers, **PLATFORM) as (account, host):
        assert account.repair_hook("7", "12", url=URL, secret=SECRET).id == "13"
    assert host.lines == [CHANGE, f"{LIST}?offset=0&limit=100", CREATE]


def test_removing_a_hook_that_is_gone_is_no_error():
    with account_of(CodeArts, {LIST: Says([])}, **PLATFORM) as (account, host):
        account.remove_hook("7", "12")
    assert host.lines[0] == REMOVE


def test_removing_from_what_one_may_not_look_at_is_one():
    with account_of(CodeArts, {}, **PLATFORM) as (account, _), pytest.raises(NotFound):
        account.remove_hook("7", "12")


@pytest.mark.parametrize(
    ("logs", "health"),
    [
        ([], "unknown"),
        ([{"response_status": "200"}, {"response_status": "500"}], "ok"),
        ([{"response_status": 204}], "ok"),
        ([{"response_status": "500"}, {"response_status": "200"}], "failing"),
        ([{"response_status": "internal error"}], "failing"),
        ([{"response_status": "302"}], "failing"),
        ([{"response_status": None}], "failing"),
    ],
)
def test_the_newest_delivery_says_how_a_hook_is(logs, health):
    answers = {LIST: Says([HOOK, OTHER]), LOGS: Says(logs)}
    with account_of(CodeArts, answers, **PLATFORM) as (account, host):
        assert [hook.health for hook in account.hooks("7")] == [health, "unknown"]
    assert not any("/99/" in line for line in host.lines)  # those of others are not looked into


CALLS = {
    LIST: lambda account: account.hooks("7"),
    LOGS: lambda account: account.hooks("7"),
    CREATE: lambda account: account.add_hook("7", url=URL, secret=SECRET),
    CHANGE: lambda account: account.repair_hook("7", "12", url=URL, secret=SECRET),
    REMOVE: lambda account: account.remove_hook("7", "12"),
}


@pytest.mark.parametrize("refusing", CALLS)
def test_a_403_names_what_hooks_need(refusing):
    known = [HOOK] if refusing == LOGS else []
    with (
        account_of(CodeArts, {LIST: Says(known), refusing: NO}, **PLATFORM) as (account, _),
        pytest.raises(MissingScope) as caught,
    ):
        CALLS[refusing](account)
    assert (caught.value.reason, caught.value.missing) == ("scope", ("webhooks",))


# -- receiving -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "event"),
    [
        ({"x-repo-event": "Push Hook", "x-devcloud-event": "x"}, "Push Hook"),
        ({"x-devcloud-event": "Push Hook"}, "Push Hook"),
        ({}, "push"),
    ],
)
def test_a_delivery_is_known_by_the_uuid_in_its_body(headers, event):
    body = b'{"uuid": "42-x", "object_kind": "push"}'
    receipt = CodeArts.verify({"x-repo-token": SECRET, **headers}, body, HookKey((SECRET,)), now=0)
    assert (receipt.key, receipt.event, receipt.body_once) == ("42-x", event, False)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"uuid": 7}', b"\xff", b"[" * 99_999])
def test_a_body_that_cannot_be_read_has_no_key(body):
    receipt = CodeArts.verify({"x-repo-token": SECRET}, body, HookKey((SECRET,)), now=0)
    assert (receipt.key, receipt.event) == ("", "")


@pytest.mark.parametrize("word", ["", "x", SECRET.upper(), f" {SECRET}", "é" * 20])
def test_another_word_is_refused(word):
    with pytest.raises(DeliveryRefused):
        CodeArts.verify({"x-repo-token": word}, b"{}", HookKey((SECRET,)), now=0)


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_no_secret_refuses_everything(secrets):
    with pytest.raises(DeliveryRefused, match="no_secret"):
        CodeArts.verify({"x-repo-token": ""}, b"{}", HookKey(secrets), now=0)


def test_the_words_of_other_kinds_of_hooks_are_not_read():
    for name in ("x-gitlab-token", "x-auth-token"):
        with pytest.raises(DeliveryRefused):
            CodeArts.verify({name: SECRET}, b"{}", HookKey((SECRET,)), now=0)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'{"object_kind":"push"}', b'{"ref":', b"\xff", b"[" * 99_999]
)
def test_a_push_that_cannot_be_read_is_a_bad_answer(body):
    with pytest.raises(BadAnswer):
        CodeArts.read({}, body)


@pytest.mark.parametrize("where", [{"project_id": 42}, {"project": {"id": 42}}])
@pytest.mark.parametrize("commits", [None, "odd", [], [7, None], [{"id": "b" * 40}]])
def test_a_short_push_is_enough(commits, where):
    said = {"object_kind": "push", "ref": "refs/heads/main", "after": "a" * 40, **where}
    (push,) = CodeArts.read({}, json.dumps({**said, "commits": commits}).encode())
    assert (push.repository_id, push.after, push.repository_path) == ("42", "a" * 40, "")
    assert (push.before, push.deleted, push.created) == ("", False, False)


# -- each refusal has its class and reason (`providers.md` 10) -------------------------------------

ONE = f"GET {PLACE}"


def _error(status, code, text, **headers):
    return Says({"error_code": code, "error_msg": text}, status, headers)


def _failed(code, text, status=200):
    error = {"code": code, "message": text}
    return Says({"error": error, "result": None, "status": "failed"}, status)


@pytest.mark.parametrize(
    ("says", "error", "reason"),
    [
        (_error(401, "DEV.00000003", "x"), TokenRejected, "expired"),
        (_error(401, "APIGW.0301", "token has expired"), TokenRejected, "expired"),
        (Says({"errorCode": "X.1", "errorMsg": "认证信息过期"}, 401), TokenRejected, "expired"),
        (Says({"error": {"message": "The token is expired."}}, 401), TokenRejected, "expired"),
        (_failed("DEV.00000003", "x", 401), TokenRejected, "expired"),
        (_error(401, "APIGW.0301", "x"), TokenRejected, "unknown"),
        (Says({"error": {"code": 401, "message": "x"}}, 401), TokenRejected, "unknown"),
        (Says(b"nope", 401, {"content-type": "text/plain"}), TokenRejected, "unknown"),
        (Says(b"", 401), TokenRejected, "unknown"),
        (Says(b"<html>", 401, {"content-type": "text/html"}), BadAnswer, "gateway"),
        (NO, MissingScope, "scope"),
        (Says(b"", 403), MissingScope, "scope"),
        (_error(403, "PAP5.0061", "账号欠费"), TokenRejected, "suspended"),
        (_error(403, "X.1", "The account is SUSPENDED"), TokenRejected, "suspended"),
        (_error(403, "X.1", "账号已被冻结"), TokenRejected, "suspended"),
        (Says(b"<html>", 403, {"content-type": "text/html"}), BadAnswer, "gateway"),
        (_error(404, "CH.00404001", "资源不存在"), NotFound, "unknown"),
        (_error(429, "APIGW.0308", "x"), RateLimited, "limit"),
        (_error(400, "CH.00400001", "x"), BadAnswer, "refused"),
        (_error(503, "X.1", "x"), Unreachable, "http_5xx"),
        (_failed("CH.00404001", "repository does not exist"), NotFound, "unknown"),
        (_failed("CH.1", "仓库不存在"), NotFound, "unknown"),
        (_failed("CH.1", "Repo not found"), NotFound, "unknown"),
        (_failed("CH.1", "no more quota"), BadAnswer, "refused"),
        (Says({"status": "failed", "error": None}), BadAnswer, "shape"),
        (Says({"status": "normal"}), BadAnswer, "shape"),
        (Says(b'"status"'), BadAnswer, "shape"),
        (Says(b"<html>", 200, {"content-type": "text/html"}), BadAnswer, "not_json"),
    ],
)
def test_each_refusal_has_its_class_and_reason(says, error, reason):
    with (
        account_of(CodeArts, {ONE: says}, **PLATFORM) as (account, _),
        pytest.raises(ProviderError) as caught,
    ):
        account.repository("7")
    assert (type(caught.value), caught.value.reason) == (error, reason)
    assert account.credential.token not in f"{caught.value!r}{caught.value.facts}"


@pytest.mark.parametrize(
    ("code", "told"), [("CH.00500031", "CH.00500031"), ("</b> x", ""), ("x" * 41, ""), (None, "")]
)
def test_a_code_is_only_told_when_it_is_one(code, told):
    with (
        account_of(CodeArts, {ONE: _failed(code, "x")}, **PLATFORM) as (account, _),
        pytest.raises(BadAnswer) as caught,
    ):
        account.repository("7")
    assert caught.value.facts == {"code": told}


def test_a_wait_is_what_the_host_said():
    says = _error(429, "APIGW.0308", "x", **{"retry-after": "30"})
    with (
        account_of(CodeArts, {ONE: says}, **PLATFORM) as (account, _),
        pytest.raises(RateLimited) as caught,
    ):
        account.repository("7")
    assert caught.value.retry_after == 30


# -- before the sandbox ----------------------------------------------------------------------------

RICH = "foundry00228/api"


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("codearts", sandbox, door, door, tmp_path)


def test_a_hook_fails_while_nobody_listens_and_recovers(stage):
    account = stage.account()
    with canned({"POST /hooks/hok_1": [Says(b"", 500), Says(b"", 202)]}) as receiver:
        account.add_hook(RICH, url=f"{receiver.base_url}/hooks/hok_1", secret=SECRET)
        found = []
        for count in (1, 2):
            stage.sandbox.push("codearts", RICH, "refs/heads/main")
            receiver.wait(count)
            found += [hook.health for hook in account.hooks(RICH)]
    assert found == ["failing", "ok"]


def test_a_branch_of_any_name_is_told(stage):
    with canned({"POST /hooks/hok_1": Says(b"", 202)}) as receiver:
        stage.account().add_hook(RICH, url=f"{receiver.base_url}/hooks/hok_1", secret=SECRET)
        for ref in ("refs/heads/feature/登录-2", "refs/tags/v9"):
            stage.sandbox.push("codearts", RICH, ref)
        arrived = receiver.wait(2)
    told = [CodeArts.read(one.headers, one.body)[0].ref for one in arrived]
    assert sorted(told) == ["refs/heads/feature/登录-2", "refs/tags/v9"]


def test_a_forged_body_passes_the_proof_and_names_a_commit_that_is_not_there(stage):
    with canned({"POST /hooks/hok_1": Says(b"", 202)}) as receiver:
        stage.account().add_hook(RICH, url=f"{receiver.base_url}/hooks/hok_1", secret=SECRET)
        stage.sandbox.push("codearts", RICH, "refs/heads/main")
        (arrived,) = receiver.wait()
    forged = arrived.body.replace(arrived.json()["after"].encode(), b"f" * 40)
    CodeArts.verify(arrived.headers, forged, HookKey((SECRET,)), now=0)
    (push,) = CodeArts.read(arrived.headers, forged)
    with pytest.raises(NotFound):
        stage.account().resolve_ref(RICH, push.after)
