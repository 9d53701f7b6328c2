"""Renew a credential: intent → one request → store → commit → use (`security.md` 4).

A refresh token and a rotated token can be spent once. So the intent is durable before the request,
the answer is stored before anything else is done with it, and nobody asks twice. What an outcome
makes of the binding is judged by whoever was handed in with `judge_with`: rooms above this one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

import structlog
from django.utils import timezone

from bindings.models import CodeHost, Renewal
from bindings.services.custody import storing
from bindings.services.custody.door import door
from bindings.services.custody.intents import Claim
from portal.ground import metrics, rls
from providers import oauth
from providers.catalogue import connect
from providers.errors import (
    BadAnswer,
    MissingScope,
    NotSupported,
    ProviderError,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from providers.types import Can
from providers.types import Credential as Secret

log = structlog.get_logger(__name__)

APP_PAUSE = timedelta(minutes=15)
"""A host that does not know our app is asked again after this, by one request."""
_LEAST_SECONDS = 1.0
_NEVER_SENT = frozenset({"dns", "refused", "tls_authority", "tls_expired", "tls_name"})
_SAYS_ALL = frozenset({"client_config", "refused", "header"})
"""Bad answers that are refusals all the same: the token was not spent."""


class Result(StrEnum):
    """What came of one request; the label `result` of the metric `refreshes_total`."""

    STORED = "stored"
    SUPERSEDED = "superseded"  # somebody else has stored meanwhile, or the binding ended
    UNSPENT = "unspent"  # a rotation in doubt: the token still works, so it was not spent
    REFUSED = "refused"
    FAILED = "failed"  # a definite no, or never sent
    DOUBT = "doubt"  # sent, and nobody knows


@dataclass(frozen=True, slots=True)
class Outcome:
    """`error`: what the host said, or did not say. `fresh`: what is stored now. `refused_first`:
    when the token was refused before this time. `gave_up`: we no longer try by ourselves."""

    claim: Claim
    result: Result
    at: datetime
    error: ProviderError | None = None
    fresh: Secret | None = None
    gave_up: bool = False
    refused_first: datetime | None = None


class TooLate(Unreachable):
    """Nothing was sent: the time in which the request had to end was over. Nobody's fault but
    ours, so nothing is judged by it."""


@dataclass(frozen=True, slots=True)
class Unspent:
    """The host still accepts a token whose rotation was in doubt."""


Answer = Secret | Unspent | ProviderError
Judge = Callable[[Outcome], None]


def _nobody(outcome: Outcome) -> None:
    pass


_judges: list[Judge] = [_nobody]


def judge_with(judge: Judge) -> None:
    """Called once, while the applications load: `judge` is told of every outcome, after it is
    stored."""
    _judges[:] = [judge]


def ask(mine: Claim) -> Secret | Unspent:
    """The one request, in any thread; no retry at any layer. Raises ProviderError."""
    left = mine.seconds_left
    if left < _LEAST_SECONDS:
        raise TooLate("timeout")  # frozen since the claim: nothing is sent any more
    way = door().within(left)
    if mine.purpose == Renewal.REFRESH:
        if mine.dialect is None:
            raise NotSupported(Can.REFRESH)
        return oauth.refresh(
            mine.value,
            mine.dialect,
            mine.secret,
            mine.redirect_uri,
            door=way,
            rules=mine.rules,
            now=mine.started_at,
        )
    account = connect(mine.provider, mine.value, mine.secret, door=way, rules=mine.rules)
    if mine.recovers:
        # Rotating a spent token again would end its successor too; reading with it harms nobody.
        account.identify()
        return Unspent()
    return account.rotate(mine.rotate_to or rotation_end(mine.started_at))


def rotation_end(now: datetime) -> date:
    """The end we ask for when nobody named one: without a date it would live a week, and a year is
    what platforms allow."""
    return (now + timedelta(days=364)).date()


def settle(mine: Claim, answer: Answer, *, now: datetime) -> Outcome:
    """Store what came of a request, and only then tell. Main thread, outside any transaction."""
    if isinstance(answer, TooLate):
        storing.later(mine, at=now, now=now)
        return Outcome(mine, Result.FAILED, now, Unreachable(answer.reason))
    if isinstance(answer, ProviderError):
        outcome = _failed(mine, answer, now)
    elif isinstance(answer, Unspent):
        storing.failed(mine, now=now, settled=True)
        outcome = Outcome(mine, Result.UNSPENT, now)
    elif storing.keep(mine, answer, now=now):
        outcome = Outcome(mine, Result.STORED, now, fresh=answer)
    else:
        outcome = Outcome(mine, Result.SUPERSEDED, now)
    metrics.refreshes.labels(mine.provider, outcome.result.value).inc()
    why = outcome.error.reason if outcome.error is not None else ""
    log.info("renewed", binding=mine.label, what=mine.purpose, result=outcome.result, why=why)
    _judges[0](outcome)
    return outcome


def renew(mine: Claim) -> Outcome:
    """One claimed request, from here to its outcome. Never raises for what the host does."""
    try:
        answer: Answer = ask(mine)
    except ProviderError as error:
        answer = error
    return settle(mine, answer, now=timezone.now())


def _failed(mine: Claim, error: ProviderError, now: datetime) -> Outcome:
    result, over = Result.FAILED, False
    if isinstance(error, TokenRejected):
        result = Result.REFUSED
        first = storing.refused(mine, now=now)
        return Outcome(mine, result, now, error, refused_first=first)
    if error.reason == "client_config":
        pause_app(mine.host, now)
        storing.later(mine, at=now + APP_PAUSE, now=now)
    elif is_doubtful(error):
        result = Result.DOUBT
        over = storing.failed(mine, now=now, doubt=True)
    else:
        never = isinstance(error, NotSupported | MissingScope)
        wait = error.retry_after if isinstance(error, RateLimited) else 0.0
        at = now + timedelta(seconds=wait)
        over = storing.failed(mine, now=now, at=at, hopeless=never)
    return Outcome(mine, result, now, error, gave_up=over)


def is_doubtful(error: ProviderError) -> bool:
    """May the host have spent the token although we have no usable answer?"""
    if isinstance(error, Unreachable):
        return error.reason not in _NEVER_SENT
    if isinstance(error, BadAnswer):
        return error.reason not in _SAYS_ALL
    return False


def pause_app(host: CodeHost, now: datetime) -> None:
    """The host does not know our app: an operator's business, and no binding's."""
    with rls.fleet("pause the refreshes of a host"):
        CodeHost.objects.filter(pk=host.pk).update(renew_after=now + APP_PAUSE)
    log.error("a host refuses our app: its refreshes are paused", host=host.slug, alert=True)
