"""Use a credential: from a row to an object that can ask the code host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.utils import timezone

from bindings import state
from bindings.models import Binding, CodeHost, Credential, Schedule, facts
from bindings.models.lookup import credential_in_use
from bindings.services.custody import ahead, sealed, storing
from bindings.services.custody.door import door_to, host_for_accounts, rules_for
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from providers.base import Provider
from providers.catalogue import connect
from providers.errors import TokenRejected
from providers.http import Door
from providers.types import Credential as Secret

log = structlog.get_logger(__name__)

ERRAND = 60.0
"""Seconds for all calls of one use together: a whole listing (security.md 6)."""
_STAMP_EVERY = timedelta(minutes=1)


class TransactionOpen(RuntimeError):
    """A code host was about to be asked inside a transaction: a bug, never a user's mistake."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An opened credential, and which of its binding's it is: an answer is only about that one."""

    secret: Secret
    generation: int


def provider_at(host: CodeHost, secret: Secret, *, through: Door | None = None) -> Provider:
    """An account at `host` by a secret that may not be stored yet. Raises TransactionOpen."""
    if rls.is_open():
        raise TransactionOpen("close the scope before asking a code host")
    way = through or door_to(host)
    return connect(host.provider, host_for_accounts(host), secret, door=way, rules=rules_for(host))


@contextmanager
def use(
    binding: Binding, *, why: str, lasting: float = ERRAND, counts: bool = True
) -> Iterator[Provider]:
    """The account of a binding, for as long as the block runs, at most a minute.

    A pair whose access token has less than `lasting` seconds to live is refreshed first; a
    ProviderError when that fails and the token has ended.

    Left normally, the binding counts as used and as checked: its next check moves ahead; unless
    not `counts`, for what we do on a schedule, or nobody would read ends and scopes again. A
    TokenRejected pulls the next check to now and travels on. `why` names the journey in the log.
    Raises Refusal X-STATE-01 for a binding that cannot be used now, NotYours for one that has
    ended, Undecryptable, TransactionOpen.
    """
    row = _row(binding)
    usable(row.binding)
    if ahead.ensure(row, seconds=lasting):
        row = _row(binding)
    secret = sealed.secret_of(row, row.binding)
    log.info("credential used", binding=binding.public_id, why=why)
    host = row.binding.host
    provider = provider_at(host, secret, through=door_to(host, within=ERRAND))
    try:
        yield provider
    except TokenRejected:
        _check_soon(binding)
        raise
    _stamp_use(row, counts=counts)


def usable(binding: Binding) -> None:
    """Refuse to use a binding whose credential cannot be used now: X-STATE-01. A fire drill stops
    nothing: it began with a credential that can be used."""
    if not binding.drill and state.Status(binding.status) not in state.USABLE:
        word = binding.state.value
        raise Refusal("X-STATE-01", state=word, extra={"state": word})


def stored(binding: Binding) -> Stored:
    """The opened credential of a live binding, whatever its verdict.

    Raises NotYours when it has ended, Undecryptable, TransactionOpen.
    """
    row = _row(binding)
    return Stored(sealed.secret_of(row, row.binding), row.generation)


def fresh(binding: Binding) -> Stored:
    """The same, refreshed before if its access token has ended or is about to. Raises also the
    ProviderError of a refresh that failed, when the token has ended."""
    row = _row(binding)
    if ahead.ensure(row, seconds=ERRAND, insist=True):
        row = _row(binding)
    return Stored(sealed.secret_of(row, row.binding), row.generation)


def _row(binding: Binding) -> Credential:
    if rls.is_open():
        raise TransactionOpen("close the scope before asking a code host")
    with rls.tenant(binding.tenant_id):
        row = credential_in_use(binding.tenant_id, binding.pk)
    if row is None:
        raise NotYours
    return row


def _check_soon(binding: Binding) -> None:
    """Unless a check is under way already: a host locks people out whose token it refuses often
    (performance.md 5, trap 17)."""
    now = timezone.now()
    plan = Schedule.objects.filter(pk=binding.pk, next_check_at__gt=now)
    with rls.tenant(binding.tenant_id):
        plan.filter(binding__suspicion=0).update(next_check_at=now)


def _stamp_use(row: Credential, *, counts: bool) -> None:
    """At most one write a minute: a busy build system reads far more often than that."""
    binding, now = row.binding, timezone.now()
    if row.previous_refresh is not None:
        with rls.tenant(binding.tenant_id):
            storing.worked(row)
    lately = binding.used_at is not None and now - binding.used_at < _STAMP_EVERY
    if lately or not counts:
        return
    binding.used_at = now
    plan = Schedule.objects.filter(pk=binding.pk, failures=0, next_check_at__isnull=False)
    with rls.tenant(binding.tenant_id):
        Binding.objects.of(binding.tenant_id).filter(pk=binding.pk).update(used_at=now)
        plan.filter(binding__suspicion=0).update(
            checked_at=now, next_check_at=state.next_check(facts.of(binding), now)
        )
