"""Renew one credential because somebody asks for it: refresh a pair, or rotate a personal token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from bindings import problems, state
from bindings.models import Binding, Credential, Renewal
from bindings.models.bindings import Kind
from bindings.services.custody import ahead
from bindings.services.custody.intents import SYSTEM, Left
from bindings.services.custody.refresh import Outcome, Result
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from providers.catalogue import REGISTRY
from providers.errors import TokenRejected
from providers.types import Can

LONGEST = timedelta(days=3660)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is to be renewed, as it was when somebody asked."""

    binding: Binding
    generation: int
    purpose: Renewal


def renew(*, actor: Actor, binding: Binding, expires_on: date | None = None) -> None:
    """Get a successor of the credential now. `actor` has been permitted.

    Raises Refusal: X-STATE-02 where this binding's credential cannot be renewed, X-STATE-01 where
    it cannot now, *-EXP-02, *-ROT-01 when the host will not, *-ROT-02 when nobody knows what came
    of it, or what else the host says; NotYours when the binding has ended.
    """
    seen = _seen(binding)
    _check_end(expires_on, seen, timezone.now())
    _renewed(seen, expires_on, actor.event())


def refresh_now(*, binding: Binding) -> int:
    """The same for an operator at the command line; the generation that is stored now."""
    seen = _seen(binding)
    if seen.purpose == Renewal.ROTATE:
        raise Refusal("X-STATE-02")  # a personal token is rotated by whoever it belongs to
    _renewed(seen, None, SYSTEM)
    return _seen(binding).generation


def can_renew(binding: Binding) -> bool:
    """Whether a personal token of this binding can be rotated, as far as is known beforehand."""
    able = Can.ROTATE in REGISTRY[binding.provider].spec.capabilities
    return binding.kind == Kind.TOKEN and able


def _seen(binding: Binding) -> _Seen:
    with rls.tenant(binding.tenant_id):
        row = (
            Credential.objects.of(binding.tenant_id)
            .select_related("binding__host")
            .filter(pk=binding.pk, binding__unbound_at=None)
            .first()
        )
    if row is None:
        raise NotYours
    if row.refresh is not None:
        purpose = Renewal.REFRESH
    elif can_renew(row.binding):
        purpose = Renewal.ROTATE
    else:
        raise Refusal("X-STATE-02")
    _check_state(row.binding, purpose)
    return _Seen(row.binding, row.generation, purpose)


def _check_state(binding: Binding, purpose: Renewal) -> None:
    """A dead pair may be tried once more by hand; a dead token never: rotating it could end a
    successor that somebody else has made."""
    able = set(state.USABLE)
    if purpose == Renewal.REFRESH:
        able |= {state.Status.REVOKED, state.Status.EXPIRED}
    if binding.status not in able or (purpose == Renewal.ROTATE and binding.suspicion):
        word = binding.state.value
        raise Refusal("X-STATE-01", state=word, extra={"state": word})


def _check_end(expires_on: date | None, seen: _Seen, now: datetime) -> None:
    if expires_on is None:
        return
    if seen.purpose == Renewal.REFRESH:
        raise Refusal("X-STATE-02", field="expires_on")
    latest = (now + LONGEST).date()
    if not now.date() < expires_on <= latest:
        raise Refusal(f"{_prefix(seen)}-EXP-02", field="expires_on", max=latest.isoformat())


def _renewed(seen: _Seen, until: date | None, by: Mapping[str, str]) -> None:
    found = _once(seen, until, by)
    if isinstance(found, Outcome) and found.result is Result.UNSPENT:
        found = _once(seen, until, by)  # the doubt is gone, and with it what stood in the way
    if found is Left.GONE:
        raise NotYours
    if found is Left.MOVED:
        return
    if isinstance(found, Left) or found.result is Result.DOUBT:
        raise Refusal(f"{_prefix(seen)}-ROT-02")
    if isinstance(found.error, TokenRejected):
        raise Refusal(f"{_prefix(seen)}-ROT-01")
    if found.error is not None:
        login = seen.binding.account_login
        raise problems.refusal(found.error, prefix=_prefix(seen), login=login)


def _once(seen: _Seen, until: date | None, by: Mapping[str, str]) -> Outcome | Left:
    return ahead.once(
        seen.binding.tenant_id,
        seen.binding.pk,
        generation=seen.generation,
        purpose=seen.purpose,
        rotate_to=until,
        by=by,
    )


def _prefix(seen: _Seen) -> str:
    return REGISTRY[seen.binding.provider].spec.prefix
