"""`make run` and `manage.py` on a bare machine: all begins together, all ends together.

The tree is copied, so that the commands find a `.local/` of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import pytest

from bindings.services.browse.specs import ORDER
from portal import embedded
from portal.place import Place

ROOT = Path(embedded.__file__).parent.parent
PARTS = ("portal", "bindings", "providers", "templates", "manage.py", "Makefile", "docs")
SECONDS = 60


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the tree as a fresh clone has it."""
    tree = tmp_path_factory.mktemp("clone")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, tree / part, ignore=shutil.ignore_patterns("*.mo"))
        elif source.exists():
            shutil.copy2(source, tree / part)
    yield tree
    embedded.remove(tree / ".local")


@pytest.fixture
def bare(tree: Path) -> dict[str, str]:
    """The environment of a shell that knows nothing of Mooring, with ports nobody uses."""
    ours = ("MOORING_", "DATABASE_URL", "REDIS_URL", "CELERY_", "DJANGO_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {
        "MOORING_BIND": f"127.0.0.1:{free_port()}",
        "MOORING_SANDBOX_URL": f"http://127.0.0.1:{free_port()}",
    }


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def manage(
    tree: Path, environment: dict[str, str], *words: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


class Run:
    """A running `manage.py dev`."""

    def __init__(self, tree: Path, environment: dict[str, str]) -> None:
        self.tree = tree
        self.environment = environment
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "dev"],
            cwd=tree,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def welcome(self) -> str:
        """What it shows when everything stands."""
        shown = ""
        for line in _lines(self.process.stdout):
            shown += line
            if line.startswith("Ctrl-C"):
                return shown
        raise AssertionError(f"it ended: {shown}{self.process.communicate()[1]}")

    def ended(self) -> tuple[int, str]:
        """Its status and its last words, once it and all its children are gone."""
        _, error = self.process.communicate(timeout=SECONDS)
        assert eventually(lambda: not living_in(self.tree)), living_in(self.tree)
        return self.process.returncode, error


@pytest.fixture
def run(tree: Path, bare: dict[str, str]) -> Iterator[Run]:
    run = Run(tree, bare)
    yield run
    if run.process.poll() is None:
        run.process.terminate()
        run.process.communicate()
    for stream in (run.process.stdout, run.process.stderr):
        if stream:
            stream.close()


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def living_in(tree: Path) -> dict[int, str]:
    """The command lines of processes that work in the tree or for its services, by number."""
    found = {}
    folders = (tree, Place.of(tree / ".local").home)
    for process in Path("/proc").iterdir():
        try:
            if not process.name.isdecimal():
                continue
            if any((process / "cwd").readlink().is_relative_to(folder) for folder in folders):
                line = (process / "cmdline").read_text()
                found[int(process.name)] = line.replace("\0", " ")
        except OSError:  # it ended while we looked
            continue
    return found


def pid_of(tree: Path, words: str) -> int:
    return next(pid for pid, line in living_in(tree).items() if words in line)


def status_of(address: str) -> int:
    parts = urlsplit(address)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=SECONDS)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status
    finally:
        connection.close()


def asked(address: str, token: str) -> Any:
    parts = urlsplit(address)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=SECONDS)
    try:
        connection.request("GET", parts.path, headers={"Authorization": f"Bearer {token}"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def test_one_command_brings_up_everything_and_ctrl_c_ends_it(run: Run) -> None:
    shown = run.welcome()
    url = f"http://{run.environment['MOORING_BIND']}"
    demo_file = run.tree / ".local" / "demo.json"
    demo = json.loads(demo_file.read_text())

    assert demo_file.stat().st_mode & 0o777 == 0o600
    assert demo["url"] == url
    for secret in (demo["users"][0]["password"], demo["tokens"][0]["token"], url):
        assert secret in shown
    assert status_of(f"{url}/healthz") == 200
    assert status_of(f"{url}/accounts/login/") == 200
    assert status_of(f"{demo['sandbox_url']}/_control/state") == 200

    assert set(demo["sandbox"]) == set(ORDER)
    assert all(site["base_url"] and site["accounts"] for site in demo["sandbox"].values())
    # From the first look: what the cloud account brings, and one token that ends soon.
    token = next(one["token"] for one in demo["tokens"] if one["tenant"] == "acme")
    found = asked(f"{url}/api/v1/bindings", token)["data"]
    assert sorted((one["provider"], one["state"]) for one in found) == [
        *[("codearts", "healthy")] * 2,
        ("gitlab", "expiring"),
    ]

    joined = manage(run.tree, run.environment, "migrate", "--check")
    assert (joined.returncode, joined.stderr) == (0, "")
    assert status_of(f"{url}/readyz") == 200

    run.process.send_signal(signal.SIGINT)
    assert run.ended() == (0, "")


def test_a_closed_terminal_ends_it_while_it_begins(run: Run) -> None:
    assert eventually(lambda: "providers.sandbox" in str(living_in(run.tree)))
    run.process.send_signal(signal.SIGHUP)
    status, error = run.ended()
    assert (status, error) == (128 + signal.SIGHUP, "")


def test_a_service_that_falls_is_named_and_all_end(run: Run) -> None:
    run.welcome()
    os.kill(pid_of(run.tree, "redis-server"), signal.SIGKILL)
    status, error = run.ended()
    assert status == 1
    assert error.startswith("mooring: redis ended.")
    assert "Traceback" not in error


def test_killed_outright_it_takes_its_children_along(run: Run) -> None:
    run.welcome()
    run.process.kill()
    assert run.ended() == (-signal.SIGKILL, "")


@pytest.mark.parametrize("variable", ["MOORING_BIND", "MOORING_SANDBOX_URL"])
def test_a_port_in_use_is_said(tree: Path, bare: dict[str, str], variable: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = f"127.0.0.1:{listener.getsockname()[1]}"
        scheme = "http://" if variable == "MOORING_SANDBOX_URL" else ""
        done = manage(tree, bare | {variable: f"{scheme}{taken}"}, "dev")

    assert done.returncode == 1
    assert done.stderr.startswith(f"mooring: {taken} is in use")
    assert f"{variable}={scheme}127.0.0.1:" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert living_in(tree) == {}


def test_production_never_starts_services_of_its_own(tree: Path, bare: dict[str, str]) -> None:
    done = manage(tree, bare | {"MOORING_ENV": "production"}, "migrate")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "mooring: DATABASE_URL is not set; production does not start without it.\n"
    )


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, bare: dict[str, str]) -> None:
    for part in ("bindings", "providers"):
        (tmp_path / part).symlink_to(ROOT / part)
    shutil.copytree(ROOT / "portal", tmp_path / "portal")
    shutil.copy(ROOT / "manage.py", tmp_path)
    (tmp_path / ".local").touch()  # root could write a folder without permissions

    done = manage(tmp_path, bare, "migrate")
    assert done.returncode == 1
    assert done.stderr.startswith(f"mooring: {tmp_path / '.local'} cannot be written (")
    assert len(done.stderr.splitlines()) == 1


def test_help_starts_nothing(tree: Path, bare: dict[str, str]) -> None:
    done = manage(tree, bare, "help", "migrate")
    assert done.returncode == 0
    assert "usage: manage.py migrate" in done.stdout
    assert living_in(tree) == {}


def test_the_sandbox_runs_alone(tree: Path, bare: dict[str, str]) -> None:
    address = bare["MOORING_SANDBOX_URL"]
    bind = urlsplit(address).netloc
    command = [sys.executable, "manage.py", "sandbox", "--bind", bind]
    with subprocess.Popen(
        command, cwd=tree, env=bare, stdout=subprocess.PIPE, text=True
    ) as sandbox:
        assert next(_lines(sandbox.stdout)) == f"sandbox on {address}\n"
        assert status_of(f"{address}/_control/state") == 200
        sandbox.send_signal(signal.SIGINT)
        assert sandbox.wait(SECONDS) == 0


def _lines(stream: IO[str] | None) -> Iterator[str]:
    assert stream is not None
    return iter(stream)
