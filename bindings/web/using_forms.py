"""What people type to use a binding: webhooks, triggers, clone credentials, endpoints.

Only shape is checked here; what may be is the services' to say, and comes back to the fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from bindings.models import Binding, Endpoint
from bindings.models.leases import LeaseKind
from bindings.models.triggers import TriggerMode
from bindings.services.browse.specs import LABELS
from portal.ground import refusals
from portal.ground.refusals import Refusal
from portal.tenants.models import Instance

_NO_HELP = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
MINUTES = (15, 30, 60)


class ServiceForm(forms.Form):
    """A form whose fields are called as the service's, or lead to one that is."""

    FIELDS: Mapping[str, str] = {}  # what a service calls it → our field

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.error_messages["required"] = refusals.words("X-FORM-01", {}).detail

    def refuse(self, refusal: Refusal) -> None:
        """Put what a service said beside the fields it is about."""
        for one in refusal.errors or (refusal,):
            said = refusals.words(one.code, one.facts).detail
            head = one.field.replace("/", ".").partition(".")[0]
            field = self.FIELDS.get(head, head)
            self.add_error(field if field in self.fields else None, said)

    def offer(self, name: str, values: Sequence[str]) -> None:
        """Let one of these be chosen while another may be typed; see parts/offers.html."""
        self.offers = {"id": f"offers-{name}", "values": values}
        self.fields[name].widget.attrs["list"] = f"offers-{name}"


class Lines(forms.CharField):
    """Several words, one on each line."""

    def __init__(self, *, rows: int = 2, **kwargs: Any) -> None:
        attrs = {**_NO_HELP, "rows": rows, "class": "mono"}
        super().__init__(
            required=False, max_length=10_000, widget=forms.Textarea(attrs=attrs), **kwargs
        )

    def clean(self, value: Any) -> Any:
        """The lines that hold something, without what surrounds them."""
        typed = super().clean(value)
        return [line.strip() for line in typed.splitlines() if line.strip()]


class Pairs(Lines):
    """NAME=value, one on each line."""

    def clean(self, value: Any) -> Any:
        """The values by their names. Raises ValidationError for a line without "="."""
        found = {}
        for line in super().clean(value):
            name, sign, text = line.partition("=")
            if not sign:
                raise forms.ValidationError(_("Write NAME=value, one on each line."))
            found[name.strip()] = text.strip()
        return found


def _repository() -> forms.CharField:
    return forms.CharField(
        label=_("Repository"),
        max_length=1000,
        help_text=_("Its path, like platform/api."),
        widget=forms.TextInput(attrs={**_NO_HELP, "class": "mono"}),
    )


class HookForm(ServiceForm):
    """Automatic builds for one repository."""

    repository = _repository()

    def __init__(self, *args: Any, paths: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer("repository", paths)


class TriggerForm(ServiceForm):
    """A trigger; without `bindings` one that exists, whose repository stays."""

    name = forms.CharField(label=_("Name"), max_length=80, widget=forms.TextInput(attrs=_NO_HELP))
    binding = forms.ChoiceField(label=_("Account"))
    repository = _repository()
    mode = forms.ChoiceField(
        label=_("Builds start"),
        choices=[
            (TriggerMode.AUTOMATIC.value, _("Automatically, with each push that matches")),
            (TriggerMode.MANUAL.value, _("Only by hand")),
        ],
        widget=forms.RadioSelect,
        initial=TriggerMode.AUTOMATIC.value,
    )
    branches = Lines(
        label=_("Branches"),
        help_text=_("One pattern on each line, like main or release/*. ** also crosses a slash."),
    )
    tags = Lines(
        label=_("Tags"),
        help_text=_("Like v*. Without branches and tags the default branch is built."),
    )
    variables = Pairs(
        label=_("Variables"),
        rows=3,
        help_text=_("NAME=value, one on each line. They are passed on; never put a secret here."),
    )
    endpoints = forms.MultipleChoiceField(
        label=_("Endpoints"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None ticked: all endpoints that want builds."),
    )
    enabled = forms.BooleanField(label=_("Enabled"), required=False, initial=True)

    def __init__(
        self,
        *args: Any,
        endpoints: Sequence[Endpoint],
        bindings: Sequence[Binding] | None = None,
        paths: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._choices("endpoints", [(one.public_id, one.name) for one in endpoints])
        if not endpoints:
            del self.fields["endpoints"]
        if bindings is None:
            del self.fields["binding"], self.fields["repository"]
        else:
            shown = [(b.public_id, f"{LABELS[b.provider]} · {b.account_login}") for b in bindings]
            self._choices("binding", shown)
            self.offer("repository", paths)

    def asked(self) -> dict[str, Any]:
        """What was typed, as the service takes it. Only for a valid form."""
        typed = self.cleaned_data
        names = ("name", "mode", "branches", "tags", "variables", "enabled")
        return {
            **{name: typed[name] for name in names},
            "endpoints": typed.get("endpoints") or None,
        }

    def _choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices


class RunForm(ServiceForm):
    """A build by hand."""

    ref = forms.CharField(
        label=_("Branch or tag"),
        max_length=400,
        widget=forms.TextInput(attrs={**_NO_HELP, "class": "mono"}),
    )
    reason = forms.CharField(label=_("Reason"), max_length=200, required=False)

    def __init__(self, *args: Any, refs: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer("ref", refs)


class LeaseForm(ServiceForm):
    """A clone credential, made by hand."""

    FIELDS = {"ttl": "minutes"}

    repository = _repository()
    minutes = forms.TypedChoiceField(
        label=_("Ends in"),
        coerce=int,
        choices=[(n, _("%(n)d minutes") % {"n": n}) for n in MINUTES],
        initial=MINUTES[0],
    )
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[
            (LeaseKind.PROXIED.value, _("Through our git proxy; the platform's token stays here")),
            (LeaseKind.PROVIDER_TOKEN.value, _("A short-lived token of the platform")),
        ],
        widget=forms.RadioSelect,
        initial=LeaseKind.PROXIED.value,
    )
    build = forms.CharField(
        label=_("For which build"),
        max_length=100,
        required=False,
        help_text=_("Free text; it is shown in the list."),
        widget=forms.TextInput(attrs=_NO_HELP),
    )

    def __init__(
        self, *args: Any, paths: Sequence[str], kinds: Sequence[str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.offer("repository", paths)
        if LeaseKind.PROVIDER_TOKEN not in kinds:
            del self.fields["kind"]

    def asked(self) -> dict[str, Any]:
        """What was typed, as the service takes it. Only for a valid form."""
        typed = self.cleaned_data
        return {
            "repository": typed["repository"],
            "seconds": typed["minutes"] * 60,
            "kind": typed.get("kind") or LeaseKind.PROXIED.value,
            "build": typed["build"],
        }


class EndpointForm(ServiceForm):
    """Where a builder listens."""

    FIELDS = {"events": "kinds"}

    name = forms.CharField(label=_("Name"), max_length=80, widget=forms.TextInput(attrs=_NO_HELP))
    url = forms.CharField(
        label=_("Address"),
        max_length=2000,
        help_text=_("Where your builder listens, like https://builder.example/mooring."),
        widget=forms.TextInput(attrs={**_NO_HELP, "inputmode": "url", "class": "mono"}),
    )
    kinds = forms.MultipleChoiceField(
        label=_("Events"), widget=forms.CheckboxSelectMultiple, choices=()
    )
    instances = forms.MultipleChoiceField(
        label=_("Only these instances"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None ticked: all instances, also those to come."),
    )

    def __init__(
        self,
        *args: Any,
        kinds: Sequence[tuple[str, Any]],
        instances: Sequence[Instance],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        for name, choices in (
            ("kinds", list(kinds)),
            ("instances", [(one.public_id, one.name) for one in instances]),
        ):
            field = self.fields[name]
            if isinstance(field, forms.ChoiceField):
                field.choices = choices

    def asked(self) -> dict[str, Any]:
        """What was typed, as the service takes it. Only for a valid form."""
        typed = self.cleaned_data
        plain = {name: typed[name] for name in ("name", "url", "kinds")}
        return {**plain, "instances": typed["instances"] or None}
