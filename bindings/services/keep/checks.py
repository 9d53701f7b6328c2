"""Checks somebody asks for: begun at once, run by a worker, kept with their six steps."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from bindings import state
from bindings.models import Binding, Check, Credential, Schedule, facts
from bindings.services.custody.sealed import Undecryptable
from bindings.services.custody.use import stored_secret
from bindings.services.keep import doctor
from bindings.services.keep.doctor import Examination, Question
from bindings.services.keep.weather import Guard
from bindings.services.tell import outbox
from portal.ground import jobs, redis, rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from portal.tenants.models import Instance
from providers.catalogue import REGISTRY
from providers.errors import BadAnswer, ProviderError, RateLimited, TokenRejected, Unreachable
from providers.types import Inspection

AGAIN_AFTER = 5  # seconds per binding (api.md 3.3)
ALL_AGAIN_AFTER = 60  # seconds per instance (product.md G31)
RUNNING_FOR = timedelta(seconds=90)  # a check that takes longer was lost with its worker


def start(*, actor: Actor, binding: Binding, cause: str = "manual") -> Check:
    """Begin a check of one binding, or return the one that runs.

    Raises Refusal X-RATE-02 within five seconds of the last one, X-STATE-01 where no check can
    say anything (pending, paused). `actor` is noted by the face's log.
    """
    now = timezone.now()
    if binding.unbound_at is not None:
        raise NotYours
    _may_be_checked(binding)
    with rls.tenant(binding.tenant_id):
        Binding.objects.of(binding.tenant_id).select_for_update().get(pk=binding.pk)
        running = _running(binding, now)
        if running is not None:
            return running
        last = (
            Check.objects.of(binding.tenant_id)
            .filter(binding=binding, cause="manual")
            .order_by("-started_at")
            .first()
        )
        if last is not None and now - last.started_at < timedelta(seconds=AGAIN_AFTER):
            wait = AGAIN_AFTER - int((now - last.started_at).total_seconds())
            raise Refusal("X-RATE-02", retry_after=wait, n=wait)
        check = Check.objects.create(
            tenant_id=binding.tenant_id,
            binding=binding,
            cause=cause,
            status="running",
            started_at=now,
        )
        jobs.start(jobs.Job.CHECK, binding.tenant_id, check.pk)
    return check


def start_all(*, actor: Actor, instance: Instance) -> int:
    """Begin a check of every live binding of an instance; how many. Raises Refusal X-RATE-02 when
    that was done within the last minute."""
    now = timezone.now()
    if redis.count(f"check-all:{instance.pk}", window=ALL_AGAIN_AFTER, now=now.timestamp()) > 1:
        wait = redis.seconds_left(window=ALL_AGAIN_AFTER, now=now.timestamp())
        raise Refusal("X-RATE-02", retry_after=wait, n=wait)
    with rls.tenant(instance.tenant_id):
        live = list(
            Binding.objects.of(instance.tenant_id)
            .select_related("host")
            .filter(instance=instance, unbound_at=None)
        )
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
    if check is None or check.binding.unbound_at is not None:
        return
    binding = check.binding
    try:
        secret = stored_secret(binding)
    except Undecryptable as shut:
        _keep_closed(check, shut)
        return
    question = Question(host=binding.host, secret=secret, mode=binding.mode, typed=False)
    generation = _generation(binding)
    found = doctor.examine(question, now=timezone.now())
    _keep(check, found, generation)


def _may_be_checked(binding: Binding) -> None:
    known = facts.of(binding)
    undecryptable = known.status is state.Status.UNDECRYPTABLE
    if not known.called and not undecryptable:
        raise Refusal("X-STATE-01", state=binding.state.value, extra={"state": binding.state.value})


def _running(binding: Binding, now: datetime) -> Check | None:
    return (
        Check.objects.of(binding.tenant_id)
        .filter(binding=binding, status="running", started_at__gt=now - RUNNING_FOR)
        .first()
    )


def _generation(binding: Binding) -> int:
    with rls.tenant(binding.tenant_id):
        rows = Credential.objects.of(binding.tenant_id).filter(pk=binding.pk)
        return rows.values_list("generation", flat=True).get()


def _keep(check: Check, found: Examination, asked: int) -> None:
    now = timezone.now()
    answer = answer_of(found)
    mass = isinstance(answer, TokenRejected) and Guard().holds(check.binding.host_id, now=now)
    with rls.tenant(check.tenant_id):
        row = _locked(check)
        if row is not None:
            generation, end = (
                Credential.objects.of(row.tenant_id)
                .values_list("generation", "expires_at")
                .get(pk=row.pk)
            )
            plan = Schedule.objects.get(pk=row.pk)
            verdict = state.verdict(
                facts.of(
                    row,
                    generation=generation,
                    failures=plan.failures,
                    next_check_at=plan.next_check_at,
                    access_until=end,
                ),
                answer,
                now,
                mass=mass,
                asked=asked,
                confirm_seconds=settings.MOORING_CONFIRM_SECONDS,
            )
            _learn(row, verdict, found, now)
        _finish(check, found, row, now)


def answer_of(found: Examination) -> Inspection | ProviderError:
    """What a whole ladder says about the credential and the server.

    Once the account was read, only trouble with the server counts against anything: a clone
    refused by one repository is not the token refused.
    """
    if found.inspection is None:
        return found.error or BadAnswer("protocol")
    trouble = isinstance(found.error, Unreachable | RateLimited)
    return found.error if trouble and found.error is not None else found.inspection


def _locked(check: Check) -> Binding | None:
    return (
        Binding.objects.of(check.tenant_id)
        .select_for_update(of=("self",))
        .select_related("host", "instance")
        .filter(pk=check.binding_id, unbound_at=None)
        .first()
    )


def _learn(row: Binding, verdict: state.Verdict, found: Examination, now: datetime) -> None:
    facts.apply(row, verdict.facts)
    row.why_facts = {k: str(v) for k, v in found.facts.items()} if found.code else {}
    identity = found.identity
    if identity is not None and identity.id == row.account_id:
        row.account_login, row.account_name = identity.login, identity.name or ""
    if found.abilities:
        row.proofs = {**row.proofs, **found.abilities}
    if found.repositories_seen is not None:
        row.repositories_seen = found.repositories_seen
    row.version += 1
    row.save()
    Schedule.objects.filter(pk=row.pk).update(
        next_check_at=verdict.next_check_at,
        checked_at=verdict.checked_at or now,
        failures=min(verdict.facts.failures, 30_000),
    )
    was = state.one_word(verdict.was.status, verdict.was.reach, suspicion=verdict.was.suspicion)
    for event in verdict.events:
        outbox.tell(event, binding=row, actor=outbox.SYSTEM, at=now, previous_state=was.value)


def _finish(check: Check, found: Examination, row: Binding | None, now: datetime) -> None:
    check.status = "failed" if not found.ok else "warn" if found.warned else "ok"
    check.finished_at = now
    check.ms = int((now - check.started_at).total_seconds() * 1000)
    check.code = found.code
    check.state = row.state if row is not None else ""
    check.steps = [step.stored() for step in found.steps]
    check.save()


def _keep_closed(check: Check, shut: Undecryptable) -> None:
    now = timezone.now()
    code = f"{REGISTRY[check.binding.provider].spec.prefix}-TOK-09"
    why = state.Why.KEY_MISSING if shut.missing else state.Why.WRONG_TAG
    with rls.tenant(check.tenant_id):
        row = _locked(check)
        if row is not None:
            verdict = state.undecryptable(facts.of(row), why, now)
            facts.apply(row, verdict.facts)
            row.why_facts = {"key": shut.key_id}
            row.version += 1
            row.save()
            Schedule.objects.filter(pk=row.pk).update(next_check_at=None)
            for event in verdict.events:
                outbox.tell(event, binding=row, actor=outbox.SYSTEM, at=now)
        check.status, check.code, check.finished_at = "failed", code, now
        check.state = row.state if row is not None else ""
        check.save()


def usable(binding: Binding) -> None:
    """Refuse to use a binding whose credential cannot be used now: X-STATE-01."""
    if state.Status(binding.status) not in state.USABLE:
        word = binding.state.value
        raise Refusal("X-STATE-01", state=word, extra={"state": word})
