"""The git proxy: one request of git, answered by the code host, without its address or token.

What goes out is built from binding and lease; what comes back is built anew from what git needs.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import inf
from typing import Any

import structlog
from django.conf import settings

from bindings.models import Lease
from bindings.services.clone import entering, words
from bindings.services.clone.client import PATIENCE, watched
from bindings.services.clone.places import Place, place
from bindings.services.clone.upstream import ask_host
from bindings.services.clone.wire import ADVERTISEMENT, MEDIA, Ask
from bindings.services.custody.sealed import Undecryptable
from bindings.state import State
from portal.ground import rls
from portal.ground.refusals import Refusal
from providers import packets
from providers.errors import BadAnswer, ProviderError

log = structlog.get_logger(__name__)

_ELSEWHERE = (b"bundle-uri", b"packfile-uris")
"""Abilities of a host to send git to other addresses."""
_SENT_ELSEWHERE = (b"0012packfile-uris\n", b"bundle.version=")
_AT_HAND = 0.5  # seconds in which most clones are over
_FIRST = 131_072  # bytes of an advertisement in which its abilities stand


@dataclass(frozen=True, slots=True)
class Passed:
    """What git is answered. Whoever takes the pieces has to close them, also when none was taken:
    only then does the host's line go down, and the use count."""

    media: str
    pieces: Pieces = field(repr=False)


def pass_on(lease: Lease, ask: Ask, *, environ: Mapping[str, Any]) -> Passed:
    """Ask the host and hand its answer on as it comes. `environ` is of the client's request.

    Raises TurnedAway when a limit is reached, the binding cannot be used, or the host does not give
    what git needs; the credential is suspected when that refuses it. Needs no open scope.
    """
    with ExitStack() as stack:
        held = stack.enter_context(place(lease))
        try:
            stream = ask_host(stack, lease, ask)
            pieces = stream.pieces
            if ask.what == ADVERTISEMENT:
                pieces = _cleaned(pieces)
            first = next(pieces, b"")  # a host that fails at once is told about in words
            _demand_from_here(first)
        except (ProviderError, Refusal, Undecryptable) as failure:
            entering.count(lease, passed=0)
            raise _told(failure, lease) from None
        run = _Run(lease, held, stack.pop_all(), environ)
    return Passed(MEDIA[ask.what], Pieces(run.flow(first, pieces, stream.over), run.end))


def _demand_from_here(first: bytes) -> None:
    """Raises BadAnswer where a host sends git elsewhere although nothing had offered that."""
    before_pack = first.partition(b"packfile\n")[0]
    if any(word in before_pack for word in _SENT_ELSEWHERE):
        raise BadAnswer("refused", "the host sends git elsewhere")


def _told(failure: Exception, lease: Lease) -> words.TurnedAway:
    if isinstance(failure, ProviderError):
        log.info("clone failed", lease=lease.public_id, reason=failure.reason)
        return words.host_failed(failure, lease.binding.provider)
    word = State.UNDECRYPTABLE if isinstance(failure, Undecryptable) else lease.binding.state
    return words.not_usable(word)


def _cleaned(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """An advertisement without the abilities to send git elsewhere; all else as it came."""
    head = bytearray()
    for piece in pieces:
        head += piece
        if len(head) >= _FIRST:
            break
    yield packets.without(bytes(head), _ELSEWHERE)
    yield from pieces


class Pieces:
    """An iterator whose `close` always runs: a generator that never began skips its `finally`."""

    def __init__(self, pieces: Generator[bytes], end: Callable[[], None]) -> None:
        self._pieces, self._end, self._open = pieces, end, True

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._open:
            self._open = False
            self._pieces.close()
            self._end()


class _Run:
    """One answer under way: looks every few seconds whether it may go on, and counts."""

    def __init__(
        self, lease: Lease, held: Place, stack: ExitStack, environ: Mapping[str, Any]
    ) -> None:
        self._lease, self._held, self._stack, self._environ = lease, held, stack, environ
        self._began = self._looked = time.monotonic()
        self._passed = 0  # since the last look
        self._all = lease.bytes
        self._connected = True

    def flow(
        self, piece: bytes, pieces: Iterator[bytes], over: Callable[[], bool]
    ) -> Generator[bytes]:
        """All pieces, each for as long as the client needs for it, which is a minute at most."""
        with watched(self._environ, PATIENCE) as alarm:
            try:
                while piece:
                    self._count(piece)
                    alarm.extend(PATIENCE)
                    yield piece
                    alarm.extend(inf)
                    self._let_go(over)
                    piece = next(pieces, b"")
            except ProviderError as failure:
                log.info("clone cut", lease=self._lease.public_id, reason=failure.reason)
                # Not an end that git could take for a good one, and no trace in the log.
                raise ConnectionResetError(errno.ECONNRESET, "this clone was cut") from None

    def _let_go(self, over: Callable[[], bool]) -> None:
        """A clone may run for hours, and needs no database connection meanwhile. One that is over
        in a moment keeps it: to connect anew costs as much as all else that is done for it."""
        if self._connected and not over() and time.monotonic() - self._began > _AT_HAND:
            self._connected = False
            rls.let_go()

    def end(self) -> None:
        """Hang up on the host and write down what was used."""
        self._stack.close()
        entering.count(self._lease, passed=self._passed)

    def _count(self, piece: bytes) -> None:
        """Raises BadAnswer when a limit is reached or the lease has ended."""
        now = time.monotonic()
        self._passed += len(piece)
        self._all += len(piece)
        longest = now - self._began > settings.MOORING_CLONE_SECONDS
        if longest or self._all > settings.MOORING_CLONE_BYTES:
            raise BadAnswer("too_big")
        if now - self._looked > settings.MOORING_CLONE_LOOK:
            passed, self._passed, self._looked = self._passed, 0, now
            self._held.keep()
            goes_on = entering.alive(self._lease, passed=passed)
            rls.let_go()
            if not goes_on:
                raise BadAnswer("refused", "the lease has ended")
