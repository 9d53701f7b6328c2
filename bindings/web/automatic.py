"""What a page says of automatic builds of one repository, and which button it shows."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from bindings import problems
from bindings.models import Binding
from bindings.models.hooks import HookStatus
from bindings.services.browse import missing
from bindings.services.browse.builds import NONE, Builds
from bindings.services.browse.repositories import Listed
from bindings.web import shown
from portal.ground import refusals
from portal.tenants.access import Actor

_SCOPE = "webhooks:write"


def row(actor: Actor, binding: Binding, listed: Listed, starts: Builds | None) -> dict[str, Any]:
    """One repository with its pill; `turn` is the button: "on", "off", or "" for none. What speaks
    against a webhook is said in its place; `notable` is that where the pill alone does not."""
    found = starts or NONE
    may = actor.may(_SCOPE) and shown.usable(binding)
    if found.hook is not None:
        pill, reason = _of_hook(found), ""
        turn = "" if found.hook.status == HookStatus.REMOVING else "off"
    else:
        reason = _reason(binding, listed)
        pill, turn = _without(binding, listed), "" if reason else "on"
    told = (listed.trigger_mode_reason or "").endswith(("-REPO-03", "-HOOK-02", "-HOOK-07"))
    return {
        "row": listed,
        "starts": found,
        "pill": pill,
        "reason": reason,
        "notable": "" if told else reason,
        "turn": turn if may else "",
    }


def _of_hook(starts: Builds) -> dict[str, Any]:
    hook = starts.hook
    status = hook.status if hook else ""
    heard = hook.heard_at if hook else None
    if status == HookStatus.ACTIVE:
        return {"tone": "ok", "symbol": "ok", "label": _("On"), "at": heard}
    if status == HookStatus.UNVERIFIED:
        return {"tone": "info", "symbol": "clock", "label": _("On, nothing received yet")}
    if status == HookStatus.REMOVING:
        return {"tone": "", "symbol": "off", "label": _("Being turned off")}
    return {"tone": "warn", "symbol": "warn", "label": _("Needs attention")}


def _without(binding: Binding, listed: Listed) -> dict[str, Any]:
    prefix = problems.prefix_of(binding.provider)
    if listed.trigger_mode_reason == f"{prefix}-HOOK-02":
        needed = _("Needs %(role)s") % {"role": missing.needed(binding)}
        return {"tone": "warn", "symbol": "warn", "label": needed}
    word = {
        f"{prefix}-REPO-03": _("Archived"),
        f"{prefix}-HOOK-07": _("Manual: in a subgroup"),
        None: _("Off"),
    }.get(listed.trigger_mode_reason, _("By hand only"))
    return {"tone": "", "symbol": "off", "label": word}


def _reason(binding: Binding, listed: Listed) -> str:
    """Why pushes cannot start builds there, in one sentence; "" where they can."""
    code = listed.trigger_mode_reason
    if code is None and listed.empty:
        code = f"{problems.prefix_of(binding.provider)}-REPO-04"
    if code is None:
        return ""
    facts = {
        "login": binding.account_login,
        "path": listed.path,
        "role": listed.access_name or listed.access,
    }
    return refusals.words(code, facts).detail
