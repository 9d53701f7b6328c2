"""Fan-out: answers as they come, failures as values, bugs out loud, questions only when wanted."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from providers.errors import ProviderError, Unreachable
from providers.fanout import fan_out


def test_every_question_gets_one_answer() -> None:
    assert dict(fan_out(range(500), lambda n: n * n, threads=10)) == {n: n * n for n in range(500)}


def test_no_question_is_no_answer() -> None:
    assert list(fan_out((), lambda n: n, threads=3)) == []


def test_a_failure_of_a_host_is_a_value() -> None:
    def ask(n: int) -> int:
        if n % 3 == 0:
            raise Unreachable("timeout")
        return n

    failed = {
        n for n, answer in fan_out(range(9), ask, threads=4) if isinstance(answer, ProviderError)
    }
    assert failed == {0, 3, 6}


def test_a_bug_is_raised_and_what_has_not_begun_is_dropped() -> None:
    begun: list[int] = []

    def ask(n: int) -> int:
        begun.append(n)
        if n == 0:
            raise KeyError("a bug")
        return n

    with pytest.raises(KeyError):
        list(fan_out(range(10_000), ask, threads=2))
    assert len(begun) < 10


def test_answers_come_in_the_order_of_their_coming() -> None:
    first = threading.Event()

    def ask(name: str) -> str:
        if name == "slow":
            first.wait(10)
        return name

    answers = fan_out(["slow", "quick"], ask, threads=2)
    assert next(answers)[0] == "quick"
    first.set()
    assert next(answers)[0] == "slow"


def test_questions_are_taken_two_per_thread_ahead_and_no_more() -> None:
    taken: list[int] = []
    gate = threading.Event()

    def questions() -> Iterator[int]:
        for n in range(1000):
            taken.append(n)
            yield n

    def ask(n: int) -> int:
        gate.wait(10)
        return n

    answers = fan_out(questions(), ask, threads=3)
    threading.Timer(0.2, gate.set).start()
    next(answers)
    assert len(taken) <= 7
    answers.close()
    assert len(taken) < 1000


def test_asking_happens_side_by_side() -> None:
    together = threading.Barrier(5, timeout=10)

    def ask(n: int) -> int:
        together.wait()
        return n

    assert len(list(fan_out(range(5), ask, threads=5))) == 5


def test_a_pause_waits_for_the_next_answer() -> None:
    heard: list[int] = []

    def questions() -> Iterator[int | None]:
        for n in range(5):
            yield n
            while len(heard) <= n:
                yield None

    for question, _ in fan_out(questions(), lambda n: n, threads=4):
        heard.append(question)
    assert heard == [0, 1, 2, 3, 4]


def test_a_pause_with_nothing_under_way_waits_for_nothing() -> None:
    assert dict(fan_out([None, 1, None, None, 2], lambda n: n, threads=2)) == {1: 1, 2: 2}


def test_while_answers_keep_us_waiting_other_work_is_done() -> None:
    gate = threading.Event()

    def ask(n: int) -> int:
        gate.wait(10)
        return n

    assert list(fan_out([1], ask, threads=1, idle=gate.set)) == [(1, 1)]
