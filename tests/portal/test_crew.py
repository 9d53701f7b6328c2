"""Children that live and end together."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal import processes
from portal.crew import Crew, Fallen, is_free
from portal.processes import Asked

WAITS = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]
FALLS = [sys.executable, "-c", "import sys; print('no key', flush=True); sys.exit(3)"]
STAYS = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('here', flush=True); time.sleep(60)",
]


@pytest.fixture
def noted() -> Iterator[list[int]]:
    with processes.noting_signals() as noted:
        yield noted
        noted.clear()


@pytest.fixture
def crew(tmp_path: Path, noted: list[int]) -> Iterator[Crew]:
    crew = Crew(tmp_path / "logs" / "run.log", dict(os.environ), tmp_path, noted)
    yield crew
    crew.end()


def log_of(tmp_path: Path) -> str:
    return (tmp_path / "logs" / "run.log").read_text()


def test_lines_go_to_one_log_each_with_a_name(crew: Crew, tmp_path: Path) -> None:
    crew.start("one", WAITS)
    crew.start("another", WAITS)
    crew.wait_for("another", lambda: log_of(tmp_path).count("here") == 2, seconds=20)
    assert sorted(log_of(tmp_path).splitlines()) == ["another | here", "one     | here"]


def test_who_falls_is_named_with_its_last_words(crew: Crew) -> None:
    crew.start("sound", WAITS)
    crew.start("broken", FALLS)
    with pytest.raises(Fallen) as fallen:
        crew.watch()
    assert str(fallen.value) == "broken ended (status 3).\n    no key"


def test_a_step_that_fails_is_named_with_its_last_words(crew: Crew) -> None:
    with pytest.raises(Fallen, match=r"^seed failed\.\n    no key$"):
        crew.run("seed", FALLS)
    crew.run("seed", [sys.executable, "-c", ""])


def test_who_never_answers_is_named(crew: Crew) -> None:
    crew.start("web", WAITS)
    with pytest.raises(Fallen, match=r"^web does not answer after 0 seconds\."):
        crew.wait_for("web", lambda: False, seconds=0)


def test_what_the_children_need_is_watched(crew: Crew) -> None:
    crew.need("postgres", lambda: False)
    with pytest.raises(Fallen, match=r"^postgres ended\.$"):
        crew.watch()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_is_asked_to_end_leaves_the_watch(crew: Crew, number: signal.Signals) -> None:
    crew.start("web", WAITS)
    os.kill(os.getpid(), number)
    with pytest.raises(Asked) as asked:
        crew.watch()
    assert asked.value.code == 128 + number


def test_a_signal_nobody_looked_at_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt), processes.noting_signals():
        os.kill(os.getpid(), signal.SIGINT)


def test_who_does_not_end_when_asked_is_killed() -> None:
    with processes.noting_signals():
        child = processes.start(STAYS, output=-3, environment=dict(os.environ))
        child.terminate()
        processes.end(child, seconds=0.1)
    assert child.returncode in {-signal.SIGKILL, -signal.SIGTERM}


def test_a_port_somebody_listens_on_is_not_free() -> None:
    assert not is_free("203.0.113.1", 80)  # not an address of this machine
    assert is_free("127.0.0.1", 0)
