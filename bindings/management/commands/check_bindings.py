"""`manage.py check_bindings`: what the sweep does, by hand and with a progress line."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from bindings.models import Binding, CodeHost, Schedule
from bindings.services.keep import checks, claim, sweep
from bindings.services.keep.sweep import Result
from portal.ground import ids, refusals, rls
from portal.ground.refusals import Refusal

FOREVER = 24 * 3600.0


class Command(BaseCommand):
    help = "Check bindings now: what is due, or those that are named."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--due", action="store_true", help="only what is due (the default)")
        parser.add_argument("--host", help="only bindings of this code host (slug)")
        parser.add_argument("--binding", help="only this binding (bnd_…), due or not")
        parser.add_argument("--limit", type=int, help="stop after so many")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["binding"]:
            self._one(options["binding"], as_json=options["json"])
            return
        hosts = self._hosts(options["host"])
        total = self._due(hosts)
        if options["limit"] is not None:
            total = min(total, options["limit"])
        show = sys.stderr.isatty() and not options["json"]

        def progress(result: Result) -> None:
            if show:
                share = result.asked * 30 // max(total, 1)
                bar = "█" * min(share, 30)
                self.stderr.write(f"\r{bar:<30} {result.asked} of {total}", ending="")

        result = sweep.run(budget_s=FOREVER, limit=options["limit"], hosts=hosts, progress=progress)
        if show:
            self.stderr.write("")
        if options["json"]:
            counts = {"checked": result.asked, "changed": result.changed}
            self.stdout.write(json.dumps(counts | {"results": dict(result.outcomes)}))
        else:
            self.stdout.write(str(result))

    def _one(self, public_id: str, *, as_json: bool) -> None:
        """The whole ladder for one binding, as behind "check now"."""
        key = ids.key(Binding.PREFIX, public_id)
        with rls.fleet("check_bindings --binding"):
            binding = Binding.objects.filter(pk=key, unbound_at=None).first() if key else None
        if binding is None:
            raise CommandError(f"There is no live binding {public_id}.", returncode=2)
        try:
            check = checks.run_now(binding=binding)
        except Refusal as refused:
            words = refusals.words(refused.code, refused.facts)
            raise CommandError(f"{refused.code}: {words.detail}") from None
        if as_json:
            found = {"status": check.status, "code": check.code, "steps": check.steps}
            self.stdout.write(json.dumps(found))
        else:
            self.stdout.write(" ".join(filter(None, (check.status, check.code))))

    def _hosts(self, slug: str | None) -> list[CodeHost] | None:
        if not slug:
            return None
        with rls.fleet("check_bindings --host"):
            host = CodeHost.objects.filter(slug=slug).first()
        if host is None:
            raise CommandError(f"There is no code host {slug}.", returncode=2)
        return [host]

    def _due(self, hosts: list[CodeHost] | None) -> int:
        now = timezone.now()
        chosen = hosts if hosts is not None else claim.hosts_to_ask(now)
        with rls.fleet("count what is due"):
            return Schedule.objects.filter(
                host_id__in=[host.pk for host in chosen], next_check_at__lte=now
            ).count()
