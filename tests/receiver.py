"""A builder that really listens: an HTTP server on loopback that keeps what it was sent.

    with receiver.Receiver() as builder:      # or the fixture of tests/bindings/tell
        builder.url                           # http://127.0.0.1:<port>/hook
        builder.answers(503, {"Retry-After": "7"})
        builder.hangs()                       # never answers, until `goes_on`
        builder.got                           # what came, in order
        builder.verified(secret)              # by the format's own verifier, else it raises

It takes connections in threads of its own and is idempotent, as builders are asked to be: `built`
holds the ids it would have built, each once.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Got:
    """One request as it came. Header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def signatures(self) -> list[str]:
        return self.headers["webhook-signature"].split()


@dataclass
class _Answer:
    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Receiver:
    """Answers 204 until told otherwise."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.before: Callable[[Got], None] = lambda _: None  # called before each answer
        self.at_once = self.most_at_once = 0
        self._answer, self._queued = _Answer(), list[_Answer]()
        self._go = threading.Event()
        self._go.set()
        self._guard = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    @property
    def ids(self) -> list[str]:
        """The event id of each request, in order."""
        return [one.id for one in self.got]

    @property
    def built(self) -> Counter[str]:
        """What an idempotent builder would have built: each id once, and how often it was sent."""
        return Counter(self.ids)

    def answers(
        self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> None:
        """Answer so from now on."""
        self._answer = _Answer(status, headers or {}, body)

    def answers_first(self, *statuses: int) -> None:
        """Answer so once each, then as before."""
        self._queued = [_Answer(status) for status in statuses]

    def hangs(self) -> None:
        """Take requests and never answer."""
        self._go.clear()

    def goes_on(self) -> None:
        self._go.set()

    def verified(self, secret: str) -> Sequence[dict[str, Any]]:
        """Every request's event. Raises WebhookVerificationError for one that is not signed."""
        judge = Webhook(secret)
        return [judge.verify(one.body, dict(one.headers)) for one in self.got]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                names = {name.lower(): value for name, value in self.headers.items()}
                receiver._serve(self, Got(self.path, names, body))

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

    def _serve(self, handler: BaseHTTPRequestHandler, got: Got) -> None:
        with self._guard:
            self.got.append(got)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            answer = self._queued.pop(0) if self._queued else self._answer
        try:
            self.before(got)
            self._go.wait()
            handler.send_response(answer.status)
            for name, value in answer.headers.items():
                handler.send_header(name, value)
            if answer.status != 204:
                handler.send_header("Content-Length", str(len(answer.body)))
            handler.end_headers()
            handler.wfile.write(answer.body)
        except OSError:
            pass  # nobody waits for it any more
        finally:
            with self._guard:
                self.at_once -= 1
