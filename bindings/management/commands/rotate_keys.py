"""`manage.py rotate_keys`: re-encrypt everything with the first key of MOORING_KEYS."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from bindings.services.custody import keyring


class Command(BaseCommand):
    help = "Re-encrypt everything with the first key. Can be killed and started again at any time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--retire", metavar="ID", help="exit 1 while rows remain under it")
        parser.add_argument("--batch", type=int, default=500, help="rows in one transaction")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        moved = closed = 0
        for more, shut in keyring.reseal(batch=options["batch"]):
            moved, closed = moved + more, closed + shut
            if not options["json"]:
                self.stdout.write(f"{moved} re-encrypted, {closed} do not open")
        rows = keyring.rows_by_key()
        if options["json"]:
            self.stdout.write(json.dumps({"moved": moved, "closed": closed, "rows": rows}))
        else:
            for key, count in sorted(rows.items()):
                self.stdout.write(f"key {key}: {count} rows")
        if options["retire"] and rows.get(options["retire"]):
            self.stderr.write(
                f"Key {options['retire']} still holds {rows[options['retire']]} rows."
            )
            sys.exit(1)
