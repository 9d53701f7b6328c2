"""Where the portal and the token come from: the environment first, then what `login` kept.

The token is kept in the system's key ring where one answers, else in a file only its owner can
read. It belongs to one portal and is never sent to another.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from portal.cli.client import Client, Usage, site_of

_SECONDS = 15  # a key ring may ask its owner to open it
_MOST = 8192


@dataclass(frozen=True, slots=True)
class Ring:
    """A key ring, reached through its own program. Tokens pass through standard input and output:
    arguments can be read by everybody on the machine."""

    name: str
    store: Sequence[str]
    typed: Callable[[str, str], str]
    find: Callable[[str], Sequence[str]]
    clear: Callable[[str], Sequence[str]]


RINGS = (
    # https://manpages.debian.org/secret-tool
    Ring(
        "the key ring",
        ("secret-tool", "store", "--label=Mooring", "service", "mooring", "site"),
        lambda site, token: token,
        lambda site: ("secret-tool", "lookup", "service", "mooring", "site", site),
        lambda site: ("secret-tool", "clear", "service", "mooring", "site", site),
    ),
    # `security -i` reads its commands from standard input: https://ss64.com/mac/security.html
    Ring(
        "the key chain",
        ("security", "-i"),
        lambda site, token: f'add-generic-password -U -a mooring -s "{site}" -w {token}\n',
        lambda site: ("security", "find-generic-password", "-a", "mooring", "-s", site, "-w"),
        lambda site: ("security", "delete-generic-password", "-a", "mooring", "-s", site),
    ),
)


def client() -> Client:
    """A caller of the portal that is meant. Raises Usage when nobody has said which, or no token
    is known for it."""
    site = meant()
    token = os.environ.get("MOORING_TOKEN", "").strip() or kept(site)
    if not token:
        raise Usage(f"No token for {site}: set MOORING_TOKEN, or run mooring login.")
    return Client(site, token)


def meant(url: str = "") -> str:
    """The portal: as told, else MOORING_URL, else the one of the last `login`. Raises Usage."""
    found = url or os.environ.get("MOORING_URL", "").strip() or str(_read().get("url", ""))
    if not found:
        raise Usage("Which portal? Set MOORING_URL, or run mooring login --url https://….")
    return site_of(found)


def kept(site: str) -> str:
    """The token `login` kept for this portal, or ""."""
    known = _read()
    if known.get("url") != site:
        return ""
    ring = next((one for one in RINGS if one.name == known.get("ring")), None)
    return _ask(ring.find(site)) if ring else str(known.get("token", ""))


def keep(site: str, token: str) -> str:
    """Keep the token in the first key ring that gives it back, else in the file; says where."""
    for ring in RINGS:
        if shutil.which(ring.store[0]):
            named = [*ring.store, site] if ring.store[-1] == "site" else ring.store
            _ask(named, ring.typed(site, token))
            if _ask(ring.find(site)) == token:
                _write({"url": site, "ring": ring.name})
                return ring.name
    _write({"url": site, "token": token})
    return str(_place())


def forget(site: str) -> None:
    """Keep nothing of this portal any more."""
    known = _read()
    if known.get("url") != site:
        return
    for ring in RINGS:
        if ring.name == known.get("ring"):
            _ask(ring.clear(site))
    _place().unlink(missing_ok=True)


def secret(what: str) -> str:
    """A secret from standard input, asked for without an echo on a terminal. Raises Usage when
    there is none, or more than one line."""
    if sys.stdin.isatty():
        text = getpass.getpass(f"{what}: ").strip()
    else:
        text = sys.stdin.read(_MOST).strip()
    if not text:
        raise Usage(f"{what}: nothing came on standard input.")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Usage(f"{what}: one line of printable characters is expected on standard input.")
    return text


def _place() -> Path:
    given = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(given) if given and Path(given).is_absolute() else Path.home() / ".config"
    return base / "mooring" / "login.json"


def _read() -> dict[str, str]:
    """What `login` kept. Raises Usage when others may read it, or nobody can."""
    try:
        with _place().open(encoding="utf-8") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
                raise Usage(f"Others may read {_place()}. Run: chmod 600 {_place()}")
            known = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise Usage(f"{_place()} cannot be read. Run mooring login again.") from None
    return known if isinstance(known, dict) else {}


def _write(known: dict[str, str]) -> None:
    """Beside the file first, so that it is never half written and never open to others."""
    place = _place()
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(known, file)
    beside.replace(place)


def _ask(command: Sequence[str], typed: str = "") -> str:
    """What a key ring's program prints; "" when it is not there or has nothing."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and the portal's address
            command, input=typed, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
