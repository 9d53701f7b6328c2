"""What git's smart HTTP says about refs: the first answer of protocol version 0, packet by packet.

https://git-scm.com/docs/protocol-common and gitprotocol-http: four hex digits of length, then a
line; a length of 0 ends a section.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

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


def without(body: bytes, abilities: Collection[bytes]) -> bytes:
    """The beginning of an advertisement without these abilities: whole lines of protocol version 2
    and values of its other lines, or words behind the first ref of versions 0 and 1.

    What follows the first cut-off packet is left as it is; abilities stand in the first ones.
    Raises BadAnswer("protocol") for what is no advertisement.
    """
    made, at, version2, named = bytearray(), 0, False, False
    while at < len(body):
        length = _length(body, at)
        if at + max(length, 4) > len(body):
            break
        line = body[at + 4 : at + length] if length else b""
        version2 = version2 or line.rstrip(b"\n") == b"version 2"
        if version2:
            line = _less(line, abilities)
        elif b"\0" in line and not named:
            named = True
            ref, _, words = line.partition(b"\0")
            line = ref + b"\0" + _words(words, abilities)
        if line:
            made += b"%04x" % (len(line) + 4) + line
        elif not length or not version2:
            made += body[at : at + 4]
        at += max(length, 4)
    return bytes(made) + body[at:]


def _length(body: bytes, at: int) -> int:
    """The length of the packet that begins at `at`; 0 for those that only divide sections."""
    size = body[at : at + 4]
    if not re.fullmatch(rb"[0-9a-fA-F]{1,4}", size):
        raise BadAnswer("protocol", "not a git answer")
    length = int(size, 16)
    return 0 if length < 4 and len(size) == 4 else length


def _less(line: bytes, abilities: Collection[bytes]) -> bytes:
    """A line of version 2, `name` or `name=value value`; empty when it is to go."""
    name, mark, values = line.rstrip(b"\n").partition(b"=")
    if name in abilities:
        return b""
    return name + mark + _words(values, abilities) + (b"\n" if line.endswith(b"\n") else b"")


def _words(words: bytes, abilities: Collection[bytes]) -> bytes:
    end = b"\n" if words.endswith(b"\n") else b""
    kept = [w for w in words.rstrip(b"\n").split(b" ") if w.partition(b"=")[0] not in abilities]
    return b" ".join(kept) + end
