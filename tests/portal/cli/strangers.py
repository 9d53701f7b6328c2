"""A server on loopback that answers what a test wants to hear, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Stranger:
    """`answers`: status, headers, body of each answer in turn; the last one stays."""

    answers: list[tuple[int, dict[str, str], Any]]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def next(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        self.asked.append(asked)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


@contextmanager
def stranger(*answers: tuple[int, dict[str, str], Any]) -> Iterator[Stranger]:
    """A running one. A body that is text is sent as it is, everything else as JSON."""
    one = Stranger(list(answers))

    class Visit(BaseHTTPRequestHandler):
        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(sent) if sent else None
            status, more, said = one.next(Asked(self.command, self.path, headers, body))
            text = (said if isinstance(said, str) else json.dumps(said)).encode()
            self.send_response(status)
            for name, value in {**more, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Visit)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    one.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield one
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
