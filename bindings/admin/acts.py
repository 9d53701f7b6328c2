"""What operators do with chosen bindings: check, pause, wake, unbind; the tenant's log tells it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.text import Truncator

from bindings.admin.fleet import acting_in
from bindings.models import Binding
from bindings.services.bind import unbind as endings
from bindings.services.keep import checks, pause
from portal.ground import refusals, rls
from portal.ground.refusals import Refusal
from portal.tenants.access import Actor
from portal.tenants.signin import recent_sign_in

MOST = 500
"""More at once would keep a request busy for long, and nobody reads a longer list."""
REASON_LETTERS = 200

Act = Callable[[Actor, Binding], object]
Chosen = QuerySet[Binding]


class WhyForm(forms.Form):
    """The reason, which the tenant reads."""

    reason = forms.CharField(
        max_length=REASON_LETTERS,
        widget=forms.Textarea(attrs={"rows": 2, "cols": 60}),
        help_text="The tenant reads it.",
    )


class EndForm(WhyForm):
    """The reason, and what has to be typed when accounts are in use."""

    confirm = forms.CharField(required=False, max_length=REASON_LETTERS)

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected
        if expected:
            self.fields["confirm"].help_text = f"Type: {expected}"
        else:
            del self.fields["confirm"]

    def clean_confirm(self) -> str:
        typed: str = self.cleaned_data["confirm"].strip()
        if typed != self.expected:
            raise forms.ValidationError(f"In use: type “{self.expected}” to go on.")
        return typed


@admin.action(description="Check selected", permissions=["act"])
def check(_: Any, request: HttpRequest, chosen: Chosen) -> None:
    """A check of each, by the workers, as they come to it."""
    _each(request, _few(request, chosen), "Check begun", _check)


@admin.action(description="Suspend with a reason", permissions=["act"])
def suspend(page: Any, request: HttpRequest, chosen: Chosen) -> HttpResponseBase | None:
    """No calls until somebody resumes it."""
    rows = _few(request, chosen)
    form = WhyForm(request.POST if "apply" in request.POST else None)
    if not rows:
        return None
    if not form.is_valid():
        plan = [(row, "All calls stop; what is bound stays bound.") for row in rows]
        return _ask(page, request, form, "suspend", "Suspend", plan)
    _each(request, rows, "Suspended", partial(_suspend, form.cleaned_data["reason"]))
    return None


@admin.action(description="Resume", permissions=["act"])
def resume(_: Any, request: HttpRequest, chosen: Chosen) -> None:
    """Lift an operator's pause."""
    _each(request, _few(request, chosen), "Resumed", _resume)


@admin.action(description="Unbind with a reason", permissions=["act"])
def unbind(page: Any, request: HttpRequest, chosen: Chosen) -> HttpResponseBase | None:
    """What stops is shown first; the sign-in has to be fresh."""

    @recent_sign_in
    def fresh(request: HttpRequest) -> Any:
        return _unbind_chosen(page, request, _few(request, chosen))

    return fresh(request)  # type: ignore[no-any-return]  # as above


ALL = (check, suspend, resume, unbind)


def _unbind_chosen(page: Any, request: HttpRequest, rows: list[Binding]) -> HttpResponseBase | None:
    plans = {row.pk: endings.impact(row) for row in rows}
    used = [row for row in rows if plans[row.pk]["in_use"]]
    expected = ""
    if used:
        expected = rows[0].account_login if len(rows) == 1 else f"unbind {len(rows)}"
    form = EndForm(request.POST if "apply" in request.POST else None, expected=expected)
    if not rows:
        return None
    if not form.is_valid():
        plan = [(row, _impact_in_words(plans[row.pk])) for row in rows]
        return _ask(page, request, form, "unbind", "Unbind", plan)
    _each(request, rows, "Unbound", partial(_unbind, form.cleaned_data["reason"]))
    return None


def _impact_in_words(impact: dict[str, Any]) -> str:
    used = "Used within the last 30 days. " if impact["in_use"] else ""
    revoked = next(step for step in impact["plan"] if step["action"] == "revoke_credential")
    ends = "is revoked at the platform and erased here" if revoked["default"] else "is erased here"
    return (
        f"{used}{impact['automatic_triggers']} automatic and {impact['manual_triggers']} manual"
        f" triggers stop, {impact['webhooks']} webhooks are removed, all clone leases end; the"
        f" credential {ends}."
    )


def _ask(
    page: Any,
    request: HttpRequest,
    form: forms.Form,
    action: str,
    label: str,
    plan: Sequence[tuple[Binding, str]],
) -> TemplateResponse:
    context = {
        **page.admin_site.each_context(request),
        "title": f"{label}: {len(plan)}",
        "opts": page.opts,
        "form": form,
        "action": action,
        "label": label,
        "plan": plan,
        "checkbox": ACTION_CHECKBOX_NAME,
        "now": timezone.now(),
    }
    return TemplateResponse(request, "admin/bindings/act.html", context)


def _few(request: HttpRequest, chosen: Chosen) -> list[Binding]:
    rows = list(chosen[: MOST + 1])
    if len(rows) <= MOST:
        return rows
    messages.error(request, f"Choose {MOST} bindings at most; nothing was done.")
    return []


def _each(request: HttpRequest, rows: Sequence[Binding], done: str, act: Act) -> None:
    """Do it for each, once the fleet's scope has ended; then say what came of it."""

    def work() -> None:
        refused: Counter[str] = Counter()
        for row in rows:
            try:
                act(acting_in(request, row.tenant), row)
            except Refusal as refusal:
                refused[refusals.words(refusal.code, refusal.facts).detail] += 1
        if well := len(rows) - refused.total():
            messages.success(request, f"{done}: {well}.")
        for why, times in refused.items():
            messages.warning(request, f"Left as they are: {times}. {Truncator(why).chars(200)}")

    rls.after(work)


def _check(actor: Actor, binding: Binding) -> object:
    return checks.start(actor=actor, binding=binding)


def _suspend(reason: str, actor: Actor, binding: Binding) -> object:
    return pause.suspend(actor=actor, binding=binding, reason=reason)


def _resume(actor: Actor, binding: Binding) -> object:
    return pause.resume(actor=actor, binding=binding)


def _unbind(reason: str, actor: Actor, binding: Binding) -> object:
    # What was typed stood for all of them; each service call wants the name of its own account.
    confirm = binding.account_login
    return endings.unbind(actor=actor, binding=binding, confirm=confirm, reason=reason)
