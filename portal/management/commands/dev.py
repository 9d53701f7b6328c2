"""`manage.py dev`, which is what `make run` calls: the whole portal on this machine.

Migrations, demo data, the sandbox code host, web, one worker for all queues, the clock. Everything
ends together: on Ctrl-C, when the terminal closes, or when one of them falls.
"""

from __future__ import annotations

import shutil
import signal
import sys
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections

from portal import catalogue, env, mailbox, processes, welcome
from portal.celery import NAMES
from portal.crew import Crew, Fallen, answers, is_free
from portal.embedded import LOCAL, CannotStart
from portal.place import Place
from portal.processes import Asked
from portal.servers import listed

ROOT = LOCAL.parent
_SANDBOX = "http://127.0.0.1:8100"
_WSGI = "portal.wsgi:application"
_CONSOLE = "django.core.mail.backends.console.EmailBackend"
_SECONDS = 60


class Command(BaseCommand):
    help = "Runs everything on this machine, with demo data, until Ctrl-C."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.MOORING_ENV == "production":
            raise CannotStart("`dev` is for development; MOORING_ENV is production.")
        sandbox = settings.MOORING_SANDBOX_URL or _SANDBOX
        _require_free(settings.MOORING_BIND, "MOORING_BIND")
        _require_free(urlsplit(sandbox).netloc, "MOORING_SANDBOX_URL")
        catalogue.compile_all()
        call_command("migrate", verbosity=0, skip_checks=True)
        connections.close_all()
        with processes.noting_signals() as noted:
            crew = Crew(LOCAL / "logs" / "run.log", _environment(sandbox), ROOT, noted)
            try:
                self._begin(crew, sandbox)
                self.stdout.write(welcome.text(settings.MOORING_URL, LOCAL))
                self.stdout.flush()
                crew.watch()
            except Fallen as fallen:
                raise CannotStart(f"{fallen}\nThe whole log is in .local/logs/run.log.") from None
            except Asked as asked:
                if asked.code != 128 + signal.SIGINT:
                    raise
                self.stdout.write("\nEnding.")
            finally:
                crew.end()
                noted.clear()

    def _begin(self, crew: Crew, sandbox: str) -> None:
        """Start all at once; return when the demo data is there and pages are served."""
        for name, pid in listed(LOCAL).items():
            crew.need(name, partial(processes.runs, pid, mentioning=str(Place.of(LOCAL).sockets)))
        python = sys.executable
        bind = urlsplit(sandbox).netloc
        crew.start(
            "sandbox",
            [python, "-m", "providers.sandbox", "--bind", bind, "--data", LOCAL / "sandbox"],
        )
        crew.start("web", [python, "-m", "gunicorn", "--config", "python:portal.gunicorn", _WSGI])
        celery = [python, "-m", "celery", "--app", "portal", "--quiet"]
        # Threads: one process that sees SIGTERM itself and ends its jobs between two steps.
        worker = ["worker", "--queues", ",".join(NAMES), "--pool", "threads", "--concurrency", "8"]
        crew.start("worker", [*celery, *worker, "--without-gossip", "--without-mingle"])
        crew.start("beat", [*celery, "beat"])
        state = f"{sandbox}/_control/state"
        crew.wait_for("sandbox", lambda: answers(state), seconds=_SECONDS)
        crew.run("seed", [python, "manage.py", "seed_demo"])
        host, port = _host_and_port(settings.MOORING_BIND)
        alive, known_as = f"http://{host}:{port}/healthz", urlsplit(settings.MOORING_URL).netloc
        crew.wait_for("web", lambda: answers(alive, host=known_as), seconds=_SECONDS)


def _environment(sandbox: str) -> dict[str, str]:
    figures = LOCAL / "metrics"
    shutil.rmtree(figures, ignore_errors=True)
    figures.mkdir(mode=0o700)
    # Mails go to a page of the portal, unless a mail server was given.
    mails = mailbox.address(LOCAL) if settings.EMAIL_BACKEND == _CONSOLE else ""
    return env.for_children(
        **({"MOORING_EMAIL_URL": mails} if mails else {}),
        MOORING_SANDBOX_URL=sandbox,
        PROMETHEUS_MULTIPROC_DIR=str(figures),
        PYTHONUNBUFFERED="1",
    )


def _require_free(address: str, variable: str) -> None:
    host, port = _host_and_port(address)
    if not is_free(host, port):
        raise CannotStart(
            f"{host}:{port} is in use: end what listens there, or choose another address with"
            f" {variable}={'http://' if variable.endswith('URL') else ''}{host}:{port + 1}."
        )


def _host_and_port(address: str) -> tuple[str, int]:
    """Where to knock for a server that listens at `address`: on all addresses means on ours."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise CannotStart("MOORING_BIND has to be like 127.0.0.1:8000.")
    return "127.0.0.1" if host in {"0.0.0.0", "*"} else host.strip("[]"), int(port)  # noqa: S104
