"""`manage.py relay_events`: what the relay does, by hand."""

from __future__ import annotations

import json
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from bindings.services.tell import relay

FOREVER = 24 * 3600.0


class Command(BaseCommand):
    help = "Send what is waiting in the outbox, until it is stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="end when nothing is due any more")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        asked: list[int] = []
        before = signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
        try:
            result = relay.run(budget_s=FOREVER, once=options["once"], stopping=lambda: bool(asked))
        finally:
            signal.signal(signal.SIGTERM, before)
        if options["json"]:
            self.stdout.write(json.dumps({"sent": result.sent, "results": dict(result.outcomes)}))
        else:
            self.stdout.write(str(result))
