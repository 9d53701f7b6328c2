"""Code hosts as operators keep them: app, trust, reach, pace, and whom they are offered to."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters

from bindings.admin import shown
from bindings.admin.filters import Choices, HeldFilter, ProviderFilter
from bindings.admin.fleet import FleetAdmin, operator
from bindings.admin.host_form import HostForm
from bindings.models import CodeHost, HostOffer
from bindings.services.bind import servers
from bindings.services.keep import guard, pause
from portal.ground import rls
from portal.tenants.access import Actor

_FIXED = ("provider", "slug", "base_url")
_WEATHER = ("weather", "failing_since", "ask_after", "held_since", "released_at")
_TOLD = ("owner", "callback", "secret_kept", "affects", *_WEATHER)


class HostHeldFilter(HeldFilter):
    way = "held_since__isnull"


class WeatherFilter(SimpleListFilter):
    title, parameter_name = "weather", "weather"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("down", "Down")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[CodeHost]) -> QuerySet[CodeHost]:
        return queryset.filter(weather="down") if self.value() == "down" else queryset


class OfferInline(admin.TabularInline):  # type: ignore[type-arg]  # generic only in the stubs
    """To whom, where it is not offered to everybody."""

    model = HostOffer
    autocomplete_fields = ("tenant",)
    extra = 1
    verbose_name_plural = "Offered to these tenants only"


@admin.register(CodeHost)
class CodeHostAdmin(FleetAdmin):
    form = HostForm
    inlines = (OfferInline,)
    list_display = (
        *("slug", "provider", "owner", "base_url", "app", "enabled", "offered", "held", "bound"),
    )
    list_filter = (ProviderFilter, "enabled", WeatherFilter, HostHeldFilter)
    list_select_related = ("owner",)
    ordering = ("-id",)
    search_fields = ("slug", "base_url")
    actions = ("release", "test_app")
    fieldsets = (
        (None, {"fields": ("provider", "label", "slug", "base_url", "api_url", "owner")}),
        (
            "OAuth app",
            {"fields": ("client_id", "new_secret", "secret_kept", "callback", "scopes")},
        ),
        (
            "Trust and reach",
            {"fields": ("profile", "ca_bundle", "private_cidrs", "proxy_url")},
        ),
        ("Pace and ways of its own", {"fields": ("per_minute", "at_once", "options")}),
        ("Offer", {"fields": ("enabled", "offered", "affects", "reason")}),
        ("Weather and mass guard", {"fields": _WEATHER}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: CodeHost | None = None) -> Any:
        """A token only ever goes where it was bound: a server that has moved is a new code host."""
        return _TOLD if obj is None else _TOLD + _FIXED

    @method_decorator(sensitive_post_parameters("new_secret"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: CodeHost, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "enabled" in form.changed_data:
            rls.after(partial(_follow_switch, request, obj))

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        message = super().construct_change_message(request, form, formsets, add)
        reason = form.cleaned_data.get("reason", "")
        return [*message, {"changed": {"fields": [f"reach: {reason}"]}}] if reason else message

    def has_act_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request)

    @admin.action(description="Release held verdicts", permissions=["act"])
    def release(self, request: HttpRequest, chosen: QuerySet[CodeHost]) -> None:
        """The operator believes the host: its verdicts count again."""
        held = list(chosen.filter(held_since__isnull=False))
        for host in held:
            guard.release(host, now=timezone.now())
            self.log_change(request, host, "Released held verdicts.")
        messages.success(request, f"Released: {len(held)}.")

    @admin.action(description="Test app", permissions=["act"])
    def test_app(self, request: HttpRequest, chosen: QuerySet[CodeHost]) -> None:
        """Asks each platform whether it knows our app; nothing is changed."""
        rls.after(partial(_test_apps, request, list(chosen[: self.list_per_page])))

    @admin.display(description="app", boolean=True)
    def app(self, host: CodeHost) -> bool:
        return bool(host.client_id and host.client_secret is not None)

    @admin.display(description="bindings")
    def bound(self, host: CodeHost) -> SafeString:
        return _to_bindings(host, "Show")

    @admin.display(description="mass guard")
    def held(self, host: CodeHost) -> SafeString | str:
        return shown.moment(host.held_since)

    @admin.display(description="callback address")
    def callback(self, host: CodeHost) -> SafeString | str:
        """To register with the app; there is one as soon as the host has a name."""
        return format_html("<code>{}</code>", callback_url(host)) if host.slug else shown.NOTHING

    @admin.display(description="secret kept")
    def secret_kept(self, host: CodeHost) -> str:
        if host.client_secret is None or host.client_secret_set_at is None:
            return "none"
        kept = f"{host.client_secret_set_at:%Y-%m-%d %H:%M} UTC"
        return f"fingerprint {servers.client_fingerprint(host)}, entered {kept}"

    @admin.display(description="this concerns")
    def affects(self, host: CodeHost) -> SafeString | str:
        if host._state.adding:
            return shown.NOTHING
        found = servers.concerned(host)
        return _to_bindings(host, f"{found.bindings} bindings of {found.tenants} tenants")


def callback_url(host: CodeHost) -> str:
    """The one address to register with a host's app; the bind flow sends the same."""
    return str(settings.MOORING_URL) + reverse("oauth_callback", args=[host.slug])


def _to_bindings(host: CodeHost, text: object) -> SafeString:
    lists = reverse("admin:bindings_binding_changelist")
    return shown.link(f"{lists}?host={host.public_id}", text)


def _follow_switch(request: HttpRequest, host: CodeHost) -> None:
    person = operator(request)
    actor = Actor("operator", person, ip=getattr(request, "ip", ""))
    turned = pause.follow_switch(actor=actor, host=host)
    word = "resumed" if host.enabled else "paused"
    messages.info(request, f"{turned} bindings {word}.")


def _test_apps(request: HttpRequest, hosts: list[CodeHost]) -> None:
    for host in hosts:
        trouble = servers.known_app(host, redirect_uri=callback_url(host))
        if trouble:
            messages.error(request, f"{host.slug}: {trouble}")
        else:
            messages.success(request, f"{host.slug}: the platform knows this app.")
