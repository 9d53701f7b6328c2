"""How adapters read: times, next links, the meanings of a typed ref, and places that moved."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from providers import reading
from providers.answer import Answer
from providers.errors import BadAnswer, NotFound

API = "https://git.acme.example/api/v4"
MOMENT = datetime(2021, 10, 7, 19, 7, 53, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2021-10-07 19:07:53 UTC",
        "2021-10-07 21:07:53 +0200",
        "2021-10-07 21:07:53 +02:00",
        "2021-10-07T19:07:53Z",
        "2021-10-07T21:07:53+02:00",
        "2021-10-07T19:07:53",
    ],
)
def test_every_form_of_a_moment_is_the_same_moment(written):
    assert reading.moment(written) == MOMENT


@pytest.mark.parametrize("written", ["", "soon", None, 7, "2021-13-07", "07/10/2021 UTC"])
def test_what_is_no_moment_is_none(written):
    assert reading.moment(written) is None


@pytest.mark.parametrize("date", ["", "yesterday", "Sat, 99 Nov 2026 07:00:00 GMT"])
def test_a_host_without_a_clock_says_no_time(date):
    assert reading.host_time({"date": date}) is None
    assert reading.later({"date": date}, 60) is None


@pytest.mark.parametrize(
    ("link", "following"),
    [
        ('<https://a.example/x?page=2>; rel="next"', "https://a.example/x?page=2"),
        (
            '<https://a.example/1>; rel="prev", <https://a.example/3>; rel="next"',
            "https://a.example/3",
        ),
        ("<https://a.example/2>; rel=next", "https://a.example/2"),
        ('<https://a.example/1>; rel="first", <https://a.example/9>; rel="last"', ""),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_the_next_page_is_where_the_link_header_says(link, following):
    assert reading.next_link(Answer(200, {"link": link}, b"")) == following


@pytest.mark.parametrize(
    ("ref", "meanings"),
    [
        ("main", ["branch", "tag"]),
        ("refs/heads/main", ["branch"]),
        ("refs/tags/v1", ["tag"]),
        ("feature/#1%-日本", ["branch", "tag"]),
        ("9c1e8f1", ["branch", "tag", "commit"]),
        ("F" * 64, ["branch", "tag", "commit"]),
        ("f" * 65, ["branch", "tag"]),
        ("9c1e8f", ["branch", "tag"]),
        *((ref, []) for ref in ("", "/", "a/", "/a", "a//b", "a..b", "../a", "a/.b", "a.")),
        *((ref, []) for ref in ("refs/heads/", "refs/notes/a", "a b", "a\nb", "a:b", "a@{1}")),
    ],
)
def test_a_typed_ref_means_what_git_could_hold(ref, meanings):
    assert [kind for kind, _ in reading.meanings(ref)] == meanings


@pytest.mark.parametrize("value", [None, "", 7, "abc", "g" * 40, "a" * 41, "A" * 40])
def test_what_is_no_object_id_is_a_bad_answer(value):
    with pytest.raises(BadAnswer, match="sha"):
        reading.commit_id({"sha": value}, "sha", "a ref")


@pytest.mark.parametrize("value", [None, "", True, [], {}, 1.5])
def test_what_is_no_stable_id_is_a_bad_answer(value):
    with pytest.raises(BadAnswer, match="'id'"):
        reading.stable_id({"id": value}, "id", "an account")


@pytest.mark.parametrize("listed", [b'[{"a": 1}, 7]', b'{"a": 1}', b'"x"'])
def test_a_list_with_something_else_in_it_is_a_bad_answer(listed):
    with pytest.raises(BadAnswer, match="shape"):
        reading.rows(Answer(200, {}, listed), "projects")


def _moved(location: str, reason: str = "redirect") -> str:
    """Where a question is asked again after this redirect."""
    asked: list[str] = []

    def ask(place: str) -> Answer:
        asked.append(place)
        if len(asked) == 1:
            raise BadAnswer(reason, location=location)
        return Answer(200, {}, b"{}")

    reading.wherever("/projects/old%2Fapi", ask, api_url=API, by_id="/projects/")
    return asked[-1]


@pytest.mark.parametrize(
    "location", [f"{API}/projects/77", f"{API}/projects/77/hooks", "/api/v4/projects/77"]
)
def test_a_moved_place_is_asked_for_by_its_number(location):
    assert _moved(location) == "/projects/77"


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/api/v4/projects/77",
        "https://git.acme.example.evil.example/api/v4/projects/77",
        "//evil.example/api/v4/projects/77",
        f"{API}/projects/other%2Fapi",
        f"{API}/projects/77x",
        f"{API}/users/77",
        "",
    ],
)
def test_a_redirect_to_anything_else_is_not_followed(location):
    with pytest.raises(BadAnswer, match="redirect"):
        _moved(location)


def followed(location: str) -> list[str]:
    asked: list[str] = []

    def ask(place: str) -> str:
        asked.append(place)
        if len(asked) == 1:
            raise BadAnswer("redirect", location=location)
        return place

    reading.renamed("/repos/old/name", ask, api_url=API, below="/repos/")
    return asked


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("/api/v4/repos/new/name", "/repos/new/name"),
        ("/api/v4/repos/new/name/branches", "/repos/new/name"),
        (f"{API}/repos/new/a%20b/hooks/7", "/repos/new/a%20b"),
        ("/api/v4/repos/%7Bteam%7D/a%2Fb", "/repos/%7Bteam%7D/a%2Fb"),
    ],
)
def test_a_renamed_place_is_asked_for_by_its_new_name(location, place):
    assert followed(location) == ["/repos/old/name", place]


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/repos/new/name",
        "https://evil.example/api/v4/repos/new/name",
        "/api/v4/repos/%2e%2e/name",
        "/api/v4/repos/new",
        "/api/v4/users/new/name",
    ],
)
def test_a_rename_that_leads_elsewhere_is_not_followed(location):
    with pytest.raises(BadAnswer, match="redirect"):
        followed(location)


def test_an_answer_that_is_no_redirect_is_not_followed():
    with pytest.raises(BadAnswer, match="refused"):
        _moved(f"{API}/projects/77", reason="refused")


@pytest.mark.parametrize("path", ["", "a", "a/..", "./a", "a//b", "/a", "a/"])
def test_a_path_that_climbs_is_no_repository(path):
    with pytest.raises(NotFound, match="unknown"):
        reading.path_parts(path)
