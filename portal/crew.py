"""Several child processes that live and end together, with one log."""

from __future__ import annotations

import os
import signal
import socketserver
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection, HTTPException  # noqa: TID251 - asks our own children
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlsplit

from portal import processes

_END_SECONDS = 10
_LOOK_SECONDS = 0.2


class Fallen(RuntimeError):
    """A child ended by itself; the message names it and repeats its last lines."""


class Crew:
    """Start children, watch them, end them all. Their lines go to one file, each with a name.

    Lives inside `processes.noting_signals`, whose list it is given: while it waits, it leaves with
    Asked when a signal was noted.
    """

    def __init__(
        self, log: Path, environment: Mapping[str, str], folder: Path, noted: Sequence[int]
    ) -> None:
        self._log = log
        self._noted = noted
        self._environment = environment
        self._folder = folder
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._needed: dict[str, Callable[[], bool]] = {}
        self._readers: list[threading.Thread] = []
        self._last: dict[str, deque[str]] = {}
        self._writing = threading.Lock()
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        log.write_text("")

    def start(self, name: str, command: Sequence[str | Path]) -> None:
        """Start one more child."""
        child = processes.start(
            command,
            output=subprocess.PIPE,
            environment=self._environment,
            folder=self._folder,
        )
        self._children[name] = child
        self._last[name] = deque(maxlen=12)
        lines = cast("IO[bytes]", child.stdout)
        reader = threading.Thread(target=self._read, args=(name, lines), daemon=True)
        reader.start()
        self._readers.append(reader)

    def need(self, name: str, lives: Callable[[], bool]) -> None:
        """Watch a process that is not ours to end, but without which the children are useless."""
        self._needed[name] = lives

    def wait_for(self, name: str, answers: Callable[[], bool], *, seconds: float) -> None:
        """Wait until a child is ready; raises Fallen when one ends or time is over."""
        deadline = time.monotonic() + seconds
        while not answers():
            self.look()
            if time.monotonic() > deadline:
                raise Fallen(
                    f"{name} does not answer after {seconds:.0f} seconds.{self._tail(name)}"
                )
            time.sleep(_LOOK_SECONDS)

    def run(self, name: str, command: Sequence[str | Path]) -> None:
        """Run a child to its end, which has to be a good one."""
        self.start(name, command)
        child = self._children[name]
        while child.poll() is None:
            processes.leave_if(self._noted)
            time.sleep(_LOOK_SECONDS)
        del self._children[name]
        if child.returncode:
            raise Fallen(f"{name} failed.{self._tail(name)}")

    def look(self) -> None:
        """Raise Fallen when a child has ended, Asked when we were asked to end."""
        processes.leave_if(self._noted)
        for name, child in self._children.items():
            if child.poll() is not None:
                raise Fallen(f"{name} ended (status {child.returncode}).{self._tail(name)}")

        for name, lives in self._needed.items():
            if not lives():
                raise Fallen(f"{name} ended.")

    def watch(self) -> None:
        """Stay until `look` raises, or until the terminal we were started in is gone."""
        had_terminal = os.isatty(0)
        while True:
            self.look()
            if had_terminal and not os.isatty(0):
                # The kernel tells only the session's leader. When that is `make`, it never tells
                # us: it holds the signal back while it waits for us.
                raise processes.Asked(128 + signal.SIGHUP)
            time.sleep(_LOOK_SECONDS)

    def end(self) -> None:
        """Ask all to end at once, and kill who has not ended in time."""
        for child in self._children.values():
            child.terminate()
        deadline = time.monotonic() + _END_SECONDS
        for child in self._children.values():
            processes.end(child, seconds=max(0.0, deadline - time.monotonic()))
        for reader in self._readers:
            reader.join(1)
        self._children.clear()

    def _read(self, name: str, lines: IO[bytes]) -> None:
        with lines, self._log.open("a") as log:
            for raw in lines:
                line = raw.decode(errors="replace").rstrip()
                self._last[name].append(line)
                with self._writing:
                    log.write(f"{name:<8}| {line}\n")
                    log.flush()

    def _tail(self, name: str) -> str:
        time.sleep(_LOOK_SECONDS)  # its reader may still be reading
        return "".join(f"\n    {line}" for line in self._last[name])


class _Probe(socketserver.TCPServer):
    allow_reuse_address = True  # as the server that will listen there does


def is_free(host: str, port: int) -> bool:
    """Could a server listen there now?"""
    try:
        _Probe((host, port), socketserver.BaseRequestHandler).server_close()
    except OSError:
        return False
    return True


def answers(url: str, *, host: str = "") -> bool:
    """Does a server of ours answer 200 at this http address? `host`: the name it goes by."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=2)
    try:
        connection.request("GET", parts.path or "/", headers={"Host": host or parts.netloc})
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
