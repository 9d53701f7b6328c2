"""The code host's half of a clone: asked with the stored credential, judged by its head.

Where a platform mints a token for each errand, one is kept in this process for a few minutes: git
asks three times for one clone.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.utils import timezone

from bindings.models import Binding, Lease
from bindings.services.browse import repositories as browse
from bindings.services.clone.wire import ADVERTISEMENT, MEDIA, PACK, Ask
from bindings.services.custody.door import door
from bindings.services.custody.use import use
from portal.ground import rls
from portal.ground.refusals import Refusal
from providers.answer import Answer, settle
from providers.base import Provider
from providers.errors import BadAnswer, NotFound, ProviderError, TokenRejected
from providers.http import Stream
from providers.types import Clone

IDLE: Final = 60.0
"""Seconds in which a host has to send something."""
_KEPT_S = 300.0
_MARGIN = timedelta(minutes=2)
_MOST_KEPT = 1000
_minted: Final[dict[tuple[UUID, int, str], tuple[float, Clone]]] = {}


def ask_host(stack: ExitStack, lease: Lease, ask: Ask) -> Stream:
    """The host's answer, of which the head has come; it is hung up with `stack`.

    A repository that has moved is looked up by its number, once. Raises ProviderError, Refusal and
    Undecryptable; a refused credential is checked soon.
    """
    known = lease.repository.clone_url
    try:
        return _stream(stack, lease, ask, known)
    except (NotFound, BadAnswer) as failure:
        moved = _moved(lease, failure)
        if moved in ("", known):
            raise
    return _stream(stack, lease, ask, moved)


def _stream(stack: ExitStack, lease: Lease, ask: Ask, url: str) -> Stream:
    query = f"?service={PACK}" if ask.what == ADVERTISEMENT else ""
    with ExitStack() as attempt:
        with use(lease.binding, why="clone") as provider:
            clone = _way(provider, lease, url)
            # Not at the API's pace: hosts count git apart from it, and leases have their limits.
            stream = attempt.enter_context(
                door().stream(
                    "GET" if ask.what == ADVERTISEMENT else "POST",
                    f"{clone.url}/{ask.what}{query}",
                    rules=provider.rules,
                    headers={**ask.headers, **provider.safely(clone)},
                    body=ask.body,
                    seconds=IDLE,
                )
            )
            _judge(stream, lease, url)
        media = stream.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != MEDIA[ask.what]:
            raise BadAnswer("protocol", "not a git answer")
        if stream.headers.get("content-encoding", "identity").lower() != "identity":
            raise BadAnswer("encoded")
        stack.push(attempt.pop_all())
        return stream


def _judge(stream: Stream, lease: Lease, url: str) -> None:
    """Raises what another status than 2xx means; git's 401 speaks of the credential alone."""
    if stream.status == 401:
        _minted.pop(_key(lease.binding, url), None)
        raise TokenRejected("unknown")
    settle(Answer(stream.status, stream.headers, b""))


def _moved(lease: Lease, failure: ProviderError) -> str:
    """Where the repository is now, "" when that is not the trouble or nobody knows."""
    if isinstance(failure, BadAnswer) and failure.reason != "redirect":
        return ""
    with rls.tenant(lease.tenant_id):
        rows = Binding.objects.of(lease.tenant_id).select_related("host")
        binding = rows.get(pk=lease.binding_id)
    try:
        found = browse.repository(binding=binding, key=lease.repository.public_id, fresh=True)
    except Refusal:
        return ""
    return found.clone_url


def _way(provider: Provider, lease: Lease, url: str) -> Clone:
    """How git reads the repository. What was minted for that is used again for a while."""
    key, now = _key(lease.binding, url), time.monotonic()
    until, kept = _minted.get(key, (0.0, None))
    if kept is not None and now < until:
        return kept
    clone = provider.clone(lease.repository.remote_id, url=url)
    ends = clone.expires_at
    if clone.number and ends is not None and ends - _MARGIN > timezone.now():
        if len(_minted) >= _MOST_KEPT:
            _minted.clear()
        left = (ends - _MARGIN - timezone.now()).total_seconds()
        _minted[key] = (now + min(_KEPT_S, left), clone)
    return clone


def _key(binding: Binding, url: str) -> tuple[UUID, int, str]:
    """A replaced credential has another version: nothing of the old one is used then."""
    return binding.pk, binding.version, url
