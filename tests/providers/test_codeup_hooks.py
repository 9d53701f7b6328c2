"""Codeup: webhooks at the host, the deliveries that arrive, and each refusal with its class."""

from __future__ import annotations

import json

import pytest

from providers.codeup import Codeup
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
from tests.providers.cast import ACME
from tests.providers.stage import Stage

ROOT = "/oapi/v1/codeup/organizations/org/repositories"
USER = "GET /oapi/v1/platform/user"
PLACE = f"{ROOT}/7"
URL = "https://portal.example/hooks/hok_1"
SECRET = "sandbox-hook-secret"
HOOK = {"id": 12, "url": URL, "token": SECRET}
LIST = f"GET {PLACE}/webhooks"
CREATE = f"POST {PLACE}/webhooks"
CHANGE = f"PUT {PLACE}/webhooks/12"
NO = Says({"errorCode": "Forbidden", "errorMessage": "no"}, 403)
TOKEN = {"kind": Method.TOKEN, "organization": "org"}


def _repository(level):
    return Says({"id": 7, "webUrl": "https://codeup.example/org/api", "accessLevel": level})


# -- hooks ---------------------------------------------------------------------------------------


def test_a_hook_tells_of_pushes_only_and_its_secret_goes_no_further():
    with account_of(Codeup, {LIST: Says([]), CREATE: Says(HOOK)}, **TOKEN) as (account, host):
        made = account.add_hook("7", url=URL, secret=SECRET)
    sent = host.asked[-1].json()
    assert (made.id, made.url, made.signed) == ("12", URL, False)
    assert (sent["url"], sent["token"], sent["enableSslVerification"]) == (URL, SECRET, True)
    events = {name for name, wanted in sent.items() if name.endswith("Events") and wanted}
    assert events == {"pushEvents", "tagPushEvents"}
    assert SECRET not in f"{made!r}"


def test_a_hook_of_ours_is_taken_over_with_address_and_secret():
    with account_of(Codeup, {LIST: Says([HOOK]), CHANGE: Says(HOOK)}, **TOKEN) as (account, host):
        account.add_hook("7", url=URL, secret=SECRET)
    assert host.lines[-1] == CHANGE
    assert {"url", "token", "pushEvents", "tagPushEvents"} <= set(host.asked[-1].json())


def test_a_lost_answer_does_not_make_a_second_hook():
    answers = {LIST: [Says([]), Says([HOOK])], CREATE: Says(hang_up=True), CHANGE: Says(HOOK)}
    with account_of(Codeup, answers, **TOKEN) as (account, host):
        assert account.add_hook("7", url=URL, secret=SECRET).id == "12"
    assert host.lines.count(CREATE) == 1


def test_repairing_a_hook_that_is_gone_makes_it_anew():
    answers = {LIST: Says([]), CREATE: Says({**HOOK, "id": 13})}
    with account_of(Codeup, answers, **TOKEN) as (account, host):
        assert account.repair_hook("7", "12", url=URL, secret=SECRET).id == "13"
    assert host.lines == [CHANGE, f"{LIST}?page=1&perPage=100", CREATE]


def test_removing_a_hook_that_is_gone_is_no_error():
    with account_of(Codeup, {LIST: Says([])}, **TOKEN) as (account, host):
        account.remove_hook("7", "12")
    assert host.lines[0] == f"DELETE {PLACE}/webhooks/12"


def test_removing_from_what_one_may_not_look_at_is_one():
    with account_of(Codeup, {}, **TOKEN) as (account, _), pytest.raises(NotFound):
        account.remove_hook("7", "12")


CALLS = {
    LIST: lambda account: account.hooks("7"),
    CREATE: lambda account: account.add_hook("7", url=URL, secret=SECRET),
    CHANGE: lambda account: account.repair_hook("7", "12", url=URL, secret=SECRET),
    f"DELETE {PLACE}/webhooks/12": lambda account: account.remove_hook("7", "12"),
}


@pytest.mark.parametrize(("level", "reason"), [(40, "scope"), ("30", "role"), (None, "scope")])
@pytest.mark.parametrize("refusing", CALLS)
def test_a_403_is_told_apart_by_the_role(level, reason, refusing):
    answers = {LIST: Says([]), f"GET {PLACE}": _repository(level), refusing: NO}
    with (
        account_of(Codeup, answers, **TOKEN) as (account, _),
        pytest.raises(MissingScope) as caught,
    ):
        CALLS[refusing](account)
    assert caught.value.reason == reason
    assert caught.value.missing == (("Webhook read/write",) if reason == "scope" else ())


# -- receiving -----------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["codeup-event", "x-codeup-event"])
def test_the_event_comes_under_either_name(header):
    headers = {"x-codeup-token": SECRET, header: "Push Hook"}
    receipt = Codeup.verify(headers, b"", HookKey((SECRET,)), now=0)
    assert (receipt.key, receipt.event, receipt.body_once) == ("", "Push Hook", False)


@pytest.mark.parametrize("word", ["", "x", SECRET.upper(), f" {SECRET}", "é" * 20])
def test_another_word_is_refused(word):
    with pytest.raises(DeliveryRefused):
        Codeup.verify({"x-codeup-token": word}, b"", HookKey((SECRET,)), now=0)


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_no_secret_refuses_everything(secrets):
    with pytest.raises(DeliveryRefused, match="no_secret"):
        Codeup.verify({"x-codeup-token": ""}, b"", HookKey(secrets), now=0)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'{"object_kind":"push"}', b'{"ref":', b"\xff", b"[" * 99_999]
)
def test_a_push_that_cannot_be_read_is_a_bad_answer(body):
    with pytest.raises(BadAnswer):
        Codeup.read({}, body)


@pytest.mark.parametrize("commits", [None, "odd", [], [7, None], [{"id": "b" * 40}]])
def test_a_short_push_is_enough(commits):
    said = {"object_kind": "push", "ref": "refs/heads/main", "after": "a" * 40, "project_id": 42}
    (push,) = Codeup.read({}, json.dumps({**said, "commits": commits}).encode())
    assert (push.repository_id, push.after, push.repository_path) == ("42", "a" * 40, "")
    assert (push.before, push.deleted, push.created) == ("", False, False)


# -- each refusal has its class and reason (`providers.md` 10) -------------------------------------


@pytest.mark.parametrize(
    ("says", "error", "reason"),
    [
        (Says({"errorMessage": "无效"}, 401), TokenRejected, "unknown"),
        (Says(b"nope", 401, {"content-type": "text/plain"}), TokenRejected, "unknown"),
        (Says(b"", 401), TokenRejected, "unknown"),
        (Says(b"<html>", 401, {"content-type": "text/html"}), BadAnswer, "gateway"),
        (NO, MissingScope, "scope"),
        (Says({"errorMessage": "用户已被禁用"}, 403), TokenRejected, "suspended"),
        (Says({"message": "account disabled"}, 403), TokenRejected, "suspended"),
        (Says(b"<html>", 403, {"content-type": "text/html"}), BadAnswer, "gateway"),
        (Says({"errorMessage": "x"}, 404), BadAnswer, "edition"),
        (Says({}, 409), BadAnswer, "refused"),
        (Says({}, 422), BadAnswer, "refused"),
        (Says({}, 429), RateLimited, "limit"),
        (Says({}, 500), Unreachable, "http_5xx"),
        (Says({"id": "1"}, 200), BadAnswer, "shape"),
    ],
)
def test_each_refusal_has_its_class_and_reason(says, error, reason):
    with (
        account_of(Codeup, {USER: says}, **TOKEN) as (account, _),
        pytest.raises(ProviderError) as caught,
    ):
        account.identify()
    assert (type(caught.value), caught.value.reason) == (error, reason)
    assert account.credential.token not in f"{caught.value!r}{caught.value.facts}"


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        ({"reset_at": 1795244520}, {}, 120),
        ({"reset_at": "1795244520"}, {}, 120),
        ({"reset_at": 1795244520000}, {}, 120),
        ({"reset_at": "2026-11-21T15:02:00+08:00"}, {}, 120),
        ({"reset_at": 1795244520}, {"retry-after": "30"}, 30),
        ({"reset_at": 1}, {}, 1),
        ({"reset_at": "9" * 4000}, {}, 60),
        ({"reset_at": None}, {}, 60),
        ({"reset_at": True}, {}, 60),
        ([], {}, 60),
    ],
)
def test_the_wait_is_what_the_host_said(body, headers, seconds):
    with (
        account_of(Codeup, {USER: Says(body, 429, headers)}, **TOKEN) as (account, _),
        pytest.raises(RateLimited) as caught,
    ):
        account.identify()
    assert caught.value.retry_after == seconds


# -- before the sandbox ----------------------------------------------------------------------------


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("codeup", sandbox, door, door, tmp_path)


def test_a_token_that_only_reads_webhooks_is_found_out_when_it_writes(stage):
    account, path = stage.account("looking"), f"{ACME}/platform/api"
    assert account.inspect().missing == {}
    with pytest.raises(MissingScope) as caught:
        account.add_hook(path, url="http://127.0.0.1:9/hooks/hok_1", secret=SECRET)
    assert caught.value.missing == ("Webhook read/write",)


def test_a_forged_body_passes_the_proof_and_names_a_commit_that_is_not_there(stage):
    path = f"{ACME}/platform/api"
    with canned({"POST /hooks/hok_1": Says(b"", 202)}) as receiver:
        url = f"{receiver.base_url}/hooks/hok_1"
        stage.account().add_hook(path, url=url, secret=SECRET)
        stage.sandbox.push("codeup", path, "refs/heads/main")
        (arrived,) = receiver.wait()
    forged = arrived.body.replace(arrived.json()["after"].encode(), b"f" * 40)
    Codeup.verify(arrived.headers, forged, HookKey((SECRET,)), now=0)
    (push,) = Codeup.read(arrived.headers, forged)
    with pytest.raises(NotFound):
        stage.account().resolve_ref(path, push.after)
