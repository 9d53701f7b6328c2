"""CodeArts: what it sends is understood: addresses, lists, repositories, refs."""

from __future__ import annotations

import pytest

from providers.codearts import CodeArts
from providers.errors import BadAnswer, NotFound, RateLimited, Unreachable
from providers.http import Door
from providers.types import Method, Rules
from tests.providers import goldens
from tests.providers.canned import Says, account_of, canned

API = "/v4"
LIST = f"GET {API}/user/repositories"
ONE = f"GET {API}/repositories/7"
PLATFORM = {"kind": Method.PLATFORM}
REPOSITORY = {"id": 7, "http_url_to_repo": "https://code.example/demo/api.git"}


def _error(status, code, text):
    return Says({"error_code": code, "error_msg": text}, status)


@pytest.mark.parametrize("name", goldens.names("codearts"))
def test_golden(name):
    goldens.check(CodeArts, name)


@pytest.mark.parametrize(
    ("says", "known"),
    [
        (_error(401, "APIGW.0301", "Incorrect IAM authentication information"), True),
        (_error(401, "DEV.00000003", "认证信息过期"), True),
        (_error(403, "APIGW.0302", "no"), True),
        (Says({"message": "401 Unauthorized"}, 401), False),
        (Says({"error_code": "SVC.1", "error_msg": "x"}, 401), False),
        (Says({"error": "invalid_token", "error_description": "x"}, 401), False),
        (Says(b"", 401), False),
        (Says(b"<html>", 401, {"content-type": "text/html"}), False),
        (Says([]), False),
        (Says({}, 404), False),
    ],
)
def test_codearts_is_recognised_without_a_credential(says, known):
    with canned({LIST: says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        assert CodeArts.recognise(door, f"{host.base_url}{API}", rules) is known
    assert not {"authorization", "x-auth-token"} & set(host.asked[0].headers)


@pytest.mark.parametrize(
    ("says", "error"), [(Says({}, 503), Unreachable), (Says({}, 429), RateLimited)]
)
def test_a_server_that_cannot_say_is_not_called_something_else(says, error):
    with canned({LIST: says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        with pytest.raises(error):
            CodeArts.recognise(door, f"{host.base_url}{API}", rules)


# -- repositories and refs -----------------------------------------------------------------------


def _rows(count: int, first: int = 1):
    return [
        {"id": n, "http_url_to_repo": f"{{base}}/demo/r{n}.git"}
        for n in range(first, first + count)
    ]


@pytest.mark.parametrize(
    ("count", "headers", "more"),
    [
        (100, {}, True),
        (99, {}, False),
        (0, {}, False),
        (100, {"x-total": "100"}, False),
        (100, {"x-total": "101"}, True),
        (99, {"x-total": "900"}, True),
        (100, {"x-total": "many"}, True),
    ],
)
def test_a_list_ends_by_its_total_or_with_a_short_page(count, headers, more):
    says = Says(_rows(count), headers=headers)
    with account_of(CodeArts, {LIST: says}, **PLATFORM) as (account, host):
        assert account.repositories().next == ("2" if more else "")
        account.repositories(cursor="3")
    asked = "membership=true&order_by=created_at&sort=asc"
    assert host.lines == [f"{LIST}?{asked}&offset={n}&limit=100" for n in (0, 200)]


@pytest.mark.parametrize("cursor", ["0", "x", "-1", "٣", "http://evil.example/"])
def test_a_cursor_that_is_no_page_is_refused(cursor):
    with account_of(CodeArts, {}, **PLATFORM) as (account, host):
        for ask in (account.repositories, lambda cursor: account.tags("7", cursor=cursor)):
            with pytest.raises(BadAnswer, match="foreign_link"):
                ask(cursor=cursor)
    assert host.asked == []


def test_a_path_is_looked_for_page_by_page_and_found_exactly():
    pages = [Says(_rows(100), headers={"x-total": "103"}), Says(_rows(3, 101))]
    answers = {LIST: pages, f"GET {API}/repositories/102": Says(_rows(1, 102)[0])}
    with account_of(CodeArts, answers, **PLATFORM) as (account, host):
        assert account.repository("demo/r102").id == "102"
    assert host.lines[:2] == [
        f"{LIST}?membership=true&search=r102&offset={n}&limit=100" for n in (0, 100)
    ]
    with account_of(CodeArts, {LIST: Says(_rows(5))}, **PLATFORM) as (account, _):
        for path in ("demo/r", "Demo/r1", "other/r1"):
            with pytest.raises(NotFound):
                account.repository(path)


@pytest.mark.parametrize("path", ["api", "a/../b", "", "a/", "/a", "a/./b", "٣"])
def test_what_cannot_be_a_repository_is_not_asked_for(path):
    with account_of(CodeArts, {}, **PLATFORM) as (account, host), pytest.raises(NotFound):
        account.repository(path)
    assert host.asked == []


@pytest.mark.parametrize(
    ("raw", "visibility"),
    [({"visibility": "public"}, "public"), ({"visibility": 20}, "private"), ({}, "private")],
)
def test_what_is_said_of_visibility_is_believed_only_when_known(raw, visibility):
    says = Says({**REPOSITORY, **raw, "permissions": 40})
    with account_of(CodeArts, {ONE: says}, **PLATFORM) as (account, _):
        found = account.repository("7")
    assert (found.visibility, found.hookable, found.path) == (visibility, None, "demo/api")


@pytest.mark.parametrize("raw", [{}, {"id": 7}, {**REPOSITORY, "id": True}, []])
def test_a_repository_without_number_or_address_is_a_bad_answer(raw):
    with (
        account_of(CodeArts, {ONE: Says(raw)}, **PLATFORM) as (account, _),
        pytest.raises(BadAnswer, match="shape"),
    ):
        account.repository("7")


def test_a_tag_that_only_looks_alike_is_not_the_one():
    known = [{"name": "v1.10", "target": "a" * 40}, {"name": "v1.1", "target": "b" * 40}]
    answers = {f"{ONE}/repository/tags": Says(known)}
    with account_of(CodeArts, answers, **PLATFORM) as (account, host):
        assert account.resolve_ref("7", "refs/tags/v1.1").commit == "b" * 40
    assert "search=v1.1&" in host.lines[0]


@pytest.mark.parametrize(
    ("repository", "reason"),
    [
        (Says(REPOSITORY), "ref"),
        (Says({**REPOSITORY, "empty_repo": True}), "empty"),
        (Says({}, 404), "unknown"),
    ],
)
def test_a_missing_ref_is_told_from_an_empty_and_a_missing_repository(repository, reason):
    answers = {
        ONE: repository,
        f"{ONE}/repository/tags": Says([]),
        f"{ONE}/repository/commits": Says([]),
    }
    with account_of(CodeArts, answers, **PLATFORM) as (account, _):
        for ref in ("main", "abcdef1", "refs/heads/main", "a..b"):
            with pytest.raises(NotFound, match=reason):
                account.resolve_ref("7", ref)
