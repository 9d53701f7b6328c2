"""The form of a code host: secrets go in and never come out, and a change says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.utils import timezone
from django.utils.text import slugify

from bindings.models import CodeHost
from bindings.services.bind import servers
from bindings.services.bind.servers import NotAccepted
from bindings.services.browse.specs import LABELS, ORDER, spec_of
from bindings.services.custody import sealed

_REACH = ("api_url", "profile", "ca_bundle", "private_cidrs", "proxy_url", "enabled")
"""What decides whether living accounts can still be reached."""


_WIDE = {"class": "vTextField"}


def wide() -> forms.TextInput:
    """A field as wide as Django's admin makes those it draws itself."""
    return forms.TextInput(attrs=_WIDE)


class HostForm(forms.ModelForm):  # type: ignore[type-arg]  # generic only in the stubs
    provider = forms.ChoiceField(
        choices=[(slug, LABELS[slug]) for slug in ORDER if spec_of(slug)], label="Platform"
    )
    base_url = forms.CharField(
        max_length=300,
        label="Address",
        widget=wide(),
        help_text="Like https://gitlab.example; fixed once saved.",
    )
    api_url = forms.CharField(
        max_length=300,
        required=False,
        label="Address of the API",
        widget=wide(),
        help_text="Empty: where the platform usually has it.",
    )
    slug = forms.SlugField(
        max_length=80,
        required=False,
        help_text="Part of the callback address; empty: made from the label. Fixed once saved.",
    )
    new_secret = forms.CharField(
        label="Client secret",
        max_length=500,
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", **_WIDE}),
        help_text="Never shown again. Empty: the one that is kept stays.",
    )
    scopes = SimpleArrayField(
        forms.CharField(max_length=60),
        required=False,
        widget=wide(),
        help_text="Separated by commas. Empty: what the platform's bindings need.",
    )
    private_cidrs = SimpleArrayField(
        forms.CharField(max_length=50),
        required=False,
        label="Private ranges",
        widget=wide(),
        help_text="Opened for this server only, separated by commas, like 10.20.0.0/16.",
    )
    ca_bundle = forms.CharField(
        required=False,
        label="CA certificates",
        widget=forms.Textarea(attrs={"rows": 6, "cols": 70, "spellcheck": "false"}),
        help_text="PEM, trusted for this server only. Empty: the system's.",
    )
    options = forms.CharField(
        required=False,
        label="Options",
        widget=forms.Textarea(attrs={"rows": 2, "cols": 40, "spellcheck": "false"}),
        help_text="One “name = value” a line: app_name and app_owner, as the consent page shows"
        " them; edition = region (Codeup); git_username = private-token (CodeArts).",
    )
    profile = forms.ChoiceField(
        required=False,
        choices=[("", "As the server"), ("seed", "seed"), ("extended", "extended")],
    )
    reason = forms.CharField(
        required=False,
        max_length=200,
        label="Reason",
        widget=wide(),
        help_text="Needed when a change of reach concerns living bindings.",
    )

    class Meta:
        model = CodeHost
        fields: ClassVar[list[str]] = [
            *("provider", "label", "slug", "base_url", "api_url", "client_id", "scopes"),
            *("profile", "ca_bundle", "private_cidrs", "proxy_url", "per_minute", "at_once"),
            *("enabled", "offered", "options"),
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kept = self.instance.options.items()
        self.initial["options"] = "\n".join(f"{name} = {value}" for name, value in kept)

    def clean_private_cidrs(self) -> list[str]:
        return [_accepted(servers.private_range, one) for one in self.cleaned_data["private_cidrs"]]

    def clean_ca_bundle(self) -> str:
        now = timezone.now()
        return _accepted(
            lambda text: servers.certificates(text, now=now), self.cleaned_data["ca_bundle"]
        )

    def clean_slug(self) -> str:
        """A free name: the callback addresses of two hosts must differ."""
        wanted: str = self.cleaned_data["slug"] or slugify(self.cleaned_data.get("label", ""))[:70]
        if CodeHost.objects.filter(slug=wanted).exclude(pk=self.instance.pk).exists() or not wanted:
            raise forms.ValidationError("Another code host has this name; choose one.")
        return wanted

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            self._clean_addresses(cleaned)
            self._clean_options(cleaned)
        if not self.errors and self.instance.pk and not self.instance._state.adding:
            self._clean_reason(cleaned)
        return cleaned

    def save(self, commit: bool = True) -> CodeHost:
        host: CodeHost = super().save(commit=False)
        if secret := self.cleaned_data["new_secret"]:
            sealed.put_client_secret(host, secret, now=timezone.now())
        if commit:
            host.save()
        return host

    def _clean_addresses(self, cleaned: dict[str, Any]) -> None:
        host = self.instance
        for name in ("profile", "private_cidrs", "ca_bundle", "proxy_url"):
            setattr(host, name, cleaned[name])
        try:
            if "base_url" in cleaned:
                host.provider = cleaned["provider"]
                cleaned["base_url"], usual = servers.addresses_of(host, cleaned["base_url"])
            else:
                usual = servers.addresses_of(host, host.base_url)[1]
        except NotAccepted as refused:
            self.add_error("base_url" if "base_url" in cleaned else None, str(refused))
            return
        self._clean_others(cleaned, usual)
        twins = CodeHost.objects.filter(owner=None, provider=cleaned.get("provider"))
        if "base_url" in cleaned and twins.filter(base_url=cleaned["base_url"]).exists():
            self.add_error("base_url", "This server is here already.")

    def _clean_options(self, cleaned: dict[str, Any]) -> None:
        provider = cleaned.get("provider") or self.instance.provider
        try:
            cleaned["options"] = servers.options_of(provider, cleaned["options"])
        except NotAccepted as refused:
            self.add_error("options", str(refused))

    def _clean_others(self, cleaned: dict[str, Any], usual: str) -> None:
        for name, otherwise in (("api_url", usual), ("proxy_url", "")):
            typed = cleaned[name]
            try:
                cleaned[name] = servers.api_address(self.instance, typed) if typed else otherwise
            except NotAccepted as refused:
                self.add_error(name, str(refused))

    def _clean_reason(self, cleaned: dict[str, Any]) -> None:
        moved = [name for name in _REACH if name in self.changed_data]
        if not moved or cleaned["reason"].strip():
            return
        found = servers.concerned(self.instance)
        if found.bindings:
            said = (
                f"This concerns {found.bindings} living bindings of {found.tenants} tenants."
                " Say why, or leave reach and trust as they are."
            )
            self.add_error("reason", said)


def _accepted(check: Callable[[str], str], typed: str) -> str:
    try:
        return check(typed)
    except NotAccepted as refused:
        raise forms.ValidationError(str(refused)) from None
