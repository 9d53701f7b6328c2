"""The last resort for a renewed token that the database would not take: a sealed file.

Written private, whole and fsynced, so that neither a kill nor a power cut loses it; read again by
the next upkeep of this machine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

_ENDING = ".sealed"


def put(name: str, document: dict[str, Any]) -> bool:
    """Keep `document` under `name`; whether the disk has it. What is secret in it is sealed."""
    target = _folder() / f"{name}{_ENDING}"
    unfinished = target.with_name(f"{name}.{os.getpid()}.new")
    try:
        _folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(unfinished, json.dumps(document).encode())
        unfinished.replace(target)
        _sync(_folder())
    except OSError as trouble:
        log.error("a renewed token could not be written to the spool", why=trouble.strerror)
        return False
    return True


def remove(name: str) -> None:
    """Forget what was kept under `name`, if anything was."""
    with suppress(FileNotFoundError):
        (_folder() / f"{name}{_ENDING}").unlink()


def waiting() -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, document) of what was kept, oldest first. Files of others are left alone."""
    with suppress(OSError):
        for path in sorted(_folder().glob(f"*{_ENDING}"), key=_age):
            try:
                document = json.loads(path.read_bytes())
            except ValueError:
                log.error("a file of the spool cannot be read; it is left there", name=path.name)
                continue
            yield path.name.removesuffix(_ENDING), document


def _folder() -> Path:
    return Path(settings.MOORING_SPOOL)


def _age(path: Path) -> float:
    return path.stat().st_mtime


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """The name of a file is on the disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
