"""The registry of notices: the table of ux/spec.md 8, and what closes what."""

from __future__ import annotations

import pytest

from bindings.notices import LINES, OF_EVENT, OPEN_ENDED, Kind, Topic, Whom, closed_by, topic_of
from bindings.services.tell import wording
from bindings.state.turns import _TOLD

BINDER, ADMINS, OWNERS = Whom.BINDER, Whom.ADMINS, Whom.OWNERS
WELL = {"credential_status": "active", "reachability": "ok"}
#          kind, step               → channel, for whom
TABLE = {
    ("expired", 0): ("mail", {BINDER, ADMINS, OWNERS}),
    ("revoked", 0): ("mail", {BINDER, ADMINS, OWNERS}),
    ("undecryptable", 0): ("mail", {BINDER, ADMINS, OWNERS}),
    ("expiring", 30): ("digest", {BINDER}),
    ("expiring", 14): ("digest", {BINDER}),
    ("expiring", 7): ("mail", {BINDER, ADMINS}),
    ("expiring", 3): ("mail", {BINDER, ADMINS}),
    ("expiring", 1): ("mail", {BINDER, ADMINS}),
    ("insufficient", 0): ("mail", {BINDER}),
    ("unreachable", 0): ("mail", {BINDER}),
    ("recovered", 0): ("mail", {Whom.SAME}),
    ("webhook", 0): ("digest", {Whom.MAKER, ADMINS}),
    ("endpoint", 0): ("digest", {Whom.MAKER, ADMINS}),
    ("bound", 0): ("portal", {ADMINS}),
    ("unbound", 0): ("portal", {ADMINS}),
    ("switched", 0): ("portal", {ADMINS}),
    ("confirm", 0): ("portal", {ADMINS}),
}


@pytest.mark.parametrize(("kind", "step"), TABLE)
def test_the_defaults_are_those_of_the_table(kind: str, step: int) -> None:
    line = LINES[topic_of(kind, step)]
    assert (line.channel.value, set(line.whom)) == TABLE[kind, step]


def test_only_a_server_is_given_time_to_come_back() -> None:
    patient = {topic for topic, line in LINES.items() if line.patience}
    assert patient == {Topic.UNREACHABLE}


def test_every_topic_has_a_name_and_every_kind_a_sentence() -> None:
    assert set(wording.TOPICS) == set(LINES) == set(Topic)
    alone = set(wording._ONE) | {Kind.EXPIRING, Kind.UNREACHABLE}
    assert alone == set(Kind)


def test_every_verdict_that_is_told_is_a_notice() -> None:
    assert set(_TOLD.values()) <= set(OF_EVENT)


@pytest.mark.parametrize(
    ("event", "picture", "over"),
    [
        ("binding.unbound", {}, set(OPEN_ENDED)),
        ("binding.recovered", WELL, {"expired", "revoked", "undecryptable", "insufficient"}),
        ("binding.revoked", WELL | {"credential_status": "revoked"}, set()),
        ("binding.insufficient", {"credential_status": "insufficient"}, {"revoked"}),
        ("binding.unreachable", WELL | {"reachability": "unreachable"}, {"revoked"}),
        # What is paused may still be broken.
        ("binding.suspended", {"credential_status": "suspended"}, set()),
        ("webhook.repaired", {}, {"webhook"}),
    ],
)
def test_a_turn_closes_what_is_over_and_nothing_else(
    event: str, picture: dict[str, str], over: set[str]
) -> None:
    found = closed_by(event, picture)
    assert over <= found
    if not over:
        assert found <= {Kind.UNREACHABLE}
    assert (Kind.UNREACHABLE in found) == (
        event == "binding.unbound" or picture.get("reachability") == "ok"
    )
    assert (Kind.EXPIRING in found) == (event == "binding.unbound")
    assert picture.get("credential_status") not in found
