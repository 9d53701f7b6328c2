"""`manage.py check_bindings`: what the sweep does, by hand and with a progress line."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from bindings.models import Binding, CodeHost, Schedule
from bindings.services.keep import claim, sweep
from bindings.services.keep.sweep import Result
from portal.ground import ids, rls

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
        hosts = self._hosts(options)
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

    def _hosts(self, options: dict[str, Any]) -> list[CodeHost] | None:
        if options["binding"]:
            return [self._pull_forward(options["binding"])]
        if not options["host"]:
            return None
        with rls.fleet("check_bindings --host"):
            host = CodeHost.objects.filter(slug=options["host"]).first()
        if host is None:
            raise CommandError(f"There is no code host {options['host']}.", returncode=2)
        return [host]

    def _pull_forward(self, public_id: str) -> CodeHost:
        """Make one binding the most overdue of its host, and the limit 1 reaches it first."""
        key = ids.key(Binding.PREFIX, public_id)
        with rls.fleet("check_bindings --binding"):
            live = Binding.objects.filter(unbound_at=None).select_related("host")
            binding = live.filter(pk=key).first() if key else None
            if binding is None:
                raise CommandError(f"There is no live binding {public_id}.", returncode=2)
            Schedule.objects.filter(pk=binding.pk).update(next_check_at=timezone.now())
            return binding.host

    def _due(self, hosts: list[CodeHost] | None) -> int:
        now = timezone.now()
        chosen = hosts if hosts is not None else claim.hosts_with_work(now)
        with rls.fleet("count what is due"):
            return Schedule.objects.filter(
                host_id__in=[host.pk for host in chosen], next_check_at__lte=now
            ).count()
