"""One call for all who ask the same thing at once.

In this process the first one asks and the others wait for its answer. Across processes a lock in
Redis lets one ask; the others look for what it left in the cache. Without Redis every process asks
for itself: more calls, the same answers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from django.core.cache import cache

from bindings.services.custody.use import ERRAND

T = TypeVar("T")

_LOOK_SECONDS = 0.05


class _Flight(Generic[T]):
    """A call that is under way: its answer or its failure, once `landed` is set."""

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.answer: T | None = None
        self.failure: BaseException | None = None

    def wait(self) -> T | None:
        """The answer. Raises what the call raised; None when it took too long."""
        if not self.landed.wait(ERRAND):
            return None
        if self.failure is not None:
            raise self.failure
        return self.answer


_flights: dict[str, _Flight[object]] = {}
_guard = threading.Lock()


def once(name: str, work: Callable[[], T], left: Callable[[], T | None]) -> T:
    """`work()`, or what somebody else who asked for `name` at the same time has got from it.

    `left()` is what another process has left since we began to ask, else None. Raises what `work`
    raises.
    """
    with _guard:
        flight = _flights.get(name)
        first = flight is None
        if flight is None:
            flight = _flights[name] = _Flight()
    if not first:
        found = flight.wait()
        return work() if found is None else found  # type: ignore[return-value]  # one name, one type
    try:
        answer = _across(name, work, left)
        flight.answer = answer
        return answer
    except BaseException as failure:
        flight.failure = failure
        raise
    finally:
        with _guard:
            del _flights[name]
        flight.landed.set()


def _across(name: str, work: Callable[[], T], left: Callable[[], T | None]) -> T:
    lock, until = f"{name}:asking", time.monotonic() + ERRAND
    while not cache.add(lock, 1, int(ERRAND)):
        if (found := left()) is not None:
            return found
        if time.monotonic() > until:
            break
        time.sleep(_LOOK_SECONDS)
    try:
        found = left()
        return work() if found is None else found
    finally:
        cache.delete(lock)
