"""`manage.py sandbox`: the code host for development, as a process of its own."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Runs only the sandbox code host, until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:8100", help="address and port")
        parser.add_argument("--data", help="folder that outlives the process")

    def handle(self, *args: Any, **options: Any) -> None:
        """Become the sandbox: nothing of the portal may import it."""
        command = [sys.executable, "-m", "providers.sandbox", "--bind", options["bind"]]
        if options["data"]:
            command += ["--data", options["data"]]
        self.stdout.flush()
        os.execv(sys.executable, command)  # noqa: S606 - a program, no shell
