"""A body handed on as it comes: whole pieces where more is there already, never held back for more.

The head has been read by the standard library, which would read chunks of 8 KB with three calls
each; that costs 40 % more than taking off the chunks' frames here (performance.md 5, git proxy).
"""

from __future__ import annotations

import re
import select
import time
from collections.abc import Iterator
from typing import Final, Protocol

from providers.errors import BadAnswer

JOINED: Final = 131_072
"""Bytes of one piece at most; the least, unless nothing more is there, is half of it."""
MOMENT: Final = 0.001
"""Seconds; at a hundred megabytes a second these are most of one piece."""
_SIZE = re.compile(rb"([0-9a-fA-F]{1,12})[ \t]*(?:;[\t\x20-\x7e]*)?")
_HEX = re.compile(rb"[0-9a-fA-F]{1,12}")
_LONGEST_LINE = 4096  # a size with its extensions, or one trailer
_MOST_TRAILERS = 64
_END = b"\r\n"
_SHORT = 14  # letters of a size that is as it usually is, and its line end


class Source(Protocol):
    """A buffered file over a socket: `read1` waits for something and returns what is there."""

    def read1(self, size: int, /) -> bytes: ...


class Plug(Protocol):
    """The socket itself, which is only asked whether something has arrived."""

    def fileno(self) -> int: ...


class Flow:
    """The body behind a head. `length` None and not `chunked`: until the far end hangs up.

    Walk through it once. `over`: nothing more will come, also when the last piece was not yet
    taken. Raises BadAnswer("short") when it ends early, BadAnswer("protocol") for a broken frame.
    """

    def __init__(self, source: Source, sock: Plug, *, length: int | None, chunked: bool) -> None:
        self._source, self._sock = source, sock
        self._frames = Chunks() if chunked else Plain(length)
        self._waiting = select.poll()
        self._waiting.register(sock.fileno(), select.POLLIN)

    @property
    def over(self) -> bool:
        return self._frames.over

    def __iter__(self) -> Iterator[bytes]:
        held: list[memoryview | bytes] = []
        size, frames = 0, self._frames
        while not frames.over:
            piece = self._source.read1(min(JOINED, frames.wants))
            if not piece:
                frames.hung_up()
                break
            for part in frames.take(piece):
                held.append(part)
                size += len(part)
            if held and (size >= JOINED // 2 or not self._more(len(piece))):
                yield b"".join(held)
                held, size = [], 0
        if held:
            yield b"".join(held)

    def _more(self, got: int) -> bool:
        """Would the next read return at once? A far end that writes little at a time gets a
        moment: it costs less to wait for a lot than to wake up for each little."""
        if self._frames.over:
            return True
        if got < JOINED // 2:
            time.sleep(MOMENT)
        # TLS may hold what it has opened already.
        pending = getattr(self._sock, "pending", None)
        return bool((pending is not None and pending()) or self._waiting.poll(0))


class Plain:
    """A body without frames, of `length` bytes or until the far end hangs up."""

    def __init__(self, length: int | None) -> None:
        self._left, self.over = length, length == 0

    @property
    def wants(self) -> int:
        return JOINED if self._left is None else self._left

    def take(self, piece: bytes) -> Iterator[bytes]:
        if self._left is not None:
            self._left -= len(piece)
            self.over = self._left == 0
        yield piece

    def hung_up(self) -> None:
        """Raises BadAnswer("short") when something was still to come."""
        if self._left:
            raise BadAnswer("short")


class Chunks:
    """Takes the frames off a chunked body (RFC 9112 7.1)."""

    wants = JOINED

    def __init__(self) -> None:
        self.over = False
        self._left = 0  # of the chunk that has begun, its line end included
        self._line = b""  # a line that has not ended yet
        self._trailers = -1  # lines seen behind the last chunk; -1: it has not come

    def take(self, piece: bytes) -> Iterator[memoryview]:
        """The content in this piece. Raises BadAnswer("protocol")."""
        view, at, end = memoryview(piece), 0, len(piece)
        while at < end:
            if self.over:
                raise BadAnswer("protocol")
            if self._left:
                content = view[at : at + self._left]
                at += len(content)
                yield from self._content(content)
                continue
            begins, ends = self._whole(piece, at)
            if ends:
                yield view[begins:ends]
                at = ends + 2
            else:
                at = self._head(piece, at)

    def _whole(self, piece: bytes, at: int) -> tuple[int, int]:
        """Where the content of a chunk is that lies in `piece` from its size to its line end; most
        do, and this is all they cost. (0, 0) for all others."""
        line = piece.find(_END, at, at + _SHORT)
        if line <= at or self._line or self._trailers >= 0:
            return 0, 0
        word = piece[at:line]
        size = int(word, 16) if _HEX.fullmatch(word) else 0
        begins, ends = line + 2, line + 2 + size
        return (begins, ends) if size and piece[ends : ends + 2] == _END else (0, 0)

    def hung_up(self) -> None:
        raise BadAnswer("short")

    def _content(self, found: memoryview) -> Iterator[memoryview]:
        """Part of a chunk, of which the last two bytes are its line end."""
        payload = max(self._left - 2, 0)
        frame = bytes(found[payload:])
        if frame != _END[2 - min(self._left, 2) :][: len(frame)]:
            raise BadAnswer("protocol")
        self._left -= len(found)
        if payload:
            yield found[:payload]

    def _head(self, piece: bytes, at: int) -> int:
        """Read on in a line between chunks; where it ends in `piece`."""
        end = piece.find(b"\n", at)
        stop = len(piece) if end < 0 else end + 1
        self._line += piece[at:stop]
        if len(self._line) > _LONGEST_LINE:
            raise BadAnswer("protocol")
        if end >= 0:
            line, self._line = self._line, b""
            if not line.endswith(_END):
                raise BadAnswer("protocol")
            self._read(line[:-2])
        return stop

    def _read(self, line: bytes) -> None:
        """A line between chunks: a size, or a trailer, or the empty one behind them."""
        if self._trailers >= 0:
            self._trailers += 1
            self.over = not line
            if self._trailers > _MOST_TRAILERS:
                raise BadAnswer("protocol")
            return
        found = _SIZE.fullmatch(line)
        if found is None:
            raise BadAnswer("protocol")
        size = int(found[1], 16)
        if size:
            self._left = size + 2
        else:
            self._trailers = 0
