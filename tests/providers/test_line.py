"""The line: one account's way to one origin, which its token never leaves."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from providers.answer import Answer
from providers.errors import BadAnswer, MissingScope, NotFound, ProviderError, TokenRejected
from providers.http import Door, Line
from providers.types import Rules
from tests.providers.farend import FarEnd, always, by_path, reply
from tests.providers.network import ADDRESS, NAME, FakeNetwork, towards

BASE = f"http://{NAME}"
TOKEN = "glpat-test-0123456789abcdef"
AUTH = {"Authorization": f"Bearer {TOKEN}"}


def explain(answer: Answer) -> ProviderError | None:
    return MissingScope("scope", missing=("api",)) if answer.status == 403 else None


class Bench:
    """A line to a far end that answers by path."""

    def __init__(self, door: Door, auth: Mapping[str, str] = AUTH) -> None:
        self.line = Line(door, f"{BASE}/gitlab/api/v4", auth=auth, rules=Rules(), explain=explain)


def test_a_line_adds_base_query_and_token_and_nothing_else() -> None:
    with FarEnd(always(reply([1]))) as far, Door(network=towards(far.place)) as door:
        line = Bench(door).line
        assert line.get("/projects", search="ä b&c", page="", per_page="100").items() == [1]
        line.post("/projects/1/hooks", {"url": "https://example.com"})
        line.put("/projects/1/hooks/2", {})
        line.patch("/x", {})
        line.delete("/x")
        line.delete("/x", {"access_token": "test"})
    firsts = [request.split(b"\r\n")[0] for request in far.requests]
    assert firsts[0] == b"GET /gitlab/api/v4/projects?search=%C3%A4%20b%26c&per_page=100 HTTP/1.1"
    assert [first.split(b" ")[0] for first in firsts[1:]] == [
        b"POST",
        b"PUT",
        b"PATCH",
        b"DELETE",
        b"DELETE",
    ]
    assert all(b"authorization: Bearer " + TOKEN.encode() in one for one in far.requests)
    assert far.requests[1].endswith(b'{"url": "https://example.com"}')
    assert far.requests[4].endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "link",
    [
        f"{BASE}/gitlab/api/v4/projects?page=2",
        f"HTTP://{NAME.upper()}/gitlab/api/v4/projects?page=2",
        f"http://{NAME}:80/gitlab/api/v4/projects?page=2",
        "/gitlab/api/v4/projects?page=2",
    ],
)
def test_a_next_link_of_the_same_origin_is_followed(link: str) -> None:
    with FarEnd(always(reply([]))) as far, Door(network=towards(far.place)) as door:
        Bench(door).line.follow(link)
    assert far.requests[0].startswith(b"GET /gitlab/api/v4/projects?page=2 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1/gitlab/api/v4/projects",
        f"https://{NAME}/gitlab/api/v4/projects",
        f"http://{NAME}:8080/gitlab/api/v4/projects",
        f"http://{NAME}.evil.net/gitlab/api/v4/projects",
        f"http://evil.net/{NAME}/gitlab/api/v4",
        f"http://{NAME}@evil.net/gitlab/api/v4/x",
        "//evil.net/gitlab/api/v4/x",
        f"http://{NAME}/elsewhere",
        f"http://{NAME}/gitlab/api/v4/../../other",
        f"http://{NAME}/gitlab/api/v4/%2e%2e/other",
        f"http://{NAME}/gitlab/api/v4/x\r\nX: y",
        "javascript:alert(1)",
        "",
    ],
)
def test_a_foreign_link_ends_the_listing_and_gets_nothing(link: str) -> None:
    network = FakeNetwork({NAME: [ADDRESS]})
    with Door(network=network) as door, pytest.raises(BadAnswer, match="foreign_link"):
        Bench(door).line.follow(link)
    assert network.asked == []


def test_a_token_that_cannot_travel_is_rejected_without_a_call() -> None:
    network = FakeNetwork({NAME: [ADDRESS]})
    with Door(network=network) as door:
        line = Bench(door, {"Authorization": f"Bearer {TOKEN}\r\nX: y"}).line
        with pytest.raises(TokenRejected, match="characters") as failure:
            line.get("/user")
    assert TOKEN not in repr(failure.value)
    assert network.asked == []


def test_the_providers_own_reading_comes_before_the_common_table() -> None:
    codes = {"/gitlab/api/v4/a": 403, "/gitlab/api/v4/b": 404}
    script = by_path(lambda path: reply({}, status=codes[path]))
    with FarEnd(script) as far, Door(network=towards(far.place)) as door:
        line = Bench(door).line
        with pytest.raises(MissingScope):
            line.get("/a")
        with pytest.raises(NotFound):
            line.get("/b")
        assert line.bare("GET", "/b").status == 404


def test_an_unchanged_page_is_an_answer() -> None:
    with FarEnd(always(reply(status=304))) as far, Door(network=towards(far.place)) as door:
        line = Bench(door).line
        assert line.get("/x", headers={"If-None-Match": '"1"'}).status == 304
        with pytest.raises(BadAnswer, match="redirect"):
            line.get("/x")


def test_a_host_that_echoes_the_token_does_not_get_it_into_our_sentence() -> None:
    place = f"https://{NAME}/{TOKEN}/x"
    script = always(reply(status=302, headers={"Location": place}))
    with (
        FarEnd(script) as far,
        Door(network=towards(far.place)) as door,
        pytest.raises(BadAnswer, match="redirect") as failure,
    ):
        Bench(door).line.get("/x")
    assert failure.value.facts["location"] == ""
