"""What git's smart HTTP says about refs: the first answer of protocol version 0, packet by packet.

https://git-scm.com/docs/protocol-common and gitprotocol-http: four hex digits of length, then a
line; a length of 0 ends a section.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from providers.errors import BadAnswer
from providers.types import Ref

_LINE = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64}) ([^\0\n]+)")
_PEELED = "^{}"
_KINDS = {"refs/heads/": "branch", "refs/tags/": "tag"}


def lines(body: bytes) -> Iterator[bytes]:
    """The lines of all sections, without their newline. Raises BadAnswer("protocol")."""
    at = 0
    while at < len(body):
        size = body[at : at + 4]
        if not re.fullmatch(rb"[0-9a-fA-F]{4}", size):
            raise BadAnswer("protocol", "not a git answer")
        length = int(size, 16)
        if 0 < length < 4 or at + length > len(body):
            raise BadAnswer("protocol", "a git answer that was cut off")
        if length > 4:
            yield body[at + 4 : at + length].removesuffix(b"\n")
        at += length or 4


def refs(body: bytes) -> tuple[Ref, ...]:
    """Branches and tags of an `info/refs?service=git-upload-pack` answer.

    Annotated tags carry the commit they stand for, and the branch that HEAD names is the default.
    An empty repository has none. Raises BadAnswer("protocol" or "refused").
    """
    found = lines(body)
    if next(found, b"") != b"# service=git-upload-pack":
        raise BadAnswer("protocol", "not a git answer")
    commits: dict[str, str] = {}
    head = ""
    for line in found:
        name, commit, capabilities = _advertised(line)
        head = head or _head(capabilities)
        commits[name.removesuffix(_PEELED)] = commit  # the peeled line comes second, and wins
    return tuple(
        Ref(name.removeprefix(prefix), commit, kind, default=name == head)
        for name, commit in commits.items()
        for prefix, kind in _KINDS.items()
        if name.startswith(prefix)
    )


def _advertised(line: bytes) -> tuple[str, str, str]:
    """Name, commit and capabilities of one advertised ref."""
    if line.startswith(b"ERR "):
        raise BadAnswer("refused", "git refused")
    if line.startswith(b"version "):
        return "", "", ""
    text, _, capabilities = line.decode("utf-8", "replace").partition("\0")
    match = _LINE.fullmatch(text)
    if match is None:
        raise BadAnswer("protocol", "not a line of refs")
    return match[2], match[1], capabilities


def _head(capabilities: str) -> str:
    found = re.search(r"(?:^| )symref=HEAD:([^ ]+)", capabilities)
    return found[1] if found else ""
