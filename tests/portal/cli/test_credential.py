"""`git-credential-mooring`: what it answers, for whom, and what it keeps silent about."""

from __future__ import annotations

import pytest

from portal.cli import credential
from portal.ground import bearer, ids
from tests.portal.cli.conftest import Terminal
from tests.portal.cli.strangers import Stranger, stranger

BINDING = ids.public("bnd", ids.uuid7())
LEASE = ids.public("lse", ids.uuid7())
PASSWORD = bearer.make("mrl")
ISSUED = {
    "id": LEASE,
    "kind": "proxied",
    "username": LEASE,
    "password": PASSWORD,
    "expires_at": "2026-11-21T07:45:00Z",
}
ANSWER = f"username={LEASE}\npassword={PASSWORD}\npassword_expiry_utc=1795247100\n"


def asks(portal: Stranger, path: str = f"git/{BINDING}/platform/api.git", **more: str) -> str:
    """What git says about a repository of this portal."""
    said = {"protocol": "http", "host": portal.url.removeprefix("http://"), "path": path} | more
    return "".join(f"{name}={value}\n" for name, value in said.items()) + "\n"


def at(shell: Terminal, portal: Stranger) -> Terminal:
    return shell.having(MOORING_URL=portal.url, MOORING_TOKEN=bearer.make("mrg"))


def test_it_leases_exactly_the_repository_git_asks_for(shell: Terminal) -> None:
    with stranger((201, {}, ISSUED)) as portal:
        asked = asks(portal, **{"wwwauth[]": 'Basic realm="mooring-git"'})
        said = at(shell, portal).having(MOORING_BUILD="jenkins-2201").helper("get", typed=asked)
    assert (said.status, said.out, said.err) == (0, ANSWER, "")
    (one,) = portal.asked
    assert (one.method, one.path) == ("POST", f"/api/v1/bindings/{BINDING}/leases")
    assert one.body == {"repository": "platform/api", "kind": "proxied", "build": "jenkins-2201"}


def test_a_lease_git_found_wanting_is_ended(shell: Terminal) -> None:
    with stranger((204, {}, "")) as portal:
        asked = asks(portal, username=LEASE, password=PASSWORD)
        said = at(shell, portal).helper("erase", typed=asked)
        assert at(shell, portal).helper("store", typed=asked).out == ""
    assert (said.status, said.out, said.err) == (0, "", "")
    assert [(one.method, one.path) for one in portal.asked] == [
        ("DELETE", f"/api/v1/leases/{LEASE}")
    ]


def test_it_is_silent_about_everything_else(shell: Terminal) -> None:
    with stranger((201, {}, ISSUED)) as portal:
        mine = at(shell, portal)
        lines = [
            asks(portal, host="github.com"),
            asks(portal, host=f"{portal.url.removeprefix('http://')}.evil.example"),
            asks(portal, protocol="https"),
            asks(portal, path="api/v1/me"),
            asks(portal, path=f"git/{BINDING}"),
            asks(portal).replace(f"path=git/{BINDING}/platform/api.git\n", ""),
            "",
        ]
        for asked in lines:
            said = mine.helper("get", typed=asked)
            assert (said.status, said.out, said.err) == (0, "", ""), asked
        assert mine.helper("get", "more", typed=asks(portal)).out == ""
        assert mine.helper("approve", typed=asks(portal)).out == ""
        foreign = asks(portal, username="build-bot", password="test")
        assert mine.helper("erase", typed=foreign).out == ""
        assert shell.helper("get", typed=asks(portal)).out == ""  # no portal is known
    assert portal.asked == []


def test_a_refusal_is_a_sentence_beside_the_answer(shell: Terminal) -> None:
    no = {"code": "X-STATE-01", "detail": "This account cannot be used now.", "status": 409}
    with stranger((409, {}, no)) as portal:
        said = at(shell, portal).helper("get", typed=asks(portal))
    assert (said.status, said.out) == (1, "")
    assert said.err == "mooring: This account cannot be used now. (X-STATE-01)\n"


@pytest.mark.parametrize(
    "wrong",
    [{"password": f"{PASSWORD}\nhost=evil.example"}, {"username": ""}, {"expires_at": "soon"}],
    ids=["line-break", "empty", "no-time"],
)
def test_an_answer_cannot_say_more_to_git_than_a_lease(
    shell: Terminal, wrong: dict[str, str]
) -> None:
    with stranger((201, {}, ISSUED | wrong)) as portal:
        said = at(shell, portal).helper("get", typed=asks(portal))
    assert (said.status, said.out) == (1, "")
    assert PASSWORD not in said.err


@pytest.mark.parametrize(
    "raw",
    [
        b"protocol=https\r\nhost=portal.example\n",
        b"host=portal\x00.example\n",
        b"host=portal.example\x1b[2J\n",
        b"host=\xff\xfe\n",
        b"no separator\n",
        b"path=" + b"x" * 70_000,
    ],
    ids=["carriage-return", "null", "escape", "not-utf-8", "no-equals", "endless"],
)
def test_what_git_would_not_say_is_nothing(raw: bytes) -> None:
    assert credential.read(raw) == {}


def test_only_the_first_block_counts_and_the_last_value() -> None:
    said = credential.read(b"host=a\nhost=b\n\npath=git/x\n")
    assert said == {"host": "b"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (f"git/{BINDING}/platform/api.git", "platform/api"),
        (f"git/{BINDING}/platform/api", "platform/api"),
        (f"git/{BINDING}/platform/api.git/", "platform/api"),
        (f"git/{BINDING}/平台/接口.git", "平台/接口"),
        (f"git/{BINDING}/a/b/c d.git", "a/b/c d"),
        (f"git/{BINDING}/platform/../secret.git", None),
        (f"git/{BINDING}/./api.git", None),
        (f"git/{BINDING}//api.git", None),
        (f"git/{BINDING}/platform%2Fapi.git", None),
        (f"git/{BINDING}/platform\\api.git", None),
        (f"git/{BINDING}/api.git?x=1", None),
        ("git/bnd_short/platform/api.git", None),
        (f"/git/{BINDING}/platform/api.git", None),
        (f"x/git/{BINDING}/platform/api.git", None),
    ],
    ids=range(14),
)
def test_a_path_names_one_repository_or_none(path: str, found: str | None) -> None:
    assert credential.repository(path) == (None if found is None else (BINDING, found))
