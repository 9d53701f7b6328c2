"""Far ends that misbehave: raw sockets on loopback, plain or TLS, that write down every byte.

A script is what one connection does. It gets a `Caller` and may read, answer, drip, lie or hang;
whatever it does, `FarEnd.heard` holds all that was sent to it.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

Script = Callable[["Caller"], None]


class Caller:
    """One connection as a far end sees it."""

    def __init__(self, sock: socket.socket, home: FarEnd) -> None:
        self.sock, self.home = sock, home

    def request(self) -> bytes:
        """The next whole request; b"" when the caller has hung up."""
        held = b""
        while b"\r\n\r\n" not in held:
            held += self._more()
            if not held or self.home.closing.is_set():
                return b""
        head, _, body = held.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        while length and len(body) < int(length[1]):
            body += self._more()
        whole = head + b"\r\n\r\n" + body
        self.home.requests.append(whole)
        return whole

    def _more(self) -> bytes:
        piece = self.sock.recv(65536)
        self.home.heard += piece
        if not piece:
            raise ConnectionError
        return piece

    def say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def wait(self, seconds: float = 30.0) -> None:
        """Do nothing for a while; ConnectionError when the test is over."""
        if self.home.closing.wait(seconds):
            raise ConnectionError

    def pass_on(self, place: tuple[str, int]) -> None:
        """Be a tunnel to `place` until either side hangs up."""
        with socket.create_connection(place) as there:
            sides = {self.sock: there, there: self.sock}
            while True:
                for side in select.select(list(sides), [], [])[0]:
                    piece = side.recv(65536)
                    if not piece:
                        return
                    sides[side].sendall(piece)

    def reset(self) -> None:
        """End the connection so that the caller reads a reset, not an end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class FarEnd:
    """A server on loopback that runs `script` on every connection."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.heard = b""
        self.requests: list[bytes] = []
        self.names: list[str] = []
        self.calls = 0
        self.closing = threading.Event()
        self.ended = threading.Semaphore(0)
        self._tls = tls
        if tls is not None:
            tls.sni_callback = lambda _, name, __: self.names.append(name)
        self._socks: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.place: tuple[str, int] = self._listener.getsockname()[:2]

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        for sock in [self._listener, *self._socks]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for sock in [self._listener, *self._socks]:
            sock.close()

    def _spawn(self, work: Callable[..., None], *given: Any) -> None:
        thread = threading.Thread(target=work, args=given)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.closing.is_set():
            with contextlib.suppress(OSError):
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._socks.append(sock)
                self.calls += 1
                self._spawn(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._socks.append(sock)
            self.script(Caller(sock, self))
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()
        self.ended.release()


def reply(
    body: bytes | str | object = b"",
    *,
    status: int | str = 200,
    headers: Mapping[str, str] | None = None,
    kind: str = "application/json",
) -> bytes:
    """A well-formed answer; anything but text and bytes is sent as JSON."""
    if not isinstance(body, bytes):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    own = {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in own.items() if value is not None)
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + body


def always(data: bytes) -> Script:
    """The same bytes for every request, the connection kept."""

    def script(caller: Caller) -> None:
        while caller.request():
            caller.say(data)

    return script


def once(data: bytes) -> Script:
    """One answer, then hang up."""

    def script(caller: Caller) -> None:
        caller.request()
        caller.say(data)

    return script


def by_path(routes: Callable[[str], bytes]) -> Script:
    """An answer by the request's path with its query, the connection kept."""

    def script(caller: Caller) -> None:
        while head := caller.request():
            caller.say(routes(head.split(b" ", 2)[1].decode()))

    return script


def in_turn(answers: Iterator[bytes]) -> Script:
    """One answer after the other, across connections."""

    def script(caller: Caller) -> None:
        while caller.request():
            caller.say(next(answers))

    return script


def drip(data: bytes, *, then: bytes = b"", seconds: float = 0.02) -> Script:
    """`data` at once, then `then` byte by byte, over and over."""

    def script(caller: Caller) -> None:
        caller.request()
        caller.say(data)
        while True:
            for byte in then:
                caller.say(bytes([byte]))
                if caller.home.closing.wait(seconds):
                    return

    return script


def hang(caller: Caller) -> None:
    """Take the request and never answer."""
    caller.request()
    caller.wait()


def mute(caller: Caller) -> None:
    """Take the connection and not even read."""
    caller.wait()
