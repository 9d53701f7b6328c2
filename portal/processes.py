"""Child processes of the commands: how they start, how they die with us, how they are ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_ASKS_US_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1  # prctl(2): the signal a process gets when its parent ends


@dataclass(frozen=True, slots=True)
class Person:
    """A user of this machine that a child runs as."""

    uid: int
    gid: int

    @classmethod
    def named(cls, name: str) -> Person:
        """The user of that name; raises KeyError when the machine has none."""
        entry = pwd.getpwnam(name)
        return cls(entry.pw_uid, entry.pw_gid)

    @classmethod
    def owning(cls, path: Path) -> Person:
        """The owner of a file, with the group of its passwd entry; KeyError without an entry."""
        entry = pwd.getpwuid(path.stat().st_uid)
        return cls(entry.pw_uid, entry.pw_gid)


class Asked(SystemExit):
    """Somebody asked us to end: Ctrl-C, a closed terminal, a service manager."""


@contextlib.contextmanager
def noting_signals() -> Iterator[list[int]]:
    """Take note of Ctrl-C and its like instead of raising, while children start and end.

    Raised in the middle of `Popen.poll` it leaves a lock behind, and the next wait never returns.
    The block looks at the list it gets. What is still in it afterwards is raised then.
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted  # signals never come here
        return
    before = {number: signal.getsignal(number) for number in _ASKS_US_TO_END}
    for number, handler in before.items():
        if handler not in (signal.SIG_IGN, None):  # nohup stays nohup
            signal.signal(number, lambda number, frame: noted.append(number))
    try:
        yield noted
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
    for asked in noted[:1]:
        signal.raise_signal(asked)


def leave_if(noted: Sequence[int]) -> None:
    """Raise Asked, with the status a shell gives to such an end, when a signal was noted."""
    if noted:
        raise Asked(128 + noted[0])


def start(
    command: Sequence[str | Path],
    *,
    output: IO[bytes] | int,
    environment: Mapping[str, str],
    dies_with: signal.Signals = signal.SIGTERM,
    who: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that Ctrl-C in the terminal reaches only us.

    Call it, and everything that waits for the child, inside `noting_signals`. On Linux the child
    gets `dies_with` even when this process is killed outright. `who` are the
    keywords of `subprocess` that choose another user.
    """
    return subprocess.Popen(  # noqa: S603 - the callers' commands are fixed lists, no shell
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        cwd=folder,
        start_new_session=True,
        preexec_fn=_tied_to_parent(dies_with),
        **(who or {}),
    )


def end(child: subprocess.Popen[bytes], *, seconds: float) -> None:
    """Wait for a child that was asked to end; kill its whole session when it does not in time."""
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def runs(pid: int, *, mentioning: str) -> bool:
    """Is `pid` alive, and does its command line mention this text? A reused number is not ours."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except FileNotFoundError:
        line = "" if sys.platform == "linux" else _command_line(pid)
    return mentioning in line


def _command_line(pid: int) -> str:
    answer = subprocess.run(  # noqa: S603 - a number and fixed words
        ["ps", "-o", "command=", "-p", str(pid)],  # noqa: S607 - where macOS has it
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout


def _tied_to_parent(dies_with: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(dies_with))
        if os.getppid() != parent:  # it ended between fork and here
            os._exit(1)

    return tie
