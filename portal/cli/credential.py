"""`git-credential-mooring`: hands git a lease for the repository it asks about, and nothing else.

git speaks lines of `key=value` (https://git-scm.com/docs/git-credential#IOFMT). What comes in was
written by whoever made the remote's address; what goes out may hold no line break, because a line
is what git believes. Nothing is written to disk.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from portal.cli import keeping, tables
from portal.cli.client import JSON, Refused, Usage

_MOST = 64 * 1024
_DEFAULT_PORT = {"https": ":443", "http": ":80"}
_PATH = re.compile(r"git/(bnd_[0-9a-hjkmnp-tv-z]{26})/(.+?)(?:\.git)?/?")
_LEASE = re.compile(r"lse_[0-9a-hjkmnp-tv-z]{26}")
_SAFE = re.compile(r"[\x21-\x7e]{1,1024}")


def main() -> int:
    """get, erase or store, as git calls it. A refusal of the portal is a sentence on standard
    error; for everything that is not ours there is silence, and git asks its next source."""
    action = sys.argv[1] if len(sys.argv) == 2 else ""
    if action not in ("get", "erase"):
        return 0
    asked = read(sys.stdin.buffer.read(_MOST + 1))
    try:
        if _ours(asked):
            _get(asked) if action == "get" else _erase(asked)
    except Usage:
        return 0
    except (KeyError, TypeError, ValueError):
        tables.note("The portal's answer is not a lease.")
        return 1
    except Refused as refused:
        said = f"{refused.detail} ({refused.code})" if refused.code else refused.detail
        tables.note(said)
        return 1
    return 0


def read(raw: bytes) -> Mapping[str, str]:
    """What git says; empty when it is not what git would say."""
    if len(raw) > _MOST:
        return {}
    said: dict[str, str] = {}
    try:
        lines = raw.decode().split("\n")
    except UnicodeDecodeError:
        return {}
    for line in lines:
        if not line:
            break
        name, separator, value = line.partition("=")
        if not separator or not all(letter.isprintable() for letter in line):
            return {}
        said[name] = value
    return said


def repository(path: str) -> tuple[str, str] | None:
    """Binding and repository of a path below `/git/`; None for every other path."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    pieces = found[2].split("/")
    if any(piece in ("", ".", "..") for piece in pieces) or re.search(r"[\\%;?#]", found[2]):
        return None
    return found[1], found[2]


def _ours(asked: Mapping[str, str]) -> bool:
    """Is it about this portal, and about a repository of it? Raises Usage without a portal."""
    site = urlsplit(keeping.meant())
    same = asked.get("protocol") == site.scheme
    host = _plain(site.scheme, asked.get("host", ""))
    return same and host == _plain(site.scheme, site.netloc) and _about(asked) is not None


def _about(asked: Mapping[str, str]) -> tuple[str, str] | None:
    return repository(asked.get("path", ""))


def _plain(scheme: str, host: str) -> str:
    return host.lower().removesuffix(_DEFAULT_PORT.get(scheme, ""))


def _get(asked: Mapping[str, str]) -> None:
    found = _about(asked)
    if found is None:
        return
    binding, path = found
    body: JSON = {"repository": path, "kind": "proxied"}
    if os.environ.get("MOORING_BUILD"):
        body["build"] = os.environ["MOORING_BUILD"][:100]
    lease = keeping.client().post(f"/bindings/{binding}/leases", body).body
    ends = int(datetime.fromisoformat(lease["expires_at"]).timestamp())
    pair = {"username": str(lease["username"]), "password": str(lease["password"])}
    if not all(_SAFE.fullmatch(value) for value in pair.values()):
        raise ValueError
    for name, value in {**pair, "password_expiry_utc": ends}.items():
        print(f"{name}={value}")


def _erase(asked: Mapping[str, str]) -> None:
    """End the lease git found wanting. Its own id is its user name."""
    if _LEASE.fullmatch(asked.get("username", "")):
        keeping.client().ask("DELETE", f"/leases/{asked['username']}")


if __name__ == "__main__":
    sys.exit(main())
