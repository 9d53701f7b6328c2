"""The event log in sentences people read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    "binding.drill_started": ("", "shield"),
    "binding.drill_ended": ("", "shield"),
    "binding.unbound": ("", "off"),
    "access.denied": ("warn", "shield"),
    "token.created": ("", "key"),
    "token.revoked": ("", "key"),
}


def of_binding(binding: Binding, most: int) -> list[dict[str, Any]]:
    """What happened to one binding, newest first."""
    rows = Event.objects.of(binding.tenant_id).filter(binding_id=binding.pk)
    return list(lines(rows.order_by("-id")[:most]))


def lines(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """Each event as a page shows it: text, note (who from where), at, tone, symbol, and
    whether it was only rehearsed."""
    for event in events:
        tone, symbol = _LOOKS.get(event.type, ("ok", "ok"))
        yield {
            "text": _sentence(event),
            "note": event.actor.get("ip") or "",
            "drill": bool(event.data.get("drill")),
            "at": event.at,
            "tone": tone,
            "symbol": symbol,
        }


def _sentence(event: Event) -> str:
    if event.type not in _SENTENCES:
        return event.type
    about = event.data.get("binding") or {}
    named = event.data.get("token") or event.data
    return str(_SENTENCES[event.type]) % {
        "who": event.actor.get("name") or _("Somebody"),
        "account": about.get("account", ""),
        "platform": LABELS.get(about.get("provider", ""), ""),
        "days": event.data.get("threshold_days", ""),
        "name": named.get("name", ""),
        "code": event.data.get("code", ""),
    }
