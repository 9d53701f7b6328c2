"""What must hold of the state machine in any order of events, and how a state looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindings.state import (
    FACE,
    Action,
    Facts,
    Note,
    Reach,
    State,
    Status,
    Tone,
    Why,
    face,
    one_word,
    verdict,
)
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
from providers.types import Expiry, Identity, Inspection, Method, Purpose, Quality

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
DAY = timedelta(days=1)
BOUND = Identity("42", "build-bot")
WELL = Inspection(BOUND)
LIVE = Facts(Status.ACTIVE, account_id="42", since=NOW - DAY)

NETWORK = (
    *(Unreachable(word) for word in ("dns", "refused", "timeout", "reset", "tls", "http_5xx")),
    *(Unreachable(word) for word in ("tls_authority", "tls_expired", "tls_name")),
    Unreachable("http_5xx", retry_after=90),
    RateLimited(retry_after=90),
    RateLimited("login_lockout"),
    *(BadAnswer(word) for word in ("not_json", "shape", "encoded", "too_big", "short", "redirect")),
    *(BadAnswer(word) for word in ("foreign_link", "gateway", "api_removed", "refused", "clock")),
    *(BadAnswer(word) for word in ("client_config", "not_the_platform", "edition", "protocol")),
    NotFound("unknown"),
    AddressRefused("address_not_public"),
    NotSupported("hooks"),
    DeliveryRefused("missing"),
)
REFUSALS = tuple(TokenRejected(word) for word in ("unknown", "expired", "revoked", "grant"))
EVERYTHING: tuple[Inspection | ProviderError, ...] = (
    *NETWORK,
    *REFUSALS,
    WELL,
    Inspection(BOUND, missing={Purpose.HOOKS: ("api",)}),
    Inspection(BOUND, expiry=Expiry(NOW + 9 * DAY, Quality.EXACT)),
    MissingScope("scope", missing=("api",)),
    MissingScope("sso"),
)
waits = st.integers(min_value=0, max_value=4 * 3600)
ends = st.one_of(
    st.just(Expiry()),
    st.builds(
        lambda days, quality: Expiry(NOW + timedelta(days=days), quality),
        st.integers(-400, 400),
        st.sampled_from([Quality.EXACT, Quality.STATED, Quality.IDLE]),
    ),
)
any_facts = st.builds(
    Facts,
    status=st.sampled_from(Status),
    reach=st.sampled_from(Reach),
    kind=st.sampled_from(Method),
    manual_only=st.booleans(),
    account_id=st.sampled_from(["", "42"]),
    since=st.just(NOW - DAY),
    why=st.sampled_from(Why),
    suspicion=st.integers(0, 9),
    refused_at=st.one_of(st.none(), st.just(NOW - timedelta(seconds=30))),
    failures=st.integers(0, 40),
    end=ends,
    renews=st.booleans(),
    used_at=st.one_of(st.none(), st.just(NOW - 2 * DAY)),
)


@given(any_facts, st.lists(st.tuples(st.sampled_from(NETWORK), waits, st.booleans()), max_size=12))
def test_no_sequence_of_network_trouble_touches_the_credential(
    facts: Facts, story: list[tuple[ProviderError, int, bool]]
) -> None:
    then, now = facts, NOW
    for trouble, seconds, mass in story:
        now += timedelta(seconds=seconds)
        facts = verdict(facts, trouble, now, mass=mass).facts
    assert (facts.status, facts.why, facts.end) == (then.status, then.why, then.end)
    assert (facts.suspicion, facts.refused_at) == (then.suspicion, then.refused_at)


@given(
    st.sampled_from([Status.ACTIVE, Status.EXPIRING, Status.INSUFFICIENT]),
    st.lists(st.tuples(st.sampled_from(EVERYTHING), waits, st.booleans()), max_size=20),
)
def test_only_two_refusals_apart_and_outside_a_mass_episode_condemn(
    status: Status, story: list[tuple[Inspection | ProviderError, int, bool]]
) -> None:
    facts, now = replace(LIVE, status=status), NOW
    counted: list[datetime] = []  # refusals in a row that may count, told apart by hand
    for answer, seconds, mass in story:
        now += timedelta(seconds=seconds)
        found = verdict(facts, answer, now, mass=mass)
        if isinstance(answer, TokenRejected):
            counted = [] if mass else [*counted, now]
        elif isinstance(answer, Inspection | MissingScope) and not (mass and found.notes):
            counted = []
        if found.status in (Status.REVOKED, Status.EXPIRED):
            assert len(counted) >= 2
            assert counted[-1] - counted[0] >= timedelta(seconds=60)
            return
        facts = found.facts
    assert facts.status not in (Status.REVOKED, Status.EXPIRED)


@given(any_facts, st.sampled_from(EVERYTHING), st.floats(0, 1))
def test_the_next_check_is_never_in_the_past_nor_further_than_a_week(
    facts: Facts, answer: Inspection | ProviderError, chance: float
) -> None:
    found = verdict(facts, answer, NOW, rng=lambda: chance)
    if found.next_check_at is None:
        assert found.facts.status not in (Status.ACTIVE, Status.EXPIRING, Status.INSUFFICIENT)
    else:
        assert NOW < found.next_check_at <= NOW + 7.7 * DAY


@given(any_facts, st.sampled_from(EVERYTHING))
def test_a_paused_unconfirmed_or_unreadable_binding_learns_nothing(
    facts: Facts, answer: Inspection | ProviderError
) -> None:
    found = verdict(facts, answer, NOW)
    if not facts.called:
        assert not found.changed
        assert (found.checked_at, found.next_check_at) == (None, None)
    else:
        assert found.checked_at == NOW


@given(any_facts)
def test_every_pair_of_axes_has_one_word_that_shows_the_gravest(facts: Facts) -> None:
    word = one_word(facts.status, facts.reach)
    assert FACE[word].tone is not Tone.GREEN or (facts.status, facts.reach) == (
        Status.ACTIVE,
        Reach.OK,
    )


WORDS = [
    (Status.SUSPENDED, Reach.UNREACHABLE, State.SUSPENDED),
    (Status.UNDECRYPTABLE, Reach.OK, State.UNDECRYPTABLE),
    (Status.PENDING, Reach.DEGRADED, State.PENDING),
    (Status.REVOKED, Reach.UNREACHABLE, State.REVOKED),
    (Status.EXPIRED, Reach.RATE_LIMITED, State.EXPIRED),
    (Status.INSUFFICIENT, Reach.UNREACHABLE, State.UNREACHABLE),
    (Status.INSUFFICIENT, Reach.DEGRADED, State.INSUFFICIENT),
    (Status.EXPIRING, Reach.DEGRADED, State.EXPIRING),
    (Status.ACTIVE, Reach.DEGRADED, State.DEGRADED),
    (Status.ACTIVE, Reach.RATE_LIMITED, State.RATE_LIMITED),
    (Status.ACTIVE, Reach.OK, State.HEALTHY),
]


@pytest.mark.parametrize(("status", "reach", "word"), WORDS)
def test_the_first_word_that_applies_is_shown(status: Status, reach: Reach, word: State) -> None:
    assert one_word(status, reach) is word


def test_a_row_that_was_refused_once_reads_unstable_until_it_is_confirmed() -> None:
    once = verdict(LIVE, REFUSALS[0], NOW).facts
    assert (once.status, once.reach) == (Status.ACTIVE, Reach.OK)
    assert one_word(once.status, once.reach, suspicion=once.suspicion) is State.DEGRADED


def test_each_state_has_a_face_and_the_button_fits_the_kind_of_binding() -> None:
    assert set(FACE) == set(State)
    assert face(State.EXPIRING).action is Action.REPLACE
    assert face(State.EXPIRING, kind=Method.OAUTH).action is Action.RECONNECT
    assert face(State.REVOKED, kind=Method.TOKEN).action is Action.RECONNECT
    assert face(State.REVOKED, kind=Method.PLATFORM).action is Action.WHY
    assert face(State.INSUFFICIENT).tone is Tone.AMBER
    assert face(State.INSUFFICIENT, lists=False).tone is Tone.RED


def test_a_second_refusal_after_a_minute_revokes_and_tells_once() -> None:
    first = verdict(LIVE, REFUSALS[0], NOW)
    second = verdict(first.facts, REFUSALS[0], NOW + timedelta(seconds=60))
    third = verdict(second.facts, REFUSALS[0], NOW + DAY)
    assert (first.events, second.events, third.events) == ((), ("binding.revoked",), ())
    assert second.facts.why is Why.REFUSED
    assert second.facts.since == NOW + timedelta(seconds=60)


def test_a_refusal_seen_before_a_mass_episode_does_not_count_after_it() -> None:
    before = verdict(LIVE, REFUSALS[0], NOW)
    during = verdict(before.facts, REFUSALS[0], NOW + timedelta(minutes=2), mass=True)
    after = verdict(during.facts, REFUSALS[0], NOW + timedelta(minutes=9))
    proven = verdict(after.facts, REFUSALS[0], NOW + timedelta(minutes=11))
    assert (during.status, after.status, proven.status) == (
        Status.ACTIVE,
        Status.ACTIVE,
        Status.REVOKED,
    )
    assert during.facts.refused_at is None


@pytest.mark.parametrize(
    "answer",
    [
        TokenRejected("suspended"),
        Inspection(Identity("7", "mallory")),
        Inspection(BOUND, missing={Purpose.LIST: ("api",)}),
    ],
)
def test_no_turn_for_the_worse_is_believed_while_everybody_is_refused(
    answer: Inspection | ProviderError,
) -> None:
    assert verdict(LIVE, answer, NOW).flips
    held = verdict(LIVE, answer, NOW, mass=True)
    assert (held.status, held.events) == (Status.ACTIVE, ())
    assert {Note.HELD, Note.OPERATOR_ALERT} <= held.notes


def test_good_news_is_believed_in_a_mass_episode() -> None:
    sick = replace(LIVE, status=Status.REVOKED, why=Why.REFUSED)
    assert verdict(sick, WELL, NOW, mass=True).status is Status.ACTIVE


def test_an_end_within_the_difference_of_clocks_counts_as_passed() -> None:
    dated = replace(LIVE, end=Expiry(NOW + timedelta(minutes=12), Quality.EXACT))
    first = verdict(dated, REFUSALS[0], NOW)
    assert verdict(first.facts, REFUSALS[0], NOW + timedelta(minutes=2)).status is Status.EXPIRED


def test_what_a_person_stated_does_not_turn_a_refusal_into_an_end() -> None:
    stated = replace(LIVE, end=Expiry(NOW - DAY, Quality.STATED))
    first = verdict(stated, REFUSALS[0], NOW)
    later = NOW + timedelta(minutes=2)
    assert verdict(first.facts, REFUSALS[0], later).status is Status.REVOKED
    assert verdict(first.facts, TokenRejected("expired"), later).status is Status.EXPIRED


def test_an_answer_about_an_older_credential_says_nothing() -> None:
    found = verdict(replace(LIVE, generation=3), TokenRejected("suspended"), NOW, asked=2)
    assert not found.changed
    assert found.notes == {Note.SUPERSEDED}


def test_a_manual_binding_needs_no_webhook_permission() -> None:
    manual = replace(LIVE, manual_only=True)
    short = Inspection(BOUND, missing={Purpose.HOOKS: ("api",)})
    assert verdict(manual, short, NOW).status is Status.ACTIVE
    refused = MissingScope("scope", missing=("api",))
    assert verdict(manual, refused, NOW, tried=Purpose.HOOKS).status is Status.ACTIVE
    assert verdict(manual, refused, NOW, tried=Purpose.LIST).status is Status.INSUFFICIENT


def test_a_clone_name_that_does_not_fit_is_a_missing_ability() -> None:
    found = verdict(LIVE, MissingScope("clone_username"), NOW)
    assert (found.status, found.why) == (Status.INSUFFICIENT, Why.CLONE_USERNAME)
    assert found.events == ("binding.insufficient",)
    assert verdict(found.facts, WELL, NOW).events == ("binding.recovered",)


def test_a_right_withheld_in_one_place_leaves_the_rest_working() -> None:
    for reason, note in (("role", Note.ROLE), ("org_policy", Note.ORG_POLICY), ("sso", Note.SSO)):
        found = verdict(LIVE, MissingScope(reason), NOW)
        assert (found.changed, found.notes) == (False, {note})


def test_silence_of_the_platform_keeps_the_date_that_a_person_stated() -> None:
    stated = replace(LIVE, end=Expiry(NOW + 90 * DAY, Quality.STATED))
    assert verdict(stated, WELL, NOW).facts.end == stated.end
    said = Inspection(BOUND, expiry=Expiry(NOW + 20 * DAY, Quality.EXACT))
    told = verdict(stated, said, NOW)
    assert (told.facts.end, told.status) == (said.expiry, Status.EXPIRING)


def test_a_wrong_app_of_the_operator_changes_no_binding() -> None:
    found = verdict(LIVE, BadAnswer("client_config"), NOW)
    assert (found.changed, found.notes) == (False, {Note.OPERATOR_ALERT})


def test_a_status_and_its_moment_change_together() -> None:
    found = verdict(LIVE, Unreachable("dns"), NOW)
    assert (found.facts.since, found.facts.reach_since) == (LIVE.since, NOW)
    assert (found.reach_changed, found.status_changed, found.changed) == (True, False, True)
    assert found.facts.reach_why == "dns"


def test_a_second_refusal_just_short_of_a_minute_is_too_early() -> None:
    first = verdict(LIVE, REFUSALS[0], NOW)
    second = verdict(first.facts, REFUSALS[0], NOW + timedelta(seconds=59.9))
    assert (second.status, second.notes) == (Status.ACTIVE, {Note.TOO_EARLY})
    assert second.facts.refused_at == NOW


def test_a_right_withheld_in_one_place_proves_that_the_token_is_accepted() -> None:
    suspect = verdict(LIVE, REFUSALS[0], NOW).facts
    found = verdict(suspect, MissingScope("sso"), NOW + timedelta(minutes=2))
    assert (found.facts.suspicion, found.facts.refused_at) == (0, None)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (NotFound("unknown"), "not_found"),
        (AddressRefused("host_invalid"), "address_refused"),
        (BadAnswer("gateway"), "gateway"),
    ],
)
def test_why_the_server_is_not_reached_is_one_word(error: ProviderError, word: str) -> None:
    assert verdict(LIVE, error, NOW).facts.reach_why == word


def test_a_failure_forgets_how_long_the_server_asked_to_wait() -> None:
    waiting = verdict(LIVE, RateLimited(retry_after=600), NOW).facts
    assert waiting.reach_until == NOW + timedelta(minutes=10)
    assert verdict(waiting, Unreachable("dns"), NOW + DAY).facts.reach_until is None
