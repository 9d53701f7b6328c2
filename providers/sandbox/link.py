"""One connection as a fault sees it: bytes out, slowly or never, and how it ends."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Generator
from dataclasses import dataclass
from threading import Event


@dataclass
class Link:
    """The server's side of one connection."""

    sock: socket.socket
    broken: bool = False

    def send(self, piece: bytes) -> None:
        self.sock.sendall(piece)

    def drip(self, pieces: bytes, pause: float, gone: Event) -> None:
        """One byte per `pause` seconds, until all is sent, the fault is cleared or nobody reads."""
        for number in range(len(pieces)):
            self.send(pieces[number : number + 1])
            if gone.wait(pause) or self.left():
                return

    def hang(self, seconds: float, gone: Event) -> None:
        """Say nothing until the time is over, the fault is cleared or the peer has left."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not gone.wait(0.05) and not self.left():
            continue

    def left(self) -> bool:
        """Whether the peer has closed its side."""
        ready, _, _ = select.select([self.sock], [], [], 0)
        try:
            return bool(ready) and self.sock.recv(1, socket.MSG_PEEK) == b""
        except ConnectionError:
            return True

    def reset(self) -> None:
        """Make the close that follows a TCP reset."""
        self.broken = True
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def throttled(
    body: bytes, source: Generator[bytes, None, None] | None, rate: float, gone: Event
) -> Generator[bytes, None, None]:
    """The bytes of an answer at `rate` bytes a second; at full speed once the fault is cleared.

    The first piece is empty and is to be taken at once, so that closing reaches `source`.
    """
    step = max(1, min(16384, int(rate / 5)))
    try:
        yield b""
        for piece in [body] if source is None else source:
            for start in range(0, len(piece), step):
                part = piece[start : start + step]
                yield part
                gone.wait(len(part) / rate)
    finally:
        if source is not None:
            source.close()
