"""Forty days before an end, day by day: each threshold is told once to each person and channel."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import time_machine

from bindings import tasks
from bindings.models import Binding, Telling
from bindings.services.bind import replace
from bindings.services.keep import sweep
from portal.ground import rls
from portal.tenants.models import Tenant, User
from tests.bindings.fleet import Clock
from tests.bindings.sources import GitLab, stored
from tests.bindings.tell.conftest import ENDS
from tests.bindings.tell.post import subjects, tick, to
from tests.people import Somebody


def lines(tenant: Tenant, person: User) -> list[tuple[str, int]]:
    """What a person reads in the portal, oldest first."""
    with rls.tenant(tenant.pk):
        rows = Telling.objects.of(tenant).filter(user=person).order_by("pk")
        return list(rows.values_list("kind", "step"))


def live(until: datetime, *, hours: int = 8) -> None:
    """Forty days in steps; at each the jobs run twice, as two beats by mistake would make them."""
    for step in range(24 * 40, 0, -hours):
        with time_machine.travel(until - timedelta(hours=step), tick=False):
            tick()


def end(gitlab: GitLab, row: Binding) -> None:
    """The day has come: the platform refuses the token, and is asked twice."""
    gitlab.sandbox.change_token("ending", "gitlab", "build-bot", expires_in=-1)
    clock = Clock(ENDS + timedelta(minutes=1))
    for _ in range(2):
        with time_machine.travel(clock(), tick=False):
            tasks.climb_ladder()
            sweep.run(clock=clock)
            tick()
        clock.now = stored(row).schedule.next_check_at or clock.now
    with time_machine.travel(clock() + timedelta(minutes=1), tick=False):
        tick()


def test_each_threshold_is_told_once_to_each_person_in_their_language(
    gitlab: GitLab,
    dated: Binding,
    alice: Somebody,
    bob: Somebody,
    carol: Somebody,
    dora: Somebody,
    acme: Tenant,
    mailoutbox: Any,
) -> None:
    name = stored(dated).instance.name
    live(ENDS)
    end(gitlab, dated)

    # Who bound it: 30 and 14 in the morning's digest, the others at once.
    assert subjects(bob.person) == [
        f"GitLab token for {name} ends in 30 days",
        f"GitLab token for {name} ends in 14 days",
        f"GitLab token for {name} ends in 7 days",
        f"GitLab token for {name} ends in 3 days",
        f"GitLab token for {name} ends in 1 day",
        f"GitLab token for {name} has ended",
    ]
    # An admin, in Chinese: from seven days on.
    assert subjects(dora.person) == [
        f"{name} 的 GitLab 令牌将在 7 天后到期",
        f"{name} 的 GitLab 令牌将在 3 天后到期",
        f"{name} 的 GitLab 令牌将在 1 天后到期",
        f"{name} 的 GitLab 令牌已到期",
    ]
    # The owner hears of the end; a viewer who has nothing to do with it, of nothing.
    assert subjects(alice.person) == [f"GitLab token for {name} has ended"]
    assert subjects(carol.person) == []

    expiring = [("expiring", rung) for rung in (30, 14, 7, 3, 1)]
    assert lines(acme, bob.person) == [*expiring, ("expired", 0)]
    assert lines(acme, dora.person) == [*expiring[2:], ("expired", 0)]
    assert lines(acme, alice.person) == [("expired", 0)]
    assert lines(acme, carol.person) == []

    first = to(bob.person)[0]
    assert first.body.startswith(f"GitLab token for {name} ends in 30 days")
    assert "20 Jan 2027, 00:00 UTC" in first.body
    chinese = to(dora.person)[0]
    assert "2027年1月20日, 00:00 UTC (08:00 Asia/Shanghai)" in chinese.body
    assert "Bob" in chinese.body


def test_a_new_token_is_a_recovery_for_those_who_were_told(
    gitlab: GitLab,
    dated: Binding,
    alice: Somebody,
    bob: Somebody,
    dora: Somebody,
    acme: Tenant,
    mailoutbox: Any,
) -> None:
    with time_machine.travel(ENDS - timedelta(hours=3), tick=False):
        tick()
    end(gitlab, dated)
    told = {len(to(one.person)) for one in (alice, bob, dora)}
    assert told == {1, 2}
    with time_machine.travel(ENDS + timedelta(hours=2), tick=False):
        fresh = gitlab.sandbox.new_token("gitlab", "build-bot", "another", ["api"])
        replace.replace_token(actor=alice.actor, binding=stored(dated), token=fresh)
        tick()
    name = stored(dated).instance.name
    assert subjects(alice.person)[-1] == f"GitLab works again for {name}"
    assert subjects(bob.person)[-1] == f"GitLab works again for {name}"
    assert subjects(dora.person)[-1] == f"{name} 的 GitLab 已恢复"
    assert lines(acme, alice.person) == [("expired", 0), ("recovered", 0)]


def test_a_line_keeps_saying_what_was_told_when_the_end_has_moved_since(
    gitlab: GitLab, dated: Binding, alice: Somebody, bob: Somebody, mailoutbox: Any
) -> None:
    with time_machine.travel(ENDS - timedelta(days=6, hours=20), tick=False):
        tick()
    fresh = gitlab.sandbox.new_token("gitlab", "build-bot", "another", ["api"])
    replace.replace_token(actor=alice.actor, binding=stored(dated), token=fresh)
    page = bob.client.get("/t/acme/notices/").content.decode()
    assert f"GitLab token for {stored(dated).instance.name} ends in 7 days" in page
