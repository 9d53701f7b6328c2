"""Mails: rows first, messages later, so that a crash loses none and a dead server stops nothing.

`write` makes rows of what is due inside each tenant; `send` sends them, one by one, outside any
transaction. A mail is leased while it is sent: what a killed worker had in hand is sent by the next
one, under the same Message-ID. Sent means that our mail server took it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from bindings.models import Mail, Telling, Told
from bindings.notices import OPEN_ENDED, Channel, topic_of
from bindings.services.tell import letters, preferences
from portal.ground import bearer, ids, rls

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=10)
GIVE_UP = timedelta(days=3)
_PAUSES = (1, 5, 15, 60, 180)  # minutes between tries; the last one repeats
_BATCH = 500
_DEAD_AFTER = 3  # failures in a row: the server is away, and the others wait for the next tick


def write(now: datetime) -> int:
    """Make a mail of every line whose time has come; how many. Opens short scopes."""
    with rls.fleet("who has a mail to be written"):
        due = Telling.objects.filter(mail=None, mail_at__lte=now).order_by()
        tenants = list(due.values_list("tenant_id", flat=True).distinct())
    written = 0
    for tenant_id in tenants:
        with rls.tenant(tenant_id):
            written += _write(tenant_id, now)
    return written


def send(now: Callable[[], datetime] = timezone.now, *, stopping: Callable[[], bool]) -> int:
    """Send what is due; how many were taken. A mail server that fails is tried again later."""
    sent = failed = 0
    for tenant_id, mail_id in _due(now()):
        if stopping() or failed >= _DEAD_AFTER:
            break
        message = _take_up(tenant_id, mail_id, now())
        if message is None:
            continue
        try:
            message.send()
        except OSError as error:  # smtplib's errors are of this kind too
            log.warning("a mail was not taken", mail=str(mail_id), reason=type(error).__name__)
            _postpone(tenant_id, mail_id, now())
            failed += 1
            continue
        sent, failed = sent + 1, 0
        with rls.tenant(tenant_id):
            rows = Mail.objects.of(tenant_id).filter(pk=mail_id)
            rows.update(sent_at=now(), next_at=None)
    return sent


def key_of(mail_id: UUID) -> str:
    """The key in the link of a mail: the same at every try, and made anew when it is needed."""
    seed = salted_hmac("mooring.unsubscribe", mail_id.hex, algorithm="sha256").digest()
    return bearer.derive(preferences.KEY, seed)


def _write(tenant_id: UUID, now: datetime) -> int:
    lines = (
        Telling.objects.of(tenant_id)
        .filter(mail=None, mail_at__lte=now)
        .annotate(news=Exists(_still(tenant_id)))
        .order_by("opened_at", "pk")
        .select_for_update(of=("self",))
    )
    found = list(lines[:_BATCH])
    over = [line.pk for line in found if not line.news]
    Telling.objects.of(tenant_id).filter(pk__in=over).update(mail_at=None)
    piles: dict[tuple[UUID, str], list[Telling]] = {}
    for line in (one for one in found if one.news):
        digest = line.channel == Channel.DIGEST
        piles.setdefault((line.user_id, "" if digest else str(line.pk)), []).append(line)
    for (user, _one), pile in piles.items():
        _mail(tenant_id, user, pile, now)
    return len(piles)


def _still(tenant_id: UUID) -> QuerySet[Told]:
    """What a line tells that is still true, or was never meant to last."""
    news = Q(notice__closed_at=None) | ~Q(notice__kind__in=[kind.value for kind in OPEN_ENDED])
    return Told.objects.of(tenant_id).filter(news, telling=OuterRef("pk"))


def _mail(tenant_id: UUID, user: UUID, pile: Sequence[Telling], now: datetime) -> None:
    first, mail_id = pile[0], ids.uuid7()
    digest = first.channel == Channel.DIGEST
    Mail.objects.create(
        id=mail_id,
        tenant_id=tenant_id,
        user_id=user,
        topic="" if digest else topic_of(first.kind, first.step).value,
        digest=bearer.digest(key_of(mail_id)),
        created_at=now,
        next_at=now,
    )
    lines = [line.pk for line in pile]
    Telling.objects.of(tenant_id).filter(pk__in=lines).update(mail_id=mail_id)


def _due(now: datetime) -> Iterable[tuple[UUID, UUID]]:
    with rls.fleet("mails that are due"):
        rows = Mail.objects.filter(next_at__lte=now).order_by("next_at", "pk")
        return list(rows.values_list("tenant_id", "pk")[:_BATCH])


def _take_up(tenant_id: UUID, mail_id: UUID, now: datetime) -> letters.Message | None:
    """Lease a mail and compose it; None where somebody else has it, or nobody is to get it."""
    with rls.tenant(tenant_id):
        rows = Mail.objects.of(tenant_id).filter(pk=mail_id, next_at__lte=now)
        mail = rows.select_for_update(of=("self",), skip_locked=True).first()
        if mail is None:
            return None
        late = now - mail.created_at > GIVE_UP
        message = None if late else letters.compose(mail, key=key_of(mail.pk), now=now)
        mail.attempts = min(mail.attempts + 1, 30_000)
        mail.next_at = None if message is None else now + LEASE
        # The secret key may have been changed since: the link has to be of the key of now.
        mail.digest = bearer.digest(key_of(mail.pk))
        mail.save(update_fields=["attempts", "next_at", "digest"])
    if late:
        log.error("a mail was given up", mail=str(mail_id), attempts=mail.attempts)
    return message


def _postpone(tenant_id: UUID, mail_id: UUID, now: datetime) -> None:
    with rls.tenant(tenant_id):
        mail = Mail.objects.of(tenant_id).select_for_update(of=("self",)).get(pk=mail_id)
        pause = _PAUSES[min(mail.attempts, len(_PAUSES)) - 1]
        mail.next_at = now + timedelta(minutes=pause)
        mail.save(update_fields=["next_at"])
