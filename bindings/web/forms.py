"""What people type: only its shape is checked here. A secret never goes back into a page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext_lazy as _

from bindings.services.browse import guides, places
from bindings.services.browse.specs import Spec
from portal.ground import logs, refusals
from portal.tenants.models.tenants import NAME

_SERVER = re.compile(r"(https?://[A-Za-z0-9.:\[\]-]+)(?:/.*)?")
_SHOWN = ("base_url", "username")
_TELLING = 8  # letters; anything shorter is no token (product.md G41)
_THE_TOKEN = _("this is the token")
_NO_HELP = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form is filled with: what was sent, also when that is nothing; None for a GET."""
    return request.POST if request.method == "POST" else None


class Secret(forms.CharField):
    """A pasted token: hidden while typed, never sent back."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.PasswordInput(render_value=False, attrs={**_NO_HELP, "class": "mono"})
        super().__init__(strip=True, max_length=4096, widget=widget, **kwargs)


class EndDate(forms.DateField):
    """When a token ends, as a person states it where the platform does not tell."""

    def __init__(self) -> None:
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        super().__init__(
            label=_("End date"),
            required=False,
            widget=widget,
            input_formats=["%Y-%m-%d"],
            help_text=_("The day on which the platform ends it. We warn you before."),
        )


class InstanceForm(forms.Form):
    name = forms.CharField(
        label=_("Name"),
        min_length=3,
        max_length=40,
        validators=[NAME],
        help_text=_("Use lower-case letters, numbers and single hyphens, 3 to 40 characters."),
        error_messages={
            "invalid": _("Use lower-case letters, numbers and single hyphens, 3 to 40 characters."),
        },
        widget=forms.TextInput(attrs=_NO_HELP),
    )
    display_name = forms.CharField(label=_("Display name"), max_length=80, required=False)
    region = forms.ChoiceField(label=_("Region"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["region"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - declared so five lines above
        field.choices = [(region, region) for region in settings.MOORING_REGIONS]


class LinkForm(forms.Form):
    """What names a repository: a link, an SSH address or a path."""

    link = forms.CharField(
        label=_("Link to the repository"),
        max_length=places.LONGEST,
        help_text=_("As in the address bar of your browser, or as you would clone it."),
        widget=forms.TextInput(attrs=_NO_HELP),
        error_messages={"required": _("Fill in this field.")},
    )


_REPLACED = _("%(platform)s replaces the token. A copy you keep elsewhere stops working.")


class Address(forms.CharField):
    """The address of a server; left empty it means the platform's own."""

    falls_back = True


class TokenForm(forms.Form):
    """The fields of a token bind, cut down to those a provider asks for."""

    base_url = Address(
        label=_("Server address"),
        max_length=4096,
        help_text=_(
            "Start with https:// or http://. The server must be reachable from the internet."
            " Enter the server, not a project."
        ),
        widget=forms.TextInput(attrs={**_NO_HELP, "inputmode": "url"}),
    )
    organization = forms.CharField(
        label=_("Organization"),
        max_length=255,
        help_text=_("Found from the token; needed only when the token works in several."),
        widget=forms.TextInput(attrs=_NO_HELP),
    )
    clone_username = forms.CharField(
        label=_("Clone username"),
        max_length=255,
        widget=forms.TextInput(attrs=_NO_HELP),
    )
    username = forms.CharField(
        label=_("Username"),
        required=False,
        max_length=255,
        widget=forms.TextInput(attrs=_NO_HELP),
    )
    token = Secret(label=_("Personal access token"))
    expires_on = EndDate()
    manual = forms.BooleanField(label=_("For manual builds only"), required=False)
    auto_rotate = forms.BooleanField(
        label=_("Renew this token for me before it ends"), required=False
    )

    def __init__(self, data: QueryDict | None = None, *, spec: Spec) -> None:
        super().__init__(data, initial={"base_url": spec.default_address})
        self.spec = spec
        self.organizations: Sequence[str] = ()
        further = {"manual", "auto_rotate"} if "rotate" in spec.capabilities else {"manual"}
        for name in set(self.fields) - {*spec.asks, *further}:
            del self.fields[name]
        self.order_fields(spec.asks)
        for name, field in self.fields.items():
            field.error_messages["required"] = refusals.words("X-FORM-01", {}).detail
            field.required = name in spec.requires
            if name == "auto_rotate":
                field.help_text = _REPLACED % {"platform": spec.label}
            field.help_text = str(guides.FIELDS.get((spec.slug, name), field.help_text))
        if "base_url" in self.fields:
            example = guides.PLACEHOLDERS.get(spec.slug)
            self.fields["base_url"].widget.attrs |= {"placeholder": example} if example else {}

    @property
    def server(self) -> str:
        """The server that the form's address begins with; "" where that cannot be said."""
        typed = self["base_url"].value() if "base_url" in self.fields else ""
        found = _SERVER.fullmatch(str(typed or ""))
        return found[1] if found else ""

    @property
    def shows_end(self) -> bool:
        """Is the end date asked for from the start? Where the platform never tells it."""
        told = "exact" in self.spec.qualities
        return "expires_on" in self.fields and bool(not told or self["expires_on"].value())

    def clean(self) -> dict[str, Any]:
        """A token pasted into a field that is shown again is refused, and not shown again."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        token = str(cleaned.get("token") or "")
        for name in _SHOWN:
            typed = str(cleaned.get(name) or "")
            if logs.scrub(typed) != typed or (len(token) >= _TELLING and token in typed):
                self.add_error(name, refusals.words("X-FORM-03", {"why": _THE_TOKEN}).detail)
                self.take_over({name: ""})
        return cleaned

    def ask_while_typing(self, where: str) -> None:
        """Let the page at `where` judge the address while it is typed; the token stays here."""
        if "base_url" in self.fields:
            self.fields["base_url"].widget.attrs |= {
                "hx-post": where,
                "hx-trigger": "change, input changed delay:500ms",
                "hx-params": "base_url,csrfmiddlewaretoken",
                "hx-target": "#said-base_url",
            }

    def offer_organizations(self, known: Sequence[str]) -> None:
        """Let one of these be chosen; another id may still be typed."""
        self.organizations = known
        self.fields["organization"].widget.attrs["list"] = "organizations"

    def take_over(self, change: Mapping[str, str]) -> None:
        """Show these values instead of those that were typed."""
        shown = QueryDict(mutable=True)
        shown.update(self.data)
        for name, value in change.items():
            shown[name] = value
        self.data = shown


class ReplaceForm(forms.Form):
    token = Secret(label=_("Personal access token"))
    expires_on = EndDate()
    revoke_old = forms.BooleanField(required=False)

    def __init__(self, *args: Any, platform: str, asks_end: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["revoke_old"].label = _("Also revoke the old token on %(platform)s") % {
            "platform": platform
        }
        self.fields["token"].error_messages["required"] = refusals.words("X-FORM-01", {}).detail
        if not asks_end:
            del self.fields["expires_on"]


class EndForm(forms.Form):
    expires_on = EndDate()


class UnbindForm(forms.Form):
    confirm = forms.CharField(
        required=False, max_length=255, widget=forms.TextInput(attrs=_NO_HELP)
    )
    revoke = forms.BooleanField(required=False)

    def __init__(self, *args: Any, platform: str, login: str, in_use: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["confirm"].label = _("Type %(login)s to confirm") % {"login": login}
        self.fields["confirm"].required = in_use
        self.fields["confirm"].error_messages["required"] = refusals.words("X-FORM-01", {}).detail
        self.fields["revoke"].label = _("Also revoke the token on %(platform)s") % {
            "platform": platform
        }
        if not in_use:
            del self.fields["confirm"]
