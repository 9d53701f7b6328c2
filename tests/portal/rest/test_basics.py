"""What holds for every answer: methods, media, headers, languages, bodies, parameters."""

from __future__ import annotations

import json
import re
from io import BytesIO

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from portal.ground.refusals import Refusal
from portal.ground.rest import bodies
from portal.tenants.models import Instance
from tests.people import Somebody
from tests.portal.rest.calls import body_of, refused, send

TRACE = re.compile(r"req_[0-9a-hjkmnp-tv-z]{26}")


def test_every_answer_has_a_trace_and_says_how_it_may_be_kept(alice: Somebody, nobody):
    tagged = send(alice.api(), "GET", "/api/v1/me")
    assert TRACE.fullmatch(tagged.headers["Trace-Id"])
    assert tagged.headers["Cache-Control"] == "private, no-cache"
    plain = send(nobody, "GET", "/api/v1/me")
    assert TRACE.fullmatch(plain.headers["Trace-Id"])
    assert plain.headers["Cache-Control"] == "private, no-store"
    assert {"Authorization", "Cookie"} <= set(plain.headers["Vary"].split(", "))


def test_no_cors_headers_are_sent(alice: Somebody):
    answer = send(alice.api(), "GET", "/api/v1/me", Origin="https://elsewhere.example")
    assert not [name for name in answer.headers if name.startswith("Access-Control")]


def test_head_is_get_without_the_body(alice: Somebody):
    caller = alice.api()
    whole, head = (send(caller, method, "/api/v1/instances") for method in ("GET", "HEAD"))
    assert head.status_code == 200
    assert head.content == b""
    for name in ("ETag", "Content-Length", "Content-Type"):
        assert head.headers[name] == whole.headers[name]


def test_options_answers_without_sign_in(nobody):
    answer = send(nobody, "OPTIONS", "/api/v1/tokens")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Allow"] == "GET, HEAD, POST, OPTIONS"


def test_a_trailing_slash_is_another_path(alice: Somebody):
    refused(send(alice.api(), "GET", "/api/v1/me/"), "X-FOUND-01", 404)


@pytest.mark.parametrize("accept", ["text/html", "application/problem+json", "text/html, a/b;q=1"])
def test_only_json_is_available(alice: Somebody, accept: str):
    refused(send(alice.api(), "GET", "/api/v1/me", Accept=accept), "X-ACCEPT-01", 406)


@pytest.mark.parametrize("accept", ["*/*", "application/*", "text/html, application/json;q=0.1"])
def test_what_includes_json_is_fine(alice: Somebody, accept: str):
    assert send(alice.api(), "GET", "/api/v1/me", Accept=accept).status_code == 200


@pytest.mark.parametrize(
    ("language", "spoken", "words"),
    [
        ("en", "en", "There is nothing here"),
        ("", "en", "There is nothing here"),
        ("fr", "en", "There is nothing here"),
        ("zh", "zh-hans", "此处没有内容"),
        ("zh-CN", "zh-hans", "此处没有内容"),
        ("zh-hans", "zh-hans", "此处没有内容"),
        ("fr, zh;q=0.5, en;q=0.1", "zh-hans", "此处没有内容"),
    ],
)
def test_sentences_speak_the_language_that_is_asked_for(nobody, language, spoken, words):
    answer = send(nobody, "GET", "/api/v1/nowhere", Accept_Language=language)
    problem = refused(answer, "X-FOUND-01", 404)
    assert problem["detail"].startswith(words)
    assert answer.headers["Content-Language"] == spoken


@pytest.mark.parametrize(
    "sent",
    [
        b"{",
        b"[]",
        b"7",
        b'"text"',
        b"null",
        b'{"a": NaN}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}",
        b"[" * 100_000,
    ],
)
def test_a_body_is_one_json_object_of_bounded_depth(alice: Somebody, sent: bytes):
    caller = alice.api()
    answer = caller.generic("POST", "/api/v1/tokens", sent, content_type="application/json")
    refused(answer, "X-JSON-01", 400)


def test_thirty_two_levels_are_fine(alice: Somebody):
    deep = b'{"labels": ' + b"[" * 31 + b"]" * 31 + b"}"
    answer = alice.api().generic("POST", "/api/v1/tokens", deep, content_type="application/json")
    refused(answer, "X-FORM-04", 422)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/json"])
def test_json_in_utf8_is_taken(alice: Somebody, kind: str):
    answer = send(alice.api(), "POST", "/api/v1/tokens", {}, Content_Type=kind)
    refused(answer, "X-FORM-01", 422)


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-16", "application/x-www-form-urlencoded", "text/json"]
)
def test_other_types_are_refused(alice: Somebody, kind: str):
    answer = send(alice.api(), "POST", "/api/v1/tokens", {}, Content_Type=kind)
    refused(answer, "X-MEDIA-01", 415)


def test_a_post_without_a_body_needs_no_type(alice: Somebody):
    answer = send(alice.api(), "POST", "/api/v1/tokens", Content_Type="")
    refused(answer, "X-FORM-01", 422)


def test_a_mebibyte_is_enough(alice: Somebody):
    fits = json.dumps({"name": "x" * (1024 * 1024 - 12)})
    assert len(fits) == 1024 * 1024
    caller = alice.api()
    for sent, code, status in ((fits, "X-FORM-03", 422), (fits + " ", "X-SIZE-01", 413)):
        answer = caller.generic("POST", "/api/v1/tokens", sent, content_type="application/json")
        problem = body_of(answer)
        assert answer.status_code == status
        assert code in [problem["code"], *[e["code"] for e in problem.get("errors", [])]]


def test_every_mistake_of_a_body_is_named_by_its_place(alice: Somebody):
    asked = {"name": 7, "scopes": ["instances:read", 3], "odd/field": 1, "expires_on": "2026-1-1"}
    problem = refused(send(alice.api(), "POST", "/api/v1/tokens", asked), "X-FORM-04", 422)
    found = {(error["pointer"], error["code"]) for error in problem["errors"]}
    assert found == {
        ("#/odd~1field", "X-FORM-04"),
        ("#/name", "X-FORM-03"),
        ("#/scopes/1", "X-FORM-03"),
        ("#/expires_on", "X-FORM-03"),
    }


@pytest.mark.parametrize("name", [None, "", "   "])
def test_missing_and_empty_are_the_same(alice: Somebody, name: str | None):
    asked = {"name": name, "scopes": ["instances:read"]}
    problem = refused(send(alice.api(), "POST", "/api/v1/tokens", asked), "X-FORM-01", 422)
    assert problem["errors"][0]["pointer"] == "#/name"


@pytest.mark.parametrize("labels", [{"k" * 41: ""}, {"": "v"}, {"k": "v" * 101}, {"k": 1}, [], "x"])
def test_labels_have_bounds(alice: Somebody, labels: object):
    asked = {"name": "some-name", "region": "default", "labels": labels}
    refused(send(alice.api(), "POST", "/api/v1/instances", asked), "X-FORM-03", 422)


def test_twenty_labels_are_enough(alice: Somebody):
    caller, asked = alice.api(), {"name": "some-name", "region": "default"}
    many = {f"k{n}": "" for n in range(21)}
    answer = send(caller, "POST", "/api/v1/instances", {**asked, "labels": many})
    refused(answer, "X-FORM-03", 422)
    del many["k20"]
    answer = send(caller, "POST", "/api/v1/instances", {**asked, "labels": many})
    assert answer.status_code == 201


def test_text_without_a_place_in_the_database_is_refused(alice: Somebody, instance: Instance):
    caller = alice.api()
    asked = {"name": "some-name", "region": "default", "display_name": "a\x00b"}
    refused(send(caller, "POST", "/api/v1/instances", asked), "X-FORM-03", 422)
    refused(send(caller, "GET", "/api/v1/instances?q=%00"), "X-PARAM-02", 400)
    refused(send(caller, "GET", "/api/v1/instances/ins_%00"), "X-FOUND-01", 404)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=%2B5", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=", "limit"),
        ("state=broken", "state"),
        ("q=", "q"),
        (f"q={'x' * 101}", "q"),
    ],
)
def test_bad_values_of_parameters_are_named(alice: Somebody, query: str, named: str):
    problem = refused(send(alice.api(), "GET", f"/api/v1/instances?{query}"), "X-PARAM-02", 400)
    assert [error["parameter"] for error in problem["errors"]] == [named]


def test_no_parameter_is_ignored(alice: Somebody):
    problem = refused(send(alice.api(), "GET", "/api/v1/me?a=1&b=2"), "X-PARAM-01", 400)
    assert [error["parameter"] for error in problem["errors"]] == ["a", "b"]


def test_a_thousand_parameters_are_refused(alice: Somebody):
    query = "&".join(f"p{n}=1" for n in range(1001))
    answer = send(alice.api(), "GET", f"/api/v1/me?{query}")
    refused(answer, "X-PARAM-02", 400)


def test_a_pasted_secret_is_not_repeated(alice: Somebody):
    secret = "glpat-testtesttesttesttest"
    caller = alice.api()
    for path in (f"/api/v1/me?{secret}=1", f"/api/v1/instances?limit={secret}"):
        answer = send(caller, "GET", path)
        assert answer.status_code == 400
        assert secret not in answer.content.decode()
    answer = send(caller, "POST", "/api/v1/tokens", {secret: 1})
    assert secret not in answer.content.decode()


def test_a_body_in_pieces_is_read_and_measured():
    """Django reads as far as Content-Length says; a chunked body has none."""
    for sent, wanted in ((b'{"a": 1}', b'{"a": 1}'), (b"x" * 1_048_577, None)):
        environ = RequestFactory()._base_environ(
            CONTENT_TYPE="application/json",
            HTTP_TRANSFER_ENCODING="chunked",
            **{"wsgi.input": BytesIO(sent)},
        )
        request = WSGIRequest(environ)
        if wanted is None:
            with pytest.raises(Refusal, match="X-SIZE-01"):
                bodies.read(request)
        else:
            assert bodies.read(request) == wanted


def test_a_foreign_host_name_gets_a_problem(nobody):
    answer = send(nobody, "GET", "/api/v1/me", Host="elsewhere.example")
    refused(answer, "X-PARAM-02", 400)
