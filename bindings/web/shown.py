"""From a binding to what pages show of it: plain values, so that templates decide nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from bindings import expiry, problems, state
from bindings.models import Binding, Check, CodeHost, facts
from bindings.models.bindings import Kind
from bindings.services.browse import people, specs
from bindings.services.browse.specs import spec_of
from bindings.services.keep import drills, renewing, steps
from bindings.services.keep.rehearsal import SCENARIOS, Scenario
from portal.ground import refusals
from portal.templatetags import words
from portal.tenants.access import Actor, tenant_of

WRITE = "bindings:write"
CHECK = "bindings:check"
DATED = ("exact", "stated")
_TONES = {"red": "bad", "amber": "warn", "green": "ok", "blue": "info", "grey": ""}
_YEAR = timedelta(days=365)
_ENDED = (state.State.REVOKED, state.State.EXPIRED)
_PLAIN = (state.Action.OPEN, state.Action.WHY, state.Action.CHECK)


def button(actor: Actor, binding: Binding) -> dict[str, Any] | None:
    """The one button of a binding, with its address; `post` where pressing it does something, and
    `binding` where the address has to be told which."""
    action = _action(actor, binding)
    if action is state.Action.NONE:
        return None
    if action is state.Action.RECONNECT and binding.kind == Kind.OAUTH:
        return _reconnect(actor, binding)
    here = [tenant_of(actor).slug, binding.public_id]
    where = {
        state.Action.REPLACE: mend_url(actor, binding),
        state.Action.RECONNECT: mend_url(actor, binding),
        state.Action.FIX: mend_url(actor, binding),
        state.Action.CHECK: reverse("check", args=here),
        state.Action.CONTINUE: reverse("confirm", args=_source(actor, binding)),
    }.get(action, reverse("binding", args=here))
    plain = action in _PLAIN
    return {
        "label": words.ACTIONS[action.value],
        "url": where,
        "kind": "" if plain else "primary",
        "dialog": not plain,
        "post": action is state.Action.CHECK,
    }


def _reconnect(actor: Actor, binding: Binding) -> dict[str, Any]:
    """One click, and the platform's consent: the same account is enforced when it comes back."""
    return {
        "label": words.ACTIONS[state.Action.RECONNECT.value],
        "url": reverse("oauth_start", args=_source(actor, binding)),
        "kind": "primary",
        "dialog": False,
        "post": True,
        "binding": binding.public_id,
    }


def mend_url(actor: Actor, binding: Binding) -> str:
    """Where the credential is renewed: the platform's consent, or a new token."""
    if binding.kind == Kind.OAUTH:
        again = reverse("bind", args=_source(actor, binding))
        return f"{again}?reconnect={binding.public_id}"
    return reverse("replace", args=[tenant_of(actor).slug, binding.public_id])


def can_rotate(actor: Actor, binding: Binding) -> bool:
    """Whether the platform can make a successor of its token, and this person may ask for one."""
    works = state.Status(binding.status) in state.USABLE and not binding.suspicion
    return works and renewing.can_renew(binding) and actor.may(WRITE)


def consent_pages(host: CodeHost) -> list[str]:
    """Where the forms of a page may lead that begins a consent at this server."""
    return specs.consent_pages(host.provider, host.base_url, host.options)


def end_of(binding: Binding, now: datetime) -> words.End:
    """When its credential ends, in the words of the table."""
    if binding.state in _ENDED and binding.quality not in DATED:
        revoked = binding.state is state.State.REVOKED
        since = words.day(binding.status_since.astimezone(UTC).date())
        return words.End(_("Revoked") if revoked else _("Ended"), since)
    spec = spec_of(binding.provider)
    return words.end(
        "renews" if binding.renews else binding.quality,
        at=binding.expires_at,
        now=now,
        entered_by=binding.stated_by,
        at_midnight=bool(spec and spec.ends_at_midnight),
    )


def has_ended(binding: Binding) -> bool:
    """Has the platform said that its credential is over, whatever date it had?"""
    return binding.state in _ENDED


def method_of(binding: Binding) -> str:
    """How it was bound, in words."""
    return str(problems.METHODS[facts.of(binding).kind])


def days_left(binding: Binding, now: datetime) -> int | None:
    """Whole days until its end; None where no date counts, as for what renews itself."""
    return None if binding.renews else expiry.days_left(facts.of(binding).end, now)


def share_of(binding: Binding, now: datetime) -> float | None:
    """How much of its life is left, for the thin bar; None without a date.

    When a token was made is not known to us. Most live for a year, so that much is assumed: one
    bound in its last week would else look as good as new.
    """
    if binding.renews or binding.bound_at is None or binding.expires_at is None:
        return None
    began = min(binding.bound_at, binding.expires_at - _YEAR)
    return expiry.share_left(began, facts.of(binding).end, now)


def reasons(binding: Binding, now: datetime) -> list[refusals.Words]:
    """Why both axes are what they are, in sentences."""
    prefix = problems.prefix_of(binding.provider)
    context = {"login": binding.account_login, **binding.why_facts}
    found = [problems.of_status(facts.of(binding), now, prefix=prefix, **context)]
    if binding.reach != state.Reach.OK:
        more = {"host": binding.host.label, **binding.reach_facts}
        found.append(problems.of_reach(binding.reach_why, prefix=prefix, **more))
    return [refusals.words(code, said) for code, said in filter(None, found)]


def ladder(check: Check | None) -> list[dict[str, Any]]:
    """The six steps of a check as a page shows them."""
    return [steps.read(stored).shown() for stored in check.steps] if check else []


def abilities(binding: Binding) -> list[dict[str, Any]]:
    """What the account can do for us, with the date of the last proof."""
    return abilities_of(binding.provider, binding.proofs)


def abilities_of(provider: str, proofs: Any) -> list[dict[str, Any]]:
    """The same from the proofs of a connection test."""
    names = {
        "list": _("List repositories"),
        "refs": _("Read branches and tags"),
        "clone": _("Clone private source"),
        "hooks": _("Add webhooks"),
    }
    spec = spec_of(provider)
    needs = {what.value: scopes for what, scopes in spec.scopes.items()} if spec else {}
    return [
        {
            "name": label,
            "needs": needs.get(key, ()),
            "ok": proofs.get(key, {}).get("ok"),
            "code": proofs.get(key, {}).get("code"),
            "proven_at": _moment(proofs.get(key, {}).get("proven_at")),
        }
        for key, label in names.items()
    ]


def tone_of(binding: Binding) -> str:
    """The tone of a binding's state: "", ok, warn, bad, info."""
    return _TONES[state.face(binding.state, lists=_lists(binding)).tone.value]


def end_tone(binding: Binding, now: datetime) -> str:
    """The tone of its end alone: whatever else is wrong, a far end is no reason for red."""
    if binding.state in _ENDED:
        return "bad"
    left = days_left(binding, now)
    return "warn" if left is not None and left <= expiry.LADDER[0] else "ok"


def severe(binding: Binding) -> bool:
    """Does even listing fail?"""
    return not _lists(binding)


def drill(binding: Binding) -> dict[str, Any] | None:
    """The fire drill that runs on a binding: what is rehearsed, and until when; None mostly."""
    if not binding.drill:
        return None
    running = [one for one in drills.of_binding(binding, 1) if one.ended_at is None]
    until = running[0].until if running else None
    return {"scenario": SCENARIOS[Scenario(binding.drill)], "until": until}


def usable(binding: Binding) -> bool:
    """Can its credential be used now? A fire drill stops nothing."""
    return bool(binding.drill) or state.Status(binding.status) in state.USABLE


def may_unbind(actor: Actor, binding: Binding) -> bool:
    """Admins, and whoever bound it; nobody in the tenant for a platform binding."""
    if binding.kind == Kind.PLATFORM:
        return False
    own = actor.person is not None and binding.bound_by_id == actor.person.pk
    return actor.may(WRITE) or own


def crowd(binding: Binding) -> refusals.Words | None:
    """The warning that its platform keeps fewer tokens than this account has bindings here."""
    facts_ = people.crowd(binding)
    if facts_ is None:
        return None
    return refusals.words(f"{problems.prefix_of(binding.provider)}-TOK-12", facts_)


def may_switch(actor: Actor, binding: Binding) -> bool:
    """Admins, for an account that is bound by hand and confirmed."""
    pending = binding.status == state.Status.PENDING
    return actor.may(WRITE) and binding.kind != Kind.PLATFORM and not pending


def _action(actor: Actor, binding: Binding) -> state.Action:
    """What an admin may press, or Open for everybody else."""
    wanted = state.face(binding.state, kind=facts.of(binding).kind, lists=_lists(binding)).action
    if actor.may(WRITE):
        return wanted
    if wanted is state.Action.CHECK and actor.may(CHECK):
        return wanted
    return state.Action.OPEN


def _source(actor: Actor, binding: Binding) -> list[str]:
    return [tenant_of(actor).slug, binding.instance.name, binding.provider]


def _lists(binding: Binding) -> bool:
    return bool(binding.proofs.get("list", {}).get("ok", True))


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
