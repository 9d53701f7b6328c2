"""What git says over HTTP, as far as the proxy lets it through (gitprotocol-http)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bindings.services.clone import words

ADVERTISEMENT: Final = "info/refs"
PACK: Final = "git-upload-pack"
PUSH: Final = "git-receive-pack"
MEDIA: Final = {
    ADVERTISEMENT: f"application/x-{PACK}-advertisement",
    PACK: f"application/x-{PACK}-result",
}
_ASKED: Final = f"application/x-{PACK}-request"
_VERSION = re.compile(r"version=[0-2]")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of git, judged: `what` is one of the two, `headers` are those that may pass."""

    what: str
    headers: Mapping[str, str]
    body: bytes | None = field(default=None, repr=False)


def headers_for(what: str, given: Mapping[str, str]) -> dict[str, str]:
    """The headers that go to the host, of those that git has sent: the protocol's version and the
    coding of the body. Raises TurnedAway 400 for a body that is of another kind."""
    sent = {"Accept": MEDIA[what]}
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
