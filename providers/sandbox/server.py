"""The socket side: one thread per connection, faults first, then control, git or a dialect."""

from __future__ import annotations

import socket
import socketserver
import sys
from typing import Any
from urllib.parse import unquote

from providers.sandbox import broken, control, git, twisted
from providers.sandbox.broken import Scene
from providers.sandbox.dialect import Call, Dialect
from providers.sandbox.faults import INSTEAD, Fault
from providers.sandbox.link import Link, throttled
from providers.sandbox.wire import (
    Answer,
    BadRequest,
    Request,
    read_request,
    text_answer,
    write_answer,
)
from providers.sandbox.world import World

IDLE = 75.0
"""Seconds a kept-alive connection may stay silent."""


class Server(socketserver.ThreadingTCPServer):
    """Listens until `shutdown`; connections end with the process."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], world: World) -> None:
        super().__init__(address, Connection)
        self.world = world
        host, port = self.server_address[0], self.server_address[1]
        world.origin = f"http://{host!s}:{port}"

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close without the polite FIN first: a fault may have asked for a reset."""
        self.close_request(request)

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any
    ) -> None:
        """A client that leaves early is no error; everything else is printed."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Connection(socketserver.StreamRequestHandler):
    """Requests of one client, one after the other."""

    server: Server
    disable_nagle_algorithm = True
    timeout = IDLE

    def handle(self) -> None:
        link = Link(self.connection)
        peer = str(self.client_address[0])
        while True:
            try:
                request = read_request(self.rfile, peer, self._go_on)
            except BadRequest as refusal:
                self._refuse(refusal)
                return
            if request is None or not self._serve(request, link):
                return

    def _go_on(self) -> None:
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse(self, refusal: BadRequest) -> None:
        made = text_answer(refusal.detail, refusal.status)
        closing = Request("GET", "/", "", {"connection": "close"})
        write_answer(self.wfile, closing, made, now=self.server.world.now())

    def _serve(self, request: Request, link: Link) -> bool:
        """Answer one request; whether the connection can take another."""
        world = self.server.world
        slug, path = _split(request.path)
        dialect = world.dialects.get(slug)
        if dialect is None:
            made = control.answer(world, request)
            return self._send(request, made)
        world.ledger.arrived(slug, path, world.now())
        answer = self._visit(dialect, request, path, link)
        status = answer.status if answer and not link.broken else 0
        world.ledger.answered(slug, request, path, status, world.now())
        return answer is not None and not link.broken and self._send(request, answer)

    def _visit(self, dialect: Dialect, request: Request, path: str, link: Link) -> Answer | None:
        """The dialect's answer, or what the faults that are on make of it."""
        world = self.server.world
        faults = world.faults.strike(dialect.slug, request.method, path, request.refreshes)
        for fault in faults:
            if fault.kind == "slow":
                fault.gone.wait(fault.seconds(10))
        for fault in faults:
            if fault.kind in INSTEAD:
                scene = Scene(fault, request, link, dialect, world.ledger, world.now())
                return broken.answer(scene)
        answer = _ask(world, dialect, request, path)
        for fault in faults:
            self._bend(fault, request, answer, link)
        return answer

    def _bend(self, fault: Fault, request: Request, answer: Answer, link: Link) -> None:
        if fault.kind in {"lost_answer", "lost_refresh_answer"}:
            link.reset()
            if answer.stream is not None:
                answer.stream.close()
        elif fault.kind == "early_hints":
            link.send(b"HTTP/1.1 103 Early Hints\r\nLink: </sandbox.css>; rel=preload\r\n\r\n")
        elif fault.kind == "throttle":
            rate = fault.seconds(65536)
            answer.stream = throttled(answer.body, answer.stream, rate, fault.gone)
            next(answer.stream)
        else:
            twisted.twist(fault, request, answer)

    def _send(self, request: Request, answer: Answer) -> bool:
        write_answer(self.wfile, request, answer, now=self.server.world.now())
        return not request.last


def _split(path: str) -> tuple[str, str]:
    """`/gitlab/api/v4/user` is `gitlab` and `/api/v4/user`."""
    slug, slash, rest = path.lstrip("/").partition("/")
    return unquote(slug), slash + rest


def _ask(world: World, dialect: Dialect, request: Request, path: str) -> Answer:
    call = Call(world, world.sites[dialect.slug], request, path)
    if git.is_git(path):
        return git.answer(call, dialect)
    with world.lock:
        answer = dialect.answer(call)
    if call.afterwards is not None:
        return call.afterwards(answer)
    return answer
