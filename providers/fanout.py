"""Many questions at once: answers and failures are values, in the order in which they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

from providers.errors import ProviderError

Question = TypeVar("Question")
Reply = TypeVar("Reply")


Coming = SimpleQueue[tuple[Question, Reply | BaseException]]


def fan_out(
    questions: Iterable[Question], ask: Callable[[Question], Reply], *, threads: int
) -> Iterator[tuple[Question, Reply | ProviderError]]:
    """Yield (question, answer or ProviderError) as answers come; bugs still raise.

    Questions are taken lazily, at most two per thread ahead, so that claiming and storing overlap
    with asking. Questions and answers cross threads: frozen values only. When the caller leaves
    early, or a bug ends it all, what has not begun is dropped.
    """
    back: Coming[Question, Reply] = SimpleQueue()
    under_way = 0
    crew = ThreadPoolExecutor(threads, thread_name_prefix="fan-out")
    try:
        for question in questions:
            crew.submit(_attempt, ask, question, back)
            under_way += 1
            while under_way >= 2 * threads or not back.empty():
                under_way -= 1
                yield _take(back)
        for _ in range(under_way):
            yield _take(back)
    finally:
        crew.shutdown(cancel_futures=True)


def _attempt(
    ask: Callable[[Question], Reply], question: Question, back: Coming[Question, Reply]
) -> None:
    try:
        back.put((question, ask(question)))
    except BaseException as failure:
        back.put((question, failure))


def _take(back: Coming[Question, Reply]) -> tuple[Question, Reply | ProviderError]:
    question, answer = back.get()
    if isinstance(answer, BaseException) and not isinstance(answer, ProviderError):
        raise answer
    return question, answer
