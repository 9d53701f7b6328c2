"""The event log: a chain that shows every edit, removal and cut."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from portal.ground import metrics, rls
from portal.tenants import access
from portal.tenants.models import ChainHead, Event, Tenant
from portal.tenants.services import events
from portal.tenants.services.events import Entry, Mark
from tests.people import Somebody

Superuser = psycopg.Connection[Any]
BY = {"kind": "system", "id": "", "name": "Mooring", "ip": ""}


def happen(tenant: Tenant, type: str = "test.happened", **data: Any) -> Event:
    with rls.tenant(tenant.pk):
        return events.record(tenant_id=tenant.pk, type=type, actor=BY, at=timezone.now(), data=data)


def undone(tenant: Tenant, type: str = "test.happened") -> None:
    """It happens, and then the transaction it happened in is rolled back."""
    with contextlib.suppress(KeyError), rls.tenant(tenant.pk):
        happen(tenant, type)
        raise KeyError


def seqs(tenant: Tenant) -> list[int]:
    with rls.tenant(tenant.pk):
        found = Event.objects.of(tenant).order_by("seq").values_list("seq", flat=True)
        return list(found)


def by_force(session: Superuser, statement: str, values: list[Any]) -> None:
    """What somebody can do who has the database and not the key."""
    session.execute("SET session_replication_role = replica")
    assert session.execute(statement, values).rowcount == 1
    session.execute("SET session_replication_role = origin")


def test_a_chain_is_whole_and_without_gaps(acme: Tenant) -> None:
    for n in range(5):
        happen(acme, n=n)
    assert seqs(acme) == list(range(1, 7))  # the first is the tenant's opening
    assert events.verify(acme) is None


def test_a_new_chain_follows_nothing(acme: Tenant) -> None:
    with rls.tenant(acme.pk):
        first = Event.objects.of(acme).get(seq=1)
        assert bytes(first.previous) == events.FIRST
        assert first.type == "tenant.opened"


def test_tenants_have_chains_of_their_own(acme: Tenant, globex: Tenant) -> None:
    happen(acme)
    assert (seqs(acme), seqs(globex)) == ([1, 2], [1])


@pytest.mark.parametrize(
    "change",
    [
        "type = 'binding.bound'",
        'actor = \'{"kind": "user"}\'',
        "data = '{}'",
        "at = at + interval '1 second'",
        "instance_id = id",
        "binding_id = id",
        "mac = previous",
        "previous = mac",
    ],
)
def test_an_edited_event_is_found(acme: Tenant, superuser: Superuser, change: str) -> None:
    happen(acme, n=1)
    happen(acme, n=2)
    by_force(superuser, f"UPDATE tenants_event SET {change} WHERE seq = %s", [2])
    found = events.verify(acme)
    assert found is not None
    assert found.seq == 2


def test_a_removed_event_is_found(acme: Tenant, superuser: Superuser) -> None:
    happen(acme)
    happen(acme)
    by_force(superuser, "DELETE FROM tenants_event WHERE seq = %s", [2])
    found = events.verify(acme)
    assert found is not None
    assert (found.seq, found.what) == (2, "Event 2 is missing.")


def test_the_first_event_cannot_go_unseen(acme: Tenant, superuser: Superuser) -> None:
    happen(acme)
    by_force(superuser, "DELETE FROM tenants_event WHERE seq = %s", [1])
    found = events.verify(acme)
    assert found is not None
    assert found.seq == 1


def test_a_cut_tail_is_found(acme: Tenant, superuser: Superuser) -> None:
    happen(acme)
    by_force(superuser, "DELETE FROM tenants_event WHERE seq = %s", [2])
    found = events.verify(acme)
    assert found is not None
    assert (found.seq, found.what) == (2, "The end of the log is missing.")


def test_a_cut_tail_with_its_head_set_back_is_found_by_what_was_told(
    acme: Tenant, superuser: Superuser
) -> None:
    happen(acme)
    (told,) = [mark for mark in events.heads() if mark.tenant_id == acme.pk]
    by_force(superuser, "DELETE FROM tenants_event WHERE seq = %s", [2])
    with rls.tenant(acme.pk):
        left = bytes(Event.objects.of(acme).get(seq=1).mac)
    by_force(superuser, "UPDATE tenants_chainhead SET seq = 1, mac = %s", [left])
    assert events.verify(acme) is None
    found = events.verify(acme, marks=[told])
    assert found is not None
    assert found.what == "The log once went further than it does now."


def test_a_chain_written_anew_is_found_by_what_was_told(acme: Tenant) -> None:
    told = Mark(acme.pk, 1, b"another mac of 32 bytes, for test")
    found = events.verify(acme, marks=[told])
    assert found is not None
    assert found.seq == 1


def test_what_was_told_of_another_tenant_says_nothing(acme: Tenant, globex: Tenant) -> None:
    marks = list(events.heads())
    assert {mark.tenant_id for mark in marks} == {acme.pk, globex.pk}
    assert events.verify(acme, marks=marks) is None


def test_a_lost_head_is_found(acme: Tenant, superuser: Superuser) -> None:
    by_force(superuser, "DELETE FROM tenants_chainhead WHERE tenant_id = %s", [acme.pk])
    assert events.verify(acme) is not None


@pytest.mark.parametrize(
    "statement", ["UPDATE tenants_event SET type = 'x'", "DELETE FROM tenants_event"]
)
def test_the_database_refuses_to_change_an_event(acme: Tenant, statement: str) -> None:
    with pytest.raises(DatabaseError), rls.tenant(acme.pk), connection.cursor() as cursor:
        cursor.execute(statement)


def test_not_even_the_superuser_changes_one_by_accident(acme: Tenant, superuser: Superuser) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation):
        superuser.execute("UPDATE tenants_event SET type = 'x'")


def test_another_key_does_not_verify_and_does_not_match(acme: Tenant, settings: Any) -> None:
    settings.MOORING_AUDIT_KEY = "another test key of the audit chain"
    assert events.verify(acme) is not None


def test_a_newer_key_of_the_ring_changes_nothing(acme: Tenant, settings: Any) -> None:
    settings.MOORING_KEYS = "test2:bmV3ZXIgdGVzdCBrZXkgb2YgMzIgYnl0ZXMh," + settings.MOORING_KEYS
    assert events.verify(acme) is None


def test_what_is_rolled_back_leaves_no_gap(acme: Tenant) -> None:
    undone(acme)
    happen(acme)
    assert seqs(acme) == [1, 2]
    assert events.verify(acme) is None


def test_many_writers_make_one_chain(acme: Tenant) -> None:
    def write() -> None:
        for _ in range(10):
            happen(acme)
        connection.close()

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert seqs(acme) == list(range(1, 42))
    assert events.verify(acme) is None


def test_the_fleet_appends_to_many_chains_at_once(acme: Tenant, globex: Tenant) -> None:
    now = timezone.now()
    entries = [
        Entry(tenant.pk, "binding.expired", BY, now, data={"n": n})
        for n in range(3)
        for tenant in (globex, acme)
    ]
    with rls.fleet("test"):
        made = events.record_many(entries)
    assert [event.data["n"] for event in made] == [0, 0, 1, 1, 2, 2]
    assert (seqs(acme), seqs(globex)) == ([1, 2, 3, 4], [1, 2, 3, 4])
    assert events.verify(acme) is None
    assert events.verify(globex) is None


def test_a_tenant_without_a_chain_gets_one(acme: Tenant, superuser: Superuser) -> None:
    by_force(superuser, "DELETE FROM tenants_event WHERE tenant_id = %s", [acme.pk])
    by_force(superuser, "DELETE FROM tenants_chainhead WHERE tenant_id = %s", [acme.pk])
    assert events.verify(acme) is None
    happen(acme)
    assert seqs(acme) == [1]
    assert events.verify(acme) is None


def test_one_tenant_cannot_write_into_anothers_chain(acme: Tenant, globex: Tenant) -> None:
    with pytest.raises(DatabaseError), rls.tenant(acme.pk):
        events.record(tenant_id=globex.pk, type="test.forged", actor=BY, at=timezone.now())
    assert seqs(globex) == [1]


def test_without_a_scope_nothing_is_recorded(acme: Tenant) -> None:
    with pytest.raises(DatabaseError):
        events.record(tenant_id=acme.pk, type="test.lost", actor=BY, at=timezone.now())


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(value=json_values)
def test_what_is_signed_is_what_the_database_gives_back(value: Any) -> None:
    event = Event(seq=1, type="x", at=timezone.now(), data=events.plain({"value": value}))
    signed = events.canonical(event)
    event.data = json.loads(json.dumps(event.data))
    assert events.canonical(event) == signed


@pytest.mark.parametrize(
    "value",
    [1e16, 1e22, -0.0, 0.1, 1e-7, 2**70, "\x00", "\ud800", "日本", "a\tb", {"b": 1, "a": 2}],
)
def test_values_the_database_writes_in_its_own_way_verify(acme: Tenant, value: Any) -> None:
    happen(acme, value=value)
    assert events.verify(acme) is None


def test_control_characters_are_written_out(acme: Tenant) -> None:
    event = happen(acme, name="a\x1b[31mb\r\nc\x00")
    assert event.data == {"name": "a\\x1b[31mb\\x0d\\x0ac\\x00"}


def test_a_refusal_stands_in_the_log_of_who_was_refused(alice: Somebody, mallory: Somebody) -> None:
    events.denied(alice.actor, code="X-FOUND-01", path="/t/globex/", at=timezone.now())
    with rls.tenant(alice.tenant.pk):
        event = Event.objects.of(alice.tenant).get(type="access.denied")
    assert event.actor["name"] == "Alice"
    assert event.data == {"code": "X-FOUND-01", "path": "/t/globex/"}
    assert seqs(mallory.tenant) == [1]


def test_refusals_do_not_flood_the_log(alice: Somebody) -> None:
    now = timezone.now()
    for _ in range(40):
        events.denied(alice.actor, code="X-FOUND-01", path="/x", at=now)
    assert len(seqs(alice.tenant)) == 1 + 30


def test_the_server_does_not_accuse_itself(acme: Tenant) -> None:
    events.denied(access.system(acme), code="X-FOUND-01", path="/x", at=timezone.now())
    assert seqs(acme) == [1]


def test_heads_are_told_with_a_signature(acme: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        assert events.tell_heads() == 1
    (line,) = [r for r in caplog.records if r.getMessage() == "head of an event log"]
    said = vars(line)
    with rls.tenant(acme.pk):
        head = ChainHead.objects.get(pk=acme.pk)
    assert (said["tenant"], said["seq"]) == (str(acme.pk), 1)
    assert said["mac"] == bytes(head.mac).hex()
    assert len(bytes.fromhex(said["signature"])) == 32


def test_what_was_recorded_is_counted_once_it_is_committed(acme: Tenant) -> None:
    def counted() -> float:
        return metrics.events.labels("test.counted")._value.get()

    before = counted()
    undone(acme, "test.counted")
    assert counted() == before
    happen(acme, "test.counted")
    assert counted() == before + 1
