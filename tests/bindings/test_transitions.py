"""Every row of the transition corpus, with its effects, through the public functions of state."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bindings import expiry
from bindings.state import (
    Facts,
    Note,
    Reach,
    State,
    Status,
    Verdict,
    Why,
    aged,
    begin,
    next_check,
    one_word,
    postponed,
    refreshed,
    reopened,
    resume,
    suspend,
    undecryptable,
    verdict,
)
from providers.errors import (
    AddressRefused,
    BadAnswer,
    MissingScope,
    NotFound,
    ProviderError,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from providers.types import Expiry, Identity, Inspection, Method, Purpose, Quality

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
CORPUS = Path(__file__).parent / "corpora" / "transitions.jsonl"
ROWS = [json.loads(line) for line in CORPUS.read_text("ascii").splitlines()]
BOUND = Identity("42", "build-bot")
WELL = Inspection(BOUND)
OTHER = Inspection(Identity("7", "mallory"))
SHORT = Inspection(BOUND, missing={Purpose.HOOKS: ("api",)})
REFUSED = TokenRejected("unknown")
GRANT = TokenRejected("grant")
Turn = Callable[[Facts], Verdict]

UNANSWERED: dict[str, ProviderError] = {
    "dns_nxdomain": Unreachable("dns"),
    "dns_timeout": Unreachable("dns"),
    "connect_refused": Unreachable("refused"),
    "connect_timeout": Unreachable("timeout"),
    "tls_error": Unreachable("tls_authority"),
    "read_timeout": Unreachable("timeout"),
    "deadline_passed": Unreachable("timeout"),
    "reset_mid_body": Unreachable("reset"),
    "http_5xx": Unreachable("http_5xx"),
    "html_200": BadAnswer("not_json"),
    "invalid_json": BadAnswer("not_json"),
    "json_of_another_shape": BadAnswer("shape"),
    "redirect": BadAnswer("redirect"),
    "response_too_large": BadAnswer("too_big"),
    "content_encoding_refused": BadAnswer("encoded"),
    "http_404_api_root": NotFound("unknown"),
    "unexpected_4xx": BadAnswer("refused"),
    "address_refused_now": AddressRefused("address_not_public"),
    "proxy_407": BadAnswer("refused"),
    "not_http": BadAnswer("protocol"),
    "401 with HTML body or Basic realm": BadAnswer("gateway"),
    "end date passed, host unreachable": Unreachable("timeout"),
    "refresh answer lost (timeout, reset, 5xx after send)": Unreachable("timeout"),
    "server_error": Unreachable("http_5xx"),
}
ANSWERED: dict[str, Inspection | ProviderError] = {
    "200_identity_ok": WELL,
    "200 with all scopes": WELL,
    "200_identity_changed": OTHER,
    "200_scope_missing": SHORT,
    "end date passed by our clock, probe says 200": WELL,
    "account_blocked: 200_identity_ok on daily probe": WELL,
    "identity_changed: 200 with the bound identity again": WELL,
    "http_429": RateLimited(retry_after=120),
    "http_403_rate_limit": RateLimited("secondary", retry_after=120),
    "http_503_retry_after": Unreachable("http_5xx", retry_after=120),
    "http_429 at the token endpoint": RateLimited(retry_after=120),
    "provider_json_401_first": REFUSED,
    "403_account_blocked": TokenRejected("suspended"),
    "403_sso_required for one organization": MissingScope("sso"),
    "invalid_grant first": GRANT,
    "incorrect_client_credentials (with HTTP 200)": BadAnswer("client_config"),
}
LATER: dict[str, tuple[int, timedelta]] = {
    "second failure in a row, 40 min after the first": (1, timedelta(minutes=40)),
    "third failure in a row, 14 min after the first": (2, timedelta(minutes=14)),
    "third failure in a row, 15 min or more after the first": (2, timedelta(minutes=15)),
}
"""Failures so far, and how long ago the first was."""


def again(answer: ProviderError, after: float, *, mass: bool = False) -> Turn:
    """The same refusal twice, `after` seconds apart; the second one is judged at NOW."""

    def turn(facts: Facts) -> Verdict:
        first = verdict(facts, answer, NOW - timedelta(seconds=after))
        return verdict(first.facts, answer, NOW, mass=mass)

    return turn


def after_a_refusal(facts: Facts) -> Verdict:
    first = verdict(facts, REFUSED, NOW - timedelta(seconds=90))
    assert first.events == ()
    return verdict(first.facts, WELL, NOW)


def ended_before_the_second_refusal(facts: Facts) -> Verdict:
    dated = replace(facts, end=Expiry(NOW - timedelta(hours=1), Quality.EXACT))
    return again(REFUSED, 90)(dated)


def lost_refresh(facts: Facts) -> Verdict:
    renewing = replace(facts, renews=True, access_until=NOW + timedelta(hours=2))
    return again(GRANT, 90)(renewing)


ACTS: dict[str, Turn] = {
    "circuit_open (host breaker, no call made)": lambda facts: postponed(
        facts, NOW + timedelta(minutes=1), NOW
    ),
    "provider_json_401_second, 30 s after the first": again(REFUSED, 30),
    "provider_json_401_second, exact end date already passed": ended_before_the_second_refusal,
    "provider_json_401_second during a mass episode of the host": again(REFUSED, 90, mass=True),
    "first 401, then 200": after_a_refusal,
    "user_replaces_token_same_account": lambda facts: begin(
        replace(facts, generation=facts.generation + 1), WELL, NOW
    ),
    "tenant_suspended": lambda facts: suspend(facts, Why.TENANT_SUSPENDED, NOW),
    "operator_disables_host": lambda facts: suspend(facts, Why.HOST_DISABLED, NOW),
    "operator_enables_host": lambda facts: resume(facts, Why.HOST_DISABLED, NOW),
    "sweep": lambda facts: verdict(facts, WELL, NOW),
    "open fails: authentication tag wrong": lambda facts: undecryptable(facts, Why.WRONG_TAG, NOW),
    "key id back in the ring": lambda facts: reopened(facts, NOW),
    "list page with 500 rows, 1 undecryptable": lambda facts: aged(facts, NOW),
    "stated end date is 14 d away": lambda facts: aged(
        replace(facts, end=Expiry(NOW + timedelta(days=14), Quality.STATED)), NOW
    ),
    "OAuth access token ends in 20 min, refresh possible": lambda facts: aged(
        replace(facts, renews=True, access_until=NOW + timedelta(minutes=20)), NOW
    ),
    "GitLab date reached: 00:00 UTC of expires_at": lambda facts: aged(
        replace(facts, end=Expiry(NOW, Quality.EXACT)), NOW
    ),
    "refresh ok": lambda facts: refreshed(facts, NOW + timedelta(hours=2), NOW),
    "answer without refresh_token": lambda facts: refreshed(facts, NOW + timedelta(hours=2), NOW),
    "invalid_grant, but the row has a newer generation": lambda facts: verdict(
        replace(facts, generation=facts.generation + 1), GRANT, NOW, asked=facts.generation
    ),
    "invalid_grant confirmed, access token alive for 2 h": lost_refresh,
    "open intent, kept token refused twice, access token alive": lost_refresh,
}

LIFE = {
    "user_unbinds": "bind.unbind closes the row in its own transaction",
    "instance_deleted": "bind.instances refuses while something is bound, else unbinds",
    "provider_revoke_ok": "bind.unbind finishes the ending and destroys the ciphertext",
    "provider_revoke_fails for 7 days": "bind.unbind gives the ending up after 7 days",
    "webhook_received": "listen.accept finds no live hook",
    "lease used": "clone.leases finds no live binding",
    "oauth_state_expired (10 min)": "bind.links: the attempt is over, no binding was made",
    "second callback for the same instance and provider": "the unique index of bindings",
    "two workers at the same moment": "custody.refresh: the intent of the first is in the way",
    "tenant unbinds a binding of kind platform": "bind.unbind refuses with CA-LOCK-01",
}
"""Observations about the life of a row, not about its state, and who owns them."""


def starting(row: dict[str, Any]) -> Facts:
    """The row's binding as it is stored."""
    status = Status(row["state"]["status"])
    facts = Facts(
        status=status,
        reach=Reach(row["state"]["reach"]),
        kind=Method.TOKEN if row["credential"] == "any" else Method(row["credential"]),
        account_id=BOUND.id,
        since=NOW - timedelta(days=3),
    )
    if row["credential"] == "oauth":
        facts = replace(facts, renews=True, access_until=NOW + timedelta(hours=2))
    if status is Status.EXPIRING:
        facts = replace(
            facts, why=Why.ENDS_SOON, end=Expiry(NOW + timedelta(days=20), Quality.EXACT)
        )
    if "end date passed" in row["observation"]:
        facts = replace(facts, end=Expiry(NOW - timedelta(hours=1), Quality.EXACT))
    if status is Status.SUSPENDED:
        facts = replace(facts, before=Status.EXPIRING, why=pause(row["observation"]))
    if status is Status.UNDECRYPTABLE:
        facts = replace(facts, before=Status.ACTIVE, why=Why.KEY_MISSING)
    if facts.reach in (Reach.DEGRADED, Reach.UNREACHABLE):
        count, ago = LATER.get(row["observation"], (3, timedelta(hours=1)))
        facts = replace(facts, failures=count, first_failure_at=NOW - ago)
    return facts


def pause(observation: str) -> Why:
    name = observation.partition(":")[0]
    return Why(name) if name in set(Why) else Why.HOST_DISABLED


def judged(row: dict[str, Any], facts: Facts) -> Verdict:
    seen = row["observation"]
    if seen in ACTS:
        return ACTS[seen](facts)
    failed: ProviderError = Unreachable("timeout")
    answer = ANSWERED.get(seen) or (failed if seen in LATER else UNANSWERED[seen])
    return verdict(facts, answer, NOW)


def soon_after(found: Verdict, least: float, most: float) -> bool:
    assert found.next_check_at is not None
    return least <= (found.next_check_at - NOW).total_seconds() <= most


def nothing_learned(found: Verdict) -> bool:
    then, now = found.was, found.facts
    return (now.status, now.why, now.suspicion, now.end) == (
        then.status,
        then.why,
        then.suspicion,
        then.end,
    )


EFFECTS: dict[str, Callable[[Verdict], bool]] = {
    "failure counter 1": lambda v: v.facts.failures == 1,
    "failure counter 0": lambda v: v.facts.failures == 0,
    "first_failure_at = now": lambda v: v.facts.first_failure_at == NOW,
    "next_check_at by back-off with jitter": lambda v: soon_after(v, 270, 330),
    "no message to the user": lambda v: v.events == (),
    "no message": lambda v: v.events == (),
    "no message was sent": lambda v: v.events == (),
    "nothing learned about the credential": nothing_learned,
    "event binding.unreachable": lambda v: v.events == ("binding.unreachable",),
    "event binding.recovered": lambda v: v.events == ("binding.recovered",),
    "event binding.expired": lambda v: v.events == ("binding.expired",),
    "one message": lambda v: len(v.events) == 1 or expiry.steps_due(v.facts.end, NOW, ()) == (1,),
    "no call to this host and app before the time given (cap 3600 s)": lambda v: soon_after(
        v, 120, 132
    ),
    "no failure counted": lambda v: v.facts.failures == 0,
    "no call, no failure counted for this binding": lambda v: (
        v.checked_at is None and v.facts.failures == 0
    ),
    "next_check_at moved behind the host probe": lambda v: soon_after(v, 60, 60),
    "checked_at = now": lambda v: v.checked_at == NOW,
    "suspicion 0": lambda v: (v.facts.suspicion, v.facts.refused_at) == (0, None),
    "suspicion 1": lambda v: (v.facts.suspicion, v.facts.refused_at) == (1, NOW),
    "credential suspicion 1": lambda v: (v.facts.suspicion, v.facts.refused_at) == (1, NOW),
    "confirmation probe in 60-120 s": lambda v: soon_after(v, 60, 120),
    "the host answers, so reach is ok": lambda v: v.reach is Reach.OK,
    "second try after 60 s with the kept token": lambda v: soon_after(v, 60, 120),
    "reason identity_changed": lambda v: v.why is Why.IDENTITY_CHANGED,
    "reason account_blocked": lambda v: v.why is Why.ACCOUNT_BLOCKED,
    "reason tenant_suspended": lambda v: v.why is Why.TENANT_SUSPENDED,
    "reason host_disabled": lambda v: v.why is Why.HOST_DISABLED,
    "reason refresh_lost": lambda v: v.why is Why.REFRESH_LOST,
    "clone, listing and hooks stop": lambda v: not v.facts.called and v.next_check_at is None,
    "owner told; only a person ends it": lambda v: v.events == ("binding.suspended",),
    "a person must confirm": lambda v: v.events == () and v.next_check_at is None,
    "names what is missing and which function stops": lambda v: (
        v.missing == {Purpose.HOOKS: ("api",)}
    ),
    "too early to count": lambda v: Note.TOO_EARLY in v.notes and soon_after(v, 30, 120),
    "held: no status change, no message": lambda v: (
        Note.HELD in v.notes and not v.status_changed and v.events == ()
    ),
    "operator alert": lambda v: Note.OPERATOR_ALERT in v.notes,
    "operator alert for the host": lambda v: Note.OPERATOR_ALERT in v.notes,
    "0 bindings change status": lambda v: not v.status_changed,
    "re-probed after the episode": lambda v: soon_after(v, 270, 330),
    "no calls": lambda v: v.next_check_at is None,
    "no call": lambda v: v.checked_at is None and v.next_check_at is None,
    "status before is kept": lambda v: v.facts.before is v.was.status,
    "flag sso_required on the listing; the rest works": lambda v: (
        v.notes == {Note.SSO} and not v.changed
    ),
    "message says that the date was stated by the user": lambda v: (
        v.facts.end.quality is Quality.STATED and expiry.steps_due(v.facts.end, NOW, ()) == (14,)
    ),
    "refresh, no ladder, no message": lambda v: v.events == () and v.why is Why.NONE,
    "probe; expired is announced only after the confirmed 401": lambda v: v.events == (),
    "clock difference noted": lambda v: Note.CLOCK_DIFFERENCE in v.notes,
    "shown: date has passed, not verified": lambda v: (
        v.facts.end.at is not None and v.facts.end.at < NOW
    ),
    "generation +1": lambda v: v.facts.generation == 2,
    "page answers 200, the row shows the state": lambda v: (
        one_word(v.status, v.reach) is State.UNDECRYPTABLE
    ),
    "end date = end of the access token (exact)": lambda v: (
        v.facts.end == Expiry(NOW + timedelta(hours=2), Quality.EXACT)
    ),
    "re-read and use it": lambda v: v.notes == {Note.SUPERSEDED} and not v.changed,
}

ELSEWHERE = {
    "a front proxy answered, not the provider": "the door tells gateways apart",
    "access token used while it lives": "custody.use",
    "audit": "keep.verdict writes it with the event",
    "bound_by and bound_at kept": "bind.replace writes other columns only",
    "credential kept": "no service touches it",
    "intent stays open": "custody.refresh",
    "new pair committed before first use": "custody.refresh",
    "old pair kept": "custody.refresh",
    "old refresh token kept": "custody.refresh",
    "one notice per host episode, not one per binding": "tell.notices",
    "previous refresh token kept until the new access token worked once": "custody.refresh",
    "recovery retries once with the kept token (at once where a grace period is documented), "
    "then back-off": "custody.refresh",
    "refresh of this host paused": "custody.refresh",
    "retry later": "custody.refresh",
    "row bytes unchanged meanwhile": "nothing writes the ciphertext",
    "user asked to bind again": "the face of the state: replace",
}
"""Effects that other rooms owe, each in its own tests."""

OF_STATE = [row for row in ROWS if row["observation"] not in LIFE]
STORED = [row for row in OF_STATE if row["state"]["status"] != "pending"]


def named(row: dict[str, Any]) -> str:
    return str(row["id"])


@pytest.mark.parametrize("row", STORED, ids=named)
def test_every_transition_of_the_corpus(row: dict[str, Any]) -> None:
    facts = starting(row)
    found = judged(row, facts)
    wanted = row["next"]
    if wanted["status"] == "active or expiring by date":
        assert (found.status, found.why) == found.facts.by_date(NOW)
    elif wanted["status"] == "status before, then probed":
        assert (found.status, found.next_check_at) == (facts.before, NOW)
    else:
        assert found.status == wanted["status"]
    assert found.reach == wanted["reach"]
    for effect in row["effects"]:
        assert effect in ELSEWHERE or EFFECTS[effect](found), effect


@pytest.mark.parametrize(
    "row", [row for row in OF_STATE if row["state"]["status"] == "pending"], ids=named
)
def test_a_bind_that_gets_no_answer_keeps_nothing(row: dict[str, Any]) -> None:
    error = UNANSWERED[row["observation"]]
    with pytest.raises(type(error)) as raised:
        begin(starting(row), error, NOW)
    assert raised.value is error
    assert row["next"]["status"] == "(none)"


def test_what_is_owned_elsewhere_is_only_about_the_life_of_the_row() -> None:
    life = {"unbinding", "unbound", "(none)", "(first binding unchanged)"}
    for row in ROWS:
        if row["observation"] in LIFE:
            told = row["next"]["status"] in life or row["state"] == row["next"]
            assert told, row["id"]
    assert {row["observation"] for row in ROWS} >= set(LIFE)
    assert len(ROWS) == 126


def test_a_paused_binding_has_no_next_check() -> None:
    paused = Facts(Status.SUSPENDED, why=Why.HOST_DISABLED, before=Status.ACTIVE)
    assert next_check(paused, NOW) is None
