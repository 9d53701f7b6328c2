"""Wanted and actual webhooks, compared on a schedule; what has come apart is mended in place.

A webhook is known by the host's number for it, and where that is lost by our address. What the host
does not answer changes nothing but the time of the next try.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.core.cache import cache
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from bindings.models import Binding, Delivery, Hook
from bindings.models.hooks import TROUBLED, HookStatus, Outcome, Proof, Signature, compare_soon
from bindings.problems import ALL, explain
from bindings.services.custody.sealed import Undecryptable
from bindings.services.custody.use import use
from bindings.services.listen import gaps, remote, standing
from bindings.services.tell import outbox, webhooks
from portal.ground import rls
from portal.ground.refusals import Refusal
from providers import types
from providers.base import Provider
from providers.catalogue import REGISTRY
from providers.errors import MissingScope, NotFound, NotSupported, ProviderError, TokenRejected
from providers.types import Purpose

log = structlog.get_logger(__name__)

THREADS = 8
BATCH = 40
ONE_GO = 1.0
"""Seconds after which no further batch is begun while somebody waits."""
AGAIN = timedelta(minutes=5)
"""Until a host that did not answer is asked again; doubled each time, an hour at most."""
_MOST = 6  # doublings
GIVE_UP_AFTER = timedelta(days=7)  # product.md G29
"""A webhook that nobody may remove any more is left at its host then."""
_AWAY = timedelta(minutes=5)
"""After this long without a look we were away; then everything is looked at within as long."""
_LAST, _LAST_FOR = "reconcile-last", 7 * 86_400
_SOONER = """
UPDATE bindings_hook SET check_at = %(now)s + make_interval(secs => random() * %(within)s)
WHERE status <> 'removed' AND check_at > %(now)s + make_interval(secs => %(within)s)
"""
_DRILL = "hook_disabled"
_FORGED = (Signature.MISMATCH, Signature.MISSING)
_WHY = {
    HookStatus.MISSING: "HOOK-03",
    HookStatus.MISMATCH: "HOOK-04",
    HookStatus.DISABLED: "HOOK-06",
}


def run(
    *,
    budget_s: float = 55.0,
    stopping: Callable[[], bool] = lambda: False,
    binding: Binding | None = None,
    threads: int = THREADS,
) -> Counter[str]:
    """Compare what is due until nothing is left or `budget_s` has passed; how many, by what came
    of it, and how many missed `pushes` were sent. `binding`: only its webhooks. Copies may run side
    by side: each webhook is claimed by one. Raises the first trouble there was, at the end."""
    if binding is None:
        _after_an_outage(timezone.now())
    until, done = time.monotonic() + budget_s, Counter[str]()
    trouble: list[BaseException] = []
    away: set[UUID] = set()
    with ThreadPoolExecutor(threads, thread_name_prefix="reconcile") as crew:
        while time.monotonic() < until and not stopping():
            claimed = _claim(timezone.now(), away, binding)
            if not claimed:
                break
            for answer in [crew.submit(_in_thread, hook, away) for hook in claimed]:
                failure = answer.exception()
                if failure is None:
                    came, pushes = answer.result()
                    done.update({came: 1, "pushes": pushes})
                else:
                    trouble.append(failure)
    if trouble:
        raise trouble[0]
    return +done


def at_once(binding: Binding) -> Counter[str]:
    """Compare the webhooks of a binding while somebody waits, as far as one go takes; the rest
    comes by itself. As `run`."""
    soon(binding)
    return run(budget_s=ONE_GO, binding=binding)


def soon(binding: Binding) -> None:
    """Let the next tick compare the webhooks of this binding, unless whoever has asked for it does
    so `at_once`. Opens the tenant's scope."""
    with rls.tenant(binding.tenant_id):
        compare_soon([binding.pk], timezone.now())


def one(hook: Hook) -> tuple[str, int]:
    """Compare one webhook with its host; what came of it (same, mended, troubled, removed, away,
    gone, not_now) and how many missed pushes were sent."""
    row = _living(hook)
    if row is None:
        return "gone", 0
    if row.binding.drill:
        return _rehearsed(row), 0
    try:
        with remote.alone_with(row.binding_id, row.repository_id):
            fresh = _living(hook)  # whoever was at it before us may have changed it
            if fresh is None:
                return "gone", 0
            if fresh.status == HookStatus.REMOVING:
                remote.take_away(fresh)
                return "removed", 0
            return _compared(fresh)
    except (Refusal, Undecryptable, TokenRejected):
        _look_again(row, at=standing.next_look(timezone.now()))
        return "not_now", 0
    except (MissingScope, NotFound) as error:
        return _troubled(row, error), 0
    except ProviderError:
        pause = min(AGAIN * 2 ** min(row.failures, _MOST), standing.COMPARED_EVERY)
        _look_again(row, at=timezone.now() + pause, failures=row.failures + 1)
        return "away", 0


def _living(hook: Hook) -> Hook | None:
    """The row as it is now; None for one that is gone, or its binding."""
    with rls.tenant(hook.tenant_id):
        row = standing.lock(hook)
    if row is None or row.status == HookStatus.REMOVED or row.binding.unbound_at is not None:
        return None
    return row


def _after_an_outage(now: datetime) -> None:
    """Nothing of ours has looked for a while, so hosts may have called in vain meanwhile: all
    webhooks are compared within minutes, not within the hour."""
    last: float | None = cache.get(_LAST)
    cache.set(_LAST, now.timestamp(), _LAST_FOR)
    within = _AWAY.total_seconds()
    quiet = last is None or now.timestamp() - last > within
    if not quiet or cache.get(_LAST) is None:  # what Redis cannot keep says nothing
        return
    with rls.fleet("webhooks after an outage of ours"), connection.cursor() as cursor:
        cursor.execute(_SOONER, {"now": now, "within": within})


# -- claiming -------------------------------------------------------------------------------------


def _claim(now: datetime, away: set[UUID], binding: Binding | None) -> Sequence[Hook]:
    """Lease webhooks that are due, of hosts that may be asked: `check_at` moved ahead."""
    may_ask = Q(binding__host__ask_after=None) | Q(binding__host__ask_after__lte=now)
    with rls.fleet("webhooks that are due"):
        due = Hook.objects.filter(may_ask, check_at__lte=now, binding__host__enabled=True)
        if binding is not None:
            due = due.filter(binding=binding)
        rows = list(
            due.exclude(status=HookStatus.REMOVED)
            .exclude(binding__host__in=away)
            .filter(binding__unbound_at=None)
            .select_for_update(of=("self",), skip_locked=True)
            .order_by("check_at")
            .select_related("binding")
            .only("id", "tenant_id", "binding__host_id")[:BATCH]
        )
        keys = [row.pk for row in rows]
        Hook.objects.filter(pk__in=keys).update(check_at=now + remote.LEASE)
    return rows


def _in_thread(hook: Hook, away: set[UUID]) -> tuple[str, int]:
    """With a connection of its own, which ends with the question."""
    try:
        if hook.binding.host_id in away:
            _look_again(hook, at=timezone.now() + AGAIN)
            return "away", 0
        came, pushes = one(hook)
        if came == "away":
            away.add(hook.binding.host_id)
        return came, pushes
    finally:
        connection.close()


# -- comparing ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """What the host has, what that means, what it has after mending, and where its heads are."""

    status: HookStatus
    made: types.Hook | None
    mended: bool = False
    trouble: str = ""
    heads: gaps.Heads | None = None


def _compared(row: Hook) -> tuple[str, int]:
    since, pushes = timezone.now(), 0
    with use(row.binding, why="compare webhook", counts=False) as provider:
        found = _look(provider, row)
    was = HookStatus(row.status)
    told = _told(row, found)
    status, trouble = found.status, found.trouble
    if told == "webhook.repaired":
        log.info("a webhook was mended", webhook=row.public_id, was=was.value, why=trouble)
    row = remote.settle(
        row,
        found.made,
        now=timezone.now(),
        status=None if found.mended or status in standing.WELL else status,
        trouble="" if found.mended else trouble,
        told=told,
    )
    if found.heads is None:
        _look_again(row, at=timezone.now() + AGAIN)
    else:
        pushes = gaps.fill(row, found.heads, since=since)
    if found.mended:
        return "mended", pushes
    return "same" if status in standing.WELL else "troubled", pushes


def _look(provider: Provider, row: Hook) -> _Found:
    """Compare, mend, and only then ask where branches and tags are: what is pushed meanwhile is
    delivered. Raises ProviderError when the host does not say."""
    there = _there(provider, row)
    status = _judged(row, there)
    if status is HookStatus.FAILING and there is not None:
        there = remote.woken(provider, row, there)
        status = _judged(row, there)
    made, mended, trouble = there, False, _why(row, status)
    if status in _WHY:
        try:
            made = remote.push(provider, remote.prepare(row))
            mended = made.active and made.complete
        except (MissingScope, NotFound, NotSupported) as refused:
            trouble = _code(row, refused)
        except ProviderError as refused:
            if refused.reason != "hook_limit":
                raise
            trouble = _code(row, refused)
    heads = None
    with suppress(ProviderError):
        heads = gaps.heads(provider, row.repository.remote_id)
    return _Found(status, made, mended, trouble, heads)


def _there(provider: Provider, row: Hook) -> types.Hook | None:
    """Ours among the webhooks of the repository. One of ours too many would deliver all twice."""
    number, url = row.repository.remote_id, webhooks.url_of(row)
    known = provider.hooks(number)
    ours = [one for one in known if row.remote_id and one.id == row.remote_id]
    by_url = [one for one in known if one.url == url and one not in ours]
    mine = (ours + by_url)[:1]
    for extra in by_url:
        if extra not in mine:
            provider.remove_hook(number, extra.id)
    return mine[0] if mine else None


def _judged(row: Hook, there: types.Hook | None) -> HookStatus:
    if there is None:
        return HookStatus.MISSING
    strayed = there.url != webhooks.url_of(row) or there.id != row.remote_id
    weaker = row.proof == Proof.SIGNED and not there.signed
    if strayed or weaker or not there.complete or _refused_lately(row):
        return HookStatus.MISMATCH
    if not there.active:
        return HookStatus.DISABLED
    return HookStatus.FAILING if there.health == "failing" else standing.well(row)


def _refused_lately(row: Hook) -> bool:
    """Did a delivery come, since the last comparison, that our secret does not prove, and none
    after it that it does? Then the host has another secret."""
    since = max(filter(None, (row.checked_at, row.heard_at)), default=row.created_at)
    with rls.tenant(row.tenant_id):
        refused = Delivery.objects.of(row.tenant_id).filter(
            hook=row, outcome=Outcome.REFUSED, signature__in=_FORGED, received_at__gt=since
        )
        return refused.exists()


def _told(row: Hook, found: _Found) -> str:
    """The event of this comparison: each turn is told once, and a wish come true is none."""
    troubled = row.status in TROUBLED
    if found.mended or found.status in standing.WELL:
        mended = found.mended and row.remote_id != ""
        return "webhook.repaired" if mended or troubled else ""
    return "" if troubled else "webhook.failing"


def _why(row: Hook, status: HookStatus) -> str:
    code = f"{REGISTRY[row.binding.provider].spec.prefix}-{_WHY.get(status, '')}"
    return code if code in ALL else ""


def _code(row: Hook, error: ProviderError) -> str:
    prefix = REGISTRY[row.binding.provider].spec.prefix
    return explain(error, prefix=prefix, purpose=Purpose.HOOKS)[0]


# -- when it cannot be compared -------------------------------------------------------------------


def _look_again(row: Hook, *, at: datetime, failures: int | None = None) -> None:
    with rls.tenant(row.tenant_id):
        mine = Hook.objects.of(row.tenant_id).filter(pk=row.pk, check_at__isnull=False)
        mine.update(check_at=at)
        if failures is not None:
            mine.update(failures=min(failures, 30_000))


def _troubled(row: Hook, error: MissingScope | NotFound) -> str:
    """The account may not look any more, or the repository is gone from its sight. The webhook may
    still deliver; nobody can mend it."""
    code, now = _code(row, error), timezone.now()
    with rls.tenant(row.tenant_id):
        held = standing.lock(row)
        if held is None or held.status == HookStatus.REMOVED:
            return "gone"
        if held.status == HookStatus.REMOVING and now - held.status_since > GIVE_UP_AFTER:
            remote.gone(held)
            return "gone"
        fresh = isinstance(error, NotFound) and held.status in standing.WELL
        status = HookStatus.MISSING if fresh else HookStatus(held.status)
        standing.turn(held, status, now=now, trouble=code)
        held.check_at = standing.next_look(now)
        held.save(update_fields=["status", "status_since", "trouble", "check_at"])
        if fresh:
            outbox.record([webhooks.entry("webhook.failing", held, at=now)])
    return "troubled"


def _rehearsed(row: Hook) -> str:
    """A fire drill: its scenario answers, nobody is asked, and nothing is mended."""
    now = timezone.now()
    with rls.tenant(row.tenant_id):
        held = standing.lock(row)
        if held is None or held.status in standing.LEAVING:
            return "gone"
        held.check_at = standing.next_look(now)
        rehearsed = held.binding.drill == _DRILL and held.status in standing.WELL
        if rehearsed:
            standing.turn(
                held, HookStatus.DISABLED, now=now, trouble=_why(held, HookStatus.DISABLED)
            )
        held.save(update_fields=["status", "status_since", "trouble", "check_at"])
        if rehearsed:
            outbox.record([webhooks.entry("webhook.failing", held, at=now)])
    return "drill" if rehearsed else "not_now"
