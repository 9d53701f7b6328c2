"""Celery's face: each task calls one service. What has to be done stands in the database, so a
task that is lost or doubled costs a minute, never a token."""

from __future__ import annotations

from uuid import UUID

import structlog
from django.utils import timezone

from bindings.services.bind import grant, rollback, unbind
from bindings.services.keep import checks, drills, guard, ladder, reopen, retention, sweep, upkeep
from bindings.services.listen import reconcile, waiting, work
from bindings.services.tell import mails, people, relay
from portal.ground import jobs
from portal.ground.jobs import Job, runs
from portal.ground.refusals import Refusal
from portal.ground.rls import only_one
from portal.tenants import access

log = structlog.get_logger(__name__)

SLICE_SECONDS = 55.0


@runs(Job.CHECK)
def check(tenant_id: str, check_id: str) -> None:
    """Climb the ladder of one check that was begun."""
    checks.run(tenant_id=UUID(tenant_id), check_id=UUID(check_id))


@runs(Job.SWEEP)
def sweep_due() -> None:
    """One slice of the sweep, after a look at what waits for it to go on. A second copy that finds
    one running leaves at once."""
    with only_one("sweep") as mine:
        if not mine:
            return
        now = timezone.now()
        checks.pick_up(now)
        guard.end_episodes(now)
        drills.end_overdue(now)
        reopen.reopen(now)
        result = sweep.run(budget_s=SLICE_SECONDS, stopping=jobs.ending)
        log.info("sweep", asked=result.asked, changed=result.changed, **result.outcomes)


@runs(Job.RENEW)
def renew() -> None:
    """One slice of renewals. Copies may run side by side: each token is claimed by one."""
    result = upkeep.run(budget_s=SLICE_SECONDS, stopping=jobs.ending)
    log.info("renewals", asked=result.asked, replayed=result.replayed, **result.outcomes)


@runs(Job.WORK)
def work_deliveries() -> None:
    """What webhooks have brought. One copy at a time keeps looking each second, so that nothing
    waits when Redis is away; every other one leaves when nothing is due."""
    with only_one("deliveries") as mine:
        work.run(budget_s=SLICE_SECONDS if mine else 0.0, stopping=jobs.ending)


@runs(Job.TAKE_UP)
def take_up(tenant_id: str = "", binding_id: str = "") -> None:
    """Triggers that wait, at the binding that was just made or at all that live."""
    known = [(UUID(tenant_id), UUID(binding_id))] if binding_id else waiting.due()
    for tenant, binding in known:
        if jobs.ending():
            return
        waiting.take_up(tenant_id=tenant, binding_id=binding)


@runs(Job.RELAY)
def relay_events() -> None:
    """One slice of the relay, and the next one after it: events wait for no tick. A second copy
    leaves at once; beat starts one each minute, should this one be gone."""
    with only_one("relay") as mine:
        if not mine:
            return
        result = relay.run(budget_s=SLICE_SECONDS, stopping=jobs.ending)
        log.info("relay", sent=result.sent, **result.outcomes)
    if not jobs.ending():
        jobs.start(Job.RELAY)


@runs(Job.LADDER)
def climb_ladder() -> None:
    """Flag what ends soon and tell the rungs that were reached."""
    with only_one("ladder") as mine:
        if mine:
            ladder.climb(timezone.now())


@runs(Job.TELL)
def tell_people() -> None:
    """Tell everybody what they have not been told, and write the mails that are due."""
    with only_one("tell") as mine:
        if not mine:
            return
        now = timezone.now()
        people.tell(now)
        if mails.write(now):
            jobs.start(Job.MAIL)


@runs(Job.MAIL)
def send_mails() -> None:
    """Send the mails that are due. A mail server that hangs holds up nothing but mails."""
    with only_one("mail") as mine:
        if mine:
            mails.send(stopping=jobs.ending)


@runs(Job.END_BINDINGS)
def end_bindings() -> None:
    """Try what is left to do at code hosts after unbindings."""
    for tenant_id, binding_id in unbind.due(timezone.now()):
        if jobs.ending():
            return
        unbind.work_off(tenant_id=tenant_id, binding_id=binding_id)


@runs(Job.DISCARD_UNCONFIRMED)
def discard_unconfirmed() -> None:
    """Give up pending bindings that nobody confirmed in time, and destroy replaced tokens that
    nobody put back."""
    rollback.forget(timezone.now())
    for binding in grant.overdue(timezone.now()):
        try:
            grant.discard(actor=access.system(binding.tenant), binding=binding)
        except Refusal as refused:
            log.info("a pending binding was settled meanwhile", code=refused.code)


@runs(Job.PURGE)
def purge() -> None:
    """Remove rows past their retention."""
    with only_one("purge") as mine:
        if mine:
            retention.purge(timezone.now())


@runs(Job.RECONCILE)
def compare_webhooks() -> None:
    """One slice of comparing webhooks with their hosts. Copies may run side by side: each webhook
    is claimed by one."""
    done = reconcile.run(budget_s=SLICE_SECONDS, stopping=jobs.ending)
    if done:
        log.info("webhooks compared", **done)
