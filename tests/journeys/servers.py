"""The portal as it is run: gunicorn with the real application, and a worker for its checks."""

from __future__ import annotations

import os
import signal
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
        """As an operator would: it may finish what it is doing."""
        self._child.terminate()
        self._child.wait(PATIENCE)
        self._file.close()

    def kill(self) -> None:
        """As a power cut would, with every process it has started."""
        for pid in [*children(self._child.pid), self._child.pid]:
            os.kill(pid, signal.SIGKILL)
        self._child.wait(PATIENCE)
        self._file.close()

    @property
    def pid(self) -> int:
        return self._child.pid

    def _said(self) -> str:
        return self.log.read_text(errors="replace")


class Portal:
    """Web, worker and clock on the test's own database, each of which may fall and come back."""

    def __init__(self, sandbox: str, at: Path) -> None:
        port = free_port()
        self.site, self._at = f"http://127.0.0.1:{port}", at
        self.running: dict[str, Process] = {}
        self._started = 0
        self._environment = {
            "MOORING_BIND": f"127.0.0.1:{port}",
            "MOORING_URL": self.site,
            "MOORING_SANDBOX_URL": sandbox,
            "MOORING_EGRESS_RANGES": "198.51.100.16/28",
            # The builder of a test is on this machine.
            "MOORING_ENDPOINT_ALLOW_CIDRS": "127.0.0.0/8",
            "MOORING_ENDPOINT_ALLOW_HTTP": "1",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        }

    def web(self, *, workers: int = 1) -> None:
        config = ["--config", "python:portal.gunicorn", "--workers", str(workers)]
        self._start("web", ["gunicorn", *config, "portal.wsgi:application"])
        self.running["web"].wait_for(f"{self.site}/healthz")

    def worker(self, queues: str, *, threads: int = 2) -> None:
        queue = ["--queues", queues, "--pool", "threads", "--concurrency", str(threads)]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        command = ["celery", "--app", "portal", "worker", *queue, *quiet, "--loglevel", "INFO"]
        self._start("worker", command)
        self.running["worker"].wait_for(" ready.")

    def beat(self) -> None:
        self._start("beat", ["celery", "--app", "portal", "--quiet", "beat"])

    def kill(self, name: str) -> None:
        self.running.pop(name).kill()

    def end(self) -> None:
        for process in self.running.values():
            process.end()
        self.running.clear()

    def _start(self, name: str, command: list[str]) -> None:
        self._started += 1  # every life has a log of its own
        log = f"{name}-{self._started}"
        self.running[name] = Process(log, command, self._environment, self._at)


@contextmanager
def portal(sandbox: str, at: Path) -> Iterator[str]:
    """Web and a worker for what people wait for; the address of the site."""
    running = Portal(sandbox, at)
    try:
        running.web()
        running.worker("now,relay")
        yield running.site
    finally:
        running.end()


@contextmanager
def web(sandbox: str, at: Path) -> Iterator[str]:
    """Web alone; the address of the site."""
    running = Portal(sandbox, at)
    try:
        running.web()
        yield running.site
    finally:
        running.end()


def children(pid: int) -> list[int]:
    """The processes this one has started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


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
