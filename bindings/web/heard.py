"""Hooks and what came through them, in words: how a hook is, and what became of a delivery."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bindings.models import Delivery, Dispatch, Hook
from bindings.models.hooks import HookStatus, Outcome, Proof, Signature
from bindings.models.outbox import DispatchState
from portal.ground import refusals
from portal.templatetags.words import Pill, Words

STATUSES: Mapping[str, Pill] = {
    HookStatus.ACTIVE: Pill(gettext_lazy("Active"), "ok", "ok"),
    HookStatus.UNVERIFIED: Pill(gettext_lazy("Nothing received yet"), "info", "clock"),
    HookStatus.MISSING: Pill(gettext_lazy("Gone"), "bad", "bad"),
    HookStatus.MISMATCH: Pill(gettext_lazy("Does not match"), "bad", "bad"),
    HookStatus.DISABLED: Pill(gettext_lazy("Switched off"), "bad", "off"),
    HookStatus.FAILING: Pill(gettext_lazy("Failing"), "warn", "warn"),
    HookStatus.REMOVING: Pill(gettext_lazy("Being removed"), "", "loop"),
    HookStatus.REMOVED: Pill(gettext_lazy("Removed"), "", "off"),
}
PROOFS: Mapping[str, tuple[Words, Words]] = {
    Proof.HMAC: (gettext_lazy("Signed"), gettext_lazy("the body")),
    Proof.SIGNED: (gettext_lazy("Signed"), gettext_lazy("id, time and body")),
    Proof.TIME: (gettext_lazy("Signed"), gettext_lazy("the time only; pushes are read back")),
    Proof.TOKEN: (gettext_lazy("Shared word"), gettext_lazy("pushes are read back")),
}
"""How a hook is authenticated, and what that covers (api.md 3.6)."""
SIGNATURES: Mapping[str, Words] = {
    Signature.VALID: gettext_lazy("Valid"),
    Signature.MISMATCH: gettext_lazy("Does not match"),
    Signature.MISSING: gettext_lazy("Missing"),
    Signature.STALE: gettext_lazy("Too old"),
}
OUTCOMES: Mapping[str, Words] = {
    Outcome.QUEUED: gettext_lazy("Queued"),
    Outcome.MATCHED: gettext_lazy("Sent on"),
    Outcome.NO_TRIGGER: gettext_lazy("No trigger"),
    Outcome.IGNORED: gettext_lazy("Nothing to build"),
    Outcome.UNREADABLE: gettext_lazy("Unreadable"),
    Outcome.UNCONFIRMED: gettext_lazy("Not confirmed"),
    Outcome.REFUSED: gettext_lazy("Refused"),
    Outcome.FAILED: gettext_lazy("Failed"),
}
"""What became of deliveries, for the filter."""
FAILED = (Outcome.FAILED, Outcome.UNREADABLE, Outcome.UNCONFIRMED)
"""Outcomes that are worth another try."""
EVENTS: Mapping[str, Words] = {
    "push": gettext_lazy("Push"),
    "tag": gettext_lazy("Tag"),
    "other": gettext_lazy("Tests and others"),
}
"""Kinds of deliveries, for the filter."""
_TESTS = frozenset({"ping", "test"})  # what platforms call a test, without case
_LOOKS = {
    Outcome.QUEUED: ("info", "clock"),
    Outcome.MATCHED: ("ok", "ok"),
    Outcome.NO_TRIGGER: ("", "off"),
    Outcome.IGNORED: ("", "off"),
    Outcome.UNREADABLE: ("bad", "bad"),
    Outcome.UNCONFIRMED: ("warn", "warn"),
    Outcome.REFUSED: ("bad", "bad"),
    Outcome.FAILED: ("bad", "bad"),
}
_WHY = {
    Outcome.QUEUED: gettext_lazy("Received. Being read…"),
    Outcome.UNREADABLE: gettext_lazy("We could not read this."),
    Outcome.FAILED: gettext_lazy("Something failed on our side. Replay it."),
}


@dataclass(slots=True)
class Sent:
    """How the events of deliveries fared at the endpoints: event → endpoints by state."""

    of: dict[str, dict[UUID, str]] = field(default_factory=lambda: defaultdict(dict))

    def states(self, delivery: Delivery) -> Counter[str]:
        """How many endpoints took the events of this delivery, wait for them, or did not."""
        found: dict[UUID, str] = {}
        for event in delivery.events:
            found |= self.of.get(str(event), {})
        return Counter(found.values())


def sent(deliveries: Iterable[Delivery]) -> Sent:
    """What was sent on of all these, by one question. Needs the tenant's scope."""
    rows = list(deliveries)
    found = Sent()
    keys = {str(event) for row in rows for event in row.events}
    if keys:
        told = Dispatch.objects.of(rows[0].tenant_id).filter(event_id__in=keys)
        for event, endpoint, state in told.values_list("event_id", "endpoint_id", "state"):
            found.of[str(event)][endpoint] = state
    return found


def hook_row(hook: Hook, platform: str) -> dict[str, Any]:
    """A hook as a table shows it."""
    name, covers = PROOFS[hook.proof]
    return {
        "hook": hook,
        "pill": STATUSES[hook.status],
        "proof": name,
        "covers": covers,
        "trouble": trouble(hook, platform),
        "mend": _mend(hook),
    }


def trouble(hook: Hook, platform: str) -> str:
    """What is wrong with a hook, in a sentence; "" when nothing is."""
    return why(hook.status, hook.trouble, platform, hook.repository.path)


def why(status: str, code: str, platform: str, path: str) -> str:
    """What is wrong with a hook of this status (ux/spec.md 5.12)."""
    said = {"platform": platform}
    match status:
        case HookStatus.MISSING:
            return _("The webhook is gone from %(platform)s.") % said
        case HookStatus.DISABLED:
            return _("%(platform)s switched the webhook off after failed deliveries.") % said
        case HookStatus.MISMATCH:
            return _secret_differs(platform)
        case HookStatus.FAILING if code:
            return refusals.words(code, {**said, "path": path}).detail
    return ""


def _mend(hook: Hook) -> str:
    """What the button beside the trouble says; "" where pressing one does not help."""
    match hook.status:
        case HookStatus.MISSING:
            return _("Add it again")
        case HookStatus.DISABLED | HookStatus.MISMATCH | HookStatus.FAILING:
            return _("Repair webhook")
    return ""


def _secret_differs(platform: str) -> str:
    said = _("Signature does not match. The secret on %(platform)s is not ours.")
    return said % {"platform": platform}


def delivery_row(delivery: Delivery, sent_on: Sent, platform: str) -> dict[str, Any]:
    """A delivery as a table shows it."""
    states = sent_on.states(delivery)
    tone, symbol = _look(delivery, states)
    return {
        "delivery": delivery,
        "title": title(delivery),
        "signature": SIGNATURES[delivery.signature],
        "tone": tone,
        "symbol": symbol,
        "result": _short(delivery, states),
        "more": [*_sentences(delivery, platform), *_more(delivery, states)],
        "can_replay": delivery.outcome != Outcome.REFUSED,
    }


def title(delivery: Delivery) -> str:
    """What it was about: "Push to main", "Tag v4.12.0", "Test event"."""
    if not delivery.refs:
        return _("Test event") if delivery.event.lower() in _TESTS else delivery.event or "—"
    first = delivery.refs[0]
    kind, _sep, name = str(first.get("ref", "")).removeprefix("refs/").partition("/")
    gone = not str(first.get("after") or "").strip("0")
    if kind == "tags":
        said = _("Tag %(name)s removed") if gone else _("Tag %(name)s")
    else:
        said = _("Branch %(name)s removed") if gone else _("Push to %(name)s")
    more = len(delivery.refs) - 1
    counted = ngettext("and %(n)d more", "and %(n)d more", more) % {"n": more}
    whole = said % {"name": name or first.get("ref", "")}
    return f"{whole} {counted}" if more else whole


def _short(delivery: Delivery, states: Counter[str]) -> str:
    """What became of it, in a few words."""
    match delivery.outcome:
        case Outcome.MATCHED:
            n = states.total()
            return ngettext("Sent to %(n)d endpoint", "Sent to %(n)d endpoints", n) % {"n": n}
        case Outcome.NO_TRIGGER:
            ref = delivery.refs[0].get("ref", "") if delivery.refs else ""
            return _("No trigger for %(ref)s") % {"ref": short_ref(ref)}
    return str(OUTCOMES[Outcome(delivery.outcome)])


def _sentences(delivery: Delivery, platform: str) -> Iterator[str]:
    """Why, where that has to be said (ux/spec.md 5.12)."""
    match delivery.outcome:
        case Outcome.REFUSED if delivery.signature == Signature.MISMATCH:
            yield _secret_differs(platform)
        case Outcome.REFUSED:
            stale = delivery.signature == Signature.STALE
            yield refusals.words("X-HOOK-02" if stale else "X-HOOK-01", {}).detail
        case Outcome.UNCONFIRMED:
            said = _("%(platform)s does not know this commit. Nothing was built.")
            yield said % {"platform": platform}
        case Outcome.QUEUED | Outcome.UNREADABLE | Outcome.FAILED:
            yield str(_WHY[Outcome(delivery.outcome)])


def short_ref(ref: str) -> str:
    """A ref as people say it: main, v4.12.0."""
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def _look(delivery: Delivery, states: Counter[str]) -> tuple[str, str]:
    if states[DispatchState.ABANDONED]:
        return "bad", "bad"
    if delivery.outcome == Outcome.MATCHED and states[DispatchState.WAITING]:
        return "info", "loop"
    if delivery.outcome == Outcome.MATCHED and not states:
        return "warn", "warn"
    return _LOOKS[Outcome(delivery.outcome)]


def _more(delivery: Delivery, states: Counter[str]) -> list[str]:
    """The small lines under a result."""
    found = []
    if delivery.outcome == Outcome.MATCHED and not states:
        found.append(_("No endpoint wants it."))
    if given_up := states[DispatchState.ABANDONED]:
        said = ngettext("%(n)d did not take it", "%(n)d did not take it", given_up)
        found.append(said % {"n": given_up})
    if waiting := states[DispatchState.WAITING]:
        found.append(_("%(n)d waiting") % {"n": waiting})
    if n := delivery.duplicates:
        said = ngettext("Received %(n)d more time", "Received %(n)d more times", n)
        found.append(said % {"n": n})
    if n := delivery.replays:
        found.append(ngettext("Replayed %(n)d time", "Replayed %(n)d times", n) % {"n": n})
    if delivery.origin == "recovered":
        found.append(_("Found by comparing branches and tags"))
    return found
