"""Bindings as operators see them: every fact, no secret, and four things they can do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from bindings import problems
from bindings.admin import acts, shown
from bindings.admin.filters import (
    CheckFilter,
    EndsFilter,
    HeldFilter,
    HostFilter,
    LifeFilter,
    ProviderFilter,
    StateFilter,
)
from bindings.admin.fleet import TenantRows, operator
from bindings.models import Binding, facts
from bindings.services.browse.specs import LABELS
from bindings.state import Reach
from portal.ground import ids, refusals
from portal.tenants.models import Instance, Tenant

_FOUND_AT_MOST = 500
_JOINED = ("tenant", "instance", "host", "schedule", "credential")
_UNREAD = (
    *("host__client_secret", "host__ca_bundle", "credential__access", "credential__refresh"),
    *("credential__previous_access", "credential__previous_refresh"),
)


@admin.register(Binding)
class BindingAdmin(TenantRows):
    what = "binding"
    list_display = (
        *("account", "tenant", "instance", "platform", "state_word", "end", "checked"),
        *("next_check", "held"),
    )
    list_filter = (
        *(LifeFilter, StateFilter, ProviderFilter, "status", "reach", EndsFilter, HostFilter),
        *(HeldFilter, CheckFilter),
    )
    filters = ("tenant", "instance")
    ordering = ("-id",)
    search_fields = ("account_login",)
    search_help_text = (
        "A bnd_, ins_ or tnt_ id, or an exact name: of a tenant, else of an account or instance."
    )
    actions = acts.ALL
    fieldsets = (
        (None, {"fields": ("public_id", "tenant", "instance", "platform", "host", "kind", "mode")}),
        (
            "Account",
            {"fields": ("account", "account_id", "account_name", "account_url", "robot", "labels")},
        ),
        (
            "State",
            {
                "fields": (
                    *("state_word", "status", "status_since", "status_says", "reach"),
                    *("reach_since", "reach_says", "suspicion", "held", "checked", "next_check"),
                    *("failures", "used_at", "proofs", "version"),
                )
            },
        ),
        (
            "Credential",
            {
                "fields": (
                    *("end", "expires_at", "quality", "renews", "fingerprint", "token_name"),
                    *("token_id", "scopes", "issued_at", "replaced_at", "key_id"),
                )
            },
        ),
        (
            "Life",
            {"fields": ("bound_by_name", "bound_at", "unbound_by_name", "unbound_at", "links")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Binding]:
        rows: QuerySet[Binding] = super().get_queryset(request)
        return rows.select_related(*_JOINED).defer(*_UNREAD)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Exact, so that an index answers."""
        text = search_term.strip()
        return (queryset.filter(_named(text)) if text else queryset), False

    def has_act_permission(self, request: HttpRequest) -> bool:
        """May this operator check, pause and unbind?"""
        return operator(request).has_perm("bindings.change_binding")

    def binding_of(self, row: Model) -> UUID | None:
        return UUID(str(row.pk))

    @admin.display(description="id")
    def public_id(self, binding: Binding) -> str:
        return binding.public_id

    @admin.display(description="account")
    def account(self, binding: Binding) -> str:
        return binding.account_login or "(not known yet)"

    @admin.display
    def platform(self, binding: Binding) -> str:
        return LABELS[binding.provider]

    @admin.display(description="state")
    def state_word(self, binding: Binding) -> SafeString:
        return shown.state_of(binding, timezone.now())

    @admin.display(description="end")
    def end(self, binding: Binding) -> SafeString:
        return shown.end_of(binding, timezone.now())

    @admin.display(description="checked")
    def checked(self, binding: Binding) -> SafeString | str:
        return shown.moment(_of(binding, "schedule", "checked_at"))

    @admin.display(description="next check")
    def next_check(self, binding: Binding) -> SafeString | str:
        return shown.moment(_of(binding, "schedule", "next_check_at"))

    @admin.display(description="mass guard")
    def held(self, binding: Binding) -> str:
        return "held" if binding.host.held_since is not None else shown.NOTHING

    @admin.display(description="failures in a row")
    def failures(self, binding: Binding) -> Any:
        return _of(binding, "schedule", "failures")

    @admin.display
    def fingerprint(self, binding: Binding) -> Any:
        return _of(binding, "credential", "fingerprint")

    @admin.display(description="name at the platform")
    def token_name(self, binding: Binding) -> Any:
        return _of(binding, "credential", "token_name")

    @admin.display(description="number at the platform")
    def token_id(self, binding: Binding) -> Any:
        return _of(binding, "credential", "token_id")

    @admin.display
    def scopes(self, binding: Binding) -> str:
        return ", ".join(_of(binding, "credential", "scopes") or ()) or shown.NOTHING

    @admin.display(description="issued")
    def issued_at(self, binding: Binding) -> SafeString | str:
        return shown.moment(_of(binding, "credential", "issued_at"))

    @admin.display(description="replaced")
    def replaced_at(self, binding: Binding) -> SafeString | str:
        return shown.moment(_of(binding, "credential", "replaced_at"))

    @admin.display(description="encrypted with key")
    def key_id(self, binding: Binding) -> Any:
        return _of(binding, "credential", "key_id")

    @admin.display(description="why")
    def status_says(self, binding: Binding) -> str:
        prefix = problems.prefix_of(binding.provider)
        said = {"login": binding.account_login, **binding.why_facts}
        return _words(problems.of_status(facts.of(binding), timezone.now(), prefix=prefix, **said))

    @admin.display(description="why")
    def reach_says(self, binding: Binding) -> str:
        if binding.reach == Reach.OK:
            return shown.NOTHING
        prefix = problems.prefix_of(binding.provider)
        return _words(problems.of_reach(binding.reach_why, prefix=prefix, **binding.reach_facts))

    @admin.display(description="lists")
    def links(self, binding: Binding) -> SafeString:
        lists = reverse("admin:bindings_binding_changelist")
        checks = reverse("admin:bindings_check_changelist")
        return shown.lines(
            (f"{lists}?life=all&q={binding.public_id}", "Check, pause or unbind"),
            (f"{checks}?binding__id__exact={binding.pk}", "Checks"),
            (reverse("admin:bindings_binding_history", args=[binding.pk]), "Event log"),
        )


def _of(binding: Binding, which: str, name: str) -> Any:
    """A column of its schedule or credential, which an unbound one may have lost."""
    return getattr(getattr(binding, which, None), name, None)


def _words(explained: tuple[str, dict[str, Any]] | None) -> str:
    return shown.NOTHING if explained is None else refusals.words(*explained).detail


def _named(text: str) -> Q:
    """Whose id or exact name this is. Needs an open scope."""
    for model, column in ((Binding, "pk"), (Instance, "instance_id"), (Tenant, "tenant_id")):
        key = ids.key(model.PREFIX, text)
        if key is not None:
            return Q(**{column: key})
    tenant = Tenant.objects.filter(slug=text).first()
    if tenant is not None:
        return Q(tenant=tenant)
    # A small list and two indexes, instead of a join that fits none.
    instances = Instance.objects.filter(name=text).values_list("pk", flat=True)
    return Q(account_login=text) | Q(instance_id__in=list(instances[:_FOUND_AT_MOST]))
