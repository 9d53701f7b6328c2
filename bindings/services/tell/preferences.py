"""How people want to be told: their choice per topic, language, time zone, and the way out."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from uuid import UUID

from django.conf import settings

from bindings.models import Mail, Preference
from bindings.notices import LINES, Channel, Topic
from portal.ground import bearer, rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.models import User

KEY = "mru"
"""The first letters of the key in a link that ends mails."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What people chose; where they chose nothing, the default holds."""

    rows: Mapping[tuple[UUID, str], str] = field(default_factory=dict)

    def channel(self, user: UUID, topic: Topic) -> Channel:
        return Channel(self.rows.get((user, topic.value), LINES[topic].channel.value))


def of_people(people: Iterable[UUID]) -> Chosen:
    """The choices of these people. Readable inside any tenant, and outside of all."""
    rows = Preference.objects.filter(user__in=list(people))
    found = rows.values_list("user_id", "topic", "channel")
    return Chosen({(user, topic): channel for user, topic, channel in found})


def keep(*, person: User, channels: Mapping[Topic, Channel]) -> None:
    """Keep what a person chose. Opens the login's transaction."""
    with rls.login():
        _keep(person.pk, channels)


def keep_place(*, person: User, language: str, zone: str) -> None:
    """Keep a person's language and time zone. Raises Refusal X-FORM-03 for what does not exist.
    Needs no open scope."""
    if language not in dict(settings.LANGUAGES):
        raise Refusal("X-FORM-03", field="language", why=", ".join(dict(settings.LANGUAGES)))
    if zone not in zones():
        raise Refusal("X-FORM-03", field="zone", why="Asia/Shanghai, Europe/Berlin, UTC")
    User.objects.filter(pk=person.pk).update(language=language, zone=zone)


@cache
def zones() -> tuple[str, ...]:
    """The time zones people may choose, those of the world's cities, and UTC."""
    known = zoneinfo.available_timezones()
    return ("UTC", *sorted(name for name in known if _is_of_a_city(name)))


def zone_of(name: str) -> zoneinfo.ZoneInfo:
    """A time zone; UTC where this server does not know it."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo("UTC")


def _is_of_a_city(name: str) -> bool:
    areas = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe")
    return name.partition("/")[0] in (*areas, "Indian", "Pacific") and len(name) <= 40


def by_key(key: str) -> Mail:
    """The mail whose link this key is of. Raises NotYours. Opens the fleet's scope."""
    if not bearer.well_formed(KEY, key):
        raise NotYours
    with rls.fleet("somebody follows the link of a mail"):
        found = Mail.objects.filter(digest=bearer.digest(key)).first()
    if found is None:
        raise NotYours
    return found


def unsubscribe(*, key: str) -> Mail:
    """End mails like the one this key came with; the portal goes on. Of a digest: all digests.
    Raises NotYours. Needs no open scope; doing it twice changes nothing more."""
    mail = by_key(key)
    with rls.login():
        chosen = of_people([mail.user_id])
        ended = [topic for topic in LINES if _was_about(mail, topic, chosen)]
        _keep(mail.user_id, dict.fromkeys(ended, Channel.PORTAL))
    return mail


def _was_about(mail: Mail, topic: Topic, chosen: Chosen) -> bool:
    if mail.topic:
        return mail.topic == topic.value
    return chosen.channel(mail.user_id, topic) is Channel.DIGEST


def _keep(user: UUID, channels: Mapping[Topic, Channel]) -> None:
    Preference.objects.bulk_create(
        (Preference(user_id=user, topic=t.value, channel=c.value) for t, c in channels.items()),
        update_conflicts=True,
        unique_fields=["user", "topic"],
        update_fields=["channel"],
    )
