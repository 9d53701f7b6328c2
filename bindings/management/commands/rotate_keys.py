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
        moved = 0
        for batch in keyring.reseal(size=options["batch"]):
            moved += batch.moved
            if not options["json"]:
                self.stdout.write(f"{moved} re-encrypted")
        rows = keyring.rows_by_key()
        if options["json"]:
            self.stdout.write(json.dumps({"moved": moved, "rows": rows}))
        else:
            for key, count in sorted(rows.items()):
                self.stdout.write(f"key {key or '?'}: {count} rows")
        self._retire(options["retire"], rows)

    def _retire(self, key: str | None, rows: dict[str, int]) -> None:
        if key and rows.get(key):
            self.stderr.write(f"Key {key} still holds {rows[key]} rows: keep it in MOORING_KEYS.")
            sys.exit(1)
