"""Bitbucket: what it sends is understood, and what it refuses is told apart."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest

from providers.bitbucket import Bitbucket
from providers.errors import (
    BadAnswer,
    MissingScope,
    NotFound,
    ProviderError,
    TokenRejected,
    Unreachable,
)
from providers.http import Door
from providers.types import Access, Expiry, Purpose, Quality, Rules
from tests.providers import goldens
from tests.providers.canned import Says, account_of, canned
from tests.providers.stage import Stage, all_repositories, pages

API = "/2.0"
UUID = "{9d5a1c30-0000-4000-9000-000000000001}"
AT_UUID = f"{API}/repositories/%7B%7D/%7B9d5a1c30-0000-4000-9000-000000000001%7D"
WORKSPACES = f"GET {API}/user/workspaces"
ENGINE = f"GET {API}/repositories/acme/engine"
LIST = f"GET {API}/repositories/acme"
REPOSITORY = {
    "uuid": UUID,
    "full_name": "acme/engine",
    "links": {"clone": [{"name": "https", "href": "https://bitbucket.org/acme/engine.git"}]},
    "mainbranch": {"name": "main"},
    "created_on": "2026-01-01T08:00:00+00:00",
}
NOTHING = Says({"values": []})
CHANGED = Says(
    {"type": "error", "error": {"message": "CHANGE-2770 - Functionality has been deprecated"}}, 410
)


def workspaces(*slugs: str) -> Says:
    return Says({"values": [{"workspace": {"slug": slug}} for slug in slugs]})


@pytest.mark.parametrize("name", goldens.names("bitbucket"))
def test_golden(name):
    goldens.check(Bitbucket, name)


# -- addresses -----------------------------------------------------------------------------------


def test_the_api_of_bitbucket_org_has_a_host_of_its_own():
    assert Bitbucket.api_url("https://bitbucket.org") == "https://api.bitbucket.org/2.0"
    assert Bitbucket.api_url("http://127.0.0.1:8100/x") == "http://127.0.0.1:8100/x/2.0"


def test_pages_for_people():
    assert Bitbucket.token_page("https://bitbucket.org", "mooring") == ""
    hooks = Bitbucket.hooks_page("https://bitbucket.org/a/b")
    assert hooks == "https://bitbucket.org/a/b/admin/webhooks"


@pytest.mark.parametrize(
    ("says", "known"),
    [
        (Says({"type": "error", "error": {"message": "Token is invalid, expired, …"}}, 401), True),
        (Says({"type": "error", "error": {"message": "Access denied"}}, 403), True),
        (Says({"message": "401 Unauthorized"}, 401), False),
        (Says({"error": "invalid_token"}, 401), False),
        (Says(b"", 401), False),
        (Says(b"<html>", 401, {"content-type": "text/html"}), False),
        (Says({"login": "alice"}, 200), False),
        (Says({"type": "error", "error": {"message": "Resource not found"}}, 404), False),
    ],
)
def test_bitbucket_is_recognised_without_a_token(says, known):
    with canned({f"GET {API}/user": says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        assert Bitbucket.recognise(door, f"{host.base_url}{API}", rules) is known
    assert "authorization" not in host.asked[0].headers


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (Says({}, 503), Unreachable),
        (Says({}, 429), ProviderError),
        (Says(b"", 301, {"location": "https://acme.example/2.0/user"}), BadAnswer),
    ],
)
def test_a_server_that_cannot_say_is_not_called_something_else(says, error):
    with canned({f"GET {API}/user": says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        with pytest.raises(error):
            Bitbucket.recognise(door, f"{host.base_url}{API}", rules)


# -- the account and its token -------------------------------------------------------------------


def test_an_account_that_may_not_act_is_suspended():
    says = Says({"uuid": UUID, "nickname": "alice", "account_status": "closed"})
    with (
        account_of(Bitbucket, {f"GET {API}/user": says}) as (account, _),
        pytest.raises(TokenRejected) as caught,
    ):
        account.identify()
    assert (caught.value.reason, caught.value.facts) == ("suspended", {"login": "alice"})


@pytest.mark.parametrize(
    ("granted", "lacks"),
    [
        ("account repository webhook", set()),
        ("account,pullrequest:write,webhook", set()),
        ("account, repository:admin", {Purpose.LIST, Purpose.REFS, Purpose.CLONE, Purpose.HOOKS}),
        ("", {Purpose.LIST, Purpose.REFS, Purpose.CLONE, Purpose.HOOKS}),
    ],
)
def test_some_scopes_hold_others(granted, lacks):
    says = Says({"uuid": UUID, "nickname": "alice"}, headers={"x-oauth-scopes": granted})
    with account_of(Bitbucket, {f"GET {API}/user": says}) as (account, _):
        assert set(account.inspect().missing) == lacks


def test_the_end_is_what_was_said_when_it_was_issued():
    known = Expiry(datetime(2026, 11, 21, 8, 59, tzinfo=UTC), Quality.EXACT)
    says = Says({"uuid": UUID, "nickname": "alice"})
    with account_of(Bitbucket, {f"GET {API}/user": says}, expiry=known) as (account, _):
        assert account.inspect().expiry == known


# -- workspaces and repositories -----------------------------------------------------------------


def test_the_first_page_that_holds_something_is_the_first_page():
    answers = {
        WORKSPACES: [
            Says({**workspaces("empty").body, "next": f"{{base}}{API}/user/workspaces?page=2"}),
            workspaces("acme"),
        ],
        f"GET {API}/repositories/empty": NOTHING,
        LIST: [Says({"values": [REPOSITORY]}), NOTHING, NOTHING],
    }
    with account_of(Bitbucket, answers) as (account, _):
        page = account.repositories()
    assert ([one.path for one in page.items], page.next) == (["acme/engine"], "")


def test_a_workspace_that_answers_nothing_for_ever_is_left_at_last():
    endless = Says({"values": [], "next": f"{{base}}{API}/repositories/acme?page=2"})
    with account_of(Bitbucket, {LIST: endless}) as (account, host):
        page = account.repositories(cursor="|acme")
    assert (len(host.asked), page.items) == (200, ())
    assert page.next


def test_a_missing_scope_is_not_a_closed_workspace():
    detail = {"granted": ["account"], "required": ["repository"]}
    lacks = Says({"type": "error", "error": {"message": "…", "detail": detail}}, 403)
    with (
        account_of(Bitbucket, {LIST: lacks}) as (account, _),
        pytest.raises(MissingScope) as caught,
    ):
        account.repositories(cursor="|acme")
    assert caught.value.missing == ("repository",)


@pytest.mark.parametrize("slug", ["a/b", "", "..", "a b", "a|b"])
def test_a_workspace_whose_name_would_climb_is_a_bad_answer(slug):
    with (
        account_of(Bitbucket, {WORKSPACES: workspaces(slug)}) as (account, host),
        pytest.raises(BadAnswer, match="slug"),
    ):
        account.repositories()
    assert len(host.asked) == 1


def test_roles_are_asked_for_the_span_of_the_page_and_followed_to_their_end():
    other = {**REPOSITORY, "uuid": "{2}", "created_on": "2026-03-01T08:00:00.5+00:00"}
    answers = {
        LIST: [
            Says({"values": [other, REPOSITORY]}),
            Says({"values": [REPOSITORY], "next": f"{{base}}{API}/repositories/acme?page=2"}),
            Says({"values": [other]}),
        ]
    }
    with account_of(Bitbucket, answers) as (account, host):
        page = account.repositories(cursor="|acme")
    assert {one.access for one in page.items} == {Access.ADMIN}
    query = parse_qs(host.lines[1].partition("?")[2])["q"][0]
    assert query == (
        "created_on >= 2026-01-01T08:00:00+00:00 AND created_on <= 2026-03-01T08:00:00.5+00:00"
    )
    assert len(host.asked) == 3


def test_a_function_switched_off_while_roles_are_asked_for_is_told():
    with (
        account_of(Bitbucket, {LIST: [Says({"values": [REPOSITORY]}), CHANGED]}) as (account, _),
        pytest.raises(BadAnswer, match="api_removed"),
    ):
        account.repositories(cursor="|acme")


def test_a_uuid_that_does_not_do_alone_is_searched_for():
    answers = {
        WORKSPACES: workspaces("quiet", "acme"),
        f"GET {API}/repositories/quiet": NOTHING,
        LIST: Says({"values": [REPOSITORY]}),
    }
    with account_of(Bitbucket, answers) as (account, host):
        assert account.repository(UUID).path == "acme/engine"
    assert host.lines[0] == f"GET {AT_UUID}"


def test_a_uuid_that_is_nowhere_is_not_found():
    answers = {WORKSPACES: workspaces("acme"), LIST: NOTHING}
    with account_of(Bitbucket, answers) as (account, _), pytest.raises(NotFound):
        account.repository(UUID)


@pytest.mark.parametrize("path", ["api", "a/../b", "", "a/", "/a", "a/b/c", "{..}"])
def test_what_cannot_be_a_repository_is_not_asked_for(path):
    with account_of(Bitbucket, {}) as (account, host), pytest.raises(NotFound):
        account.repository(path)
    assert host.asked == []


@pytest.mark.parametrize(
    "away",
    [
        "https://evil.example/2.0/repositories/acme/engine",
        "/!api/2.0/repositories/acme/engine",
        "/2.0/repositories/%2e%2e/engine",
        "",
    ],
)
def test_a_rename_is_followed_below_our_own_address_only(away):
    answers = {f"GET {API}/repositories/acme/motor": Says(b"", 301, {"location": away})}
    with (
        account_of(Bitbucket, answers) as (account, host),
        pytest.raises(BadAnswer, match="redirect"),
    ):
        account.repository("acme/motor")
    assert len(host.asked) == 1


@pytest.mark.parametrize("clone", [None, [], [{"name": "ssh", "href": "git@x:a/b.git"}], "odd"])
def test_a_repository_without_an_address_to_clone_is_a_bad_answer(clone):
    says = Says({**REPOSITORY, "links": {"clone": clone}})
    with (
        account_of(Bitbucket, {ENGINE: says}) as (account, _),
        pytest.raises(BadAnswer, match="links"),
    ):
        account.repository("acme/engine")


# -- refs ----------------------------------------------------------------------------------------


def test_a_ref_is_the_one_of_that_very_name():
    other = {"name": "MAIN", "target": {"hash": "a" * 40}}
    answers = {f"{ENGINE}/refs/branches": Says({"values": [other]}), ENGINE: Says(REPOSITORY)}
    answers[f"{ENGINE}/refs/tags"] = NOTHING
    with account_of(Bitbucket, answers) as (account, _), pytest.raises(NotFound) as caught:
        account.resolve_ref("acme/engine", "main")
    assert caught.value.facts == {"ref": "main"}


def test_a_quotation_mark_in_a_ref_does_not_end_the_query():
    answers = {f"{ENGINE}/refs/branches": NOTHING, f"{ENGINE}/refs/tags": NOTHING}
    with (
        account_of(Bitbucket, {**answers, ENGINE: Says(REPOSITORY)}) as (account, host),
        pytest.raises(NotFound),
    ):
        account.resolve_ref("acme/engine", 'x" OR name != "')
    asked = [parse_qs(line.partition("?")[2]) for line in host.lines]
    assert [q["q"][0] for q in asked if "q" in q] == []


def test_a_quotation_mark_that_git_allows_is_escaped():
    answers = {f"{ENGINE}/refs/branches": NOTHING, f"{ENGINE}/refs/tags": NOTHING}
    with (
        account_of(Bitbucket, {**answers, ENGINE: Says(REPOSITORY)}) as (account, host),
        pytest.raises(NotFound),
    ):
        account.resolve_ref("acme/engine", 'say-"hello"')
    query = parse_qs(host.lines[0].partition("?")[2])["q"][0]
    assert query == 'name = "say-\\"hello\\""'


# -- before the sandbox ----------------------------------------------------------------------------


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("bitbucket", sandbox, door, door, tmp_path)


def test_a_closed_workspace_is_named_and_the_others_are_listed(stage):
    everything = {one.path for one in all_repositories(stage.account())}
    stage.fault("org_restricted", value="acme-inc")
    account = stage.account()
    found = list(pages(lambda cursor: account.repositories(cursor=cursor)))
    closed = [hidden for page in found for hidden in page.hidden]
    assert [(one.code, one.organization) for one in closed] == [("ORG-02", "acme-inc")]
    left = {one.path for page in found for one in page.items}
    assert everything - left == {path for path in everything if path.startswith("acme-inc/")}


def test_every_workspace_is_asked_and_nothing_across_them(stage):
    all_repositories(stage.account())
    asked = {one["path"] for one in stage.sandbox.requests("bitbucket")}
    lists = {path for path in asked if path.startswith("/2.0/repositories")}
    assert lists == {
        f"/2.0/repositories/{slug}"
        for slug in ("octavia", "acme-inc", "harbor-works", "otto", "quiet-yard")
    }


def test_a_brown_out_names_the_change_and_leaves_no_trace(stage):
    account = stage.account()
    stage.fault("brown_out", value="CHANGE-3081", times=1)
    with pytest.raises(BadAnswer, match="api_removed") as caught:
        account.identify()
    assert caught.value.facts["change"] == "CHANGE-3081"
    assert account.identify().login == "octavia"


def test_where_a_uuid_alone_does_not_do_its_repository_is_found(stage):
    stage.fault("old_server")
    account = stage.account()
    known = account.repository("acme-inc/docs")
    assert account.repository(known.id) == known
    assert account.branches(known.id).items == account.branches("acme-inc/docs").items
