"""Fire drills: each runs its whole course, says what it is, touches nothing real, and reports."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from bindings import tasks
from bindings.models import Binding, Check, Drill, HealthDay, Notice
from bindings.models import facts as keep_facts
from bindings.services.bind import replace, unbind
from bindings.services.browse import repositories
from bindings.services.keep import checks, drills, ladder, pause, sweep
from bindings.services.keep.rehearsal import Scenario
from portal import readings
from portal.ground import rls
from portal.ground.refusals import NotYours
from portal.tenants import access
from portal.tenants.models import Instance, Tenant
from tests.bindings.fleet import Clock, host, many, outside, plan, reload, states
from tests.bindings.sources import GitHub, GitLab, credential, events, refused, stored, told
from tests.people import Somebody

COURSES = [
    (Scenario.EXPIRED, "expired", ["degraded", "expired"], ["binding.expired"]),
    (Scenario.REVOKED, "revoked", ["degraded", "revoked"], ["binding.revoked"]),
    (Scenario.SCOPE_LOST, "insufficient", ["insufficient"], ["binding.insufficient"]),
    (Scenario.RATE_LIMITED, "rate_limited", ["rate_limited"], []),
    (Scenario.TLS_CHANGED, "unreachable", ["degraded", "unreachable"], ["binding.unreachable"]),
    (Scenario.UNREACHABLE, "unreachable", ["degraded", "unreachable"], ["binding.unreachable"]),
]
COLUMNS = tuple(name for name in keep_facts.COLUMNS if name != "version")


def columns(binding: Binding) -> dict[str, Any]:
    """Everything a verdict may write, and what hangs on it."""
    row, kept = stored(binding), credential(binding)
    found = {name: getattr(row, name) for name in (*COLUMNS, "proofs", "drill", "account_name")}
    return found | {"generation": kept.generation, "access": kept.access, "end": kept.expires_at}


@pytest.fixture
def clock(gitlab: GitLab) -> Clock:
    """A clock of its own, a little ahead of what the bind has written."""
    return Clock(timezone.now() + timedelta(seconds=5))


def pass_time(clock: Clock, minutes: int) -> None:
    """A sweep a minute, as beat starts them."""
    for _ in range(minutes):
        sweep.run(clock=clock)
        clock.move(minutes=1)


@pytest.mark.parametrize(("scenario", "word", "course", "said"), COURSES)
def test_a_drill_runs_its_whole_course_and_leaves_nothing_behind(
    gitlab: GitLab,
    binding: Binding,
    acme: Tenant,
    alice: Somebody,
    clock: Clock,
    scenario: Scenario,
    word: str,
    course: list[str],
    said: list[str],
) -> None:
    before, asked = columns(binding), len(gitlab.sandbox.requests("gitlab"))
    drills.start(actor=alice.actor, binding=binding, scenario=scenario, now=clock())
    # Three failures over a quarter of an hour take longer than two refusals.
    pass_time(clock, 40 if word == "unreachable" else 5)
    assert (stored(binding).state, stored(binding).drill) == (word, scenario)
    assert told(acme) == ["binding.bound", "binding.drill_started", *said]

    drill = drills.end(actor=alice.actor, binding=binding, now=clock())
    assert drill is not None
    assert columns(binding) == before
    assert len(gitlab.sandbox.requests("gitlab")) == asked
    report = drill.report
    assert report["states"] == course
    assert report["as_before"] is True
    assert [event["type"] for event in report["events"]] == [
        "binding.drill_started",
        *said,
        *(["binding.recovered"] if said else []),
    ]
    assert all(event.data["drill"] is True for event in events(acme)[1:])
    assert plan(binding).next_check_at == clock()
    # The first check afterwards is a real one.
    assert sweep.run(clock=clock).outcomes == {"ok": 1}
    assert "drill" not in events(acme)[0].data


def test_a_drill_ends_by_itself_after_an_hour(
    binding: Binding, alice: Somebody, clock: Clock
) -> None:
    before = columns(binding)
    drills.start(actor=alice.actor, binding=binding, scenario=Scenario.REVOKED, now=clock())
    pass_time(clock, 59)
    assert drills.end_overdue(clock()) == 0
    assert stored(binding).state == "revoked"
    clock.move(minutes=1)
    assert drills.end_overdue(clock()) == 1
    assert columns(binding) == before
    with rls.tenant(binding.tenant_id):
        (drill,) = drills.of_binding(binding)
    assert (drill.report["why"], drill.report["seconds"]) == ("time", 3600)
    assert drills.end_overdue(clock()) == 0


def test_the_tick_ends_what_is_over(binding: Binding, alice: Somebody) -> None:
    long_ago = timezone.now() - timedelta(hours=1, seconds=1)
    drills.start(actor=alice.actor, binding=binding, scenario=Scenario.REVOKED, now=long_ago)
    tasks.sweep_due()
    assert (stored(binding).state, stored(binding).drill) == ("healthy", "")


def test_check_now_shows_the_drill_and_asks_nobody(
    gitlab: GitLab, binding: Binding, alice: Somebody
) -> None:
    asked = len(gitlab.sandbox.requests("gitlab"))
    drills.start(actor=alice.actor, binding=binding, scenario=Scenario.SCOPE_LOST)
    with time_machine.travel(timezone.now() + timedelta(minutes=1), tick=True):
        check = checks.run_now(binding=stored(binding))
        assert (check.status, check.code, check.drill) == ("failed", "GL-SCOPE-02", True)
        assert [step["status"] for step in check.steps].count("failed") == 1
        row = stored(binding)
        assert (row.state, row.proofs["hooks"]["ok"]) == ("insufficient", False)
        assert row.account_name == binding.account_name
        drills.end(actor=alice.actor, binding=binding)
    assert stored(binding).proofs == binding.proofs
    assert len(gitlab.sandbox.requests("gitlab")) == asked


def test_builds_go_on_during_a_drill(gitlab: GitLab, binding: Binding, alice: Somebody) -> None:
    clock = Clock(timezone.now() + timedelta(seconds=5))
    drills.start(actor=alice.actor, binding=binding, scenario=Scenario.REVOKED, now=clock())
    pass_time(clock, 5)
    assert stored(binding).state == "revoked"
    assert repositories.repositories(binding=stored(binding)).rows


def test_a_drill_says_nothing_about_its_host(
    gitlab: GitLab, acme: Tenant, alice: Somebody, clock: Clock
) -> None:
    """Five of five in a drill: no mass episode, no weather, no day of trouble in any strip."""
    rows = many(acme, host(gitlab), 5, token=gitlab.token())
    for row, scenario in zip(rows, [Scenario.REVOKED] * 4 + [Scenario.UNREACHABLE], strict=True):
        drills.start(actor=alice.actor, binding=row, scenario=scenario, now=clock())
    pass_time(clock, 30)
    assert states(rows) == {"revoked/ok": 4, "active/unreachable": 1}
    there = reload(rows[0].host)
    assert (there.held_since, there.weather, there.failures, there.ask_after) == (
        *(None, "ok", 0, None),
    )
    with rls.fleet("a test looks"):
        assert HealthDay.objects.count() == 0
    # A real refusal beside it is judged as if the drills were not there.
    (real,) = many(acme, there, 1, token="glpat-refused-by-gitlab", due=clock())
    pass_time(clock, 4)
    assert stored(real).state == "revoked"


def test_a_host_that_is_away_darkens_no_drill_and_is_probed_past_it(
    gitlab: GitLab, acme: Tenant, alice: Somebody, clock: Clock
) -> None:
    there = host(gitlab)
    drilled, *others = many(acme, there, 8, token=gitlab.token(), due=clock())
    drills.start(actor=alice.actor, binding=drilled, scenario=Scenario.RATE_LIMITED, now=clock())
    gitlab.sandbox.stop()
    pass_time(clock, 30)
    assert states(others) == {"active/unreachable": 7}
    assert stored(drilled).reach == "rate_limited"
    gitlab.sandbox.start()
    pass_time(clock, 20)
    assert states(others) == {"active/ok": 7}
    assert reload(there).weather == "ok"


@pytest.mark.parametrize("status", ["suspended", "revoked", "undecryptable", "pending"])
def test_a_binding_that_is_not_well_gets_no_drill(
    gitlab: GitLab, acme: Tenant, alice: Somebody, status: str
) -> None:
    (row,) = many(acme, host(gitlab), 1, token=gitlab.token(), status=status)
    refusal = refused(
        lambda: drills.start(actor=alice.actor, binding=row, scenario=Scenario.REVOKED)
    )
    assert (refusal.code, stored(row).drill) == ("X-STATE-01", "")


def test_one_drill_at_a_time(binding: Binding, alice: Somebody) -> None:
    drills.start(actor=alice.actor, binding=binding, scenario=Scenario.REVOKED)
    again = refused(
        lambda: drills.start(actor=alice.actor, binding=binding, scenario=Scenario.EXPIRED)
    )
    assert again.code == "X-DRILL-01"
    assert again.facts["time"] is not None
    assert stored(binding).drill == "revoked"


def test_what_does_not_exist_cannot_be_rehearsed(
    gitlab: GitLab, github: GitHub, binding: Binding, alice: Somebody, second_instance: Instance
) -> None:
    hooks = refused(
        lambda: drills.start(actor=alice.actor, binding=binding, scenario=Scenario.HOOK_DISABLED)
    )
    assert hooks.code == "X-DRILL-02"
    assert Scenario.HOOK_DISABLED not in drills.scenarios_for(binding)
    (renewing,) = many(
        alice.tenant, github.host, 1, token=github.sandbox.token("github", "octavia"), renews=True
    )
    ends = refused(
        lambda: drills.start(actor=alice.actor, binding=renewing, scenario=Scenario.EXPIRED)
    )
    assert ends.code == "X-STATE-02"
    assert Scenario.EXPIRED not in drills.scenarios_for(renewing)


def test_only_operators_drill_on_real_hosts(gitlab: GitLab, acme: Tenant, alice: Somebody) -> None:
    (row,) = many(acme, outside(gitlab), 1, token="glpat-of-somebody-else")
    with pytest.raises(NotYours):
        drills.start(actor=alice.actor, binding=row, scenario=Scenario.REVOKED)
    drills.start(actor=access.system(acme), binding=row, scenario=Scenario.REVOKED)
    assert stored(row).drill == "revoked"
    drills.end(actor=alice.actor, binding=row)
    assert stored(row).drill == ""


# -- what really happens meanwhile ----------------------------------------------------------------


def drilled(binding: Binding, alice: Somebody, clock: Clock) -> None:
    drills.start(actor=alice.actor, binding=binding, scenario=Scenario.REVOKED, now=clock())
    pass_time(clock, 5)
    assert stored(binding).state == "revoked"


def ended_because(binding: Binding) -> str:
    with rls.tenant(binding.tenant_id):
        (drill,) = drills.of_binding(binding)
    assert drill.ended_at is not None
    return str(drill.report["why"])


def test_a_new_token_ends_the_drill(
    gitlab: GitLab, binding: Binding, alice: Somebody, clock: Clock
) -> None:
    drilled(binding, alice, clock)
    fresh = gitlab.sandbox.new_token("gitlab", "build-bot", "fresh", ["api"], "2027-06-01")
    replace.replace_token(actor=alice.actor, binding=stored(binding), token=fresh)
    row = stored(binding)
    assert (row.state, row.drill, credential(row).generation) == ("healthy", "", 2)
    assert ended_because(binding) == "changed"


def test_unbinding_ends_the_drill(binding: Binding, alice: Somebody, clock: Clock) -> None:
    drilled(binding, alice, clock)
    row = stored(binding)
    unbind.unbind(actor=alice.actor, binding=row, confirm=row.account_login)
    assert (stored(binding).drill, ended_because(binding)) == ("", "changed")


def test_a_pause_ends_the_drill_and_keeps_what_was_true_before_it(
    binding: Binding, alice: Somebody, clock: Clock
) -> None:
    drilled(binding, alice, clock)
    pause.suspend(actor=access.system(alice.tenant), binding=stored(binding), reason="audit")
    row = stored(binding)
    assert (row.status, row.before, row.drill) == ("suspended", "active", "")
    assert ended_because(binding) == "changed"


def test_an_answer_that_was_under_way_does_not_outlive_the_drill(
    gitlab: GitLab, binding: Binding, alice: Somebody, clock: Clock
) -> None:
    """Claimed before it began, answered after: the stored row is of another version by then."""
    from bindings.services.keep import claim, rehearsal, write
    from bindings.services.keep.verdict import Said, judge

    drills.start(actor=alice.actor, binding=binding, scenario=Scenario.REVOKED, now=clock())
    (due,) = claim.claim({binding.host_id: 1}, now=clock())
    assert due.drill == "revoked"
    drills.end(actor=alice.actor, binding=binding, now=clock())
    answer = rehearsal.answer(Scenario.SCOPE_LOST, due.facts, provider="gitlab", login="build-bot")
    late = judge(due.facts, answer, host_id=due.host_id, generation=1, guard=None, now=clock())
    assert write.store([write.Finding(due, late, 1, Said())], now=clock()) == 0
    assert (stored(binding).state, plan(binding).next_check_at) == ("healthy", clock())


def test_the_ladder_of_ends_waits_for_the_drill(
    gitlab: GitLab, acme: Tenant, alice: Somebody
) -> None:
    now = timezone.now()
    soon = {"quality": "exact", "expires_at": now + timedelta(days=5), "status": "expiring"}
    (row,) = many(acme, host(gitlab), 1, token=gitlab.token(), why="ends_soon", **soon)
    drills.start(actor=alice.actor, binding=row, scenario=Scenario.REVOKED)
    assert ladder.climb(now) == 0
    drills.end(actor=alice.actor, binding=row)
    assert ladder.climb(now) > 0


def test_notices_of_a_drill_are_closed_with_it(binding: Binding, alice: Somebody) -> None:
    with rls.tenant(binding.tenant_id):
        facts = {"tenant_id": binding.tenant_id, "binding": binding}
        old = Notice.objects.create(
            kind="expiring", step=30, opened_at=timezone.now() - timedelta(days=1), **facts
        )
    drills.start(actor=alice.actor, binding=binding, scenario=Scenario.REVOKED)
    with rls.tenant(binding.tenant_id):
        Notice.objects.create(kind="revoked", **facts)
    drill = drills.end(actor=alice.actor, binding=binding)
    assert drill is not None
    assert [one["kind"] for one in drill.report["notices"]] == ["revoked"]
    with rls.tenant(binding.tenant_id):
        assert [one.pk for one in Notice.objects.filter(closed_at=None)] == [old.pk]


def test_checks_of_a_drill_are_marked(binding: Binding, alice: Somebody, clock: Clock) -> None:
    drilled(binding, alice, clock)
    with rls.tenant(binding.tenant_id):
        made = Check.objects.of(binding.tenant_id).order_by("started_at", "id")
        assert [check.drill for check in made] == [False, True, True]


def test_the_figures_move_and_say_that_it_is_a_drill(
    binding: Binding, alice: Somebody, clock: Clock
) -> None:
    def figures() -> dict[str, dict[tuple[str, ...], float]]:
        return {
            one.name: {tuple(s.labels.values()): s.value for s in one.samples}
            for one in readings.read()
        }

    assert figures()["mooring_drills_running"] == {}
    drilled(binding, alice, clock)
    assert figures()["mooring_bindings"] == {("gitlab", "revoked"): 1.0}
    assert figures()["mooring_drills_running"] == {("gitlab", "revoked"): 1.0}
    drills.end(actor=alice.actor, binding=binding)
    assert figures()["mooring_bindings"] == {("gitlab", "healthy"): 1.0}
    assert figures()["mooring_drills_running"] == {}


# -- the command ----------------------------------------------------------------------------------


def command(*words: str) -> str:
    out = io.StringIO()
    call_command("fire_drill", *words, stdout=out)
    return out.getvalue()


def test_the_command_begins_and_ends_a_drill(binding: Binding) -> None:
    assert "Drill revoked runs until" in command(binding.public_id, "revoked")
    assert stored(binding).drill == "revoked"
    said = json.loads(command(binding.public_id, "end", "--json"))
    assert (said["scenario"], said["report"]["as_before"]) == ("revoked", True)
    command(binding.public_id, "unreachable")
    sweep.run()
    assert "States: degraded\n" in command(binding.public_id, "end")


def test_the_command_says_what_is_wrong(binding: Binding) -> None:
    with pytest.raises(CommandError, match="No fire drill is running") as none:
        command(binding.public_id, "end")
    with pytest.raises(CommandError, match="X-DRILL-02: There are no webhooks") as hooks:
        command(binding.public_id, "hook_disabled")
    with pytest.raises(CommandError, match="There is no live binding") as unknown:
        command("bnd_0000000000000000000000000", "revoked")
    assert (none.value.returncode, hooks.value.returncode, unknown.value.returncode) == (1, 1, 2)
    with rls.fleet("a test looks"):
        assert Drill.objects.count() == 0
