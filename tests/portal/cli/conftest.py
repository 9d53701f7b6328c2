"""A portal over HTTP, and a terminal with a home of its own and an environment that holds what the
test says and nothing else. Commands run in this process, because so many of them are run; what
matters of a process (arguments, standard input, git) is tried with real ones."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bindings.models import CodeHost
from portal import embedded
from portal.cli.__main__ import main
from tests.bindings import fleet
from tests.bindings.sources import GitHub, GitLab, github_host
from tests.hosts import Sandbox
from tests.people import Somebody

ROOT = Path(embedded.__file__).parent.parent
SECONDS = 60


@dataclass(frozen=True)
class Said:
    """How a program ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def refused(self, code: str) -> None:
        """One sentence with this code, on standard error, and nothing else."""
        assert (self.status, self.out) == (1, "")
        assert f"({code})" in self.err.splitlines()[-1]


@dataclass(frozen=True)
class Terminal:
    """Somebody's shell. `environment` is all its programs see."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def having(self, **more: str) -> Terminal:
        return replace(self, environment=self.environment | more)

    def without(self, *names: str) -> Terminal:
        kept = {name: value for name, value in self.environment.items() if name not in names}
        return replace(self, environment=kept)

    def mooring(self, *words: str, typed: str = "") -> Said:
        """One command, in this process."""
        out, err, known = io.StringIO(), io.StringIO(), sys.stdin
        with environment(self.environment), redirect_stdout(out), redirect_stderr(err):
            sys.stdin = io.StringIO(typed)
            try:
                status = main(words)
            except SystemExit as ended:  # argparse, for wrong usage
                status = int(str(ended.code))
            finally:
                sys.stdin = known
        return Said(status, out.getvalue(), err.getvalue())

    def process(self, *words: str, typed: str = "") -> Said:
        """The same in a process of its own."""
        return self.run([sys.executable, "-P", "-m", "portal.cli", *words], typed)

    def helper(self, *words: str, typed: str = "") -> Said:
        return self.run([sys.executable, "-P", "-m", "portal.cli.credential", *words], typed)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """A command that waits for somebody; its standard error can be read meanwhile."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "portal.cli", *words],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, command: list[str], typed: str = "") -> Said:
        done = subprocess.run(
            command,
            cwd=self.home,
            env=self.environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)


@contextmanager
def environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Nothing but these variables."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def site(live_server: Any, settings: Any) -> str:
    """The address of the portal, served by a thread."""
    settings.MOORING_URL = live_server.url
    return str(live_server.url)


@pytest.fixture
def shell(tmp_path: Path) -> Terminal:
    """A terminal that knows no portal."""
    home = tmp_path / "home"
    home.mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    known = {"PATH": path, "PYTHONPATH": str(ROOT)}
    return Terminal(home, {**known, "HOME": str(home), "BROWSER": "true", "LANG": "C.UTF-8"})


@pytest.fixture
def secret(alice: Somebody) -> str:
    """alice's token, with all of her role."""
    return alice.token().secret


@pytest.fixture
def terminal(shell: Terminal, site: str, secret: str) -> Terminal:
    """alice's terminal."""
    return shell.having(MOORING_URL=site, MOORING_TOKEN=secret)


@pytest.fixture
def gitlab(sandbox: Sandbox, settings: Any, db: None) -> GitLab:
    """The sandbox's GitLab, which may be asked as often as a test likes."""
    settings.MOORING_SANDBOX_URL = sandbox.url
    found = GitLab(sandbox)
    fleet.host(found)
    return found


@pytest.fixture
def github(sandbox: Sandbox, settings: Any, db: None) -> GitHub:
    """An operator's GitHub with a registered app."""
    settings.MOORING_SANDBOX_URL = sandbox.url
    host: CodeHost = github_host(sandbox)
    return GitHub(sandbox, host)
