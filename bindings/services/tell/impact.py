"""What stops when a binding does: counts and names, for mails, calendars and lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bindings.models import Binding, Repository, Trigger

NAMED = 5


@dataclass(frozen=True, slots=True)
class Stops:
    """What one binding is good for. `repositories` None: nobody has listed them yet."""

    repositories: int | None = None
    names: tuple[str, ...] = ()
    triggers: int = 0

    def __str__(self) -> str:
        """In one sentence of the active language, "" where nothing is known to stop."""
        said = ngettext("%(n)d trigger", "%(n)d triggers", self.triggers) % {"n": self.triggers}
        parts = [self._seen(), said if self.triggers else ""]
        return _("; ").join(part for part in parts if part)

    def _seen(self) -> str:
        if not self.repositories:
            return ""
        said = ngettext("%(n)d repository", "%(n)d repositories", self.repositories)
        count = said % {"n": self.repositories}
        if not self.names:
            return count
        listed = _(", ").join(self.names)
        if len(self.names) < self.repositories:
            return _("%(count)s, among them %(names)s") % {"count": count, "names": listed}
        return _("%(count)s: %(names)s") % {"count": count, "names": listed}


def of(binding: Binding) -> Stops:
    """What stops with this binding, a few repositories by name. Needs an open scope."""
    rows = Repository.objects.of(binding.tenant_id).filter(
        instance=binding.instance_id, host=binding.host_id, gone_at=None
    )
    names = tuple(rows.order_by("-seen_at", "path").values_list("path", flat=True)[:NAMED])
    seen = binding.repositories_seen
    serving = Trigger.objects.of(binding.tenant_id).filter(
        instance_id=binding.instance_id, repository__host_id=binding.host_id, waiting_since=None
    )
    return Stops(max(seen or 0, len(names)) or seen, names, len(serving.values_list("pk")))


def count(bindings: Iterable[Binding]) -> int:
    """How many repositories these bindings see together, as far as it is known."""
    return sum(binding.repositories_seen or 0 for binding in bindings)
