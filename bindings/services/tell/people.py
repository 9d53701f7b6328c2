"""Tell people: of each notice one line to everybody it concerns, in the way they chose.

Runs inside one tenant at a time. Whoever is told, told once: the database holds that, so it does
not matter how often this runs, or where it is killed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from bindings.models import Binding, Notice, Telling, Told
from bindings.notices import (
    DIGEST_HOUR,
    LINES,
    MANY,
    OPEN_ENDED,
    WINDOW,
    Channel,
    Kind,
    Whom,
    topic_of,
)
from bindings.services.tell import preferences
from portal.ground import rls
from portal.tenants.models import Membership

BATCH = 500
_ROLES = {Whom.ADMINS: "admin", Whom.OWNERS: "owner"}


@dataclass(frozen=True, slots=True)
class Person:
    """A member, as far as telling them goes."""

    id: UUID
    role: str
    zone: str


@dataclass(frozen=True, slots=True)
class _Pile:
    """Notices that one person may be told in one line."""

    user: UUID
    kind: str
    step: int
    host: UUID | None
    channel: Channel


@dataclass
class _Tenant:
    """What one tenant's notices are judged by."""

    id: UUID
    people: dict[UUID, Person]
    chosen: preferences.Chosen
    now: datetime
    crowded: set[UUID] = field(default_factory=set)  # hosts with more than MANY live bindings
    told: set[tuple[UUID, UUID, datetime]] = field(default_factory=set)  # user, notice, at


def tell(now: datetime) -> int:
    """Tell everybody what they have not been told; how many lines. Opens short scopes."""
    with rls.fleet("who has something to be told"):
        waiting = Notice.objects.filter(told_at=None).order_by()
        tenants = list(waiting.values_list("tenant_id", flat=True).distinct())
    told = 0
    for tenant_id in tenants:
        while True:
            with rls.tenant(tenant_id):
                batch = _batch(tenant_id)
                told += _tell(tenant_id, batch, now)
            if len(batch) < BATCH:
                break
    return told


def unread_again(tenant_id: UUID, people: Iterable[UUID]) -> None:
    """Count anew what these members have not read. Needs the tenant's scope."""
    lines = Telling.objects.of(tenant_id).filter(user=OuterRef("user"), read_at=None)
    count = lines.order_by().values("user").annotate(n=Count("id")).values("n")
    Membership.objects.of(tenant_id).filter(user__in=list(people)).update(
        unread=Coalesce(Subquery(count, output_field=IntegerField()), 0)
    )


def _batch(tenant_id: UUID) -> list[Notice]:
    rows = Notice.objects.of(tenant_id).filter(told_at=None).select_related("binding")
    return list(rows.order_by("opened_at", "pk").select_for_update(of=("self",))[:BATCH])


def _tell(tenant_id: UUID, batch: Sequence[Notice], now: datetime) -> int:
    if not batch:
        return 0
    place = _Tenant(tenant_id, _people(tenant_id), preferences.Chosen(), now)
    place.chosen = preferences.of_people(place.people)
    place.crowded = _crowded(tenant_id, batch)
    before = Told.objects.of(tenant_id).filter(notice__in=batch)
    place.told = set(before.values_list("user_id", "notice_id", "at"))
    piles: dict[_Pile, list[Notice]] = defaultdict(list)
    for notice in batch:
        # What was over before anybody heard of it is no news.
        if notice.closed_at is None or notice.kind not in OPEN_ENDED:
            for pile in _piles(notice, place):
                piles[pile].append(notice)
    for pile, notices in piles.items():
        _write(pile, notices, place)
    Notice.objects.of(tenant_id).filter(pk__in=[row.pk for row in batch]).update(told_at=now)
    unread_again(tenant_id, {pile.user for pile in piles})
    return len(piles)


def _people(tenant_id: UUID) -> dict[UUID, Person]:
    rows = Membership.objects.of(tenant_id).filter(left_at=None, user__is_active=True)
    found = rows.order_by("created_at").values_list("user_id", "role", "user__zone")
    return {user: Person(user, role, zone) for user, role, zone in found}


def _crowded(tenant_id: UUID, batch: Sequence[Notice]) -> set[UUID]:
    hosts = {row.binding.host_id for row in batch if row.binding}
    rows = Binding.objects.of(tenant_id).filter(host__in=hosts, unbound_at=None)
    counted = rows.order_by().values("host_id").annotate(n=Count("id")).filter(n__gt=MANY)
    return {row["host_id"] for row in counted}


def _piles(notice: Notice, place: _Tenant) -> Iterable[_Pile]:
    topic = topic_of(notice.kind, notice.step)
    mailed = _told_before(notice) if notice.kind == Kind.RECOVERED else None
    people = whom(notice, place.people) if mailed is None else set(mailed) & set(place.people)
    host = notice.binding.host_id if notice.binding else None
    for user in people:
        channel = place.chosen.channel(user, topic)
        if mailed is not None and not mailed[user] and channel is not Channel.NONE:
            channel = Channel.PORTAL  # whoever got no mail about the trouble needs none now
        known = (user, notice.pk, notice.opened_at) in place.told
        if channel is not Channel.NONE and not known:
            yield _Pile(user, notice.kind, notice.step, host, channel)


def whom(notice: Notice, people: Mapping[UUID, Person]) -> set[UUID]:
    """The members a notice concerns. Where the person it is for has left, the admins stand in; and
    the owners where there is no admin."""
    found: set[UUID] = set()
    for kind in LINES[topic_of(notice.kind, notice.step)].whom:
        found |= _of(kind, notice, people)
    return found or _with(people, "admin") or _with(people, "owner")


def _of(kind: Whom, notice: Notice, people: Mapping[UUID, Person]) -> set[UUID]:
    if kind is Whom.BINDER:
        binder = notice.binding.bound_by_id if notice.binding else None
        return {binder} if binder and binder in people else _with(people, "admin")
    if kind is Whom.MAKER:
        return {user for user in people if str(user) == notice.data.get("maker")}
    role = _ROLES.get(kind, "")
    return _with(people, role) or (_with(people, "owner") if kind is Whom.ADMINS else set())


def _with(people: Mapping[UUID, Person], role: str) -> set[UUID]:
    return {user for user, person in people.items() if person.role == role}


def _told_before(notice: Notice) -> dict[UUID, bool]:
    """Who was told of the trouble that a recovery ends, and whether by mail."""
    rows = Told.objects.of(notice.tenant_id).filter(notice__in=notice.data.get("of", []))
    found: dict[UUID, bool] = defaultdict(bool)
    for user, mail in rows.values_list("user_id", "telling__mail_id"):
        found[user] |= mail is not None
    return found


def _write(pile: _Pile, notices: Sequence[Notice], place: _Tenant) -> None:
    """One line each; or one for all, once they are many of one server within ten minutes."""
    earlier = list(_recent(pile, place)) if pile.host else []
    if sum(line.many for line in earlier) + len(notices) <= MANY:
        for notice in notices:
            _note(_line(pile, [notice], place), [notice], place)
        return
    line = earlier[0] if earlier else _line(pile, notices, place)
    Told.objects.of(place.id).filter(telling__in=earlier).update(telling=line)
    rest = Telling.objects.of(place.id).filter(pk__in=[one.pk for one in earlier[1:]])
    rest._raw_delete(rest.db)  # nothing hangs on them any more
    _note(line, notices, place)
    many = Told.objects.of(place.id).filter(telling=line).count()
    Telling.objects.of(place.id).filter(pk=line.pk).update(many=many, read_at=None)


def _recent(pile: _Pile, place: _Tenant) -> QuerySet[Telling]:
    """The lines of the same story that were not mailed yet, oldest first."""
    return (
        Telling.objects.of(place.id)
        .filter(
            user=pile.user,
            kind=pile.kind,
            step=pile.step,
            host_id=pile.host,
            mail=None,
            opened_at__gt=place.now - WINDOW,
        )
        .order_by("opened_at", "pk")
        .select_for_update(of=("self",))
    )


def _line(pile: _Pile, notices: Sequence[Notice], place: _Tenant) -> Telling:
    return Telling.objects.create(
        tenant_id=place.id,
        user_id=pile.user,
        kind=pile.kind,
        step=pile.step,
        host_id=pile.host,
        channel=pile.channel.value,
        many=len(notices),
        opened_at=place.now,
        mail_at=_mail_at(pile, notices, place),
    )


def _note(line: Telling, notices: Sequence[Notice], place: _Tenant) -> None:
    Told.objects.bulk_create(
        Told(
            tenant_id=place.id,
            telling=line,
            notice=notice,
            user_id=line.user_id,
            at=notice.opened_at,
        )
        for notice in notices
    )


def _mail_at(pile: _Pile, notices: Sequence[Notice], place: _Tenant) -> datetime | None:
    """When a mail about it may go: a digest in the morning; at once, but not before a story of a
    large server is complete, nor before a server had the time to come back."""
    if pile.channel is Channel.DIGEST:
        return next_digest(place.now, place.people[pile.user].zone)
    if pile.channel is not Channel.MAIL:
        return None
    patience = LINES[topic_of(pile.kind, pile.step)].patience
    opened = min(notice.opened_at for notice in notices)
    hold = WINDOW if pile.host in place.crowded else timedelta()
    return max(opened + patience, place.now + hold)


def next_digest(now: datetime, zone: str) -> datetime:
    """The next 09:00 of somebody's clock; of UTC where their zone is not known here."""
    local = now.astimezone(preferences.zone_of(zone))
    due = datetime.combine(local.date(), time(DIGEST_HOUR), local.tzinfo)
    if due <= local:
        due = datetime.combine(local.date() + timedelta(days=1), time(DIGEST_HOUR), local.tzinfo)
    return due.astimezone(UTC)
