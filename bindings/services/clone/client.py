"""The far side of a clone: git, or whoever says to be. It may be slow, but not for ever."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from bindings.services.clone import words
from providers.watchdog import Alarm, Watchdog

PATIENCE: Final = 60.0
"""Seconds for each piece of an answer."""
BODY: Final = 30.0
"""Seconds for a whole request."""
_PIECE = 65_536
_BOTH_WAYS = 2  # socket.SHUT_RDWR; the socket itself is the web server's
_dogs: dict[int, Watchdog] = {}


class Input(Protocol):
    """`wsgi.input`."""

    def read(self, size: int = ..., /) -> bytes: ...


def watched(environ: Mapping[str, Any], seconds: float) -> AbstractContextManager[Alarm]:
    """Hang up on the client when `seconds` have passed and nobody has extended them. Where the web
    server does not give its socket away, nothing is cut."""
    dog = _dogs.get(os.getpid()) or _dogs.setdefault(os.getpid(), Watchdog(_nothing))
    watch = dog.watch(seconds)
    return _Held(watch, environ)


class _Held(AbstractContextManager[Alarm]):
    def __init__(self, watch: AbstractContextManager[Alarm], environ: Mapping[str, Any]) -> None:
        self._watch, self._socket = watch, environ.get("gunicorn.socket")

    def __enter__(self) -> Alarm:
        alarm = self._watch.__enter__()
        if self._socket is not None:
            alarm.hold(_cut(self._socket))
        return alarm

    def __exit__(self, *failure: Any) -> None:
        self._watch.__exit__(*failure)


def body_of(environ: Mapping[str, Any]) -> bytes:
    """The whole request body, which is small: what git has and wants.

    Raises TurnedAway 400, 408 when it takes more than half a minute, 411, 413.
    """
    length = _length(environ)
    most = words.LARGEST + 1 if length is None else length
    with watched(environ, BODY) as alarm:
        try:
            found = _read(environ["wsgi.input"], most)
        except OSError:  # hung up, or chunks that are none
            raise words.unreadable() from None
    if alarm.rang:
        raise words.too_slow()
    if len(found) > words.LARGEST:
        raise words.too_large()
    if length is not None and len(found) < length:
        raise words.unreadable()
    return found


def _length(environ: Mapping[str, Any]) -> int | None:
    """How long the body is, None where it says so in chunks. Raises TurnedAway 400, 411, 413."""
    length = environ.get("CONTENT_LENGTH") or ""
    coding = environ.get("HTTP_TRANSFER_ENCODING") or ""
    if coding:
        if length or coding.lower() != "chunked":
            raise words.unreadable()
        if not environ.get("wsgi.input_terminated"):
            raise words.length_unknown()
        return None
    if not (length.isascii() and length.isdigit()):
        raise words.length_unknown()
    if int(length[:20]) > words.LARGEST:
        raise words.too_large()
    return int(length)


def _read(source: Input, most: int) -> bytes:
    held = bytearray()
    while len(held) < most and (piece := source.read(min(_PIECE, most - len(held)))):
        held += piece
    return bytes(held)


def _cut(socket: Any) -> Callable[[], None]:
    def cut() -> None:
        socket.shutdown(_BOTH_WAYS)

    return cut


def _nothing() -> None:
    """There is nothing to tidy."""
