"""Forms of tenancy. They check shape; what may be is the services' to say, and comes back here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.ground import refusals
from portal.ground.refusals import Refusal
from portal.templatetags.words import ROLES
from portal.tenants import roles
from portal.tenants.access import Actor
from portal.tenants.models import Instance
from portal.tenants.services.tokens import TokenAsk

DAYS = (30, 90, 365)  # product.md G37


class TokenForm(forms.Form):
    """A new API token. Offers only what this actor may give away."""

    name = forms.CharField(label=_("Name"), max_length=80)
    owner = forms.ChoiceField(
        label=_("Belongs to"), choices=[("me", _("Me")), ("tenant", _("The tenant"))]
    )
    role = forms.ChoiceField(label=_("Role"), required=False)
    scopes = forms.MultipleChoiceField(
        label=_("It may"), widget=forms.CheckboxSelectMultiple, choices=()
    )
    instances = forms.MultipleChoiceField(
        label=_("Only these instances"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None ticked: all instances, also those to come."),
    )
    networks = forms.CharField(
        label=_("Only from these networks"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("One per line, like 203.0.113.0/24. Empty: from anywhere."),
    )
    days = forms.TypedChoiceField(
        label=_("Ends in"),
        coerce=int,
        choices=[(n, _("%(n)d days") % {"n": n}) for n in DAYS],
        initial=90,
    )

    def __init__(self, *args: Any, actor: Actor, instances: Iterable[Instance], **more: Any):
        super().__init__(*args, **more)
        self._choices("scopes", [(s, s) for s in roles.LEAST if actor.may(s)])
        self._choices("instances", [(one.public_id, one.name) for one in instances])
        if actor.may("tokens:write"):
            below = [role for role in roles.RANK if roles.at_least(actor.role, role)]
            self._choices("role", [(role, ROLES[role]) for role in below])
        else:
            del self.fields["owner"], self.fields["role"]

    def ask(self, today: date) -> TokenAsk:
        """What was typed, as the service takes it. Only for a valid form."""
        typed = self.cleaned_data
        return TokenAsk(
            name=typed["name"],
            scopes=typed["scopes"],
            personal=typed.get("owner", "me") == "me",
            role=typed.get("role") or "developer",
            instances=typed["instances"] or None,
            networks=typed["networks"].split(),
            expires_on=today + timedelta(days=typed["days"]),
        )

    def refuse(self, refusal: Refusal) -> None:
        """Put what a service said beside the fields it is about."""
        for one in refusal.errors or (refusal,):
            said = refusals.words(one.code, one.facts).detail
            field = {"expires_on": "days"}.get(one.field, one.field)
            self.add_error(field if field in self.fields else None, said)

    def _choices(self, name: str, choices: list[tuple[str, Any]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices
