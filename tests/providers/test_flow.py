"""Bodies handed on as they come: frames taken off, pieces joined, early ends found."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from providers import packets
from providers.errors import BadAnswer
from providers.flow import JOINED, Flow

CHUNKED = b"5\r\nhello\r\n7;name=value\r\n, world\r\n0\r\n\r\n"


class Far:
    """A far end that has sent these pieces; `hold` says that more is under way."""

    def __init__(self, *pieces: bytes, hold: bool = False) -> None:
        self._pieces = list(pieces)
        self.here, self._there = socket.socketpair()
        if hold:
            self._there.send(b"!")

    def read1(self, size: int, /) -> bytes:
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if len(piece) > size:
            self._pieces.insert(0, piece[size:])
        return piece[:size]

    def close(self) -> None:
        self.here.close()
        self._there.close()


def read(*pieces: bytes, hold: bool = False, length: int | None = None, chunked: bool = True):
    far = Far(*pieces, hold=hold)
    try:
        return list(Flow(far, far.here, length=length, chunked=chunked))
    finally:
        far.close()


def cuts(body: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_chunks_lose_their_frames_wherever_they_are_cut(size: int):
    assert b"".join(read(*cuts(CHUNKED, size))) == b"hello, world"


def test_trailers_belong_to_the_frame():
    assert read(b"1\r\na\r\n0\r\nDigest: x\r\n\r\n") == [b"a"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"5\r\nhel",
        b"5\r\nhello\r\n",
        b"5\r\nhello\r\n0\r\n",
    ],
)
def test_an_early_end_is_no_end(body: bytes):
    with pytest.raises(BadAnswer, match="short"):
        read(body)


@pytest.mark.parametrize(
    "body",
    [
        b"5\nhello\n0\n\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5\r\nhelloXX",
        b"5\r\nhello\rX",
        b"\r\n",
        b"1\r\na\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n",
        b"5 ;" + b"x" * 5000,
        b"0\r\n" + b"X: y\r\n" * 100,
    ],
)
def test_a_broken_frame_is_refused(body: bytes):
    with pytest.raises(BadAnswer, match="protocol"):
        read(body)


def test_what_is_there_is_joined_and_nothing_is_held_back():
    pieces = [b"x" * 8192] * 24
    assert len(read(*pieces, hold=False, chunked=False)) == 24
    joined = read(*pieces, hold=True, chunked=False)
    assert [len(piece) for piece in joined] == [JOINED // 2] * 3


def test_a_length_ends_the_body():
    assert b"".join(read(b"hello", b" world, and more", length=11, chunked=False)) == b"hello world"
    assert read(b"anything", length=0, chunked=False) == []
    with pytest.raises(BadAnswer, match="short"):
        read(b"hello", length=11, chunked=False)


def framed(*lines: bytes) -> bytes:
    return b"".join(b"%04x" % (len(line) + 4) + line for line in lines)


def test_abilities_are_taken_out_of_version_2():
    body = framed(b"# service=git-upload-pack\n") + b"0000"
    body += framed(b"version 2\n", b"agent=git/2.39.5\n", b"bundle-uri\n", b"packfile-uris=x\n")
    body += framed(b"fetch=shallow packfile-uris filter\n") + b"0000"
    wanted = framed(b"# service=git-upload-pack\n") + b"0000"
    wanted += framed(b"version 2\n", b"agent=git/2.39.5\n", b"fetch=shallow filter\n") + b"0000"
    assert packets.without(body, (b"bundle-uri", b"packfile-uris")) == wanted


def test_abilities_are_taken_out_of_version_0_and_nothing_else():
    refs = framed(b"1" * 40 + b" refs/heads/bundle-uri\n") + b"0000"
    first = b"1" * 40 + b" HEAD\0 ofs-delta"
    body = framed(b"# service=git-upload-pack\n") + b"0000"
    asked = body + framed(first + b" bundle-uri agent=git/2\n") + refs
    wanted = body + framed(first + b" agent=git/2\n") + refs
    assert packets.without(asked, (b"bundle-uri",)) == wanted
    assert packets.without(asked[:-3], (b"bundle-uri",)) == wanted[:-3]
    with pytest.raises(BadAnswer, match="protocol"):
        packets.without(b"<html>", (b"bundle-uri",))
