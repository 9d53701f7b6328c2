"""The sentences of notices, in the active language: as a line of the portal and in a mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy

from bindings import problems
from bindings.models import Binding, Telling, facts
from bindings.models.bindings import Kind as BoundBy
from bindings.notices import CREDENTIAL, Kind, Topic
from bindings.services.tell import impact
from portal.ground import refusals
from portal.templatetags import words
from portal.tenants import roles
from portal.tenants.models import Tenant
from providers.catalogue import REGISTRY

NAMED = 10
"""Bindings of one story that a mail names."""

TOPICS: Mapping[Topic, Any] = {
    Topic.BROKEN: gettext_lazy("Ended, reconnect needed, cannot be opened"),
    Topic.ENDS_LATER: gettext_lazy("Ends in 30 or 14 days"),
    Topic.ENDS_SOON: gettext_lazy("Ends in 7, 3 or 1 days"),
    Topic.PERMISSION: gettext_lazy("A permission is missing"),
    Topic.UNREACHABLE: gettext_lazy("Server unreachable for 30 minutes"),
    Topic.RECOVERED: gettext_lazy("Works again, after a mail about the trouble"),
    Topic.PLUMBING: gettext_lazy("Webhook failing, endpoint disabled"),
    Topic.CHANGES: gettext_lazy("Bound, unbound, switched, paused, waiting for confirmation"),
}

_ONE = {
    Kind.EXPIRED: gettext_lazy("%(platform)s token for %(instance)s has ended"),
    Kind.REVOKED: gettext_lazy("%(platform)s no longer accepts %(login)s for %(instance)s"),
    Kind.UNDECRYPTABLE: gettext_lazy(
        "The credential of %(login)s on %(platform)s for %(instance)s cannot be opened"
    ),
    Kind.INSUFFICIENT: gettext_lazy(
        "A permission of %(login)s on %(platform)s is missing for %(instance)s"
    ),
    Kind.RECOVERED: gettext_lazy("%(platform)s works again for %(instance)s"),
    Kind.WEBHOOK: gettext_lazy("A webhook of %(instance)s on %(platform)s is failing"),
    Kind.ENDPOINT: gettext_lazy("The endpoint %(name)s was disabled"),
    Kind.BOUND: gettext_lazy("%(by)s bound %(login)s on %(platform)s to %(instance)s"),
    Kind.UNBOUND: gettext_lazy("%(by)s unbound %(login)s on %(platform)s from %(instance)s"),
    Kind.SWITCHED: gettext_lazy("%(by)s switched %(instance)s to %(login)s on %(platform)s"),
    Kind.SUSPENDED: gettext_lazy("%(login)s on %(platform)s is paused for %(instance)s"),
    Kind.RESUMED: gettext_lazy("%(login)s on %(platform)s is used again for %(instance)s"),
    Kind.CONFIRM: gettext_lazy(
        "%(login)s on %(platform)s came back for %(instance)s. Is that right?"
    ),
    Kind.ORPHANED: gettext_lazy(
        "The person who bound %(login)s on %(platform)s for %(instance)s has left"
    ),
}
_MANY = {
    Kind.EXPIRED: ngettext_lazy(
        "%(host)s: %(n)d token has ended", "%(host)s: %(n)d tokens have ended", "n"
    ),
    Kind.REVOKED: ngettext_lazy(
        "%(host)s no longer accepts %(n)d account", "%(host)s no longer accepts %(n)d accounts", "n"
    ),
    Kind.UNDECRYPTABLE: ngettext_lazy(
        "%(host)s: %(n)d credential cannot be opened",
        "%(host)s: %(n)d credentials cannot be opened",
        "n",
    ),
    Kind.INSUFFICIENT: ngettext_lazy(
        "%(host)s: a permission is missing on %(n)d binding",
        "%(host)s: a permission is missing on %(n)d bindings",
        "n",
    ),
    Kind.UNREACHABLE: ngettext_lazy(
        "%(host)s is unreachable: %(n)d binding", "%(host)s is unreachable: %(n)d bindings", "n"
    ),
    Kind.RECOVERED: ngettext_lazy(
        "%(host)s works again: %(n)d binding", "%(host)s works again: %(n)d bindings", "n"
    ),
    Kind.EXPIRING: ngettext_lazy(
        "%(host)s: %(n)d token ends soon", "%(host)s: %(n)d tokens end soon", "n"
    ),
}
_CHANGED = ngettext_lazy(
    "%(host)s: %(n)d binding was changed", "%(host)s: %(n)d bindings were changed", "n"
)


@dataclass(frozen=True, slots=True)
class Story:
    """A line somebody reads, with the bindings it is about: all, or the first of many."""

    telling: Telling
    tenant: Tenant
    bindings: Sequence[Binding]
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def one(self) -> Binding | None:
        """The binding it is about, where it is about one."""
        return self.bindings[0] if self.bindings and self.telling.many == 1 else None


@dataclass(frozen=True, slots=True)
class Said:
    """A story in a mail: what, when, what stops, one button."""

    title: str
    why: str
    when: str
    stops: Sequence[str]
    label: str
    url: str


def title(story: Story, now: datetime) -> str:
    """A story in one line, as it reads at `now`: of the portal, and the subject of its mail. A
    rehearsal says so first."""
    said = _title(story, now)
    return _("Drill: %(said)s") % {"said": said} if story.data.get("drill") else said


def _title(story: Story, now: datetime) -> str:
    kind, binding = Kind(story.telling.kind), story.one
    if binding is None and kind is not Kind.ENDPOINT:
        return _of_many(story)
    if kind is Kind.UNREACHABLE:
        return _of_many(story)
    if kind is Kind.EXPIRING and binding is not None:
        return _ends(story, binding, now)
    return " ".join((str(_ONE[kind]) % _names(story, binding)).split())


def say(story: Story, *, now: datetime, zone: tzinfo, role: str) -> Said:
    """A story in full. Needs the tenant's scope. `role` decides where the button leads."""
    label, url = _button(story, role)
    return Said(title(story, now), _why(story, now), _when(story, zone), _stops(story), label, url)


def moment(at: datetime, zone: tzinfo) -> str:
    """A moment in UTC and on somebody's clock: "27 Nov 2026, 00:00 UTC (08:00, Asia/Shanghai)"."""
    utc, local = at.astimezone(UTC), at.astimezone(zone)
    said = f"{words.day(utc.date())}, {utc:%H:%M} UTC"
    if str(zone) == "UTC":
        return said
    day = "" if local.date() == utc.date() else f"{words.day(local.date())}, "
    return f"{said} ({day}{local:%H:%M} {zone})"


def address(name: str, *parts: str) -> str:
    """The whole address of one of our pages."""
    return f"{settings.MOORING_URL}{reverse(name, args=parts)}"


def _end_of(story: Story) -> datetime | None:
    """The end that was told of; the binding may have a new one since."""
    told = story.data.get("ends")
    return datetime.fromisoformat(str(told)) if told else None


def _ends(story: Story, binding: Binding, now: datetime) -> str:
    end = _end_of(story)
    left = words.days_left(end, now) if end else 0
    names = {"platform": platform_of(binding), "instance": binding.instance.name, "n": left}
    if left < 1:
        return _("%(platform)s token for %(instance)s ends today") % names
    said = ngettext(
        "%(platform)s token for %(instance)s ends in %(n)d day",
        "%(platform)s token for %(instance)s ends in %(n)d days",
        left,
    )
    return said % names


def _of_many(story: Story) -> str:
    host = story.bindings[0].host.label if story.bindings else ""
    shown = _MANY.get(Kind(story.telling.kind), _CHANGED)
    return " ".join((shown % {"host": host, "n": story.telling.many}).split())


def _names(story: Story, binding: Binding | None) -> dict[str, str]:
    data = story.data
    return {
        "platform": platform_of(binding) if binding else "",
        "instance": binding.instance.name if binding else "",
        "login": (binding.account_login if binding else "") or str(data.get("login", "")),
        "by": str(data.get("by") or _("Somebody")),
        "name": str(data.get("name", "")),
    }


def platform_of(binding: Binding) -> str:
    """The name of a binding's platform."""
    return REGISTRY[binding.provider].spec.label


def _why(story: Story, now: datetime) -> str:
    """What the platform or the server said, in the catalogue's sentence; "" where nothing fits."""
    if not story.bindings:
        return ""
    kind, binding = Kind(story.telling.kind), story.bindings[0]
    prefix = problems.prefix_of(binding.provider)
    if kind is Kind.UNREACHABLE and binding.reach_why:
        more = {"host": binding.host.label, **binding.reach_facts}
        found = problems.of_reach(binding.reach_why, prefix=prefix, **more)
    elif kind in CREDENTIAL and story.one is not None and binding.status == kind.value:
        more = {"login": binding.account_login, **binding.why_facts}
        found = problems.of_status(facts.of(binding), now, prefix=prefix, **more)
    else:
        found = None
    return refusals.words(*found).detail if found else ""


def _when(story: Story, zone: tzinfo) -> str:
    end = _end_of(story)
    if end is not None and story.one is not None:
        return moment(end, zone)
    return moment(story.telling.opened_at, zone)


def _stops(story: Story) -> list[str]:
    """What stops, or had stopped: of one binding its repositories, of many the bindings."""
    kind, binding = Kind(story.telling.kind), story.one
    if kind in (Kind.BOUND, Kind.CONFIRM, Kind.RESUMED, Kind.ENDPOINT, Kind.ORPHANED):
        return []
    if binding is not None:
        return [said] if (said := str(impact.of(binding))) else []
    named = [
        f"{one.instance.name}: {platform_of(one)}, {one.account_login}"
        for one in story.bindings[:NAMED]
    ]
    rest = story.telling.many - len(named)
    if rest > 0:
        named.append(ngettext("and %(n)d more", "and %(n)d more", rest) % {"n": rest})
    return named


def _button(story: Story, role: str) -> tuple[str, str]:
    """The page where something can be done: for who may, where the credential is renewed."""
    kind, binding, slug = Kind(story.telling.kind), story.one, story.tenant.slug
    if binding is None:
        page = "expiry" if kind in (Kind.EXPIRING, Kind.EXPIRED) else "notices"
        return _("Show all"), address(page, slug)
    if kind is Kind.UNBOUND:
        return _("Show the receipt"), address("receipt", slug, binding.public_id)
    mends = kind in (Kind.EXPIRING, *CREDENTIAL) and roles.allows(role, "bindings:write")
    if mends and binding.kind == BoundBy.TOKEN:
        return _("Replace token"), address("replace", slug, binding.public_id)
    if mends and binding.kind == BoundBy.OAUTH:
        again = address("bind", slug, binding.instance.name, binding.provider)
        return _("Reconnect"), f"{again}?reconnect={binding.public_id}"
    return _("Open"), address("binding", slug, binding.public_id)
