"""Total deadlines: one thread that ends whatever has run out of time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from math import inf
from time import monotonic
from typing import Final

from providers.errors import Unreachable

TICK: Final = 0.05
"""Seconds between two looks while something is under way."""
TIDY: Final = 30.0
"""Seconds between two calls of `tidy`."""


class Alarm:
    """One request's deadline, and what cuts it off when that has passed."""

    __slots__ = ("_cut", "rang", "until")

    def __init__(self, seconds: float) -> None:
        self.until = monotonic() + seconds
        self.rang = False
        self._cut: Callable[[], None] | None = None

    def left(self, most: float = inf) -> float:
        """Seconds left, at most `most`. Raises Unreachable("timeout") when there are none."""
        left = min(self.until - monotonic(), most)
        if left <= 0:
            raise Unreachable("timeout")
        return left

    def extend(self, seconds: float) -> None:
        """Start the time anew: something came."""
        self.until = monotonic() + seconds

    def hold(self, cut: Callable[[], None]) -> None:
        """`cut` is called when time is up, from another thread; it may raise OSError."""
        self._cut = cut

    def ring(self) -> None:
        self.rang = True
        if self._cut is not None:
            with contextlib.suppress(OSError):
                self._cut()


class Watchdog:
    """One thread that ends requests whose time is up: urllib3's limits are per read only."""

    def __init__(self, tidy: Callable[[], None]) -> None:
        self._live: set[Alarm] = set()
        self._busy = threading.Event()
        self._closed = threading.Event()
        self._tidy = tidy
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def watch(self, seconds: float) -> Iterator[Alarm]:
        alarm = Alarm(seconds)
        self._live.add(alarm)
        if not self._busy.is_set():
            self._wake()
        try:
            yield alarm
        finally:
            self._live.discard(alarm)

    def close(self) -> None:
        self._closed.set()
        self._busy.set()
        if self._thread is not None:
            self._thread.join()

    def _wake(self) -> None:
        with self._starting:
            self._busy.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        tidied = monotonic()
        while not self._closed.wait(TICK):
            for alarm in tuple(self._live):
                if monotonic() >= alarm.until:
                    alarm.ring()
            if monotonic() - tidied > TIDY:
                tidied = monotonic()
                self._tidy()
            if not self._live:
                self._rest()

    def _rest(self) -> None:
        self._busy.clear()
        if not self._live and not self._closed.is_set():
            self._busy.wait(TIDY)
        self._busy.set()
