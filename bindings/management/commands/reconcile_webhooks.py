"""`manage.py reconcile_webhooks`: compare wanted and actual webhooks now, and fill gaps."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bindings.models import Binding, Hook
from bindings.models.hooks import HookStatus
from bindings.services.listen import hooks, reconcile
from portal.ground import ids, rls
from portal.ground.refusals import Refusal
from portal.tenants import access

FOREVER = 24 * 3600.0


class Command(BaseCommand):
    help = "Compare webhooks with their code hosts, mend what has come apart, send missed pushes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--binding", help="only webhooks of this binding (bnd_…), due or not")
        parser.add_argument(
            "--repair", action="store_true", help="with --binding: a new secret for each of them"
        )
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["repair"] and not options["binding"]:
            raise CommandError("--repair needs --binding.", returncode=2)
        binding = self._binding(options["binding"]) if options["binding"] else None
        done: Counter[str] = Counter()
        if binding is not None:
            if options["repair"]:
                done += _repaired(binding)
            reconcile.soon(binding)
        done += reconcile.run(budget_s=FOREVER, binding=binding)
        if options["json"]:
            self.stdout.write(json.dumps({"webhooks": dict(done)}))
        else:
            said = ", ".join(f"{name} {n}" for name, n in sorted(done.items()))
            self.stdout.write(said or "No webhook is due.")

    def _binding(self, public_id: str) -> Binding:
        key = ids.key(Binding.PREFIX, public_id)
        with rls.fleet("reconcile_webhooks --binding"):
            rows = Binding.objects.select_related("host", "tenant")
            found = rows.filter(pk=key, unbound_at=None).first() if key else None
        if found is None:
            raise CommandError(f"There is no live binding {public_id}.", returncode=2)
        return found


def _repaired(binding: Binding) -> Counter[str]:
    """A new secret for each webhook; what the host refuses is counted, and compared as usual."""
    leaving = (HookStatus.REMOVING, HookStatus.REMOVED)
    with rls.tenant(binding.tenant_id):
        rows = list(
            Hook.objects.of(binding.tenant_id).filter(binding=binding).exclude(status__in=leaving)
        )
    done: Counter[str] = Counter()
    for hook in rows:
        try:
            hooks.repair(actor=access.system(binding.tenant), hook=hook)
            done["repaired"] += 1
        except Refusal as refused:
            done[f"refused {refused.code}"] += 1
    return done
