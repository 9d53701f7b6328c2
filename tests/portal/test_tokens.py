"""API tokens: their shape, who they speak for, and when they stop."""

from __future__ import annotations

import re
import zlib
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.ground import bearer, redis
from portal.ground.refusals import NotAllowed, NotYours, Refusal
from portal.tenants import access
from portal.tenants.models import Instance, Membership, ServiceToken
from portal.tenants.services import members, tokens
from portal.tenants.services.tokens import TokenAsk
from tests import factories
from tests.people import Somebody

HERE = "192.0.2.7"
BUILD = ("repositories:read", "leases:write", "triggers:read", "deliveries:read")


def refused(text: str, ip: str = HERE) -> str:
    with pytest.raises(Refusal) as refusal:
        access.by_token(text, ip)
    return refusal.value.code


def wish(**changed: object) -> TokenAsk:
    """A wish that is granted as it is, with something changed."""
    fine: dict[str, object] = {
        "name": "jenkins-eu",
        "scopes": list(BUILD),
        "expires_on": timezone.now().date() + timedelta(days=30),
    }
    return TokenAsk(**(fine | changed))  # type: ignore[arg-type]


def wrong_fields(who: Somebody, ask: TokenAsk) -> set[str]:
    with pytest.raises(Refusal) as refusal:
        tokens.create(actor=who.actor, ask=ask, now=timezone.now())
    return {one.field for one in refusal.value.errors}


def test_a_secret_has_the_shape_of_the_contract() -> None:
    for _ in range(50):
        assert re.fullmatch(r"mrg_[0-9A-Za-z]{49}", bearer.make("mrg"))


def test_the_checksum_is_the_crc_in_base_62() -> None:
    head = "mrg_" + "a" * 43
    value = zlib.crc32(head.encode())
    letters = [bearer.ALPHABET[value // 62**place % 62] for place in (5, 4, 3, 2, 1, 0)]
    assert bearer.well_formed("mrg", head + "".join(letters))


def test_a_mistyped_secret_is_told_without_the_database() -> None:
    secret = bearer.make("mrg")
    assert bearer.well_formed("mrg", secret)
    for place in range(4, len(secret)):
        other = "x" if secret[place] != "x" else "y"
        assert not bearer.well_formed("mrg", secret[:place] + other + secret[place + 1 :])
    for text in ("", "mrg_", secret[:-1], secret + "a", secret.replace("mrg_", "mrl_"), "é" * 53):
        assert not bearer.well_formed("mrg", text)


def test_a_new_token_speaks_for_its_tenant(alice: Somebody) -> None:
    made = alice.token(*BUILD, role="developer")
    actor = access.by_token(made.secret, HERE)
    assert (actor.kind, actor.tenant, actor.role) == ("token", alice.tenant, "developer")
    assert actor.person is None
    assert actor.may("leases:read")
    assert not actor.may("bindings:read")
    assert actor.event() == {
        "kind": "token",
        "id": made.token.public_id,
        "name": "test token",
        "ip": HERE,
    }


def test_the_secret_is_kept_nowhere(alice: Somebody, superuser: object) -> None:
    made = alice.token("leases:read")
    row = ServiceToken.objects.filter(pk=made.token.pk).values().get()
    assert made.secret not in repr(row)
    assert made.secret not in repr(made)
    assert made.token.hint == made.secret[:8]
    assert bytes(row["digest"]) == bearer.digest(made.secret)


def test_authenticating_is_one_read_and_no_write(alice: Somebody) -> None:
    secret = alice.token("leases:read", personal=True).secret
    with CaptureQueriesContext(connection) as queries:
        access.by_token(secret, HERE)
    (only,) = queries.captured_queries
    assert only["sql"].split()[0] == "SELECT"


def test_the_read_goes_by_the_index(alice: Somebody) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("EXPLAIN SELECT id FROM tenants_servicetoken WHERE digest = %s", [bytes(32)])
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    assert "tenants_servicetoken_digest" in plan


def test_wrong_ended_and_revoked_tokens_look_alike(alice: Somebody) -> None:
    ended, revoked = alice.token("leases:read"), alice.token("leases:read")
    now = timezone.now()
    ServiceToken.objects.filter(pk=ended.token.pk).update(expires_at=now)
    tokens.revoke(actor=alice.actor, public_id=revoked.token.public_id, now=now)
    unknown = bearer.make("mrg")
    codes = {refused(text) for text in (ended.secret, revoked.secret, unknown, "mrg_x", "")}
    assert codes == {"X-AUTH-02"}


def test_a_token_ends_at_the_start_of_its_last_date(alice: Somebody) -> None:
    today = date(2026, 11, 21)
    with time_machine.travel(datetime(2026, 11, 21, 12, tzinfo=UTC), tick=False):
        made = alice.token("leases:read", expires_on=today + timedelta(days=1))
    assert made.token.expires_at == datetime(2026, 11, 22, tzinfo=UTC)
    with time_machine.travel(datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC), tick=False):
        assert access.by_token(made.secret, HERE).token == made.token
    with time_machine.travel(datetime(2026, 11, 22, tzinfo=UTC), tick=False):
        assert refused(made.secret) == "X-AUTH-02"


@pytest.mark.parametrize("ip", ["203.0.113.9", "2001:db8::1"])
def test_a_token_works_from_its_networks(alice: Somebody, ip: str) -> None:
    made = alice.token("leases:read", networks=["203.0.113.0/24", "2001:db8::/32"])
    assert access.by_token(made.secret, ip).token == made.token


@pytest.mark.parametrize("ip", ["203.0.114.1", "2001:db9::1", "", "unknown"])
def test_a_token_is_refused_from_elsewhere(alice: Somebody, ip: str) -> None:
    made = alice.token("leases:read", networks=["203.0.113.0/24", "2001:db8::/32"])
    assert refused(made.secret, ip) == "X-AUTH-02"


def test_a_personal_token_has_the_role_of_its_owner_now(alice: Somebody, bob: Somebody) -> None:
    secret = bob.token("leases:write", "bindings:read", personal=True).secret
    assert access.by_token(secret, HERE).may("leases:write")
    member = Membership.objects.get(user=bob.person)
    members.change_role(actor=alice.actor, member=member, role="viewer", now=timezone.now())
    actor = access.by_token(secret, HERE)
    assert actor.role == "viewer"
    assert not actor.may("leases:write")
    assert actor.may("bindings:read")


def test_a_personal_token_stops_when_its_owner_leaves(alice: Somebody, bob: Somebody) -> None:
    secret = bob.token("bindings:read", personal=True).secret
    member = Membership.objects.get(user=bob.person)
    members.remove(actor=alice.actor, member=member, now=timezone.now())
    assert refused(secret) == "X-AUTH-02"


def test_a_personal_token_stops_when_its_owner_is_switched_off(bob: Somebody) -> None:
    secret = bob.token("bindings:read", personal=True).secret
    bob.person.is_active = False
    bob.person.save()
    assert refused(secret) == "X-AUTH-02"


def test_a_personal_token_is_not_of_ones_other_tenants(alice: Somebody, mallory: Somebody) -> None:
    factories.member(mallory.tenant, alice.person, "admin")
    secret = alice.token("bindings:read", personal=True).secret
    assert access.by_token(secret, HERE).tenant == alice.tenant


def test_a_tenant_token_outlives_who_made_it(alice: Somebody, bob: Somebody) -> None:
    member = Membership.objects.get(user=bob.person)
    members.change_role(actor=alice.actor, member=member, role="admin", now=timezone.now())
    secret = bob.token("bindings:read", role="developer").secret
    members.remove(actor=alice.actor, member=member, now=timezone.now())
    assert access.by_token(secret, HERE).may("bindings:read")


def test_thirty_failures_a_minute_and_then_wait(alice: Somebody) -> None:
    with time_machine.travel(datetime(2026, 11, 21, 7, 0, 10, tzinfo=UTC), tick=False):
        assert {refused("mrg_wrong-test", "198.51.100.1") for _ in range(30)} == {"X-AUTH-02"}
        with pytest.raises(Refusal) as refusal:
            access.by_token("mrg_wrong-test", "198.51.100.1")
        assert (refusal.value.code, refusal.value.retry_after) == ("X-RATE-01", 50)
        assert refused("mrg_wrong-test", "198.51.100.2") == "X-AUTH-02"
    with time_machine.travel(datetime(2026, 11, 21, 7, 1, tzinfo=UTC), tick=False):
        assert refused("mrg_wrong-test", "198.51.100.1") == "X-AUTH-02"


def test_a_right_token_passes_whatever_its_neighbours_try(alice: Somebody) -> None:
    secret = alice.token("bindings:read").secret
    for _ in range(40):
        refused("mrg_wrong-test")
    assert access.by_token(secret, HERE).may("bindings:read")


def test_without_redis_each_process_counts_for_itself(settings: object) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"  # type: ignore[attr-defined]
    with time_machine.travel(datetime(2026, 11, 21, 8, tzinfo=UTC), tick=False):
        counted = [refused("mrg_wrong-test", "198.51.100.3") for _ in range(31)]
    assert counted == ["X-AUTH-02"] * 30 + ["X-RATE-01"]


def test_windows_do_not_run_into_each_other() -> None:
    counted = [redis.count("test", window=60, now=now) for now in (59.0, 59.9, 60.0, 61.0, 120.0)]
    assert counted == [1, 2, 1, 2, 1]
    assert redis.seconds_left(window=60, now=61.5) == 59


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"role": "king"}, "role"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"scopes": ["bindings:write"], "role": "developer"}, "scopes"),
        ({"expires_on": None}, "expires_on"),
        ({"expires_on": date(2020, 1, 1)}, "expires_on"),
        ({"expires_on": date(2099, 1, 1)}, "expires_on"),
        ({"networks": ["here"]}, "networks"),
        ({"networks": ["203.0.113.0/24"] * 21}, "networks"),
        ({"instances": ["ins_00000000000000000000000000"]}, "instances"),
    ],
)
def test_a_wish_that_cannot_be_granted_names_the_field(
    alice: Somebody, changed: dict[str, object], field: str
) -> None:
    assert wrong_fields(alice, wish(**changed)) == {field}


def test_everything_that_is_wrong_is_said_at_once(alice: Somebody) -> None:
    ask = wish(name="", scopes=["everything"], networks=["here"])
    assert wrong_fields(alice, ask) == {"name", "scopes", "networks"}


def test_another_tenants_instance_cannot_be_named(
    alice: Somebody, foreign_instance: Instance
) -> None:
    assert wrong_fields(alice, wish(instances=[foreign_instance.public_id])) == {"instances"}


def test_nobody_makes_a_token_stronger_than_themselves(alice: Somebody, bob: Somebody) -> None:
    now = timezone.now()
    with pytest.raises(NotAllowed):
        tokens.create(actor=bob.actor, ask=wish(), now=now)
    assert wrong_fields(bob, wish(personal=True, scopes=["bindings:write"])) == {"scopes"}
    member = Membership.objects.get(user=bob.person)
    members.change_role(actor=alice.actor, member=member, role="admin", now=now)
    assert wrong_fields(bob, wish(role="owner")) == {"role"}


def test_a_token_makes_no_token_that_can_do_more(alice: Somebody) -> None:
    secret = alice.token("tokens:write", "bindings:read", role="admin").secret
    actor = access.by_token(secret, HERE)
    with pytest.raises(Refusal) as refusal:
        tokens.create(actor=actor, ask=wish(scopes=["leases:write"]), now=timezone.now())
    assert refusal.value.field == "scopes"
    made = tokens.create(actor=actor, ask=wish(scopes=["bindings:read"]), now=timezone.now())
    assert access.by_token(made.secret, HERE).may("bindings:read")


def test_a_token_without_the_scope_makes_none(alice: Somebody) -> None:
    actor = access.by_token(alice.token("bindings:write").secret, HERE)
    for personal in (False, True):
        with pytest.raises((NotAllowed, NotYours)):
            tokens.create(actor=actor, ask=wish(personal=personal), now=timezone.now())


def test_a_token_for_one_instance_makes_none_for_all(
    alice: Somebody, instance: Instance, second_instance: Instance
) -> None:
    made = alice.token("tokens:write", "instances:read", role="admin", instances=[instance])
    actor = access.by_token(made.secret, HERE)
    for instances in (None, [second_instance.public_id]):
        with pytest.raises(Refusal) as refusal:
            tokens.create(
                actor=actor,
                ask=wish(scopes=["instances:read"], instances=instances),
                now=timezone.now(),
            )
        assert refusal.value.field == "instances"


def test_admins_see_all_tokens_and_others_their_own(
    alice: Somebody, bob: Somebody, mallory: Somebody
) -> None:
    hers = alice.token("leases:read").token
    his = bob.token("leases:read", personal=True).token
    mallory.token("leases:read")
    assert seen(alice) == [his, hers]
    assert seen(bob) == [his]


def seen(who: Somebody) -> list[ServiceToken]:
    return list(tokens.visible_to(who.actor))


def test_anybody_revokes_their_own_token_and_no_other(alice: Somebody, bob: Somebody) -> None:
    hers = alice.token("leases:read", personal=True)
    his = bob.token("leases:read", personal=True)
    now = timezone.now()
    with pytest.raises(NotAllowed):
        tokens.revoke(actor=bob.actor, public_id=hers.token.public_id, now=now)
    tokens.revoke(actor=bob.actor, public_id=his.token.public_id, now=now)
    assert refused(his.secret) == "X-AUTH-02"
    with pytest.raises((NotAllowed, NotYours)):
        tokens.revoke(actor=bob.actor, public_id=his.token.public_id, now=now)


def test_a_token_ends_itself_without_a_scope(alice: Somebody) -> None:
    made = alice.token("leases:read")
    actor = access.by_token(made.secret, HERE)
    assert tokens.find(actor=actor, public_id="self") == made.token
    tokens.revoke(actor=actor, public_id="self", now=timezone.now())
    assert refused(made.secret) == "X-AUTH-02"


def test_another_tenants_token_is_not_there(alice: Somebody, mallory: Somebody) -> None:
    made = alice.token("leases:read")
    with pytest.raises(NotYours):
        tokens.revoke(actor=mallory.actor, public_id=made.token.public_id, now=timezone.now())
    assert access.by_token(made.secret, HERE).token == made.token


def test_use_is_noted_once_a_minute(alice: Somebody) -> None:
    made = alice.token("leases:read")
    start = datetime(2026, 11, 21, 7, tzinfo=UTC)
    noted = []
    for seconds in (0, 30, 60, 61, 130):
        tokens.used(token_id=made.token.pk, now=start + timedelta(seconds=seconds))
        noted.append(ServiceToken.objects.get(pk=made.token.pk).used_at)
    assert [(at - start).seconds for at in noted if at] == [0, 0, 0, 61, 130]
