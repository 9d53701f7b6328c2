"""Where the embedded services keep their files, and as whom they run."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from portal.processes import Person

DATABASE = "mooring"
LONGEST_SOCKET = 107  # bytes: sun_path holds 108 with its closing zero, unix(7)
_LONGEST_NAME = ".s.PGSQL.5432"
_LASTING = Path("/var/tmp")  # noqa: S108 - what we make there is private and checked, see _own


class CannotStart(RuntimeError):
    """A service cannot run here; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one set of services. `Place.of` only chooses; `make` makes them."""

    folder: Path  # ours: locks and services.json
    home: Path  # the services': data and logs; the folder itself unless they cannot enter it
    sockets: Path
    person: Person | None  # None: the services run as ourselves

    @classmethod
    def of(cls, folder: Path) -> Place:
        """Choose where the services of `folder` live. PostgreSQL refuses to run as root, so root
        starts them as the owner of the tree, or as nobody."""
        person = _unprivileged(folder) if os.geteuid() == 0 else None
        short = f"mooring-{os.geteuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:10]}"
        home = folder if person is None or _open_to_all(folder.parent) else _LASTING / short
        sockets = home / "run"
        if len(os.fsencode(sockets / _LONGEST_NAME)) > LONGEST_SOCKET:
            sockets = Path(tempfile.gettempdir()) / short
        return cls(folder, home, sockets, person)

    @property
    def redis_socket(self) -> Path:
        return self.sockets / "redis.sock"

    def addresses(self) -> dict[str, str]:
        """The variables that lead to the services of this place."""
        return {
            "DATABASE_URL": self.database_url("mooring_login"),
            "MOORING_OWNER_DATABASE_URL": self.database_url("mooring_owner"),
            "REDIS_URL": f"unix://{quote(str(self.redis_socket))}?db=0",
        }

    def database_url(self, role: str, database: str = DATABASE) -> str:
        """The address of a database of the private server, for one of its roles."""
        return f"postgres://{role}@{quote(str(self.sockets), safe='')}/{database}"

    def who(self) -> dict[str, Any]:
        """The keywords of `subprocess` that run a program as the services' user."""
        if self.person is None:
            return {}
        return {"user": self.person.uid, "group": self.person.gid, "extra_groups": []}

    def make(self) -> None:
        """Make the folders, private to whoever runs the services; raises CannotStart."""
        self.make_folder()
        for path in (self.home, self.sockets):
            if path != self.folder:
                self.own(path)

    def make_folder(self) -> None:
        """Make our own folder, for locks and keys; raises CannotStart when it cannot be written."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.person and self.folder.stat().st_uid == 0:
                # The services' user passes through without seeing what is there.
                self.folder.chmod(0o711)
            # Not os.access: root may write everywhere but on a read-only file system.
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as trouble:
            raise CannotStart(
                f"{self.folder} cannot be written ({trouble.strerror}): make it writable,"
                " or set DATABASE_URL and REDIS_URL."
            ) from None

    def own(self, path: Path) -> None:
        """Make a private folder of the services' user; refuse one that belongs to somebody else."""
        path.mkdir(mode=0o700, exist_ok=True)
        if self.person and path.stat().st_uid == 0:
            os.chown(path, self.person.uid, self.person.gid)
        owner = path.lstat()
        if owner.st_uid != (self.person.uid if self.person else os.geteuid()):
            raise CannotStart(
                f"{path} belongs to another user of this machine: remove it"
                " (`make clean` as that user), or set DATABASE_URL and REDIS_URL."
            )
        if stat.S_IMODE(owner.st_mode) != 0o700:
            path.chmod(0o700)

    def program(self, path: Path, *, within: Path, parts: Sequence[str]) -> Path:
        """A program the services' user can run: `path` itself, else its copy in our home.

        `parts` are the folders or files below `within` that it needs to work.
        """
        if self.person is None or _open_to_all(path):
            return path
        mark = hashlib.sha256(f"{path} {path.stat().st_mtime_ns}".encode()).hexdigest()[:10]
        copy = self.home / "programs" / mark
        if not copy.exists():
            unfinished = copy.with_suffix(f".{os.getpid()}.new")
            for part in parts:
                _copy_for_all(within / part, unfinished / part)
            for folder in (unfinished, *unfinished.rglob("*"), copy.parent):
                if folder.is_dir():
                    folder.chmod(0o755)
            unfinished.rename(copy)
        return copy / path.relative_to(within)


def _unprivileged(folder: Path) -> Person:
    tree = next(parent for parent in folder.parents if parent.exists())
    with suppress(KeyError):
        if (owner := Person.owning(tree)).uid:
            return owner
    with suppress(KeyError):
        return Person.named("nobody")
    raise CannotStart(
        "PostgreSQL does not run as root and this machine has no user `nobody`:"
        " run the command as an ordinary user, or set DATABASE_URL and REDIS_URL."
    )


def _open_to_all(path: Path) -> bool:
    """Can a stranger enter every folder above `path`, and read or enter `path` itself?"""
    ways = [path, *path.parents]
    return all(not way.exists() or way.stat().st_mode & stat.S_IXOTH for way in ways)


def _copy_for_all(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    elif source.exists():
        shutil.copy2(source, target)
    for path in (target, *target.rglob("*")):
        if path.is_file() and not path.is_symlink():
            runs = path.stat().st_mode & stat.S_IXUSR
            path.chmod(path.stat().st_mode | (0o555 if runs else 0o444))
