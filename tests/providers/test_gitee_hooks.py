"""Gitee: webhooks at the host, and the deliveries that arrive."""

from __future__ import annotations

import json
from time import time

import pytest

from providers.errors import BadAnswer, DeliveryRefused, MissingScope, NotFound, Unreachable
from providers.gitee import Gitee
from providers.http import Door
from providers.types import HookKey
from tests.providers.canned import Says, account_of, canned
from tests.providers.stage import Stage

PLACE = "/api/v5/repos/alice/web"
URL = "https://portal.example/hooks/hok_1"
SECRET = "sandbox-hook-secret"
HOOK = {"id": 12, "url": URL, "password": ""}
LIST = f"GET {PLACE}/hooks"
CREATE = f"POST {PLACE}/hooks"
CHANGE = f"PATCH {PLACE}/hooks/12"
NOTHING = Says({"message": "没有权限"}, 403)


def _repository(**permission):
    return Says({"id": 77, "full_name": "alice/web", "permission": permission})


# -- hooks ---------------------------------------------------------------------------------------


def test_a_hook_is_asked_to_sign_and_to_tell_of_pushes_only():
    with account_of(Gitee, {LIST: Says([]), CREATE: Says(HOOK, 201)}) as (account, host):
        made = account.add_hook("alice/web", url=URL, secret=SECRET)
    sent = host.asked[-1].json()
    assert (made.id, made.url, made.signed) == ("12", URL, False)
    assert (sent.pop("url"), sent.pop("password"), sent.pop("encryption_type")) == (URL, SECRET, 1)
    assert {name for name, wanted in sent.items() if wanted} == {"push_events", "tag_push_events"}


def test_a_hook_of_ours_is_taken_over_with_address_and_secret():
    with account_of(Gitee, {LIST: Says([HOOK]), CHANGE: Says(HOOK)}) as (account, host):
        account.add_hook("alice/web", url=URL, secret=SECRET)
    assert host.lines[-1] == CHANGE
    assert {"url", "password", "encryption_type"} <= set(host.asked[-1].json())


def test_a_lost_answer_does_not_make_a_second_hook():
    answers = {LIST: [Says([]), Says([HOOK])], CREATE: Says(hang_up=True), CHANGE: Says(HOOK)}
    with account_of(Gitee, answers) as (account, host):
        assert account.add_hook("alice/web", url=URL, secret=SECRET).id == "12"
    assert host.lines.count(CREATE) == 1


def test_an_answer_that_stays_lost_is_told():
    with (
        account_of(Gitee, {LIST: Says([]), CREATE: Says(hang_up=True)}) as (account, _),
        pytest.raises(Unreachable),
    ):
        account.add_hook("alice/web", url=URL, secret=SECRET)


def test_repairing_a_hook_that_is_gone_makes_it_anew():
    answers = {LIST: Says([]), CREATE: Says({**HOOK, "id": 13}, 201)}
    with account_of(Gitee, answers) as (account, host):
        assert account.repair_hook("alice/web", "12", url=URL, secret=SECRET).id == "13"
    assert host.lines == [CHANGE, f"{LIST}?page=1&per_page=100", CREATE]


def test_removing_a_hook_that_is_gone_is_no_error():
    with account_of(Gitee, {LIST: Says([])}) as (account, host):
        account.remove_hook("alice/web", "12")
    assert host.lines[0] == f"DELETE {PLACE}/hooks/12"


def test_removing_from_what_one_may_not_look_at_is_one():
    with account_of(Gitee, {}) as (account, _), pytest.raises(NotFound):
        account.remove_hook("alice/web", "12")


def test_a_test_is_sent():
    answers = {f"POST {PLACE}/hooks/12/tests": Says(b"", 204)}
    with account_of(Gitee, answers) as (account, host):
        account.test_hook("alice/web", "12")
    assert host.lines == [f"POST {PLACE}/hooks/12/tests"]


@pytest.mark.parametrize(
    ("permission", "scopes", "reason"),
    [
        ({"push": True}, frozenset({"hook"}), "role"),
        ({"push": True}, None, "role"),
        ({"push": True}, frozenset({"projects"}), "scope"),
        ({"admin": True}, frozenset({"projects"}), "scope"),
        ({"admin": True}, None, "scope"),
    ],
)
def test_a_403_without_words_is_told_apart_by_what_is_known(permission, scopes, reason):
    answers = {LIST: NOTHING, f"GET {PLACE}": _repository(**permission)}
    with (
        account_of(Gitee, answers, scopes=scopes) as (account, _),
        pytest.raises(MissingScope) as caught,
    ):
        account.hooks("alice/web")
    assert caught.value.reason == reason
    assert caught.value.missing == (("hook",) if reason == "scope" else ())


# -- receiving -----------------------------------------------------------------------------------

VECTOR = "this is secret"
STAMP = "1576754827988"
AT = 1576754827.988
SIGNED = {
    "x-gitee-token": "2D978FIy4DMMTbiN80zQkNH1Eq/kMBt3gL6OnWfGzzY=",
    "x-gitee-timestamp": STAMP,
    "x-gitee-event": "Push Hook",
}
BODY = b'{"hook_name":"push_hooks"}'


def test_the_signature_of_the_vector_is_accepted_for_any_body():
    for body in (BODY, b"", b"\xff"):
        receipt = Gitee.verify(SIGNED, body, HookKey((VECTOR,)), now=AT)
        assert (receipt.key, receipt.event, receipt.body_once) == ("", "Push Hook", False)


@pytest.mark.parametrize(("seconds", "fresh"), [(3599, True), (-3599, True), (3601, False)])
def test_a_signature_lives_for_an_hour(seconds, fresh):
    if fresh:
        assert Gitee.verify(SIGNED, BODY, HookKey((VECTOR,)), now=AT + seconds)
        return
    with pytest.raises(DeliveryRefused, match="stale"):
        Gitee.verify(SIGNED, BODY, HookKey((VECTOR,)), now=AT + seconds)


def test_the_time_is_part_of_the_proof():
    later = {**SIGNED, "x-gitee-timestamp": "1576758427988"}
    with pytest.raises(DeliveryRefused, match="mismatch"):
        Gitee.verify(later, BODY, HookKey((VECTOR,)), now=AT + 3600)


def test_a_host_that_does_not_sign_sends_the_secret_itself():
    headers = {**SIGNED, "x-gitee-token": VECTOR}
    assert Gitee.verify(headers, BODY, HookKey((VECTOR,)), now=0).event == "Push Hook"


@pytest.mark.parametrize("word", ["", "x", VECTOR.upper(), f" {VECTOR}", "é" * 20])
def test_another_word_is_refused(word):
    headers = {**SIGNED, "x-gitee-token": word}
    with pytest.raises(DeliveryRefused):
        Gitee.verify(headers, BODY, HookKey((VECTOR,)), now=AT)


@pytest.mark.parametrize("secrets", [(), ("",), ("", "")])
def test_no_secret_refuses_everything(secrets):
    with pytest.raises(DeliveryRefused, match="no_secret"):
        Gitee.verify(SIGNED, BODY, HookKey(secrets), now=AT)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'{"hook_name":"push_hooks"}', b'{"ref":', b"\xff", b"[" * 99_999]
)
def test_a_push_that_cannot_be_read_is_a_bad_answer(body):
    with pytest.raises(BadAnswer):
        Gitee.read({}, body)


def test_a_short_push_is_enough():
    said = {"hook_name": "push_hooks", "ref": "refs/heads/main", "after": "a" * 40}
    (push,) = Gitee.read({}, json.dumps({**said, "project": {"id": 42}}).encode())
    assert (push.repository_id, push.after, push.before, push.deleted) == (
        "42",
        "a" * 40,
        "",
        False,
    )


# -- before the sandbox ----------------------------------------------------------------------------


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("gitee", sandbox, door, door, tmp_path)


def _delivery(stage):
    with canned({"POST /hooks/hok_1": Says(b"", 202)}) as receiver:
        url = f"{receiver.base_url}/hooks/hok_1"
        stage.account().add_hook("octavia/harbor", url=url, secret=SECRET)
        stage.sandbox.push("gitee", "octavia/harbor", "refs/heads/main")
        (arrived,) = receiver.wait()
    return arrived


def test_a_host_that_ignores_the_signing_still_proves_itself(stage):
    stage.fault("signing_off")
    arrived = _delivery(stage)
    assert arrived.headers["x-gitee-token"] == SECRET
    assert arrived.json()["password"] == SECRET
    assert Gitee.verify(arrived.headers, arrived.body, HookKey((SECRET,)), now=0).event


def test_what_the_body_repeats_is_named_so_that_it_can_be_dropped(stage):
    arrived = _delivery(stage)
    said = arrived.json()
    assert set(Gitee.spec.secret_keys) <= set(said)
    kept = {name: held for name, held in said.items() if name not in Gitee.spec.secret_keys}
    assert Gitee.read(arrived.headers, json.dumps(kept).encode()) == Gitee.read(
        arrived.headers, arrived.body
    )
    assert arrived.headers["x-gitee-token"] not in json.dumps(kept)


def test_a_forged_body_passes_the_proof_and_names_a_commit_that_is_not_there(stage):
    arrived = _delivery(stage)
    forged = arrived.body.replace(arrived.json()["after"].encode(), b"f" * 40)
    Gitee.verify(arrived.headers, forged, HookKey((SECRET,)), now=time())
    (push,) = Gitee.read(arrived.headers, forged)
    with pytest.raises(NotFound):
        stage.account().resolve_ref("octavia/harbor", push.after)
