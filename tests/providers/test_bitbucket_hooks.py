"""Bitbucket: webhooks at the host, and the deliveries that arrive."""

from __future__ import annotations

import json

import pytest

from providers.bitbucket import Bitbucket
from providers.errors import BadAnswer, DeliveryRefused, MissingScope, NotFound
from providers.http import Door
from providers.types import HookKey
from tests.providers.canned import Says, account_of, canned
from tests.providers.stage import Stage

API = "/2.0"
URL = "https://portal.example/hooks/hok_1"
SECRET = "sandbox-hook-secret"
ID = "{0b7c0f1c-0000-4000-8000-000000000001}"
AT = f"{API}/repositories/acme/engine/hooks"
AT_ID = f"{AT}/%7B0b7c0f1c-0000-4000-8000-000000000001%7D"
HOOK = {"uuid": ID, "url": URL, "active": True, "events": ["repo:push"]}
LOW = Says({"type": "error", "error": {"message": "You do not have admin access."}}, 403)
REPOSITORY = {
    "uuid": "{1}",
    "full_name": "acme/engine",
    "links": {"clone": [{"name": "https", "href": "https://bitbucket.org/acme/engine.git"}]},
}
WANTED = {
    "description": "Mooring",
    "url": URL,
    "active": True,
    "secret": SECRET,
    "events": ["repo:push"],
}


def listed(*hooks: object) -> Says:
    return Says({"values": list(hooks)})


# -- hooks ---------------------------------------------------------------------------------------


def test_a_hook_is_made_for_pushes_with_a_secret():
    answers = {f"GET {AT}": listed(), f"POST {AT}": Says(HOOK, 201)}
    with account_of(Bitbucket, answers) as (account, host):
        made = account.add_hook("acme/engine", url=URL, secret=SECRET)
    assert (made.id, made.active, made.signed) == (ID, True, False)
    assert host.asked[-1].json() == WANTED


def test_a_hook_of_ours_is_taken_over_with_everything():
    answers = {f"GET {AT}": listed(HOOK), f"PUT {AT_ID}": Says(HOOK)}
    with account_of(Bitbucket, answers) as (account, host):
        account.add_hook("acme/engine", url=URL, secret=SECRET)
    assert (host.lines[-1], host.asked[-1].json()) == (f"PUT {AT_ID}", WANTED)


def test_a_lost_answer_does_not_make_a_second_hook():
    answers = {
        f"GET {AT}": [listed(), listed(HOOK)],
        f"POST {AT}": Says(hang_up=True),
        f"PUT {AT_ID}": Says(HOOK),
    }
    with account_of(Bitbucket, answers) as (account, host):
        assert account.add_hook("acme/engine", url=URL, secret=SECRET).id == ID
    assert host.lines.count(f"POST {AT}") == 1


def test_a_role_too_low_is_told_with_both_roles():
    answers = {
        f"GET {AT}": LOW,
        f"GET {API}/repositories/acme/engine": Says(REPOSITORY),
        f"GET {API}/repositories/acme": [listed(), listed(REPOSITORY)],
    }
    with account_of(Bitbucket, answers) as (account, _), pytest.raises(MissingScope) as caught:
        account.hooks("acme/engine")
    assert caught.value.facts == {"path": "acme/engine", "role": "write", "needed": "admin"}


def test_removing_a_hook_that_is_gone_is_no_error():
    with account_of(Bitbucket, {f"GET {AT}": listed()}) as (account, host):
        account.remove_hook("acme/engine", ID)
    assert host.lines[0] == f"DELETE {AT_ID}"


def test_removing_a_hook_of_a_repository_out_of_sight_is_not_called_done():
    with account_of(Bitbucket, {}) as (account, _), pytest.raises(NotFound):
        account.remove_hook("acme/engine", ID)


# -- receiving -----------------------------------------------------------------------------------

BODY = b'{"ref":"refs/heads/main"}'
VECTOR = "b207d041ea2c868d2f0a04f9476df323457b51444dc832111123f3f753cffda5"
HEADERS = {
    "x-hub-signature": f"sha256={VECTOR}",
    "x-request-uuid": "r-1",
    "x-event-key": "repo:push",
    "x-attempt-number": "2",
}
KEY = HookKey(("test-secret",))


def test_the_signature_of_the_vector_is_accepted():
    receipt = Bitbucket.verify(HEADERS, BODY, KEY, now=0)
    assert (receipt.key, receipt.event, receipt.body_once) == ("r-1", "repo:push", True)


@pytest.mark.parametrize(
    "proof",
    [
        "",
        VECTOR,
        f"sha1={VECTOR}",
        "sha1=8fddfa90eca8d96381218aea954a453aa1300daa",
        f"sha256={VECTOR.upper()}",
        f"sha256={VECTOR[:-1]}",
        "é" * 20,
    ],
)
def test_another_proof_is_refused(proof):
    with pytest.raises(DeliveryRefused):
        Bitbucket.verify({**HEADERS, "x-hub-signature": proof}, BODY, KEY, now=0)


def test_the_proof_of_github_is_not_looked_at():
    headers = {"x-hub-signature-256": f"sha256={VECTOR}"}
    with pytest.raises(DeliveryRefused, match="missing"):
        Bitbucket.verify(headers, BODY, KEY, now=0)


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_no_secret_refuses_everything(secrets):
    with pytest.raises(DeliveryRefused, match="no_secret"):
        Bitbucket.verify(HEADERS, BODY, HookKey(secrets), now=0)


def pushed(**change: object) -> bytes:
    said = {"repository": {"uuid": "{42}"}, "push": {"changes": [change]}}
    return json.dumps(said).encode()


def side(kind: object = "branch", name: object = "main", commit: object = "a" * 40) -> object:
    return {"type": kind, "name": name, "target": {"hash": commit}}


def test_a_short_push_is_enough():
    (push,) = Bitbucket.read(HEADERS, pushed(new=side()))
    assert (push.repository_id, push.ref, push.after) == ("{42}", "refs/heads/main", "a" * 40)
    assert (push.created, push.deleted, push.before) == (True, False, "0" * 40)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"push":{"changes":[]}}',
        b'{"repository":{"uuid":"{1}"}}',
        b'{"repository":{"uuid":"{1}"},"push":{}}',
        b'{"repository":{"uuid":"{1}"},"push":{"changes":[7]}}',
        pushed(),
        pushed(new=None, old=None),
        pushed(new=side(kind="bookmark")),
        pushed(new=side(name="a..b")),
        pushed(new=side(commit="main")),
        pushed(new={"type": "branch", "name": "main"}),
    ],
)
def test_a_push_that_cannot_be_read_is_a_bad_answer(body):
    with pytest.raises(BadAnswer):
        Bitbucket.read(HEADERS, body)


# -- before the sandbox ----------------------------------------------------------------------------


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("bitbucket", sandbox, door, door, tmp_path)


def test_one_delivery_tells_all_refs_of_a_push(stage):
    refs = ["refs/heads/main", "refs/heads/new/x", "refs/tags/v9"]
    with canned({"POST /hooks/hok_1": Says(b"", 202)}) as receiver:
        url = f"{receiver.base_url}/hooks/hok_1"
        stage.account().add_hook("octavia/harbor", url=url, secret=SECRET)
        stage.sandbox.push("bitbucket", "octavia/harbor", refs=refs)
        (arrived,) = receiver.wait()
    Bitbucket.verify(arrived.headers, arrived.body, HookKey((SECRET,)), now=0)
    pushes = Bitbucket.read(arrived.headers, arrived.body)
    truth = stage.truth("octavia/harbor")
    assert [(push.ref, push.after) for push in pushes] == [(ref, truth[ref]) for ref in refs]
    assert [push.created for push in pushes] == [False, True, True]


def test_a_delivery_that_is_tried_again_keeps_its_id(stage):
    with canned({"POST /hooks/hok_1": [Says(b"", 503), Says(b"", 202)]}) as receiver:
        url = f"{receiver.base_url}/hooks/hok_1"
        stage.account().add_hook("octavia/harbor", url=url, secret=SECRET)
        stage.sandbox.push("bitbucket", "octavia/harbor")
        arrived = receiver.wait(2)
    key = HookKey((SECRET,))
    receipts = [Bitbucket.verify(one.headers, one.body, key, now=0) for one in arrived]
    assert receipts[0] == receipts[1]
    assert [one.headers["x-attempt-number"] for one in arrived] == ["1", "2"]
