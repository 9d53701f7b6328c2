"""Use a credential: from a row to an object that can ask the code host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
from django.utils import timezone

from bindings import state
from bindings.models import Binding, CodeHost, Credential, Schedule, facts
from bindings.services.custody import sealed
from bindings.services.custody.door import door, host_value, rules_for
from portal.ground import rls
from providers.base import Provider
from providers.catalogue import connect
from providers.errors import TokenRejected
from providers.types import Credential as Secret

log = structlog.get_logger(__name__)


class TransactionOpen(RuntimeError):
    """A code host was about to be asked inside a transaction: a bug, never a user's mistake."""


def provider_at(host: CodeHost, secret: Secret) -> Provider:
    """An account at `host` by a secret that may not be stored yet. Raises TransactionOpen."""
    if rls.is_open():
        raise TransactionOpen("close the scope before asking a code host")
    return connect(host.provider, host_value(host), secret, door=door(), rules=rules_for(host))


@contextmanager
def use(binding: Binding, *, why: str) -> Iterator[Provider]:
    """The account of a binding, for as long as the block runs.

    Left normally, the binding counts as used and as checked: its next check moves ahead. A
    TokenRejected pulls the next check to now and travels on. `why` names the journey in the log.
    Raises Undecryptable, TransactionOpen.
    """
    log.info("credential used", binding=binding.public_id, why=why)
    provider = provider_at(binding.host, stored_secret(binding))
    try:
        yield provider
    except TokenRejected:
        _check_soon(binding)
        raise
    _stamp_use(binding)


def stored_secret(binding: Binding) -> Secret:
    """The opened credential of a binding. Raises Undecryptable, TransactionOpen."""
    if rls.is_open():
        raise TransactionOpen("close the scope before asking a code host")
    with rls.tenant(binding.tenant_id):
        row = Credential.objects.of(binding.tenant_id).get(pk=binding.pk)
        return sealed.secret_of(row, binding)


def _check_soon(binding: Binding) -> None:
    with rls.tenant(binding.tenant_id):
        Schedule.objects.filter(pk=binding.pk).update(next_check_at=timezone.now())


def _stamp_use(binding: Binding) -> None:
    """At most one write a minute: a busy build system reads far more often than that."""
    now = timezone.now()
    if binding.used_at is not None and now - binding.used_at < timedelta(minutes=1):
        return
    binding.used_at = now
    with rls.tenant(binding.tenant_id):
        Binding.objects.of(binding.tenant_id).filter(pk=binding.pk).update(used_at=now)
        if binding.suspicion == 0:
            Schedule.objects.filter(pk=binding.pk, failures=0).update(
                checked_at=now, next_check_at=state.next_check(facts.of(binding), now)
            )
