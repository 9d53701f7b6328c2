"""The git proxy: one request of git, answered by the code host, without its address or token.

What goes out is built from binding and lease; what comes back is built anew from what git needs.
"""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from django.conf import settings

from bindings.models import Lease
from bindings.services.clone import entering, words
from bindings.services.clone.client import PATIENCE, watched
from bindings.services.clone.places import Place, place
from bindings.services.custody.door import door
from bindings.services.custody.sealed import Undecryptable
from bindings.services.custody.use import use
from bindings.state import State
from portal.ground import rls
from portal.ground.refusals import Refusal
from providers import packets
from providers.answer import Answer, settle
from providers.errors import BadAnswer, ProviderError, TokenRejected
from providers.http import Stream

log = structlog.get_logger(__name__)

IDLE: Final = 60.0
"""Seconds in which a host has to send something."""
ADVERTISEMENT: Final = "info/refs"
PACK: Final = "git-upload-pack"
_ASKED: Final = f"application/x-{PACK}-request"
_MEDIA = {
    ADVERTISEMENT: f"application/x-{PACK}-advertisement",
    PACK: f"application/x-{PACK}-result",
}
_VERSION = re.compile(r"version=[0-2]")
_ELSEWHERE = (b"bundle-uri", b"packfile-uris")
"""Abilities of a host to send git to other addresses."""
_FIRST = 131_072  # bytes of an advertisement in which its abilities stand


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of git, judged: `what` is one of the two, `headers` are those that may pass."""

    what: str
    headers: Mapping[str, str]
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Passed:
    """What git is answered. `whole`: that is all of it; else more pieces come, and whoever takes
    them has to close them."""

    media: str
    pieces: Iterator[bytes] = field(repr=False)


def headers_for(what: str, given: Mapping[str, str]) -> dict[str, str]:
    """The headers that go to the host, of those that git has sent: the protocol's version and the
    coding of the body. Raises TurnedAway 400 for a body that is of another kind."""
    sent = {"Accept": _MEDIA[what]}
    version = given.get("Git-Protocol", "")
    if _VERSION.fullmatch(version):
        sent["Git-Protocol"] = version
    if what == PACK:
        if given.get("Content-Type", "") != _ASKED:
            raise words.unreadable()
        sent["Content-Type"] = _ASKED
        coding = given.get("Content-Encoding", "identity").lower()
        if coding not in ("gzip", "x-gzip", "identity"):
            raise words.unreadable()
        if coding != "identity":
            sent["Content-Encoding"] = "gzip"
    return sent


def pass_on(lease: Lease, ask: Ask, *, environ: Mapping[str, Any]) -> Passed:
    """Ask the host and hand its answer on as it comes. `environ` is of the client's request.

    Raises TurnedAway when a limit is reached, the binding cannot be used, or the host does not give
    what git needs; the credential is suspected when that refuses it. Needs no open scope.
    """
    with ExitStack() as stack:
        held = stack.enter_context(place(lease))
        try:
            stream = _asked(stack, lease, ask)
            run = _Run(lease, held, stack.pop_all(), environ)
        except (ProviderError, Refusal, Undecryptable) as failure:
            entering.count(lease, passed=0)
            raise _told(failure, lease) from None
    pieces = _cleaned(stream.pieces) if ask.what == ADVERTISEMENT else stream.pieces
    return run.begin(_MEDIA[ask.what], pieces)


def _told(failure: Exception, lease: Lease) -> words.TurnedAway:
    if isinstance(failure, ProviderError):
        log.info("clone failed", lease=lease.public_id, reason=failure.reason)
        return words.host_failed(failure, lease.binding.provider)
    word = State.UNDECRYPTABLE if isinstance(failure, Undecryptable) else lease.binding.state
    return words.not_usable(word)


def _asked(stack: ExitStack, lease: Lease, ask: Ask) -> Stream:
    """The head of the host's answer, judged. Raises ProviderError, Refusal, Undecryptable."""
    repository = lease.repository
    query = f"?service={PACK}" if ask.what == ADVERTISEMENT else ""
    with use(lease.binding, why="clone") as provider:
        clone = provider.clone(repository.remote_id, url=repository.clone_url)
        # Not at the API's pace: hosts count git apart from it, and leases have limits of their own.
        stream = stack.enter_context(
            door().stream(
                "GET" if ask.what == ADVERTISEMENT else "POST",
                f"{clone.url}/{ask.what}{query}",
                rules=provider.rules,
                headers={**ask.headers, **provider.safely(clone)},
                body=ask.body,
                seconds=IDLE,
            )
        )
        if stream.status == 401:
            raise TokenRejected("unknown")
        settle(Answer(stream.status, stream.headers, b""))
    media = stream.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != _MEDIA[ask.what]:
        raise BadAnswer("protocol", "not a git answer")
    if stream.headers.get("content-encoding", "identity").lower() != "identity":
        raise BadAnswer("encoded")
    return stream


def _cleaned(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """An advertisement without the abilities to send git elsewhere; all else as it came."""
    head = bytearray()
    for piece in pieces:
        head += piece
        if len(head) >= _FIRST:
            break
    yield packets.without(bytes(head), _ELSEWHERE)
    yield from pieces


class _Run:
    """One answer under way: looks every few seconds whether it may go on, and counts."""

    def __init__(
        self, lease: Lease, held: Place, stack: ExitStack, environ: Mapping[str, Any]
    ) -> None:
        self._lease, self._held, self._stack, self._environ = lease, held, stack, environ
        self._began = self._looked = time.monotonic()
        self._passed = 0  # since the last look
        self._all = lease.bytes

    def begin(self, media: str, pieces: Iterator[bytes]) -> Passed:
        """Take the first piece, so that a host that fails at once is told about in words."""
        try:
            first = next(pieces, b"")
        except ProviderError as failure:
            self._end()
            raise _told(failure, self._lease) from None
        except BaseException:
            self._end()
            raise
        return Passed(media, _Pieces(self._flow(first, pieces), self._end))

    def _flow(self, first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
        with watched(self._environ, PATIENCE) as alarm:
            rls.let_go()
            try:
                piece = first
                while piece:
                    self._count(piece)
                    alarm.extend(PATIENCE)
                    yield piece
                    alarm.extend(float("inf"))
                    piece = next(pieces, b"")
            except ProviderError as failure:
                log.info("clone cut", lease=self._lease.public_id, reason=failure.reason)
                # Not an end that git could take for a good one, and no trace in the log.
                raise ConnectionResetError(errno.ECONNRESET, "the code host stopped") from None

    def _count(self, piece: bytes) -> None:
        self._passed += len(piece)
        self._all += len(piece)
        now = time.monotonic()
        over = self._all > settings.MOORING_CLONE_BYTES
        if over or now - self._began > settings.MOORING_CLONE_SECONDS:
            raise BadAnswer("too_big")
        if now - self._looked > settings.MOORING_CLONE_LOOK:
            self._look(now)

    def _look(self, now: float) -> None:
        passed, self._passed, self._looked = self._passed, 0, now
        self._held.keep()
        goes_on = entering.alive(self._lease, passed=passed)
        rls.let_go()
        if not goes_on:
            raise BadAnswer("refused", "the lease has ended")

    def _end(self) -> None:
        self._stack.close()
        entering.count(self._lease, passed=self._passed)


class _Pieces:
    """An iterator whose `close` always runs: a generator that never began skips its `finally`."""

    def __init__(self, pieces: Iterator[bytes], end: Any) -> None:
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
            self._pieces.close()  # type: ignore[attr-defined]  # a generator
            self._end()
