"""Checks somebody asks for: begun at once, run by a worker, kept with their six steps."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from bindings import state
from bindings.models import Binding, Check, Credential, Schedule, facts
from bindings.services.custody.sealed import Undecryptable
from bindings.services.custody.use import stored
from bindings.services.keep import doctor, rehearsal, reopen, weather
from bindings.services.keep.doctor import Examination, Question
from bindings.services.keep.guard import Guard
from bindings.services.keep.steps import KEYS, Step
from bindings.services.keep.verdict import Said, context_of, judge, result_of, said
from bindings.services.tell import outbox
from bindings.state import Facts, Status, Verdict
from portal.ground import jobs, metrics, redis, rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from portal.tenants.models import Instance
from providers.catalogue import REGISTRY
from providers.errors import BadAnswer, ProviderError, RateLimited, Unreachable
from providers.types import Inspection

AGAIN_AFTER = timedelta(seconds=5)  # per binding (api.md 3.3)
ALL_AGAIN_AFTER = 60  # seconds per instance (product.md G31)
LOST_AFTER = timedelta(seconds=40)  # a ladder takes 30; what is older was lost with its worker
RUNNING_FOR = timedelta(seconds=90)  # then it is given up
_TRIES = 3


def start(*, actor: Actor, binding: Binding, cause: str = "manual") -> Check:
    """Begin a check of one binding, or return the one that runs.

    Raises Refusal X-RATE-02 within five seconds of the last one, X-STATE-01 where no check can
    say anything (pending, paused), NotYours when it has ended. `actor` has been permitted.
    """
    with rls.tenant(binding.tenant_id):
        check, new = _begin(binding, cause, timezone.now())
        if new:
            jobs.start(jobs.Job.CHECK, check.tenant_id, check.pk)
    return check


def start_all(*, actor: Actor, instance: Instance) -> int:
    """Begin a check of every live binding of an instance; how many. Raises Refusal X-RATE-02 when
    that was done within the last minute."""
    if wait := _seconds_to_wait(instance):
        raise Refusal("X-RATE-02", retry_after=wait, n=wait)
    with rls.tenant(instance.tenant_id):
        rows = Binding.objects.of(instance.tenant_id).filter(instance=instance, unbound_at=None)
        live = list(rows)
    begun = 0
    for binding in live:
        try:
            start(actor=actor, binding=binding)
        except Refusal:
            continue
        begun += 1
    return begun


def run(*, tenant_id: UUID, check_id: UUID) -> None:
    """Climb the ladder for a check that was begun, and judge the binding by what it finds."""
    with rls.tenant(tenant_id):
        check = (
            Check.objects.of(tenant_id)
            .select_related("binding__host", "binding__instance")
            .filter(pk=check_id, status="running")
            .first()
        )
    if check is None:
        return
    binding = check.binding
    if binding.drill:
        _rehearse(check)
        return
    try:
        known = stored(binding)
    except NotYours:
        _give_up(check)
        return
    except Undecryptable as shut:
        _keep_closed(check, shut)
        return
    question = Question(host=binding.host, secret=known.secret, mode=binding.mode, typed=False)
    _keep(check, known.generation, doctor.examine(question, now=timezone.now()))


def _rehearse(check: Check) -> None:
    """The same in a fire drill: its scenario answers, and nobody is asked."""
    binding = check.binding
    with rls.tenant(check.tenant_id):
        rows = Credential.objects.of(check.tenant_id).filter(pk=binding.pk)
        generation = rows.values_list("generation", flat=True).get()
    _keep(check, generation, rehearsal.examine(binding, context=context_of(binding.host)))


def run_now(*, binding: Binding) -> Check:
    """Check one binding here and now, for an operator at the command line. Raises as `start`."""
    with rls.tenant(binding.tenant_id):
        check, _ = _begin(binding, "manual", timezone.now())
    run(tenant_id=check.tenant_id, check_id=check.pk)
    with rls.tenant(binding.tenant_id):
        check.refresh_from_db()
    return check


def pick_up(now: datetime) -> int:
    """Start checks again whose message or worker was lost, and give up those that nobody waits
    for any more; how many there were."""
    with rls.fleet("checks that were lost"):
        rows = Check.objects.filter(status="running", started_at__lt=now - LOST_AFTER)
        lost = list(rows.only("tenant_id", "started_at").order_by("started_at")[:500])
    for check in lost:
        if check.started_at < now - RUNNING_FOR:
            _give_up(check)
        else:
            jobs.start(jobs.Job.CHECK, check.tenant_id, check.pk)
    return len(lost)


def _begin(binding: Binding, cause: str, now: datetime) -> tuple[Check, bool]:
    """The check that runs, or a new one, and whether it is. Needs an open scope."""
    row = (
        Binding.objects.of(binding.tenant_id)
        .select_for_update()
        .filter(pk=binding.pk, unbound_at=None)
        .first()
    )
    if row is None:
        raise NotYours
    if not facts.of(row).called and row.status != Status.UNDECRYPTABLE:
        word = row.state.value
        raise Refusal("X-STATE-01", state=word, extra={"state": word})
    mine = Check.objects.of(row.tenant_id).filter(binding=row).order_by("-started_at")
    running = mine.filter(status="running", started_at__gt=now - RUNNING_FOR).first()
    if running is not None:
        return running, False
    last = mine.filter(cause="manual").first()
    if last is not None and now - last.started_at < AGAIN_AFTER:
        wait = (AGAIN_AFTER - (now - last.started_at)).seconds + 1
        raise Refusal("X-RATE-02", retry_after=wait, n=wait)
    check = Check.objects.create(
        tenant_id=row.tenant_id, binding=row, cause=cause, status="running", started_at=now
    )
    return check, True


def _seconds_to_wait(instance: Instance) -> int:
    """0 for the first in a minute. Without Redis each binding's own five seconds have to do."""
    name = f"mooring:check-all:{instance.pk}"
    try:
        if redis.client().set(name, 1, nx=True, ex=ALL_AGAIN_AFTER):
            return 0
        return max(int(redis.client().ttl(name)), 1)
    except redis.Away:
        return 0


def _keep(check: Check, asked: int, found: Examination) -> None:
    """Judge, and store the verdict if the row is still as it was judged; else judge it anew.
    `asked`: the generation of the credential that was sent."""
    now, answer = timezone.now(), answer_of(found)
    host, row = check.binding.host, None
    metrics.checks.labels(host.provider, result_of(answer)).inc()
    if check.binding.status == Status.UNDECRYPTABLE:
        reopen.wake(check.tenant_id, check.binding_id, now)
    for _ in range(_TRIES):
        seen = _seen(check)
        if seen is None:
            break
        verdict = judge(
            seen,
            answer,
            host_id=host.pk,
            generation=asked,
            guard=None if check.binding.drill else Guard(),
            now=now,
        )
        words = said(
            answer,
            verdict,
            provider=host.provider,
            login=check.binding.account_login,
            context=context_of(host),
            now=now,
        )
        row = _learn(check, verdict, words, found, now)
        if row is not None:
            if not check.binding.drill:
                weather.hear(host, answer, verdict, words.reach, now)
            break
    _finish(check, found, row.state if row is not None else "", now)


def answer_of(found: Examination) -> Inspection | ProviderError:
    """What a whole ladder says about the credential and the server.

    Once the account was read, only trouble with the server counts against anything: a clone
    refused by one repository is not the token refused.
    """
    if found.inspection is None:
        return found.error or BadAnswer("protocol")
    trouble = isinstance(found.error, Unreachable | RateLimited)
    return found.error if trouble and found.error is not None else found.inspection


def _seen(check: Check) -> Facts | None:
    """What is known of the binding now; None when it has ended, or when a fire drill has begun or
    ended meanwhile: what was answered then is not about what holds now."""
    with rls.tenant(check.tenant_id):
        row = (
            Binding.objects.of(check.tenant_id)
            .select_related("credential", "schedule")
            .filter(pk=check.binding_id, unbound_at=None, drill=check.binding.drill)
            .first()
        )
    if row is None:
        return None
    return facts.of(
        row,
        generation=row.credential.generation,
        failures=row.schedule.failures,
        next_check_at=row.schedule.next_check_at,
        access_until=row.credential.expires_at,
    )


def _learn(
    check: Check, verdict: Verdict, words: Said, found: Examination, now: datetime
) -> Binding | None:
    """Store a verdict; None when the row has moved on since it was judged."""
    with rls.tenant(check.tenant_id):
        row = _locked(check)
        generation = Credential.objects.of(check.tenant_id).filter(pk=check.binding_id)
        if (
            row is None
            or row.drill != check.binding.drill
            or row.version != verdict.was.version
            or generation.values_list("generation", flat=True).get() != verdict.was.generation
        ):
            return None
        if state.Note.SUPERSEDED in verdict.notes:
            return row
        facts.apply(row, verdict.facts)
        row.why_facts = row.why_facts if words.status is None else dict(words.status)
        row.reach_facts = dict(words.reach)
        _take_over(row, found)
        row.version += 1
        row.save()
        Schedule.objects.filter(pk=row.pk).update(
            next_check_at=verdict.next_check_at,
            checked_at=verdict.checked_at or now,
            failures=min(verdict.facts.failures, 30_000),
        )
        outbox.tell_verdict(row, verdict, at=now)
    return row


def _take_over(row: Binding, found: Examination) -> None:
    identity = found.identity
    if identity is None or identity.id != row.account_id:
        return
    if not row.drill:
        row.take_identity(identity)
    row.proofs = {**row.proofs, **found.abilities}
    if found.repositories_seen is not None:
        row.repositories_seen = found.repositories_seen


def _locked(check: Check) -> Binding | None:
    return (
        Binding.objects.of(check.tenant_id)
        .select_for_update(of=("self",))
        .select_related("host", "instance")
        .filter(pk=check.binding_id, unbound_at=None)
        .first()
    )


def _finish(check: Check, found: Examination, word: str, now: datetime) -> None:
    check.status, check.code, check.state = found.outcome, found.code, word
    check.finished_at, check.ms = now, int((now - check.started_at).total_seconds() * 1000)
    check.steps = [step.stored() for step in found.steps]
    check.drill = bool(check.binding.drill)
    with rls.tenant(check.tenant_id):
        check.save()


def _give_up(check: Check) -> None:
    """Nobody climbed it: it was lost, or the binding has ended."""
    with rls.tenant(check.tenant_id):
        Check.objects.of(check.tenant_id).filter(pk=check.pk, status="running").update(
            status="failed", finished_at=timezone.now(), steps=[Step(k).stored() for k in KEYS]
        )


def _keep_closed(check: Check, shut: Undecryptable) -> None:
    """The credential does not open, so nothing was asked."""
    now, key = timezone.now(), {"key": shut.key_id}
    why = state.Why.KEY_MISSING if shut.missing else state.Why.WRONG_TAG
    code = f"{REGISTRY[check.binding.provider].spec.prefix}-TOK-09"
    failed = Examination(
        steps=tuple(
            Step(name, "failed", 0, code, key) if name == "token" else Step(name) for name in KEYS
        ),
        code=code,
    )
    metrics.checks.labels(check.binding.provider, "undecryptable").inc()
    with rls.tenant(check.tenant_id):
        row = _locked(check)
        if row is not None:
            verdict = state.undecryptable(facts.of(row), why, now)
            if verdict.changed:
                facts.apply(row, verdict.facts)
                row.why_facts = key
                row.version += 1
                row.save()
                Schedule.objects.filter(pk=row.pk).update(next_check_at=None)
                outbox.tell_verdict(row, verdict, at=now)
        _finish(check, failed, row.state if row is not None else "", now)
