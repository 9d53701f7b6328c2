"""What was asked of the sandbox: counters by provider and path, and the last requests in full."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

from providers.sandbox.wire import Request

KEPT = 2000


@dataclass(frozen=True)
class Asked:
    at: float
    provider: str
    method: str
    path: str
    query: str
    headers: dict[str, str]
    status: int

    def show(self) -> dict[str, Any]:
        return dict(vars(self))


class Ledger:
    """Counts requests. `early` counts those that came before a Retry-After we sent had ended."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        self.paths: dict[str, Counter[str]] = {}
        self.early: Counter[str] = Counter()
        self.peaks: Counter[str] = Counter()
        self.last: deque[Asked] = deque(maxlen=KEPT)
        self._minutes: dict[str, deque[float]] = {}
        self._until: dict[str, float] = {}

    def arrived(self, provider: str, path: str, now: float) -> None:
        """Count a request on arrival, whatever becomes of it. `path` is below the provider."""
        with self.lock:
            self.paths.setdefault(provider, Counter())[path] += 1
            if now < self._until.get(provider, 0.0):
                self.early[provider] += 1
            minute = self._minutes.setdefault(provider, deque())
            minute.append(now)
            while minute[0] <= now - 60:
                minute.popleft()
            self.peaks[provider] = max(self.peaks[provider], len(minute))

    def answered(self, provider: str, request: Request, path: str, status: int, now: float) -> None:
        """Remember one exchange. `status` 0: the connection was broken instead."""
        asked = Asked(now, provider, request.method, path, request.query, request.headers, status)
        with self.lock:
            self.last.append(asked)

    def must_wait(self, provider: str, until: float) -> None:
        """From now on requests before `until` are early."""
        with self.lock:
            self._until[provider] = max(self._until.get(provider, 0.0), until)

    def forgive(self) -> None:
        with self.lock:
            self._until.clear()

    def show(self) -> dict[str, Any]:
        with self.lock:
            return {
                "requests": {slug: dict(counts) for slug, counts in self.paths.items()},
                "requests_before_retry_after": dict(self.early),
                "most_requests_in_a_minute": dict(self.peaks),
            }
