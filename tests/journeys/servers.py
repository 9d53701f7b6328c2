"""The portal as it is run: gunicorn with the real application, and a worker for its checks."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portal import embedded

ROOT = Path(embedded.__file__).parent.parent
PATIENCE = 60.0


class Process:
    """A child with its output in a file, ended by its id."""

    def __init__(
        self, name: str, command: list[str], environment: dict[str, str], at: Path
    ) -> None:
        self.log = at / f"{name}.log"
        self._file = self.log.open("wb")
        self._child = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=self._file,
            stderr=subprocess.STDOUT,
        )

    def wait_for(self, ready: str) -> None:
        """Until the log says `ready`, or an address that begins so answers."""
        until = time.monotonic() + PATIENCE
        while not (answers(ready) if ready.startswith("http") else ready in self._said()):
            assert self._child.poll() is None, self._said()
            assert time.monotonic() < until, self._said()
            time.sleep(0.1)

    def end(self) -> None:
        self._child.terminate()
        self._child.wait(PATIENCE)
        self._file.close()

    def _said(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def portal(sandbox: str, at: Path) -> Iterator[str]:
    """Web and worker on the test's own database; the address of the site."""
    queue = ["--queues", "now", "--pool", "threads", "--concurrency", "2"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"]
    with web(sandbox, at) as site:
        worker = Process(
            "worker",
            ["celery", "--app", "portal", "worker", *queue, *quiet],
            _environment(site, sandbox),
            at,
        )
        try:
            worker.wait_for(" ready.")
            yield site
        finally:
            worker.end()


@contextmanager
def web(sandbox: str, at: Path) -> Iterator[str]:
    """Web alone; the address of the site."""
    site = f"http://127.0.0.1:{free_port()}"
    config = ["--config", "python:portal.gunicorn", "--workers", "1"]
    process = Process(
        "web",
        ["gunicorn", *config, "portal.wsgi:application"],
        _environment(site, sandbox),
        at,
    )
    try:
        process.wait_for(f"{site}/healthz")
        yield site
    finally:
        process.end()


def _environment(site: str, sandbox: str) -> dict[str, str]:
    return {
        "MOORING_BIND": site.removeprefix("http://"),
        "MOORING_URL": site,
        "MOORING_SANDBOX_URL": sandbox,
        "MOORING_EGRESS_RANGES": "198.51.100.16/28",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }


def answers(url: str) -> bool:
    """Does this address answer 200?"""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return int(answer.status) == 200
    except (urllib.error.URLError, OSError):
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
