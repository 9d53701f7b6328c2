"""GitLab: webhooks at the host, and the deliveries that arrive."""

from __future__ import annotations

import json

import pytest

from providers.errors import (
    BadAnswer,
    DeliveryRefused,
    NotFound,
    NotSupported,
)
from providers.gitlab import GitLab
from providers.gitlab_words import plain_word, signing_key
from providers.http import Door
from providers.types import HookKey
from tests.providers.canned import Says, account_of, canned
from tests.providers.stage import Stage

API = "/api/v4"
URL = "https://portal.example/hooks/hok_1"
SECRET = "sandbox-hook-secret"
HOOK = {"id": 12, "url": URL, "signing_token_present": True}
LIST = f"GET {API}/projects/77/hooks"
CREATE = f"POST {API}/projects/77/hooks"
CHANGE = f"PUT {API}/projects/77/hooks/12"
TEST = f"POST {API}/projects/77/hooks/12/test/push_events"


# -- hooks ---------------------------------------------------------------------------------------


def test_a_hook_gets_both_proofs_and_says_which_holds():
    with account_of(GitLab, {LIST: Says([]), CREATE: Says(HOOK, 201)}) as (account, host):
        made = account.add_hook("77", url=URL, secret=SECRET)
    sent = host.asked[-1].json()
    assert (made.id, made.signed) == ("12", True)
    assert (sent["url"], sent["push_events"], sent["tag_push_events"]) == (URL, True, True)
    assert (sent["token"], sent["signing_token"]) == (plain_word(SECRET), signing_key(SECRET))


def test_a_server_that_ignores_the_signing_token_is_not_called_signed():
    answers = {LIST: Says([]), CREATE: Says({"id": 12, "url": URL}, 201)}
    with account_of(GitLab, answers) as (account, _):
        assert not account.add_hook("77", url=URL, secret=SECRET).signed


def test_what_travels_in_the_header_does_not_sign():
    assert len({SECRET, plain_word(SECRET), signing_key(SECRET)}) == 3
    assert plain_word(SECRET) not in signing_key(plain_word(SECRET))


def test_a_hook_of_ours_is_taken_over_with_address_and_secret():
    with account_of(GitLab, {LIST: Says([HOOK]), CHANGE: Says(HOOK)}) as (account, host):
        account.add_hook("77", url=URL, secret=SECRET)
    assert host.lines[-1] == CHANGE
    assert {"url", "token", "signing_token"} <= set(host.asked[-1].json())


def test_a_lost_answer_does_not_make_a_second_hook():
    answers = {LIST: [Says([]), Says([HOOK])], CREATE: Says(hang_up=True), CHANGE: Says(HOOK)}
    with account_of(GitLab, answers) as (account, host):
        assert account.add_hook("77", url=URL, secret=SECRET).id == "12"
    assert host.lines.count(CREATE) == 1


def test_the_limit_of_hooks_is_told_with_its_number():
    full = Says({"message": "Maximum number of project webhooks (100) exceeded"}, 422)
    with (
        account_of(GitLab, {LIST: Says([]), CREATE: full}) as (account, _),
        pytest.raises(BadAnswer, match="hook_limit") as caught,
    ):
        account.add_hook("77", url=URL, secret=SECRET)
    assert caught.value.facts == {"n": "100"}


def test_repairing_a_hook_that_is_gone_makes_it_anew():
    answers = {LIST: Says([]), CREATE: Says({**HOOK, "id": 13}, 201)}
    with account_of(GitLab, answers) as (account, host):
        assert account.repair_hook("77", "12", url=URL, secret=SECRET).id == "13"
    assert host.lines == [CHANGE, f"{LIST}?per_page=100", CREATE]


def test_removing_a_hook_that_is_gone_is_no_error():
    with account_of(GitLab, {LIST: Says([])}) as (account, host):
        account.remove_hook("77", "12")
    assert host.lines[0] == f"DELETE {API}/projects/77/hooks/12"


def test_an_old_server_cannot_test_a_hook():
    with account_of(GitLab, {LIST: Says([HOOK])}) as (account, _), pytest.raises(NotSupported):
        account.test_hook("77", "12")


def test_a_hook_that_is_gone_cannot_be_tested():
    with account_of(GitLab, {LIST: Says([])}) as (account, _), pytest.raises(NotFound):
        account.test_hook("77", "12")


def test_a_test_sends_a_push():
    with account_of(GitLab, {TEST: Says({"message": "201 Created"}, 201)}) as (account, host):
        account.test_hook("77", "12")
    assert host.lines == [TEST]


# -- receiving -----------------------------------------------------------------------------------

BODY = b'{"ref":"refs/heads/main"}'
KEY = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SIGNED = {
    "webhook-id": "3a427872-00df-429c-9bc9-a9475de2efe4",
    "webhook-timestamp": "1790000000",
    "webhook-signature": "v1,skinAj5mU9Hz0E55l9HjSexMUszeStUwa8ekPJNjF/s=",
    "x-gitlab-event": "Push Hook",
}


def test_the_signature_of_the_vector_is_accepted():
    receipt = GitLab.verify(SIGNED, BODY, HookKey((KEY,), mode="signed"), now=1_790_000_100)
    assert (receipt.key, receipt.event) == (SIGNED["webhook-id"], "Push Hook")
    assert not receipt.body_once


@pytest.mark.parametrize("now", [1_789_999_699, 1_790_000_301])
def test_a_signature_from_another_hour_is_stale(now):
    with pytest.raises(DeliveryRefused, match="stale"):
        GitLab.verify(SIGNED, BODY, HookKey((KEY,), mode="signed"), now=now)


def test_a_signed_hook_does_not_fall_back_to_the_word():
    headers = {"x-gitlab-token": plain_word(SECRET), "x-gitlab-event": "Push Hook"}
    with pytest.raises(DeliveryRefused):
        GitLab.verify(headers, BODY, HookKey((SECRET,), mode="signed"), now=1_790_000_000)
    assert GitLab.verify(headers, BODY, HookKey((SECRET,)), now=0).event == "Push Hook"


@pytest.mark.parametrize("word", ["", "x", SECRET.upper(), f" {SECRET}", "é" * 20])
def test_another_word_is_refused(word):
    with pytest.raises(DeliveryRefused):
        GitLab.verify({"x-gitlab-token": word}, BODY, HookKey((SECRET,)), now=0)


@pytest.mark.parametrize("mode", ["plain", "signed"])
def test_no_secret_refuses_everything(mode):
    headers = {"x-gitlab-token": plain_word(""), **SIGNED}
    with pytest.raises(DeliveryRefused, match="no_secret"):
        GitLab.verify(headers, BODY, HookKey(("",), mode=mode), now=1_790_000_000)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"idempotency-key": "idem-1", "x-gitlab-event-uuid": "e"}, "idem-1"),
        ({"webhook-id": "w-1", "x-gitlab-event-uuid": "e"}, "w-1"),
        ({"x-gitlab-event-uuid": "e-1", "x-gitlab-webhook-uuid": "h-1"}, "e-1/h-1"),
        ({}, ""),
    ],
)
def test_the_delivery_id_is_one_per_event_and_hook(headers, key):
    given = {"x-gitlab-token": SECRET, **headers}
    assert GitLab.verify(given, BODY, HookKey((SECRET,)), now=0).key == key


def test_a_short_push_is_enough():
    body = json.dumps(
        {
            "object_kind": "push",
            "ref": "refs/heads/main",
            "checkout_sha": "a" * 40,
            "project": {"id": 42},
        }
    ).encode()
    (push,) = GitLab.read({}, body)
    assert (push.repository_id, push.after, push.before, push.deleted) == (
        "42",
        "a" * 40,
        "",
        False,
    )


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'{"object_kind":"push"}', b'{"ref":', b"\xff", b"[" * 100_000]
)
def test_a_push_that_cannot_be_read_is_a_bad_answer(body):
    with pytest.raises(BadAnswer):
        GitLab.read({}, body)


# -- before the sandbox ----------------------------------------------------------------------------


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("gitlab", sandbox, door, door, tmp_path)


def test_a_server_without_signing_sends_the_word(stage):
    stage.fault("signing_off")
    with canned({"POST /hooks/hok_1": Says(b"", 202)}) as receiver:
        url = f"{receiver.base_url}/hooks/hok_1"
        made = stage.account().add_hook("platform/api", url=url, secret=SECRET)
        stage.sandbox.push("gitlab", "platform/api", "refs/heads/main")
        (arrived,) = receiver.wait()
    assert not made.signed
    assert GitLab.verify(arrived.headers, arrived.body, HookKey((SECRET,)), now=0).key
    assert SECRET not in f"{arrived.headers}"


def test_a_repair_on_a_server_that_learned_to_sign_says_so(stage):
    account, url = stage.account(), "http://127.0.0.1:9/hooks/hok_1"
    stage.fault("signing_off")
    made = account.add_hook("platform/api", url=url, secret=SECRET)
    stage.sandbox.clear_faults()
    assert account.repair_hook("platform/api", made.id, url=url, secret=SECRET).signed


def test_an_old_server_does_not_test_hooks(stage):
    account = stage.account()
    made = account.add_hook("platform/api", url="http://127.0.0.1:9/hooks/hok_1", secret=SECRET)
    stage.fault("old_version", value="16.10.1")
    with pytest.raises(NotSupported):
        account.test_hook("platform/api", made.id)
