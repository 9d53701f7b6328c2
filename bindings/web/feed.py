"""The event log in sentences people read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bindings.models import Binding
from bindings.services.browse.specs import LABELS
from portal.tenants.models import Event

_SENTENCES = {
    "binding.bound": gettext_lazy("%(who)s bound %(account)s on %(platform)s"),
    "binding.unbound": gettext_lazy("%(who)s unbound %(account)s from %(platform)s"),
    "binding.replaced": gettext_lazy("%(who)s renewed %(account)s on %(platform)s"),
    "binding.pending": gettext_lazy("%(account)s on %(platform)s waits to be confirmed"),
    "binding.orphaned": gettext_lazy("The person who bound %(account)s on %(platform)s has left"),
    "authorization.created": gettext_lazy("%(who)s made a hand-off link to %(platform)s"),
    "authorization.cancelled": gettext_lazy("%(who)s withdrew a hand-off link to %(platform)s"),
    "binding.rotated": gettext_lazy("%(account)s on %(platform)s got a new token"),
    "binding.changed": gettext_lazy("%(who)s changed the settings of a binding"),
    "binding.expiring": gettext_lazy("%(platform)s: %(account)s ends in %(days)s days or less"),
    "binding.expired": gettext_lazy("%(platform)s: %(account)s has ended"),
    "binding.revoked": gettext_lazy("%(platform)s no longer accepts %(account)s"),
    "binding.insufficient": gettext_lazy("%(platform)s: a permission of %(account)s is missing"),
    "binding.unreachable": gettext_lazy("%(platform)s does not answer"),
    "binding.recovered": gettext_lazy("%(platform)s works again for %(account)s"),
    "binding.suspended": gettext_lazy("%(account)s on %(platform)s is paused"),
    "binding.resumed": gettext_lazy("%(account)s on %(platform)s is used again"),
    "binding.undecryptable": gettext_lazy("The credential of %(account)s cannot be opened"),
    "binding.drill_started": gettext_lazy("%(who)s began a fire drill on %(account)s"),
    "binding.drill_ended": gettext_lazy("The fire drill on %(account)s has ended"),
    "instance.created": gettext_lazy("%(who)s made the instance %(name)s"),
    "instance.changed": gettext_lazy("%(who)s changed the instance %(name)s"),
    "instance.deleted": gettext_lazy("%(who)s deleted the instance %(name)s"),
    "member.joined": gettext_lazy("%(who)s added a member"),
    "member.changed": gettext_lazy("%(who)s changed the role of a member"),
    "member.left": gettext_lazy("%(who)s removed a member"),
    "token.created": gettext_lazy("%(who)s made the API token %(name)s"),
    "token.revoked": gettext_lazy("%(who)s revoked the API token %(name)s"),
    "build.push": gettext_lazy("%(path)s: a build of %(ref)s was started for %(trigger)s"),
    "build.tag": gettext_lazy("%(path)s: a build of tag %(ref)s was started for %(trigger)s"),
    "build.manual": gettext_lazy("%(who)s started a build of %(ref)s in %(path)s"),
    "build.recovered": gettext_lazy("%(path)s: a missed push to %(ref)s was found and sent"),
    "webhook.created": gettext_lazy("%(who)s added the webhook of %(path)s"),
    "webhook.deleted": gettext_lazy("%(who)s removed the webhook of %(path)s"),
    "webhook.failing": gettext_lazy("The webhook of %(path)s stopped working"),
    "webhook.repaired": gettext_lazy("The webhook of %(path)s works again"),
    "webhook.recovered": gettext_lazy("Missed pushes of %(path)s were found and sent"),
    "delivery.replayed": gettext_lazy("%(who)s replayed a delivery of %(path)s"),
    "trigger.created": gettext_lazy("%(who)s made the trigger %(trigger)s"),
    "trigger.changed": gettext_lazy("%(who)s changed the trigger %(trigger)s"),
    "trigger.deleted": gettext_lazy("%(who)s deleted the trigger %(trigger)s"),
    "lease.created": gettext_lazy("%(who)s got a clone credential for %(path)s"),
    "lease.revoked": gettext_lazy("%(who)s revoked a clone credential for %(path)s"),
    "endpoint.created": gettext_lazy("%(who)s added the endpoint %(endpoint)s"),
    "endpoint.changed": gettext_lazy("%(who)s changed the endpoint %(endpoint)s"),
    "endpoint.deleted": gettext_lazy("%(who)s deleted the endpoint %(endpoint)s"),
    "endpoint.secret_replaced": gettext_lazy("%(who)s gave the endpoint %(endpoint)s a new secret"),
    "endpoint.test": gettext_lazy("%(who)s tested the endpoint %(endpoint)s"),
    "endpoint.disabled": gettext_lazy("The endpoint %(endpoint)s was switched off"),
    "tenant.opened": gettext_lazy("The tenant was opened"),
    "tenant.viewed_by_operator": gettext_lazy("An operator looked into this tenant"),
    "access.denied": gettext_lazy("%(who)s was refused: %(code)s"),
}
_LOOKS = {
    "binding.expired": ("bad", "bad"),
    "binding.revoked": ("bad", "bad"),
    "binding.unreachable": ("bad", "bad"),
    "binding.undecryptable": ("bad", "lock"),
    "binding.insufficient": ("warn", "warn"),
    "binding.expiring": ("warn", "clock"),
    "binding.suspended": ("", "lock"),
    "binding.pending": ("info", "info"),
    "binding.orphaned": ("warn", "warn"),
    "binding.drill_started": ("", "shield"),
    "binding.drill_ended": ("", "shield"),
    "binding.unbound": ("", "off"),
    "access.denied": ("warn", "shield"),
    "build.push": ("ok", "branch"),
    "build.tag": ("ok", "branch"),
    "build.manual": ("ok", "branch"),
    "build.recovered": ("ok", "branch"),
    "webhook.created": ("", "hook"),
    "webhook.deleted": ("", "hook"),
    "webhook.recovered": ("ok", "hook"),
    "webhook.failing": ("bad", "hook"),
    "webhook.repaired": ("ok", "hook"),
    "delivery.replayed": ("", "loop"),
    "lease.created": ("", "copy"),
    "lease.revoked": ("", "lock"),
    "endpoint.disabled": ("bad", "out"),
    "endpoint.deleted": ("", "off"),
    "trigger.deleted": ("", "off"),
    "token.created": ("", "key"),
    "token.revoked": ("", "key"),
}


def of_binding(binding: Binding, most: int) -> list[dict[str, Any]]:
    """What happened to one binding, newest first."""
    rows = Event.objects.of(binding.tenant_id).filter(binding_id=binding.pk)
    return list(lines(rows.order_by("-id")[:most]))


def lines(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """Each event as a page shows it: text, who and from where (note), at, tone, symbol, the code
    of a refusal, and whether it was only rehearsed."""
    for event in events:
        tone, symbol = _LOOKS.get(event.type, ("ok", "ok"))
        yield {
            "text": _sentence(event),
            "who": event.actor.get("name") or _("Somebody"),
            "note": event.actor.get("ip") or "",
            "code": event.data.get("code", "") if event.type == "access.denied" else "",
            "drill": bool(event.data.get("drill")),
            "at": event.at,
            "tone": tone,
            "symbol": symbol,
        }


def _sentence(event: Event) -> str:
    if event.type not in _SENTENCES:
        return event.type
    data = event.data
    about = data.get("binding") or data.get("authorization") or {}
    named = data.get("token") or data
    return str(_SENTENCES[event.type]) % {
        "who": event.actor.get("name") or _("Somebody"),
        "account": about.get("account", ""),
        "platform": LABELS.get(about.get("provider", ""), ""),
        "days": data.get("threshold_days", ""),
        "name": named.get("name", ""),
        "code": data.get("code", ""),
        "path": _path(data),
        "ref": data.get("name") or data.get("ref") or "",
        "trigger": _part(data, "trigger").get("name", ""),
        "endpoint": _part(data, "endpoint").get("name", ""),
    }


def _path(data: Mapping[str, Any]) -> str:
    """The repository an event is about, wherever it is named."""
    places = (data, *(_part(data, name) for name in ("webhook", "lease", "delivery", "trigger")))
    found = (place.get("repository") for place in places)
    for one in found:
        if one:
            return str(one.get("path", "") if isinstance(one, Mapping) else one)
    return ""


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object in an event; some events only hold its id there."""
    found = data.get(name)
    return found if isinstance(found, Mapping) else {}
