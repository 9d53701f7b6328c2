"""Log lines: one JSON object each, and no secret in them whichever way it got there."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.test import Client

from portal.ground import bearer, logs

SECRETS = [
    "glpat-test0123456789abcdef",
    "gloas-test0123456789abcdef",
    "ghp_test0123456789abcdef0123456789abcdef",
    "gho_test0123456789abcdef0123456789abcdef",
    "ghr_test0123456789abcdef0123456789abcdef",
    "ghu_test0123456789abcdef0123456789abcdef",
    "ghs_test0123456789abcdef0123456789abcdef",
    "github_pat_test0123456789_abcdef",
    "mrg_test0123456789abcdef",
    "mrl_test0123456789abcdef",
    "whsec_dGVzdCBzZWNyZXQ=",
]


class Lines:
    """What was written, line by line."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def last(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text.splitlines()[-1])
        return found


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The production format, written to memory; the root logger is put back afterwards."""
    written = Lines()
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    config = logs.config("json", "debug")
    config["handlers"]["out"]["stream"] = written.stream
    logging.config.dictConfig(config)
    yield written
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "sentence",
    ["{}", "refused {}!", "url=https://host.example/x?y={}&z=1", '{{"a": "{}"}}', "a\n{}\nb"],
)
def test_a_secret_is_blanked_wherever_it_stands(secret: str, sentence: str) -> None:
    clean = logs.scrub(sentence.format(secret))
    assert secret not in clean
    assert secret.split("test")[-1] not in clean
    assert logs.BLANK in clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer eyTest.abc-def", "Authorization: Bearer [redacted]"),
        ("authorization: token test12345678", "authorization: token [redacted]"),
        ("Basic dGVzdDp0ZXN0dGVzdHRlc3Q=", "Basic [redacted]"),
        ("PRIVATE-TOKEN: test12345678", "PRIVATE-TOKEN: [redacted]"),
        ("https://bot:test-word@host.example/x", "https://[redacted]@host.example/x"),
        ("GET /oauth/callback/x/?code=test1&state=test2", None),
        ("?access_token=test&page=2", "?access_token=[redacted]&page=2"),
        (
            "Not Found: /i/01m8qhz2k0ekdr6cdvwnyv7cknTestDUiN6FB3rxc9HxkSvXIR_TMJ4C1xKc/form/",
            "Not Found: /i/[redacted]/form/",
        ),
    ],
)
def test_what_surrounds_a_secret_stays_readable(text: str, clean: str | None) -> None:
    wanted = clean or "GET /oauth/callback/x/?code=[redacted]&state=[redacted]"
    assert logs.scrub(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "the token belongs to build-bot",
        "basic information about the host",
        "https://gitlab.example/group/project?page=2&per_page=100",
        "bnd_0abcdefghjkmnpqrstvwxyz012 expired",
        'Bearer realm="mooring", error="invalid_token"',
    ],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert logs.scrub(text) == text


@pytest.mark.parametrize(
    "key",
    ["token", "access_token", "Authorization", "client_secret", "password", "Cookie", "api_key"],
)
def test_a_telling_key_hides_its_value(lines: Lines, key: str) -> None:
    structlog.get_logger("test").info("bound", **{key: "looks harmless"})
    assert lines.last[key] == logs.BLANK
    assert "looks harmless" not in lines.text


def test_what_only_names_a_secret_is_shown(lines: Lines) -> None:
    structlog.get_logger("test").info("used", token_id="tok_1", token_name="jenkins", ok=True, n=3)
    assert lines.last["token_id"] == "tok_1"
    assert lines.last["token_name"] == "jenkins"
    assert (lines.last["ok"], lines.last["n"]) == (True, 3)


SECRET = SECRETS[0]


def test_values_inside_values_are_cleaned(lines: Lines) -> None:
    structlog.get_logger("test").info(
        "asked", deep={"a": [f"x {SECRET}", {"token": "harmless"}]}, raw=SECRET.encode()
    )
    assert SECRET not in lines.text
    assert "harmless" not in lines.text


class Careless:
    """Something of a library that prints what it holds."""

    def __repr__(self) -> str:
        return f"<Careless {SECRET}>"


@pytest.mark.parametrize("log", [logging.getLogger("test"), structlog.get_logger("test")])
def test_arguments_and_objects_are_cleaned(lines: Lines, log: Any) -> None:
    log.warning("failed: %s", SECRET)
    log.warning("failed: %r", Careless())
    log.warning("failed %s", {"key": Careless()})
    assert SECRET not in lines.text
    assert lines.text.count(logs.BLANK) >= 3


def test_extras_of_the_standard_logger_are_cleaned(lines: Lines) -> None:
    logging.getLogger("test").info("x", extra={"secret": "harmless", "url": f"/?token={SECRET}"})
    assert lines.last["secret"] == logs.BLANK
    assert SECRET not in lines.text


@pytest.mark.parametrize("log", [logging.getLogger("test"), structlog.get_logger("test")])
def test_a_traceback_holds_neither_the_secret_nor_locals(lines: Lines, log: Any) -> None:
    def fail(word: str) -> None:
        own = f"only here: {word[:0]}a local value"
        raise ValueError(f"{SECRET} was refused {len(own)}")

    try:
        fail("x")
    except ValueError:
        log.exception("it failed")
    assert "ValueError" in lines.last["exception"]
    assert SECRET not in lines.text
    assert "a local value" not in json.dumps(lines.last).replace('own = f\\"only here', "")


def test_a_line_break_makes_no_second_line(lines: Lines) -> None:
    logging.getLogger("test").info("one\ntwo\r\n%s", "three\n{}")
    assert len(lines.text.splitlines()) == 1


def test_a_line_says_when_who_and_how_bad(lines: Lines) -> None:
    logging.getLogger("test").warning("it rains")
    line = lines.last
    assert (line["event"], line["level"], line["logger"]) == ("it rains", "warning", "test")
    assert line["timestamp"].endswith("Z")


def test_lines_of_a_request_carry_its_trace(lines: Lines, db: None) -> None:
    answer = Client().get("/no/such/page/")
    assert lines.last["trace_id"] == answer.headers["Trace-Id"]


def test_a_request_is_not_logged_with_its_query(lines: Lines, db: None) -> None:
    Client().get("/oauth/callback/nowhere/?code=a-test-code&state=a-test-state")
    assert lines.text
    assert "a-test-code" not in lines.text
    assert "a-test-state" not in lines.text


def test_a_refused_token_is_not_logged(lines: Lines, db: None) -> None:
    secret = bearer.make("mrg")
    Client(headers={"Authorization": f"Bearer {secret}"}).get("/api/v1/me")
    assert secret[4:] not in lines.text


def test_statements_are_never_logged(lines: Lines, db: None) -> None:
    logging.getLogger("django.db.backends").debug("SELECT %s", SECRET)
    assert lines.text == ""


def test_the_console_format_is_cleaned_too() -> None:
    line = logs.config("console", "info")["formatters"]["line"]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=line["foreign_pre_chain"], processors=line["processors"]
    )
    record = logging.LogRecord("test", logging.INFO, "", 1, "failed: %s", (SECRET,), None)
    assert "failed: [redacted]" in formatter.format(record)
