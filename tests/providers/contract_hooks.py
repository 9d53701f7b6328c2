"""What every provider promises about webhooks, clones and limits (`providers.md` 15)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from providers.catalogue import REGISTRY
from providers.errors import (
    BadAnswer,
    DeliveryRefused,
    MissingScope,
    RateLimited,
    Unreachable,
)
from providers.types import Can, HookKey, Purpose
from tests.providers.canned import Asked, Canned, Says, canned
from tests.providers.contract import promise
from tests.providers.stage import Stage

SECRET = "sandbox-hook-secret-0123456789abcdef"
NEXT_SECRET = "sandbox-hook-secret-after-rotation"
ZEROS = "0" * 40
NOWHERE = "http://127.0.0.1:9/hooks/hok_1"


def _receiver() -> Any:
    return canned({"POST /hooks/hok_1": Says(b"", 202)})


def _key(*secrets: str, signed: bool) -> HookKey:
    return HookKey(secrets, mode="signed" if signed else "plain")


def _now() -> float:
    return datetime.now(UTC).timestamp()


@promise("19")
def a_hook_lives_from_creation_to_removal(stage: Stage) -> None:
    account, path = stage.account(), stage.cast.rich
    with _receiver() as receiver:
        url = f"{receiver.base_url}/hooks/hok_1"
        made = account.add_hook(path, url=url, secret=SECRET)
        assert [(hook.id, hook.url, hook.active) for hook in account.hooks(path)] == [
            (made.id, url, True)
        ]
        kept = stage.sandbox.hooks(stage.slug)[0]
        assert kept["active"]
        assert kept["has_secret"]
        assert kept["settings"].get("content_type", "json") == "json"
        stage.sandbox.push(stage.slug, path, "refs/heads/main")
        (arrived,) = receiver.wait(like=stage.cast.mark)
        key = _key(SECRET, signed=made.signed)
        assert stage.provider.verify(arrived.headers, arrived.body, key, now=_now()).event
        account.remove_hook(path, made.id)
        assert account.hooks(path) == ()
        account.remove_hook(path, made.id)


@promise("19")
def adding_a_hook_twice_leaves_one(stage: Stage) -> None:
    account, path = stage.account(), stage.cast.rich
    with _receiver() as receiver:
        url = f"{receiver.base_url}/hooks/hok_1"
        first = account.add_hook(path, url=url, secret=SECRET)
        second = account.add_hook(path, url=url, secret=NEXT_SECRET)
        assert (second.id, len(account.hooks(path))) == (first.id, 1)
        _proves(stage, receiver, second.signed, NEXT_SECRET)


@promise("19")
def a_lost_answer_does_not_double_a_hook(stage: Stage) -> None:
    account, path = stage.account(), stage.cast.rich
    with _receiver() as receiver:
        stage.fault("lost_answer", stage.cast.hooks, method="POST", times=1)
        made = account.add_hook(path, url=f"{receiver.base_url}/hooks/hok_1", secret=SECRET)
        assert [hook.id for hook in account.hooks(path)] == [made.id]
        _proves(stage, receiver, made.signed, SECRET)


@promise("19")
def a_repair_pushes_address_events_and_secret_again(stage: Stage) -> None:
    account, path = stage.account(), stage.cast.rich
    with _receiver() as receiver:
        made = account.add_hook(path, url="http://127.0.0.1:9/hooks/old", secret=SECRET)
        url = f"{receiver.base_url}/hooks/hok_1"
        mended = account.repair_hook(path, made.id, url=url, secret=NEXT_SECRET)
        assert (mended.id, mended.url, len(account.hooks(path))) == (made.id, url, 1)
        _proves(stage, receiver, mended.signed, NEXT_SECRET)


@promise("19")
def repairing_a_hook_that_is_gone_makes_it_anew(stage: Stage) -> None:
    account, path = stage.account(), stage.cast.rich
    url = NOWHERE
    made = account.add_hook(path, url=url, secret=SECRET)
    stage.sandbox.change_hook(stage.slug, made.id, deleted=True)
    mended = account.repair_hook(path, made.id, url=url, secret=SECRET)
    assert [hook.id for hook in account.hooks(path)] == [mended.id]
    assert mended.id != made.id


@promise("19")
def hooks_of_a_moved_repository_are_reached_by_what_was_known_of_it(stage: Stage) -> None:
    account, path = stage.account(), stage.cast.rich
    known = path if stage.cast.forwards else account.repository(path).id
    stage.sandbox.change_repository(stage.slug, path, path=f"{path}-moved")
    made = account.add_hook(known, url=NOWHERE, secret=SECRET)
    account.repair_hook(known, made.id, url=made.url, secret=SECRET)
    account.remove_hook(known, made.id)
    assert account.hooks(known) == ()


@promise("17")
def a_role_too_low_for_hooks_is_told_from_a_scope_too_small(stage: Stage) -> None:
    cast, url = stage.cast, NOWHERE
    name, path = cast.hookless
    with pytest.raises(MissingScope) as low:
        stage.account().add_hook(cast.write, url=url, secret=SECRET)
    with pytest.raises(MissingScope) as small:
        stage.account(name).add_hook(path, url=url, secret=SECRET)
    told = "role" if cast.roles else "scope"  # one cannot be told from the other
    assert (low.value.reason, small.value.reason) == (told, "scope")
    assert small.value.missing == stage.provider.spec.scopes[Purpose.HOOKS]
    if not cast.roles:
        return
    role = stage.account().repository(cast.write).access_name
    needed = stage.provider.spec.hook_role
    assert low.value.facts == {"path": cast.write, "role": role, "needed": needed}


@promise("19", needs=Can.TEST_HOOK)
def a_test_arrives_and_is_proven(stage: Stage) -> None:
    account, path = stage.account(), stage.cast.rich
    with _receiver() as receiver:
        made = account.add_hook(path, url=f"{receiver.base_url}/hooks/hok_1", secret=SECRET)
        account.test_hook(path, made.id)
        arrived = receiver.wait()[-1]
    key = _key(SECRET, signed=made.signed)
    assert stage.provider.verify(arrived.headers, arrived.body, key, now=_now()).event


@promise("19", needs=Can.HOOK_HEALTH)
def failing_deliveries_show_in_the_health_of_a_hook(stage: Stage) -> None:
    account, path = stage.account(), stage.cast.rich
    account.add_hook(path, url=NOWHERE, secret=SECRET)
    for _ in range(5):
        stage.sandbox.push(stage.slug, path, "refs/heads/main")
    (hook,) = account.hooks(path)
    assert hook.health in {"failing", "disabled"}


def _proves(stage: Stage, receiver: Canned, signed: bool, secret: str) -> None:
    """The next push arrives and is proven by `secret`, and by no other."""
    stage.sandbox.push(stage.slug, stage.cast.rich, "main")
    arrived = receiver.wait(like=stage.cast.mark)[-1]
    other = NEXT_SECRET if secret == SECRET else SECRET
    stage.provider.verify(arrived.headers, arrived.body, _key(secret, signed=signed), now=_now())
    with pytest.raises(DeliveryRefused):
        stage.provider.verify(arrived.headers, arrived.body, _key(other, signed=signed), now=_now())


# -- proof -----------------------------------------------------------------------------------------


def _one_delivery(stage: Stage, ref: str = "main", **more: Any) -> tuple[Asked, HookKey]:
    """A real delivery of the host and the key that proves it."""
    with _receiver() as receiver:
        url = f"{receiver.base_url}/hooks/hok_1"
        made = stage.account().add_hook(stage.cast.rich, url=url, secret=SECRET)
        stage.sandbox.push(stage.slug, stage.cast.rich, ref, **more)
        (arrived,) = receiver.wait(like=stage.cast.mark)
    return arrived, _key(SECRET, signed=made.signed)


@promise("20")
def a_proof_holds_for_these_bytes_this_key_and_these_headers_only(stage: Stage) -> None:
    arrived, key = _one_delivery(stage)
    headers, body, now = arrived.headers, arrived.body, _now()
    verify = stage.provider.verify
    receipt = verify(headers, body, key, now=now)
    assert bool(receipt.key) is stage.cast.identified
    assert not receipt.ping
    proof = _proof_of(stage, headers)
    forged: list[tuple[Any, bytes, HookKey]] = [
        (headers, body + b" ", key),
        (headers, body.replace(b"main", b"mane"), key),
    ]
    wrong: list[tuple[Any, bytes, HookKey]] = [
        # Where the proof leaves the body out, what it says is read back before it counts.
        *(forged if receipt.body_once or key.mode == "signed" else ()),
        (headers, body, HookKey((NEXT_SECRET,), mode=key.mode)),
        (headers, body, HookKey(("",), mode=key.mode)),
        (headers, body, HookKey((), mode=key.mode)),
        ({}, body, key),
        ({**headers, proof: ""}, body, key),
        ({**headers, proof: "\u00e9" * 20}, body, key),
        ({**headers, proof: headers[proof][:-2]}, body, key),
        ({name: text for name, text in headers.items() if name != proof}, body, key),
    ]
    for case in wrong:
        with pytest.raises(DeliveryRefused):
            verify(*case, now=now)


def _proof_of(stage: Stage, headers: Any) -> str:
    """The header without which nothing is proven."""
    signed = ("webhook-signature", "x-gitea-signature", "x-hub-signature-256", "x-hub-signature")
    words = ("x-gitee-token", "x-codeup-token", "x-repo-token")
    return next(name for name in (*signed, *words) if name in headers)


@promise("20")
def both_secrets_count_while_one_is_rotated(stage: Stage) -> None:
    arrived, key = _one_delivery(stage)
    for secrets in ((SECRET, NEXT_SECRET), (NEXT_SECRET, SECRET)):
        both = HookKey(secrets, mode=key.mode)
        assert stage.provider.verify(arrived.headers, arrived.body, both, now=_now()).event


@promise("20")
def a_delivery_of_another_provider_proves_nothing(stage: Stage) -> None:
    arrived, key = _one_delivery(stage)
    for slug, other in REGISTRY.items():
        if slug not in {stage.slug, *stage.cast.looks_like}:
            with pytest.raises(DeliveryRefused):
                other.verify(arrived.headers, arrived.body, HookKey(key.secrets), now=_now())


@promise("20")
def no_json_is_read_before_the_proof_holds(stage: Stage) -> None:
    _, key = _one_delivery(stage)
    for body in (b"[" * 100_000, b"\xff\xfe", b"", b'{"a":'):
        with pytest.raises(DeliveryRefused):
            stage.provider.verify({}, body, key, now=_now())


# -- what was pushed -------------------------------------------------------------------------------


@promise("21", "refs/heads/main", "refs/heads/new/\u529f\u80fd", "refs/tags/v9.0.0")
def a_push_is_read_as_it_happened(stage: Stage, ref: str) -> None:
    arrived, _ = _one_delivery(stage, ref)
    (push,) = stage.provider.read(arrived.headers, arrived.body)
    truth, found = stage.truth(stage.cast.rich), stage.account().repository(stage.cast.rich)
    assert (push.ref, push.after, push.repository_id) == (ref, truth[ref], found.id)
    assert push.repository_path == stage.cast.rich
    assert push.created is (push.before == ZEROS) is (ref != "refs/heads/main")
    assert not push.deleted
    assert push.pusher


@promise("21")
def an_annotated_tag_is_read_as_its_commit(stage: Stage) -> None:
    arrived, _ = _one_delivery(stage, "refs/tags/v9.1.0", annotated=True)
    (push,) = stage.provider.read(arrived.headers, arrived.body)
    assert push.after == stage.truth(stage.cast.rich)["refs/tags/v9.1.0"]


@promise("21")
def a_deletion_is_marked_and_names_no_commit(stage: Stage) -> None:
    arrived, _ = _one_delivery(stage, stage.cast.gone, delete=True)
    (push,) = stage.provider.read(arrived.headers, arrived.body)
    assert (push.ref, push.deleted, push.after) == (stage.cast.gone, True, ZEROS)


@promise("21", b"", b"null", b"[]", b'{"ref": 7}', b"\xff", b"[" * 100_000)
def a_body_that_cannot_be_read_is_a_bad_answer(stage: Stage, body: bytes) -> None:
    arrived, _ = _one_delivery(stage)
    with pytest.raises(BadAnswer):
        stage.provider.read(arrived.headers, body)


@promise("21", "main", "null", "refs/notes/x", 7, None)
def a_ref_that_is_neither_branch_nor_tag_is_a_bad_answer(stage: Stage, ref: object) -> None:
    arrived, _ = _one_delivery(stage)
    with pytest.raises(BadAnswer, match="ref"):
        stage.provider.read(arrived.headers, _with(arrived.body, stage.cast.space_at, ref))


@promise("21", "refs/heads/", "refs/heads/a b", "refs/heads/../x", "", 7, None)
def a_ref_that_git_would_not_hold_is_a_bad_answer(stage: Stage, ref: object) -> None:
    arrived, _ = _one_delivery(stage)
    with pytest.raises(BadAnswer, match="ref"):
        stage.provider.read(arrived.headers, _with(arrived.body, stage.cast.ref_at, ref))


def _with(body: bytes, place: tuple[str | int, ...], value: object) -> bytes:
    """A delivery that says `value` at a place of its own."""
    said = inner = json.loads(body)
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return json.dumps(said).encode()


@promise("21")
def another_event_is_no_push(stage: Stage) -> None:
    arrived, _ = _one_delivery(stage)
    said = {**json.loads(arrived.body), "object_kind": "note", "hook_name": "note_hooks"}
    headers = {**arrived.headers, "x-github-event": "issues", "x-gitea-event": "issues"}
    headers["x-event-key"] = "repo:fork"
    assert stage.provider.read(headers, json.dumps(said).encode()) == ()


# -- clone -----------------------------------------------------------------------------------------


@promise("24")
def the_credential_clones_a_private_repository(stage: Stage) -> None:
    clone = stage.account().clone(stage.cast.rich)
    assert "@" not in clone.url
    assert clone.password not in clone.url
    goal = str(stage.folder / "clone")
    done = stage.git(clone, "clone", "--quiet", clone.url, goal)
    assert done.returncode == 0, done.stderr
    head = stage.git(clone, "-C", goal, "rev-parse", "HEAD").stdout.strip()
    assert head == stage.truth(stage.cast.rich)["refs/heads/main"]
    assert clone.password not in (stage.folder / "clone/.git/config").read_text()


@promise("24")
def a_dead_token_does_not_clone(stage: Stage) -> None:
    clone = stage.account().clone(stage.cast.rich)
    stage.sandbox.revoke("full", stage.slug, stage.cast.login)
    done = stage.git(clone, "ls-remote", clone.url)
    assert done.returncode != 0
    assert clone.password not in done.stderr


@promise("26", needs=Can.MINT)
def a_minted_credential_reads_one_repository_until_it_is_ended(stage: Stage) -> None:
    account, path = stage.account(), stage.cast.rich
    minted = account.mint(path, 30)
    assert minted.password not in f"{minted!r}{minted.url}"
    assert stage.git(minted, "ls-remote", minted.url).returncode == 0
    assert minted.expires_at
    assert abs(minted.expires_at.timestamp() - _now() - 1800) < 120
    for _ in range(2):  # twice is no error
        account.unmint(minted.number)
        assert stage.git(minted, "ls-remote", minted.url).returncode != 0


@promise("26", 1, 15, 100_000, needs=Can.MINT)
def a_minted_credential_ends_by_itself(stage: Stage, minutes: int) -> None:
    minted = stage.account().mint(stage.cast.rich, minutes)
    assert minted.expires_at
    stage.sandbox.skew(minted.expires_at.timestamp() - _now() - 30)
    assert stage.git(minted, "ls-remote", minted.url).returncode == 0
    stage.sandbox.skew(minted.expires_at.timestamp() - _now() + 30)
    assert stage.git(minted, "ls-remote", minted.url).returncode != 0


# -- limits ----------------------------------------------------------------------------------------


@promise("27", 1, 37, 3000)
def the_wait_is_what_the_host_asked_for(stage: Stage, seconds: int) -> None:
    stage.fault("rate_limit", value=seconds)
    with pytest.raises(RateLimited) as caught:
        stage.account().identify()
    assert caught.value.retry_after == seconds


@promise("27")
def a_wait_of_a_503_is_told(stage: Stage) -> None:
    stage.fault("status:503", value=7)
    with pytest.raises(Unreachable) as caught:
        stage.account().identify()
    assert caught.value.retry_after == 7


@promise("28")
def a_removed_api_is_named_and_a_brown_out_leaves_no_trace(stage: Stage) -> None:
    account = stage.account()
    stage.fault("status:410", times=1)
    with pytest.raises(BadAnswer, match="api_removed"):
        account.identify()
    assert account.identify().login == stage.cast.login


@promise("3")
def a_lock_out_after_bad_tries_does_not_condemn(stage: Stage) -> None:
    stage.fault("login_lockout")
    with pytest.raises(RateLimited):
        stage.account().identify()
    stage.sandbox.clear_faults()
    assert stage.account().identify().login == stage.cast.login
