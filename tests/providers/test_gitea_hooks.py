"""Gitea: webhooks at the host, and the deliveries that arrive."""

from __future__ import annotations

import json

import pytest

from providers.errors import BadAnswer, DeliveryRefused, MissingScope, NotFound
from providers.gitea import Gitea
from providers.http import Door
from providers.types import HookKey
from tests.providers.canned import Says, account_of, canned
from tests.providers.stage import Stage

API = "/api/v1"
URL = "https://portal.example/hooks/hok_1"
SECRET = "sandbox-hook-secret"
HOOK = {"id": 12, "config": {"url": URL, "content_type": "json"}, "active": True}
REPOSITORY = {
    "id": 77,
    "full_name": "workshop/engine",
    "clone_url": "https://git.acme.example/workshop/engine.git",
    "html_url": "https://git.acme.example/workshop/engine",
    "permissions": {"admin": False, "push": True, "pull": True},
}
AT = f"{API}/repos/workshop/engine/hooks"
LOW = Says({"message": "user should be an owner or a collaborator with admin write"}, 403)


# -- hooks ---------------------------------------------------------------------------------------


def test_a_hook_is_made_active_for_pushes_as_json():
    answers = {f"GET {AT}": Says([]), f"POST {AT}": Says(HOOK, 201)}
    with account_of(Gitea, answers) as (account, host):
        made = account.add_hook("workshop/engine", url=URL, secret=SECRET)
    assert (made.id, made.active, made.signed) == ("12", True, False)
    assert host.asked[-1].json() == {
        "type": "gitea",
        "active": True,
        "events": ["push"],
        "branch_filter": "*",
        "config": {"url": URL, "content_type": "json", "secret": SECRET},
    }


def test_a_hook_of_ours_is_taken_over_with_everything():
    answers = {f"GET {AT}": Says([HOOK]), f"PATCH {AT}/12": Says(HOOK)}
    with account_of(Gitea, answers) as (account, host):
        account.add_hook("workshop/engine", url=URL, secret=SECRET)
    assert host.lines[-1] == f"PATCH {AT}/12"
    assert host.asked[-1].json()["config"]["secret"] == SECRET


def test_a_hook_beyond_the_first_page_is_found():
    other = {**HOOK, "id": 11, "config": {"url": "https://chat.example/x"}}
    pages = [Says([one], headers={"x-total-count": "2"}) for one in (other, HOOK)]
    with account_of(Gitea, {f"GET {AT}": pages, f"PATCH {AT}/12": Says(HOOK)}) as (account, host):
        assert account.add_hook("workshop/engine", url=URL, secret=SECRET).id == "12"
    assert host.lines[1] == f"GET {AT}?page=2&limit=1"


def test_below_a_number_there_are_no_hooks_so_its_path_is_asked_for():
    answers = {f"GET {API}/repositories/77": Says(REPOSITORY), f"GET {AT}": Says([HOOK])}
    with account_of(Gitea, answers) as (account, _):
        assert [hook.id for hook in account.hooks("77")] == ["12"]


def test_a_role_too_low_is_told_with_both_roles():
    answers = {f"GET {AT}": LOW, f"GET {API}/repos/workshop/engine": Says(REPOSITORY)}
    with account_of(Gitea, answers) as (account, _), pytest.raises(MissingScope) as caught:
        account.hooks("workshop/engine")
    assert caught.value.facts == {"path": "workshop/engine", "role": "write", "needed": "admin"}


def test_removing_a_hook_that_is_gone_is_no_error():
    with account_of(Gitea, {f"GET {AT}": Says([])}) as (account, host):
        account.remove_hook("workshop/engine", "12")
    assert host.lines[0] == f"DELETE {AT}/12"


def test_removing_a_hook_of_a_repository_out_of_sight_is_not_called_done():
    with account_of(Gitea, {}) as (account, _), pytest.raises(NotFound):
        account.remove_hook("workshop/engine", "12")


def test_an_endless_list_of_hooks_is_given_up():
    headers = {"link": f'<{{base}}{AT}?page=2>; rel="next"'}
    with (
        account_of(Gitea, {f"GET {AT}": Says([HOOK], headers=headers)}) as (account, host),
        pytest.raises(BadAnswer, match="truncated"),
    ):
        account.hooks("workshop/engine")
    assert len(host.asked) == 200


# -- receiving -----------------------------------------------------------------------------------

BODY = b'{"ref":"refs/heads/main"}'
VECTOR = "b207d041ea2c868d2f0a04f9476df323457b51444dc832111123f3f753cffda5"
HEADERS = {
    "x-gitea-signature": VECTOR,
    "x-gitea-delivery": "g-1",
    "x-gitea-event": "push",
    "x-hub-signature-256": f"sha256={VECTOR}",
    "x-github-delivery": "g-1",
}


def test_the_signature_of_the_vector_is_accepted():
    receipt = Gitea.verify(HEADERS, BODY, HookKey(("test-secret",)), now=0)
    assert (receipt.key, receipt.event, receipt.body_once) == ("g-1", "push", True)


@pytest.mark.parametrize(
    "proof", ["", f"sha256={VECTOR}", VECTOR.upper(), VECTOR[:-1], f"{VECTOR} ", "é" * 64]
)
def test_another_proof_is_refused(proof):
    headers = {**HEADERS, "x-gitea-signature": proof}
    with pytest.raises(DeliveryRefused):
        Gitea.verify(headers, BODY, HookKey(("test-secret",)), now=0)


def test_the_look_alike_headers_alone_prove_nothing():
    headers = {name: text for name, text in HEADERS.items() if name != "x-gitea-signature"}
    with pytest.raises(DeliveryRefused, match="missing"):
        Gitea.verify(headers, BODY, HookKey(("test-secret",)), now=0)


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_no_secret_refuses_everything(secrets):
    with pytest.raises(DeliveryRefused, match="no_secret"):
        Gitea.verify(HEADERS, BODY, HookKey(secrets), now=0)


def test_a_short_push_is_enough():
    body = {"ref": "refs/heads/main", "after": "a" * 40, "repository": {"id": 42}}
    (push,) = Gitea.read({"x-gitea-event": "push"}, json.dumps(body).encode())
    assert (push.repository_id, push.after, push.before) == ("42", "a" * 40, "")
    assert (push.created, push.deleted, push.pusher) == (False, False, "")


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'{"ref":"refs/heads/x"}', b'{"ref":', b"\xff", b"[" * 100_000]
)
def test_a_push_that_cannot_be_read_is_a_bad_answer(body):
    with pytest.raises(BadAnswer):
        Gitea.read({"x-gitea-event": "push"}, body)


# -- before the sandbox ----------------------------------------------------------------------------


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("gitea", sandbox, door, door, tmp_path)


def test_a_test_of_a_hook_is_proven_and_starts_nothing(stage):
    account = stage.account()
    with canned({"POST /hooks/hok_1": Says(b"", 202)}) as receiver:
        url = f"{receiver.base_url}/hooks/hok_1"
        made = account.add_hook("workshop/engine", url=url, secret=SECRET)
        account.test_hook("workshop/engine", made.id)
        (arrived,) = receiver.wait()
    Gitea.verify(arrived.headers, arrived.body, HookKey((SECRET,)), now=0)
    assert Gitea.read(arrived.headers, arrived.body) == ()


def test_a_hook_that_somebody_switched_off_is_switched_on_by_a_repair(stage):
    account, path = stage.account(), "workshop/engine"
    made = account.add_hook(path, url="http://127.0.0.1:9/hooks/hok_1", secret=SECRET)
    stage.sandbox.change_hook("gitea", made.id, active=False)
    (seen,) = account.hooks(path)
    assert (seen.active, seen.health) == (False, "disabled")
    assert account.repair_hook(path, made.id, url=made.url, secret=SECRET).active


def test_a_hook_made_without_a_secret_proves_nothing(stage):
    with canned({"POST /hooks/hok_1": Says(b"", 202)}) as receiver:
        stage.account().add_hook(
            "workshop/engine", url=f"{receiver.base_url}/hooks/hok_1", secret=""
        )
        stage.sandbox.push("gitea", "workshop/engine")
        (arrived,) = receiver.wait()
    assert arrived.headers["x-gitea-signature"] == ""
    with pytest.raises(DeliveryRefused):
        Gitea.verify(arrived.headers, arrived.body, HookKey((SECRET,)), now=0)
