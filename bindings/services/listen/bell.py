"""Wake the worker: there is a delivery to work off.

Nobody who stores one waits for this. A thread of its own asks for the job, at most ten times a
second whatever comes in, so that neither a flood nor a broker that is away is felt by whoever
answers a code host. What it fails to tell is found by the next tick.
"""

from __future__ import annotations

import os
import threading
import time

from portal.ground import jobs
from portal.ground.jobs import Job

_PAUSE = 0.1  # seconds between two messages of one process


class _Bell:
    def __init__(self) -> None:
        self._rung = threading.Event()
        self._guard = threading.Lock()
        self._owner = 0  # the process whose thread listens: threads do not survive a fork

    def ring(self) -> None:
        self._rung.set()
        if self._owner != os.getpid():
            with self._guard:
                if self._owner != os.getpid():
                    self._owner = os.getpid()
                    threading.Thread(target=self._listen, name="bell", daemon=True).start()

    def _listen(self) -> None:
        while True:
            self._rung.wait()
            self._rung.clear()
            jobs.start_now(Job.WORK)
            time.sleep(_PAUSE)


_bell = _Bell()


def ring() -> None:
    """Ask for the job soon. Returns at once."""
    _bell.ring()
