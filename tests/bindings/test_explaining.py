"""From what a platform did to the code people read: one table, without a gap."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bindings.problems import (
    ALL,
    PLATFORMS,
    Moment,
    explain,
    explain_consent,
    explain_missing,
    of_reach,
    of_status,
    refusal,
    render,
    status_of,
)
from bindings.state import Facts, Status, Why, verdict
from providers import errors
from providers.errors import (
    AddressRefused,
    BadAnswer,
    DeliveryRefused,
    MissingScope,
    NotFound,
    NotSupported,
    ProviderError,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from providers.types import Can, Expiry, Purpose, Quality

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
ADDRESS_CODES = (
    *("required", "scheme_missing", "scheme_not_allowed", "host_invalid", "path_invalid"),
    *("query_or_fragment", "invalid_characters", "too_long", "unresolvable"),
    *("userinfo_not_allowed", "port_not_allowed", "address_not_public"),
)


def declared(kind: type[ProviderError]) -> list[str]:
    """The reasons that the docstring of an error class lists."""
    if kind is AddressRefused:
        return list(ADDRESS_CODES)
    if kind is NotSupported:
        return [str(one) for one in Can]
    listed = re.search(r"Reasons: ([^.]+)\.", inspect.getdoc(kind) or "")
    assert listed, kind
    return [word.strip() for word in re.sub(r"\([^)]*\)", "", listed[1]).split(",")]


KINDS = [
    kind
    for kind in vars(errors).values()
    if inspect.isclass(kind) and issubclass(kind, ProviderError) and kind is not ProviderError
]
EVERY_ERROR = [kind(reason) for kind in KINDS for reason in declared(kind)]


def named(value: object) -> str:
    return (
        f"{type(value).__name__}-{value.reason}" if isinstance(value, ProviderError) else str(value)
    )


def test_the_error_tree_is_the_one_we_know() -> None:
    assert len(KINDS) == 9
    assert len(EVERY_ERROR) > 60


@pytest.mark.parametrize("prefix", PLATFORMS)
@pytest.mark.parametrize("moment", Moment)
def test_every_reason_of_every_class_has_a_sentence_on_every_platform(
    prefix: str, moment: Moment
) -> None:
    for error in EVERY_ERROR:
        for purpose in Purpose:
            code, facts = explain(error, prefix=prefix, moment=moment, purpose=purpose)
            assert render(code, **facts).detail, code
            json.dumps(facts)
        raised = refusal(error, prefix=prefix, moment=moment)
        assert status_of(raised.code) is not None, error
        assert raised.field == ALL[raised.code].field


GL: list[tuple[ProviderError, str]] = [
    (Unreachable("dns"), "GL-ADDR-03"),
    (Unreachable("timeout"), "GL-NET-01"),
    (Unreachable("refused"), "GL-NET-02"),
    (Unreachable("reset"), "GL-NET-03"),
    (Unreachable("tls_authority"), "GL-TLS-01"),
    (Unreachable("tls_expired"), "GL-TLS-02"),
    (Unreachable("tls_name"), "GL-TLS-03"),
    (Unreachable("tls"), "GL-TLS-01"),
    (Unreachable("http_5xx"), "GL-API-03"),
    (Unreachable("http_5xx", retry_after=60), "GL-RATE-01"),
    (RateLimited("login_lockout"), "GL-RATE-01"),
    (BadAnswer("not_the_platform"), "GL-API-01"),
    (BadAnswer("not_json"), "GL-API-04"),
    (BadAnswer("shape"), "GL-API-04"),
    (BadAnswer("redirect", location="https://new.example"), "GL-API-04"),
    (BadAnswer("api_removed"), "GL-API-05"),
    (BadAnswer("client_config"), "GL-OAUTH-03"),
    (BadAnswer("hook_limit", n="20"), "GL-HOOK-05"),
    (TokenRejected("unknown"), "GL-TOK-01"),
    (TokenRejected("expired"), "GL-TOK-01"),
    (TokenRejected("expired", date="2026-11-01"), "GL-TOK-04"),
    (TokenRejected("suspended"), "GL-USER-02"),
    (TokenRejected("grant"), "GL-TOK-08"),
    (MissingScope("scope", missing=("api",)), "GL-SCOPE-01"),
    (MissingScope("role"), "GL-HOOK-02"),
    (MissingScope("sso"), "GL-ORG-01"),
    (MissingScope("org_policy"), "GL-ORG-01"),
    (NotFound("hidden"), "GL-REPO-02"),
    (NotFound("ref"), "GL-REF-01"),
    (NotFound("empty"), "GL-REPO-04"),
    (AddressRefused("scheme_missing"), "GL-ADDR-01"),
    (AddressRefused("unresolvable"), "GL-ADDR-03"),
    (AddressRefused("address_not_public"), "GL-ADDR-04"),
    (AddressRefused("userinfo_not_allowed"), "GL-ADDR-05"),
    (AddressRefused("port_not_allowed", scheme="https"), "GL-ADDR-06"),
    (AddressRefused("port_not_allowed", scheme="http"), "GL-ADDR-07"),
    (DeliveryRefused("mismatch"), "X-HOOK-01"),
    (DeliveryRefused("stale"), "X-HOOK-02"),
    (NotSupported("rotate"), "GL-ROT-01"),
    (NotSupported("mint"), "X-LEASE-01"),
    (NotSupported("test_hook"), "GL-HOOK-08"),
    (NotSupported("revoke"), "X-STATE-02"),
]
BIND: list[tuple[str, ProviderError, str]] = [
    ("GL", BadAnswer("redirect", location="https://new.example"), "GL-ADDR-09"),
    ("GL", BadAnswer("redirect"), "GL-API-04"),
    ("GL", BadAnswer("not_json"), "GL-API-01"),
    ("GL", NotFound("unknown"), "GL-API-01"),
    ("GH", BadAnswer("redirect", location="https://new.example"), "GH-API-04"),
]
ELSEWHERE: list[tuple[str, ProviderError, str]] = [
    ("GH", MissingScope("sso"), "GH-ORG-02"),
    ("GH", MissingScope("org_policy"), "GH-ORG-01"),
    ("GE", MissingScope("sso"), "GE-ORG-01"),
    ("BB", MissingScope("org_policy"), "BB-ORG-02"),
    ("CU", MissingScope("org_policy"), "CU-ORG-02"),
    ("CA", MissingScope("sso"), "CA-REPO-02"),
    ("GH", TokenRejected("grant"), "GH-TOK-10"),
    ("GT", TokenRejected("grant"), "GT-TOK-08"),
    ("CU", MissingScope("clone_username"), "CU-CLONE-01"),
    ("CU", BadAnswer("edition"), "CU-ORG-03"),
    ("GT", BadAnswer("edition"), "GT-API-01"),
    ("CA", BadAnswer("clock"), "CA-API-06"),
    ("GH", BadAnswer("clock"), "GH-API-04"),
    ("CU", BadAnswer("client_config"), "CU-API-04"),
    ("GE", BadAnswer("client_config", error="invalid_scope"), "GE-OAUTH-06"),
    ("GH", BadAnswer("client_config", error="invalid_scope"), "GH-OAUTH-03"),
    ("CU", NotSupported("revoke"), "CU-REV-01"),
    ("GH", AddressRefused("port_not_allowed"), "X-ADDR-01"),
]


@pytest.mark.parametrize(("error", "code"), GL, ids=named)
def test_a_reason_has_its_code(error: ProviderError, code: str) -> None:
    assert explain(error, prefix="GL")[0] == code


@pytest.mark.parametrize(("prefix", "error", "code"), ELSEWHERE, ids=named)
def test_a_platform_without_the_sentence_says_the_next_best(
    prefix: str, error: ProviderError, code: str
) -> None:
    assert explain(error, prefix=prefix)[0] == code


@pytest.mark.parametrize(("prefix", "error", "code"), BIND, ids=named)
def test_a_server_met_for_the_first_time_is_doubted_first(
    prefix: str, error: ProviderError, code: str
) -> None:
    assert explain(error, prefix=prefix, moment=Moment.BIND)[0] == code


def test_on_the_way_back_from_consent_the_person_starts_again() -> None:
    back = Moment.CONSENT
    assert explain(TokenRejected("grant"), prefix="GH", moment=back)[0] == "GH-OAUTH-04"
    assert explain(Unreachable("timeout"), prefix="GH", moment=back)[0] == "GH-OAUTH-05"


@pytest.mark.parametrize(
    ("prefix", "word", "code"),
    [
        ("GH", "access_denied", "GH-OAUTH-01"),
        ("GL", "redirect_uri_mismatch", "GL-OAUTH-03"),
        ("BB", "temporarily_unavailable", "BB-OAUTH-05"),
        ("GH", "application_suspended", "GH-OAUTH-06"),
        ("GE", "invalid_scope", "GE-OAUTH-06"),
        ("GT", "anything_else", "GT-OAUTH-04"),
    ],
)
def test_the_platforms_own_word_on_the_way_back_has_a_code(
    prefix: str, word: str, code: str
) -> None:
    assert explain_consent(word, prefix=prefix) == code


def test_a_revoked_binding_is_explained_by_what_happened_to_it() -> None:
    dead = Status.REVOKED
    assert explain(TokenRejected("unknown"), prefix="GL", status=dead)[0] == "GL-TOK-08"
    assert explain(TokenRejected("grant"), prefix="BB", status=dead)[0] == "BB-TOK-10"
    assert explain(TokenRejected("suspended"), prefix="GL", status=dead)[0] == "GL-USER-02"


@pytest.mark.parametrize(
    ("prefix", "missing", "code"),
    [
        ("GL", {Purpose.HOOKS: ("api",)}, "GL-SCOPE-02"),
        ("GL", {Purpose.CLONE: ("read_repository",)}, "GL-SCOPE-03"),
        ("GL", {Purpose.HOOKS: ("api",), Purpose.LIST: ("read_api",)}, "GL-SCOPE-01"),
        ("CU", {Purpose.REFS: ("Branches read-only",)}, "CU-SCOPE-04"),
        ("CU", {Purpose.LIST: ("Organization members read-only",)}, "CU-SCOPE-03"),
        ("GT", {Purpose.LIST: ("read:user",)}, "GT-SCOPE-03"),
        ("BB", {Purpose.LIST: ("account",)}, "BB-SCOPE-03"),
        ("GH", {Purpose.HOOKS: ("admin:repo_hook",)}, "GH-SCOPE-02"),
        ("CA", {Purpose.CLONE: ("repo",)}, "CA-SCOPE-01"),
    ],
)
def test_the_gravest_missing_right_is_named(
    prefix: str, missing: dict[Purpose, tuple[str, ...]], code: str
) -> None:
    assert explain_missing(missing, prefix=prefix)[0] == code


def test_gitlab_names_what_the_token_has_and_the_others_what_it_lacks() -> None:
    lacking = MissingScope("scope", missing=("api",))
    code, facts = explain(lacking, prefix="GL", has={"read_user", "read_registry"})
    assert render(code, **facts).detail.startswith("This token has read_registry, read_user only.")
    code, facts = explain(lacking, prefix="GE", purpose=Purpose.HOOKS, has={"projects"})
    assert (code, facts["scopes"]) == ("GE-SCOPE-02", "api")


def test_facts_of_the_error_fill_the_sentence() -> None:
    code, facts = explain(Unreachable("timeout"), prefix="GL", egress="198.51.100.16/28")
    assert render(code, **facts).detail == (
        "The server did not answer in 15 seconds. "
        "If it is behind a firewall, allow 198.51.100.16/28."
    )
    code, facts = explain(RateLimited(retry_after=89.2), prefix="GL")
    assert facts["n"] == 90
    code, facts = explain(MissingScope("org_policy", organization="acme"), prefix="GH")
    assert render(code, **facts).detail.startswith("acme has not approved this app.")
    moved = BadAnswer("redirect", location="https://new.example")
    code, facts = explain(moved, prefix="GL", moment=Moment.BIND)
    assert facts["new"] == "https://new.example"
    code, facts = explain(AddressRefused("too_long"), prefix="GH")
    assert render(code, **facts).detail == "This address is not allowed: it is too long."
    code, facts = explain(NotSupported("mint"), prefix="GL")
    assert render(code, **facts).detail.startswith("GitLab cannot issue")


def test_a_refusal_carries_what_the_answer_needs() -> None:
    waits = refusal(RateLimited(retry_after=30), prefix="GL")
    assert (waits.code, waits.retry_after) == ("GL-RATE-01", 30)
    linked = refusal(MissingScope("sso", fix_url="https://github.com/orgs/acme/sso"), prefix="GH")
    assert (linked.code, linked.fix_url) == ("GH-REPO-02", "https://github.com/orgs/acme/sso")
    assert "fix_url" not in linked.facts
    odd = refusal(BadAnswer("refused", code="CH.0042", field="x"), prefix="CA", login="ann")
    assert (odd.code, odd.facts["code"], odd.facts["login"]) == ("CA-API-04", "CH.0042", "ann")


STORED = Facts(Status.ACTIVE, since=NOW, end=Expiry(NOW + timedelta(days=6), Quality.EXACT))


@pytest.mark.parametrize("prefix", PLATFORMS)
@pytest.mark.parametrize("why", [why for why in Why if why])
def test_every_reason_of_a_status_is_a_code(prefix: str, why: Why) -> None:
    found = of_status(replace(STORED, why=why), NOW, prefix=prefix, login="ann")
    assert found is not None
    code, facts = found
    assert code in ALL
    json.dumps(facts)


@pytest.mark.parametrize(
    ("why", "context", "sentence"),
    [
        (Why.ENDS_SOON, {}, "This token ends in 6 days."),
        (Why.ENDED, {}, "This token already ended on 2026-11-27."),
        (Why.REFUSED, {}, "GitLab refused the credential twice, last on 2026-11-21 07:00 UTC."),
        (Why.KEY_MISSING, {"key": "id1"}, "The stored credential cannot be decrypted (key id1)."),
        (
            Why.OPERATOR,
            {"date": "2026-11-20", "reason": "moving"},
            "Paused by the operator on 2026-11-20: moving.",
        ),
    ],
)
def test_the_reason_of_a_status_is_a_whole_sentence(
    why: Why, context: dict[str, Any], sentence: str
) -> None:
    found = of_status(replace(STORED, why=why), NOW, prefix="GL", **context)
    assert found is not None
    assert render(found[0], **found[1]).detail == sentence


def test_a_missing_right_is_named_in_the_reason() -> None:
    short = replace(STORED, why=Why.SCOPE)
    found = of_status(short, NOW, prefix="GT", missing={Purpose.HOOKS: ("write:repository",)})
    assert found is not None
    assert found[0] == "GT-SCOPE-02"


def test_nothing_to_say_is_nothing() -> None:
    assert of_status(STORED, NOW, prefix="GL") is None
    assert of_reach("", prefix="GL") is None


@pytest.mark.parametrize("error", EVERY_ERROR, ids=named)
def test_whatever_moves_the_reach_can_be_explained_from_its_word(error: ProviderError) -> None:
    word = verdict(Facts(Status.ACTIVE), error, NOW).facts.reach_why
    found = of_reach(word, prefix="GL", host="git.example")
    if word:
        assert found is not None
        assert found[0] in ALL
    else:
        assert isinstance(error, TokenRejected | MissingScope | NotSupported | DeliveryRefused) or (
            error.reason == "client_config"
        )


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("timeout", "GL-NET-01"),
        ("tls_name", "GL-TLS-03"),
        ("secondary", "GL-RATE-01"),
        ("gateway", "GL-API-04"),
        ("not_found", "GL-API-01"),
        ("address_refused", "GL-ADDR-04"),
    ],
)
def test_the_reason_of_the_reach_is_a_code(word: str, code: str) -> None:
    found = of_reach(word, prefix="GL")
    assert found is not None
    assert found[0] == code


def test_the_facts_stored_with_a_reach_fill_its_sentence() -> None:
    found = of_reach("http_5xx", prefix="GL", status="502")
    assert found is not None
    assert "GitLab has a problem of its own (502)." in render(found[0], **found[1]).detail
    found = of_reach("limit", prefix="GL", n=7)
    assert found is not None
    assert "wait 7 seconds" in render(found[0], **found[1]).detail
