"""The message catalogue: every code, in both languages, with its one status."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from string import Formatter

import pytest
from django.utils import translation

from bindings.problems import (
    ALL,
    BUTTONS,
    LANGUAGES,
    METHODS,
    PLATFORMS,
    STATES,
    AlreadyBound,
    Level,
    OtherAccount,
    get,
    prefix_of,
    render,
    speak,
    state_words,
    status_of,
    texts,
)
from bindings.problems.states import BOUND, CHECKING, MASS_EPISODE, REFUSED_ONCE
from bindings.problems.terms import NEUTRAL, OUR_ROLES, TERMS
from bindings.state import Action, State
from providers.catalogue import REGISTRY
from providers.types import Method

CODES = list(ALL)
ADDRESSES = "ADDR-01 ADDR-02 ADDR-04 ADDR-05 ADDR-06 ADDR-07 ADDR-08 ADDR-09 HTTP-01"
CONSENT = "OAUTH-01 OAUTH-02 OAUTH-03 OAUTH-04 OAUTH-05"
EVERYWHERE = """
    ADDR-03 NET-01 NET-02 NET-03 TLS-01 TLS-02 TLS-03 API-01 API-02 API-03 API-04 API-05
    TOK-01 TOK-04 TOK-05 TOK-07 TOK-08 TOK-09 SCOPE-01 SCOPE-02 USER-02 ACC-01 ACC-02 ACC-04 DUP-01
    OFF-01 OFF-02 REPO-01 REPO-02 REPO-03 REPO-04 REF-01 EXP-01 EXP-02 HOOK-01 HOOK-02 HOOK-03
    HOOK-04 HOOK-05 HOOK-08 CLONE-01 RATE-01 ROT-01 ROT-02
"""
ALONE = {
    "GH": f"""{CONSENT} SCOPE-03 USER-03 ORG-01 ORG-02 ORG-03 TOK-10 TOK-12 EXP-03 RATE-02 HOOK-09
        OAUTH-06""",
    "GL": f"""{CONSENT} {ADDRESSES} TOK-02 TOK-03 TOK-06 SCOPE-03 USER-01 USER-03 ORG-01 HOOK-06
        HOOK-07 HOOK-09""",
    "GE": f"{CONSENT} SCOPE-03 TOK-10 TOK-13 EXP-03 ORG-01 REPO-05 HOOK-10 OAUTH-06",
    "BB": f"{CONSENT} SCOPE-03 ORG-01 ORG-02 TOK-10 EXP-03 HOOK-09 ACC-03",
    "CU": """TOK-02 TOK-03 SCOPE-03 SCOPE-04 ORG-01 ORG-02 ORG-03 ORG-04 CLONE-02 HOOK-10
        REV-01""",
    "CA": "LOCK-01 TOK-10 EXP-03 API-06 CLONE-02 HOOK-10",
    "GT": f"""{CONSENT} {ADDRESSES} TOK-02 TOK-03 TOK-06 SCOPE-03 SCOPE-04 SCOPE-05 USER-01 EXP-04
        HOOK-06 REV-01""",
}
OURS = """
    FORM-01 FORM-02 FORM-03 FORM-04 JSON-01 PARAM-01 PARAM-02 CURSOR-01 TENANT-01 HOST-01 ADDR-01
    AUTH-01 AUTH-02 AUTH-03 SCOPE-01 ROLE-01 FOUND-01 METHOD-01 ACCEPT-01 MEDIA-01 SIZE-01 NAME-01
    STATE-01 STATE-02 CONFIRM-01 INUSE-01 GONE-01 LAST-01 LIMIT-01 LEASE-01 LEASE-02 MATCH-01
    MATCH-02 IDEM-01 IDEM-02 IDEM-03 IDEM-04 RATE-01 RATE-02 HOOK-01 HOOK-02 SUSP-01 SYS-01 SYS-02
    DRILL-01 DRILL-02
"""
OUR_STATUSES = {
    400: "JSON-01 PARAM-01 PARAM-02 CURSOR-01 TENANT-01 IDEM-03",
    401: "AUTH-01 AUTH-02 HOOK-01 HOOK-02",
    403: "SCOPE-01 ROLE-01 AUTH-03",
    404: "FOUND-01",
    405: "METHOD-01",
    406: "ACCEPT-01",
    409: "STATE-01 STATE-02 CONFIRM-01 INUSE-01 NAME-01 IDEM-02 IDEM-04 LAST-01 DRILL-01",
    410: "GONE-01",
    412: "MATCH-02",
    413: "SIZE-01",
    415: "MEDIA-01",
    422: "FORM-01 FORM-03 FORM-04 IDEM-01 LIMIT-01 LEASE-01 ADDR-01 HOST-01 DRILL-02",
    428: "MATCH-01",
    429: "RATE-01 RATE-02 LEASE-02",
    500: "SYS-01",
    503: "SYS-02",
    None: "FORM-02 SUSP-01",
}
STATUSES = {
    422: r"ADDR-..|TLS-..|TOK-..|SCOPE-..|USER-..|ORG-..|CLONE-..|EXP-..|ROT-01|API-01|OFF-..|"
    r"HOOK-0[2578]|OAUTH-..",
    409: r"ACC-..|DUP-..|LOCK-..|REPO-0[34]",
    404: r"REPO-02|REF-01",
    504: r"NET-01|ROT-02",
    502: r"NET-0[23]|API-0[3456]",
    503: r"RATE-..",
}


def variables(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def in_chinese(text: object) -> str:
    with translation.override("zh-hans"):
        return str(text)


def test_the_catalogue_holds_exactly_the_codes_of_the_product() -> None:
    wanted = {f"X-{suffix}" for suffix in OURS.split()}
    for prefix, alone in ALONE.items():
        wanted |= {f"{prefix}-{suffix}" for suffix in (EVERYWHERE + alone).split()}
    assert set(ALL) == wanted
    assert list(ALL) == sorted(ALL)


@pytest.mark.parametrize("code", CODES)
def test_a_code_has_the_same_sentence_in_both_languages(code: str) -> None:
    both = texts(code)
    assert set(both) == set(LANGUAGES)
    assert variables(both["en"]) == variables(both["zh-hans"])
    assert not re.search(r"[\u4e00-\u9fff]", both["en"])
    assert re.search(r"[\u4e00-\u9fff]", both["zh-hans"])
    assert re.search(r"[\u4e00-\u9fff]", in_chinese(get(code).title))


@pytest.mark.parametrize("code", CODES)
def test_a_sentence_stands_even_without_a_single_fact(code: str) -> None:
    for language in LANGUAGES:
        with translation.override(language):
            spoken = render(code)
        for words in (spoken.title, spoken.detail):
            assert words
            assert not set("{}") & set(words)
            assert not words[0].islower() or words.startswith("http://")
        assert spoken.status == (status_of(code) or 0)


@pytest.mark.parametrize("code", [code for code in CODES if not code.startswith("X-")])
def test_a_platforms_code_has_the_status_of_its_area(code: str) -> None:
    problem = get(code)
    found = [status for status, areas in STATUSES.items() if re.fullmatch(areas, problem.suffix)]
    if problem.level is Level.ERROR:
        assert [problem.status] == found
    else:
        assert problem.status is None


def test_our_own_codes_have_the_statuses_of_the_contract() -> None:
    wanted = {f"X-{s}": status for status, row in OUR_STATUSES.items() for s in row.split()}
    assert {code: status_of(code) for code in ALL if code.startswith("X-")} == wanted


def test_notices_never_have_a_status_and_errors_always_do_but_one_of_pages() -> None:
    without = [p.code for p in ALL.values() if p.level is Level.ERROR and p.status is None]
    assert without == ["X-FORM-02"]
    assert all(p.status is None for p in ALL.values() if p.area in ("HTTP", "REV"))


def test_an_unknown_code_is_a_key_error() -> None:
    for ask in (get, status_of, texts, render):
        with pytest.raises(KeyError):
            ask("GL-NONE-01")


def test_the_sentences_read_as_they_were_written() -> None:
    said = render("GL-SCOPE-01", scopes="read_registry")
    assert (said.code, said.status, said.title, said.detail) == (
        "GL-SCOPE-01",
        422,
        "The token cannot do this job",
        "This token has read_registry only. Create one with api, then paste it here.",
    )
    with translation.override("zh-hans"):
        said = render("GL-SCOPE-01", scopes="read_registry")
    assert said.title == "权限不足"
    assert said.detail == (
        "该令牌只有 read_registry 权限。请新建一个勾选 api 的令牌，再粘贴到这里。"
    )


def test_the_bare_sentence_keeps_its_variables() -> None:
    assert texts("GT-NET-02")["en"] == (
        "The server refused the connection on port {port}. Check the port."
    )


def test_a_shared_sentence_names_its_platform_and_a_row_of_a_platform_replaces_it() -> None:
    assert render("GT-REPO-02", path="a/b", login="bot").detail == (
        "a/b does not exist, or bot cannot see it."
    )
    assert "Gitea has a problem" in render("GT-API-03", status=502).detail
    assert "GitLab" in render("GL-API-01").detail
    assert get("GL-API-01").field == "address"
    assert get("GH-SCOPE-01").field == "token"


def test_the_title_of_our_own_code_is_its_sentence() -> None:
    said = render("X-NAME-01", name="prod")
    assert said.title == said.detail == "prod is already taken."


def test_a_missing_word_is_neutral_and_opens_a_sentence_with_a_capital() -> None:
    assert render("GL-RATE-01").detail.startswith("GitLab asks us to wait some seconds.")
    assert render("GL-REPO-02").detail.startswith("This repository does not exist")
    assert render("GL-REPO-02", path="").detail == render("GL-REPO-02").detail
    assert render("GL-ADDR-09").detail.startswith("The server sends us on to another address.")


def test_a_given_word_is_never_changed() -> None:
    assert render("X-GONE-01", login="build-bot", date="x").detail.startswith("build-bot was")
    assert "{login}" in render("X-GONE-01", login="{login}").detail
    assert render("GL-NET-02", port=0).detail.startswith("The server refused")
    assert "port 0." in render("GL-NET-02", port=0).detail


def test_facts_are_spoken_in_the_readers_language() -> None:
    hint = render("GL-TLS-01", policy_hint="seed")
    assert hint.detail.endswith("Self-signed certificates are not supported here.")
    assert render("GL-TLS-01").detail.endswith("we do not know.")
    with translation.override("zh-hans"):
        assert render("GL-TLS-01", policy_hint="extended").detail.endswith(
            "请在“高级”中添加其 CA 证书。"
        )
        assert render("X-STATE-01", state=State.REVOKED).detail.endswith("需要重新连接。")
        assert "（管理员）" in render("X-ROLE-01", role="admin", names="ann").detail
        assert "角色为 admin，" in render("GH-HOOK-02", role="admin").detail
        assert render("CU-HOOK-02").detail.count("库管理员") == 2


def test_times_dates_and_lists_have_one_form() -> None:
    at = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
    assert (
        "2026-11-21 07:00 UTC" in render("GH-HOOK-09").detail + render("CA-TOK-10", time=at).detail
    )
    assert "on 2026-11-21." in render("GL-TOK-04", date=date(2026, 11, 21)).detail
    assert (
        "for a.example, b.example," in render("GL-TLS-03", names=("a.example", "b.example")).detail
    )


def test_speaking_takes_any_facts_a_refusal_may_hold() -> None:
    said = speak("X-NAME-01", {"code": "7", "name": "prod", "unused": 1})
    assert said.detail == "prod is already taken."


def test_every_variable_of_the_catalogue_has_a_neutral_word() -> None:
    used = set().union(*(variables(texts(code)["en"]) for code in ALL))
    assert used <= set(NEUTRAL)
    assert {name.rpartition(".")[2] for name in NEUTRAL} <= used


def test_every_term_state_button_and_method_is_translated() -> None:
    words = [word for group in TERMS.values() for word in group.values()]
    words += [*OUR_ROLES.values(), *NEUTRAL.values(), *STATES.values(), *BUTTONS.values()]
    words += [METHODS[Method.TOKEN], METHODS[Method.PLATFORM]]
    words += [BOUND, CHECKING, REFUSED_ONCE, MASS_EPISODE]
    for word in words:
        assert str(word) == "" or re.search(r"[\u4e00-\u9fff]", in_chinese(word)), str(word)
    assert (set(STATES), set(BUTTONS), set(METHODS)) == (set(State), set(Action), set(Method))


@pytest.mark.parametrize(
    ("days", "english", "chinese"),
    [
        (6, "Ends in 6 days", "6 天后到期"),
        (1, "Ends in 1 day", "1 天后到期"),
        (0, "Ends today", "今天到期"),
        (None, "Ends soon", "即将到期"),
    ],
)
def test_an_end_is_counted_down(days: int | None, english: str, chinese: str) -> None:
    assert state_words(State.EXPIRING, days=days) == english
    with translation.override("zh-hans"):
        assert state_words(State.EXPIRING, days=days) == chinese


def test_a_state_and_a_button_of_the_same_english_differ_in_chinese() -> None:
    assert state_words(State.REVOKED) == str(BUTTONS[Action.RECONNECT]) == "Reconnect"
    assert in_chinese(STATES[State.REVOKED]) == "需要重新连接"
    assert in_chinese(BUTTONS[Action.RECONNECT]) == "重新连接"


def test_two_refusals_are_classes_because_pages_react_to_them() -> None:
    bound = AlreadyBound("GL", login="build-bot", binding="bnd_0")
    assert (bound.code, bound.facts, bound.extra) == (
        "GL-DUP-01",
        {"login": "build-bot"},
        {"binding": "bnd_0"},
    )
    other = OtherAccount("GH", new="ben", old="ann")
    assert render(other.code, **other.facts).detail.startswith("This is ben, but the binding")


def test_every_provider_of_the_registry_has_its_sentences() -> None:
    of_slug = {platform.slug: platform for platform in PLATFORMS.values()}
    for slug, provider in REGISTRY.items():
        platform, spec = of_slug[slug], provider.spec
        assert (platform.prefix, platform.label) == (spec.prefix, spec.label)
        assert prefix_of(slug) == spec.prefix
