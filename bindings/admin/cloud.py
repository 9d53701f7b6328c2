"""Cloud accounts as operators keep them: keys go in and never come out."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from bindings.admin import shown
from bindings.admin.acts import WhyForm
from bindings.admin.filters import Choices
from bindings.admin.fleet import TenantRows, acting_in
from bindings.admin.host_form import wide
from bindings.models import CodeHost, PlatformAccount
from bindings.services.bind import platform
from bindings.services.custody.sealed import Undecryptable
from bindings.services.keep import figures
from bindings.services.keep.doctor import Examination
from portal.ground import refusals, rls
from portal.ground.refusals import Refusal
from portal.tenants.models import Tenant
from portal.tenants.signin import recent_sign_in

_FACTS = (
    *("cloud_account", "account_id", "tenant", "host", "connected", "secret_kept", "entered"),
    *("checked", "bound", "renew"),
)


class KeysForm(forms.Form):
    """Whose account, where, and its pair of keys. The keys are never sent back."""

    tenant = forms.CharField(
        max_length=40, widget=wide(), help_text="Its name in addresses, like acme."
    )
    host = forms.ChoiceField(label="Code host")
    access_key = forms.CharField(
        label="Access key (AK)",
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "class": "vTextField"}),
    )
    secret_key = forms.CharField(
        label="Secret key (SK)",
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "class": "vTextField"}),
        help_text="Both are encrypted and never shown again, to anyone.",
    )

    def __init__(self, *args: Any, hosts: list[CodeHost], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hosts = {str(host.pk): host for host in hosts}
        named = [(key, f"{host.label}, {host.base_url}") for key, host in self.hosts.items()]
        self.fields["host"].choices = named  # type: ignore[attr-defined]  # of a ChoiceField

    def clean_tenant(self) -> Tenant:
        found = Tenant.objects.filter(slug=self.cleaned_data["tenant"].strip()).first()
        if found is None:
            raise forms.ValidationError("There is no such tenant.")
        return found

    def clean_host(self) -> CodeHost:
        return self.hosts[self.cleaned_data["host"]]

    def clean(self) -> dict[str, Any]:
        pair = [self.cleaned_data.get(name, "") for name in ("access_key", "secret_key")]
        if not all(one.isascii() and one.isprintable() and " " not in one for one in pair):
            raise forms.ValidationError("A key has no spaces and no letters beyond ASCII.")
        return self.cleaned_data

    @property
    def secret(self) -> str:
        given = self.cleaned_data
        return platform.secret_of(given["access_key"], given["secret_key"])


class StateFilter(SimpleListFilter):
    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("refused", "Refused by the platform")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PlatformAccount]
    ) -> QuerySet[PlatformAccount]:
        if self.value() != "refused":
            return queryset
        return queryset.filter(pk__in=figures.refused_accounts().values("pk"))


@admin.register(PlatformAccount)
class CloudAccountAdmin(TenantRows):
    what = "cloud account"
    list_display = ("cloud_account", "tenant", "host", "state", "secret_kept", "checked", "bound")
    list_filter = (StateFilter,)
    list_select_related = ("tenant", "host")
    ordering = ("-id",)
    search_fields = ("=tenant__slug", "=cloud_account")
    search_help_text = "The exact name of a tenant or of an account."
    actions = ("test", "disconnect")
    fields = readonly_fields = _FACTS

    def get_queryset(self, request: HttpRequest) -> QuerySet[PlatformAccount]:
        rows: QuerySet[PlatformAccount] = super().get_queryset(request)
        kept = ExpressionWrapper(Q(secret__isnull=False), output_field=BooleanField())
        return rows.annotate(kept=kept).defer("secret")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("bindings.add_platformaccount")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """May this operator test and disconnect?"""
        return request.user.has_perm("bindings.change_platformaccount")

    @method_decorator(sensitive_post_parameters("access_key", "secret_key"))
    @method_decorator(never_cache)
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        """Connect an account, or enter new keys for one. It asks the platform, so no scope is
        open."""
        if not self.has_add_permission(request):
            raise PermissionDenied

        @recent_sign_in
        def fresh(request: HttpRequest) -> HttpResponseBase:
            return _connect(self, request)

        return fresh(request)

    @admin.action(description="Test connection", permissions=["act"])
    def test(self, request: HttpRequest, chosen: QuerySet[PlatformAccount]) -> None:
        """Climbs the ladder with the keys that are kept; nothing else changes."""
        rows = list(chosen.defer(None)[: self.list_per_page])
        rls.after(partial(_test, request, rows))

    @admin.action(description="Disconnect with a reason", permissions=["act"])
    def disconnect(
        self, request: HttpRequest, chosen: QuerySet[PlatformAccount]
    ) -> HttpResponseBase | None:
        """Unbinds all instances of the tenant and destroys the keys."""
        rows = [row for row in chosen if vars(row)["kept"]]
        form = WhyForm(request.POST if "apply" in request.POST else None)
        if not form.is_valid():
            return _ask_why(self, request, form, rows)
        rls.after(partial(_disconnect, request, rows, form.cleaned_data["reason"]))
        return None

    @admin.display
    def state(self, account: PlatformAccount) -> str:
        return "connected" if vars(account)["kept"] else "disconnected"

    connected = state

    @admin.display(description="keys")
    def secret_kept(self, account: PlatformAccount) -> str:
        if not vars(account)["kept"]:
            return "destroyed"
        return f"fingerprint {account.fingerprint}, entered {account.entered_at:%Y-%m-%d %H:%M} UTC"

    @admin.display(description="entered by")
    def entered(self, account: PlatformAccount) -> str:
        return account.entered_by_name or shown.NOTHING

    @admin.display
    def checked(self, account: PlatformAccount) -> SafeString | str:
        return shown.moment(account.checked_at)

    @admin.display(description="bindings")
    def bound(self, account: PlatformAccount) -> SafeString:
        lists = reverse("admin:bindings_binding_changelist")
        query = f"?provider={account.host.provider}&q={account.tenant.public_id}"
        return shown.link(f"{lists}{query}", "Show")

    @admin.display(description="new keys")
    def renew(self, account: PlatformAccount) -> SafeString:
        add = reverse("admin:bindings_platformaccount_add")
        query = f"?tenant={account.tenant.slug}&host={account.host_id}"
        return shown.link(f"{add}{query}", "Enter new keys")


def _connect(page: CloudAccountAdmin, request: HttpRequest) -> HttpResponseBase:
    form = KeysForm(
        request.POST if request.method == "POST" else None,
        hosts=platform.hosts(),
        initial={name: request.GET.get(name, "") for name in ("tenant", "host")},
    )
    found: Examination | None = None
    if request.method == "POST" and form.is_valid():
        if "test" in request.POST:
            found = platform.test(host=form.cleaned_data["host"], secret=form.secret)
        elif _kept(page, request, form):
            return redirect("admin:bindings_platformaccount_changelist")
    context = {
        **page.admin_site.each_context(request),
        "title": "Connect a cloud account",
        "opts": page.opts,
        "form": form,
        "found": found,
        "steps": [step.shown() for step in found.steps] if found else [],
    }
    return TemplateResponse(request, "admin/bindings/connect.html", context)


def _kept(page: CloudAccountAdmin, request: HttpRequest, form: KeysForm) -> bool:
    given = form.cleaned_data
    try:
        done = platform.connect(
            actor=acting_in(request, given["tenant"]), host=given["host"], secret=form.secret
        )
    except Refusal as refused:
        form.add_error(None, refusals.words(refused.code, refused.facts).detail)
        return False
    page.log_change(request, done.account, "Entered keys.")
    said = f"{done.account.cloud_account} is connected: {done.bound} instances bound"
    messages.success(request, f"{said}, {done.renewed} renewed.")
    return True


def _test(request: HttpRequest, accounts: list[PlatformAccount]) -> None:
    for account in accounts:
        try:
            found = platform.check(account=account)
        except Undecryptable as shut:
            messages.error(request, f"{account.cloud_account}: needs the key {shut.key_id}.")
            continue
        if found.ok:
            messages.success(request, f"{account.cloud_account}: the platform accepts it.")
        else:
            why = refusals.words(found.code, found.facts).detail
            messages.error(request, f"{account.cloud_account}: {why} ({found.code})")


def _disconnect(request: HttpRequest, accounts: list[PlatformAccount], reason: str) -> None:
    for account in accounts:
        ended = platform.disconnect(
            actor=acting_in(request, account.tenant), account=account, reason=reason
        )
        messages.success(request, f"{account.cloud_account} is disconnected: {ended} unbound.")


def _ask_why(
    page: CloudAccountAdmin, request: HttpRequest, form: WhyForm, rows: list[PlatformAccount]
) -> HttpResponseBase:
    context = {
        **page.admin_site.each_context(request),
        "title": f"Disconnect: {len(rows)}",
        "opts": page.opts,
        "form": form,
        "rows": rows,
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/bindings/disconnect.html", context)
