"""Many questions at once: answers and failures are values, in the order in which they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, Generic, TypeVar

from providers.errors import ProviderError

Question = TypeVar("Question")
Reply = TypeVar("Reply")


Coming = SimpleQueue[tuple[Question, Reply | BaseException]]

QUIET: Final = 0.2
"""Seconds without an answer after which `idle` is called."""


def _nothing() -> None:
    pass


def fan_out(
    questions: Iterable[Question | None],
    ask: Callable[[Question], Reply],
    *,
    threads: int,
    idle: Callable[[], None] = _nothing,
) -> Iterator[tuple[Question, Reply | ProviderError]]:
    """Yield (question, answer or ProviderError) as answers come; bugs still raise.

    Questions are taken lazily, at most two per thread ahead, so that claiming and storing overlap
    with asking. A question of None says that there is none before the next answer. `idle` is
    called in the caller's thread while answers keep it waiting. Questions and answers cross
    threads: frozen values only. When the caller leaves early, or a bug ends it all, what has not
    begun is dropped.
    """
    back: Coming[Question, Reply] = SimpleQueue()
    todo: SimpleQueue[Question | None] = SimpleQueue()
    crew: list[Thread] = []
    under_way = 0
    try:
        for question in questions:
            wait = question is None
            if question is not None:
                todo.put(question)
                under_way += 1
                if len(crew) < min(threads, under_way):
                    crew.append(Thread(target=_work, args=(todo, ask, back), name="fan-out"))
                    crew[-1].start()
            while under_way and (wait or under_way >= 2 * threads or not back.empty()):
                wait = False
                under_way -= 1
                yield _take(back, idle)
        for _ in range(under_way):
            yield _take(back, idle)
    finally:
        _end(crew, todo)


class Crew(Generic[Question, Reply]):
    """Threads that answer questions for a caller who looks after other things meanwhile."""

    def __init__(self, ask: Callable[[Question], Reply], *, threads: int) -> None:
        self._ask, self._most = ask, threads
        self._todo: SimpleQueue[Question | None] = SimpleQueue()
        self._back: Coming[Question, Reply] = SimpleQueue()
        self._threads: list[Thread] = []
        self.under_way = 0

    @property
    def free(self) -> int:
        """How many more questions would be begun at once."""
        return self._most - self.under_way

    def put(self, question: Question) -> None:
        self._todo.put(question)
        self.under_way += 1
        if len(self._threads) < min(self._most, self.under_way):
            made = Thread(target=_work, args=(self._todo, self._ask, self._back), name="crew")
            self._threads.append(made)
            made.start()

    def answers(self, seconds: float) -> Iterator[tuple[Question, Reply]]:
        """All that have come; waits for the first at most so long. Bugs raise."""
        wait = seconds
        while self.under_way:
            try:
                question, answer = self._back.get(timeout=wait) if wait else self._back.get(False)
            except Empty:
                return
            self.under_way -= 1
            wait = 0.0
            if isinstance(answer, BaseException):
                raise answer
            yield question, answer

    def close(self) -> None:
        """Drop what has not begun, and wait for what has."""
        _end(self._threads, self._todo)


def _work(
    todo: SimpleQueue[Question | None],
    ask: Callable[[Question], Reply],
    back: Coming[Question, Reply],
) -> None:
    # The standard library's executor makes a lock for every question: a twelfth of a sweep's time.
    while (question := todo.get()) is not None:
        try:
            back.put((question, ask(question)))
        except BaseException as failure:
            back.put((question, failure))


def _end(crew: list[Thread], todo: SimpleQueue[Question | None]) -> None:
    """Drop what has not begun, and wait for what has."""
    with suppress(Empty):
        while True:
            todo.get_nowait()
    for _ in crew:
        todo.put(None)
    for thread in crew:
        thread.join()


def _take(
    back: Coming[Question, Reply], idle: Callable[[], None]
) -> tuple[Question, Reply | ProviderError]:
    while True:
        try:
            question, answer = back.get(timeout=QUIET)
            break
        except Empty:
            idle()
    if isinstance(answer, BaseException) and not isinstance(answer, ProviderError):
        raise answer
    return question, answer
