"""Codeup: what it sends is understood in both editions, and what it refuses is told apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from providers.codeup import Codeup
from providers.errors import (
    BadAnswer,
    MissingScope,
    NotFound,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from providers.http import Door
from providers.types import Credential, Expiry, Method, Purpose, Quality, Rules
from tests.providers import goldens
from tests.providers.canned import Says, account_of, canned
from tests.providers.cast import ACME
from tests.providers.stage import Stage, all_repositories

API = "/oapi/v1"
USER = f"GET {API}/platform/user"
WHO = Says({"id": "99d1", "username": "alice", "lastOrganization": "org"})
ORGANIZATIONS = f"GET {API}/platform/organizations"
ROOT = f"{API}/codeup/organizations/org/repositories"
NO = Says({"errorCode": "Forbidden", "errorMessage": "no"}, 403)
REPOSITORY = {"id": 7, "webUrl": "https://codeup.example/org/api", "accessLevel": "40"}
TOKEN = {"kind": Method.TOKEN, "organization": "org", "clone_username": "alice-git"}


@pytest.mark.parametrize("name", goldens.names("codeup"))
def test_golden(name):
    goldens.check(Codeup, name)


# -- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "api"),
    [
        ("https://codeup.aliyun.com", "https://openapi-rdc.aliyuncs.com/oapi/v1"),
        ("https://x.rdc.aliyuncs.com", "https://x.rdc.aliyuncs.com/oapi/v1"),
    ],
)
def test_the_central_api_has_an_address_of_its_own(base, api):
    assert Codeup.api_url(base) == api


@pytest.mark.parametrize(
    ("says", "known"),
    [
        (Says({"errorCode": "InvalidToken", "errorMessage": "x"}, 401), True),
        (Says({"errorDescription": "x"}, 401), True),
        (NO, True),
        (Says({"message": "401 Unauthorized"}, 401), False),
        (Says(b"", 401), False),
        (Says(b"<html>", 401, {"content-type": "text/html"}), False),
        (Says({"errorCode": "NotFound"}, 404), False),
        (Says({"id": "1"}), False),
    ],
)
def test_codeup_is_recognised_without_a_token(says, known):
    with canned({USER: says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        assert Codeup.recognise(door, f"{host.base_url}{API}", rules) is known
    assert "x-yunxiao-token" not in host.asked[0].headers


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (Says({}, 503), Unreachable),
        (Says({}, 429), RateLimited),
        (Says(b"", 302, {"location": "https://signin.example/"}), BadAnswer),
    ],
)
def test_a_server_that_cannot_say_is_not_called_something_else(says, error):
    with canned({USER: says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        with pytest.raises(error):
            Codeup.recognise(door, f"{host.base_url}{API}", rules)


def test_the_token_travels_in_its_own_header():
    with account_of(Codeup, {USER: WHO}, **TOKEN) as (account, host):
        account.identify()
    assert host.asked[0].headers["x-yunxiao-token"] == account.credential.token
    assert "authorization" not in host.asked[0].headers


# -- the token -----------------------------------------------------------------------------------


def test_a_missing_permission_for_the_user_is_named():
    with (
        account_of(Codeup, {USER: NO}, **TOKEN) as (account, _),
        pytest.raises(MissingScope) as caught,
    ):
        account.identify()
    assert caught.value.missing == ("Organization members read-only",)


def test_nothing_at_the_address_is_not_a_missing_repository():
    with account_of(Codeup, {}, **TOKEN) as (account, _):
        for ask in (account.identify, account.inspect):
            with pytest.raises(BadAnswer, match="edition"):
                ask()


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (Expiry(datetime(2026, 12, 1, tzinfo=UTC), Quality.STATED), Quality.STATED),
        (Expiry(datetime(2026, 12, 1, tzinfo=UTC), Quality.EXACT), Quality.UNKNOWN),
        (Expiry(), Quality.UNKNOWN),
    ],
)
def test_an_end_is_only_what_a_person_stated(stated, expected):
    answers = {USER: WHO, f"GET {ROOT}": Says([])}
    with account_of(Codeup, answers, expiry=stated, **TOKEN) as (account, _):
        assert account.inspect().expiry.quality is expected


@pytest.mark.parametrize(
    ("days", "quality", "reason"),
    [
        (-1, Quality.STATED, "expired"),
        (1, Quality.STATED, "unknown"),
        (-1, Quality.UNKNOWN, "unknown"),
    ],
)
def test_a_refusal_after_the_stated_date_is_an_end(days, quality, reason):
    end = datetime(2026, 11, 21, 7, 0, tzinfo=UTC) + timedelta(days=days)
    refused = Says({"errorCode": "InvalidToken", "errorMessage": "x"}, 401)
    with (
        account_of(Codeup, {USER: refused}, expiry=Expiry(end, quality), **TOKEN) as (account, _),
        pytest.raises(TokenRejected, match=reason),
    ):
        account.identify()


def test_a_token_that_cannot_list_is_not_asked_further():
    with account_of(Codeup, {USER: WHO, f"GET {ROOT}": NO}, **TOKEN) as (account, host):
        found = account.inspect()
    assert set(found.missing) == {Purpose.LIST, Purpose.CLONE}
    assert len(host.asked) == 2


def test_where_nobody_is_administrator_hooks_are_not_tried():
    seen = {**REPOSITORY, "accessLevel": 30}
    answers = {USER: WHO, f"GET {ROOT}": Says([seen])}
    answers |= {f"GET {ROOT}/7/branches": Says([]), f"GET {ROOT}/7/tags": Says([])}
    with account_of(Codeup, answers, **TOKEN) as (account, host):
        assert account.inspect().missing == {}
    assert not any("webhooks" in line for line in host.lines)


# -- organizations -------------------------------------------------------------------------------


def test_several_organizations_have_to_be_chosen_from():
    known = Says([{"id": "a1", "name": "Acme"}, {"id": "b2", "name": ""}])
    with (
        account_of(Codeup, {USER: WHO, ORGANIZATIONS: known}, kind=Method.TOKEN) as (account, _),
        pytest.raises(MissingScope) as caught,
    ):
        account.inspect()
    assert caught.value.reason == "organization"
    assert caught.value.facts == {"n": "2", "choices": "a1 Acme, b2"}


def test_where_organizations_may_not_be_listed_the_last_one_is_taken():
    answers = {USER: WHO, ORGANIZATIONS: NO, f"GET {ROOT}": Says([])}
    with account_of(Codeup, answers, kind=Method.TOKEN) as (account, _):
        assert account.inspect().organization == "org"


@pytest.mark.parametrize("known", [NO, Says([])])
def test_no_organization_at_all_is_said(known):
    nowhere = Says({"id": "99d1", "username": "alice", "lastOrganization": ""})
    with account_of(Codeup, {USER: nowhere, ORGANIZATIONS: known}, kind=Method.TOKEN) as (a, _):
        for ask in (a.inspect, a.repositories):
            with pytest.raises(MissingScope, match="org_policy"):
                ask()


def test_an_organization_that_is_not_ones_own_is_told_from_a_wrong_edition():
    answers = {USER: WHO, ORGANIZATIONS: Says([{"id": "mine"}])}
    with account_of(Codeup, answers, **TOKEN) as (account, _), pytest.raises(MissingScope) as no:
        account.inspect()
    assert (no.value.reason, no.value.facts) == ("org_policy", {"id": "org"})
    for known in (Says([{"id": "org"}]), Says({}, 404), NO):
        answers = {USER: WHO, ORGANIZATIONS: known}
        with (
            account_of(Codeup, answers, **TOKEN) as (account, _),
            pytest.raises(BadAnswer, match="edition"),
        ):
            account.inspect()


def test_an_id_cannot_climb_in_the_address():
    odd = {**TOKEN, "organization": "../../x"}
    with account_of(Codeup, {}, **odd) as (account, host), pytest.raises(NotFound):
        account.repositories()
    assert host.lines[0].startswith(f"GET {API}/codeup/organizations/..%2F..%2Fx/repositories")


# -- repositories and refs -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "hookable"),
    [
        *((40, True), ("40", True), (50, True), (30, False), ("20", False), (0, False)),
        *((None, None), ("", None), ("admin", None), (True, None), (-1, None), ("99999", None)),
    ],
)
def test_who_may_add_hooks(level, hookable):
    answers = {f"GET {ROOT}/7": Says({**REPOSITORY, "accessLevel": level})}
    with account_of(Codeup, answers, **TOKEN) as (account, _):
        assert account.repository("7").hookable is hookable


@pytest.mark.parametrize("path", ["api", "a/../b", "", "a/", "/a", "a/./b"])
def test_what_cannot_be_a_repository_is_not_asked_for(path):
    with account_of(Codeup, {}, **TOKEN) as (account, host), pytest.raises(NotFound):
        account.repository(path)
    assert host.asked == []


def test_a_page_that_codeup_does_not_give_is_not_an_end():
    with (
        account_of(Codeup, {}, **TOKEN) as (account, host),
        pytest.raises(BadAnswer, match="truncated"),
    ):
        account.repositories(cursor="151")
    assert host.asked == []


def test_refs_have_permissions_of_their_own():
    answers = {f"GET {ROOT}/7/branches": NO, f"GET {ROOT}/7/tags": NO}
    with account_of(Codeup, answers, **TOKEN) as (account, _):
        for ask, name in ((account.branches, "Branches"), (account.tags, "Tags")):
            with pytest.raises(MissingScope) as caught:
                ask("7")
            assert caught.value.missing == (f"{name} read-only",)


def test_without_a_clone_username_there_is_no_clone():
    answers = {f"GET {ROOT}/7": Says(REPOSITORY)}
    with (
        account_of(Codeup, answers, **{**TOKEN, "clone_username": ""}) as (account, _),
        pytest.raises(MissingScope, match="clone_username"),
    ):
        account.clone("7")


# -- before the sandbox ----------------------------------------------------------------------------

RICH = f"{ACME}/platform/api"


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("codeup", sandbox, door, door, tmp_path)


def _region(stage, **facts):
    """An account of the Region edition."""
    stage.fault("region_edition")
    host = replace(stage.host, options={"edition": "region"})
    token = stage.sandbox.token("codeup", "build-bot")
    credential = Credential(token, clone_username="build-bot-git", **facts)
    return Codeup(host, credential, stage.door, stage.rules)


def test_the_region_edition_has_no_organizations(stage):
    account = _region(stage)
    found = account.inspect()
    assert (found.identity.login, found.organization, found.missing) == ("build-bot", "", {})
    assert RICH in {one.path for one in all_repositories(account)}
    assert account.resolve_ref(RICH, "v1.1.0").kind == "tag"
    made = account.add_hook(RICH, url="http://127.0.0.1:9/hooks/hok_1", secret="sandbox-secret")
    assert [hook.id for hook in account.hooks(RICH)] == [made.id]
    assert len(account.read_refs(RICH)) > 5
    asked = [one["path"] for one in stage.sandbox.requests("codeup")]
    assert not any("organizations" in path for path in asked)


@pytest.mark.parametrize("edition", ["central", "region"])
def test_the_wrong_edition_is_not_an_empty_account(stage, edition):
    if edition == "central":
        stage.fault("region_edition")
        account = stage.account(organization=ACME)
    else:
        account = _region(stage)
        stage.sandbox.clear_faults()
    with pytest.raises(BadAnswer, match="edition"):
        account.inspect()
    assert account.identify().login == "build-bot"


def test_a_member_of_two_organizations_chooses_and_sees_one(stage):
    token = stage.sandbox.token("codeup", "ann")
    with pytest.raises(MissingScope, match="organization") as caught:
        stage.account_with(token).inspect()
    number = caught.value.facts["choices"].rpartition(", ")[2].partition(" ")[0]
    chosen = stage.account_with(token, organization=number)
    assert chosen.inspect().organization == number
    assert [one.path for one in all_repositories(chosen)] == [f"{number}/plant"]


def test_a_member_of_none_is_told_so(stage):
    token = stage.sandbox.token("codeup", "ben")
    with pytest.raises(MissingScope, match="org_policy"):
        stage.account_with(token).inspect()


def test_somebody_elses_organization_is_named(stage):
    account = stage.account(organization="61f0c2aa9b1d4e72sandbox1")
    with pytest.raises(MissingScope, match="org_policy") as caught:
        account.inspect()
    assert caught.value.facts == {"id": "61f0c2aa9b1d4e72sandbox1"}


def test_a_wrong_clone_username_is_told_from_a_dead_token(stage):
    account = stage.account(clone_username="build-bot")
    with pytest.raises(MissingScope, match="clone_username"):
        account.read_refs(RICH)
    stage.sandbox.revoke("full", "codeup", "build-bot")
    with pytest.raises(TokenRejected):
        account.read_refs(RICH)


def test_the_clone_username_is_shown_where_a_person_would_look(stage):
    shown = stage.sandbox.account("codeup", "build-bot")["clone_username"]
    account = stage.account(clone_username=shown)
    assert {ref.name for ref in account.read_refs(RICH) if ref.default} == {"main"}
