"""A code host that says what it was told to say, over a real loopback socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from providers.base import Provider
from providers.http import Door
from providers.types import Credential, Host, Method, Rules

PATIENCE = 20.0
TOKEN = "sandbox-test-token-0123456789"


@dataclass(frozen=True)
class Says:
    """One answer. A body that is not bytes is sent as JSON; `hang_up`: no answer at all."""

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_up: bool = False

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    line: str  # "GET /path?query"
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Canned:
    """Answers by "METHOD path" or "METHOD path?query"; a list is used up, its last one stays."""

    def __init__(self, answers: Mapping[str, Says | list[Says]]) -> None:
        self.answers = {
            line: [a] if isinstance(a, Says) else list(a) for line, a in answers.items()
        }
        self.asked: list[Asked] = []
        self.base_url = ""
        self._arrived = threading.Condition()

    @property
    def lines(self) -> list[str]:
        return [one.line for one in self.asked]

    def wait(self, count: int = 1, like: bytes = b"") -> list[Asked]:
        """The requests whose body holds `like`, once at least `count` of them have arrived."""

        def wanted() -> list[Asked]:
            return [one for one in self.asked if like in one.body]

        with self._arrived:
            there = self._arrived.wait_for(lambda: len(wanted()) >= count, PATIENCE)
        assert there, f"{count} requests were expected, {self.lines} came"
        return wanted()

    def next(self, asked: Asked) -> Says:
        with self._arrived:
            self.asked.append(asked)
            self._arrived.notify_all()
        left = self.answers.get(asked.line) or self.answers.get(asked.line.partition("?")[0])
        if not left:
            return Says({"message": "Not Found"}, 404)
        return left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def canned(answers: Mapping[str, Says | list[Says]]) -> Iterator[Canned]:
    """Serve `answers` for the length of a test. "{base}" in headers and bodies is our address."""
    host = Canned(answers)

    class Server(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(f"{self.command} {self.path}", headers, self.rfile.read(length))
            says = host.next(asked)
            if says.hang_up:
                self.close_connection = True
                return
            body = says.encoded().replace(b"{base}", host.base_url.encode())
            self.send_response(says.status)
            given = {"content-type": "application/json", **says.headers}
            for name, value in {**given, "content-length": str(len(body))}.items():
                self.send_header(name, value.replace("{base}", host.base_url))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, *words: object) -> None:
            """Quiet."""

        def date_time_string(self, timestamp: float | None = None) -> str:
            return "Sat, 21 Nov 2026 07:00:00 GMT"

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    host.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    worker = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    worker.start()
    try:
        yield host
    finally:
        server.shutdown()
        worker.join()
        server.server_close()


@contextmanager
def account_of(
    provider: type[Provider],
    answers: Mapping[str, Says | list[Says]],
    *,
    client_id: str = "sandbox-client",
    **credential: Any,
) -> Iterator[tuple[Any, Canned]]:
    """One account of `provider` at a canned host, and that host."""
    with canned(answers) as host, Door() as door:
        facts = {"token": TOKEN, "kind": Method.OAUTH, **credential}
        at = Host(
            host.base_url, provider.api_url(host.base_url), client_id, "sandbox-client-secret"
        )
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        yield provider(at, Credential(**facts), door, rules), host
