"""What operators narrow the lists down by; each is answered by an index or stops early."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from bindings import problems
from bindings.models import Binding, CodeHost, Schedule, facts
from bindings.services.browse.specs import LABELS, ORDER
from bindings.services.keep.figures import LATE
from bindings.state import State
from portal.ground import ids

Choices = list[tuple[Any, str]]
_STORED = [word for word in State if word not in (State.NOT_OFFERED, State.UNBOUND)]
Bindings = QuerySet[Binding]


class ProviderFilter(SimpleListFilter):
    title, parameter_name = "platform", "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(slug, LABELS[slug]) for slug in ORDER]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(provider=self.value()) if self.value() else queryset


class StateFilter(SimpleListFilter):
    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(word.value, str(problems.STATES[word])) for word in _STORED]

    def queryset(self, request: HttpRequest, queryset: Bindings) -> Bindings:
        wanted = [word for word in _STORED if word.value == self.value()]
        return queryset.filter(facts.in_states(wanted)) if wanted else queryset


class LifeFilter(SimpleListFilter):
    """Living bindings, unless somebody asks for those that have ended."""

    title, parameter_name = "life", "life"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("ended", "Unbound"), ("all", "All")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first = True
        for choice in super().choices(changelist):
            yield choice | {"display": "Live"} if first else choice
            first = False

    def queryset(self, request: HttpRequest, queryset: Bindings) -> Bindings:
        if self.value() == "all":
            return queryset
        return queryset.filter(unbound_at__isnull=self.value() != "ended")


class EndsFilter(SimpleListFilter):
    title, parameter_name = "end", "ends"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("0", "Has passed"), ("7", "Within 7 days"), ("30", "Within 30 days")]

    def queryset(self, request: HttpRequest, queryset: Bindings) -> Bindings:
        days = self.value()
        if days not in ("0", "7", "30"):
            return queryset
        return queryset.filter(expires_at__lt=timezone.now() + timedelta(days=int(days)))


class HostFilter(SimpleListFilter):
    """Operators' servers are listed; a tenant's own is chosen on its page."""

    title, parameter_name = "code host", "host"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        wanted = ids.key(CodeHost.PREFIX, request.GET.get(self.parameter_name, ""))
        hosts = CodeHost.objects.filter(Q(owner=None) | Q(pk=wanted)).only("slug")
        return [(host.public_id, host.slug) for host in hosts]

    def queryset(self, request: HttpRequest, queryset: Bindings) -> Bindings:
        wanted = self.value()
        if not wanted:
            return queryset
        return queryset.filter(host_id=ids.key(CodeHost.PREFIX, wanted))


class HeldFilter(SimpleListFilter):
    title, parameter_name = "mass guard", "held"
    way = "host__held_since__isnull"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("1", "Held")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.way: False}) if self.value() == "1" else queryset


class CheckFilter(SimpleListFilter):
    title, parameter_name = "checks", "checks"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("due", "Due"), ("late", "Late")]

    def queryset(self, request: HttpRequest, queryset: Bindings) -> Bindings:
        if self.value() not in ("due", "late"):
            return queryset
        before = timezone.now() - (LATE if self.value() == "late" else timedelta())
        waiting = Schedule.objects.filter(next_check_at__lte=before)
        return queryset.filter(pk__in=waiting.values("binding_id"))
