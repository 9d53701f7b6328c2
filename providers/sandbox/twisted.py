"""Faults on an answer that was made as usual: lost, late, bent, or with another next page."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from providers.sandbox.faults import Fault
from providers.sandbox.wire import Answer, Request

Twisting = Callable[[Fault, Request, Answer], None]


def twist(fault: Fault, request: Request, answer: Answer) -> None:
    """Change `answer` in place as the fault says; faults of the wire itself change nothing."""
    change = _TWISTING.get(fault.kind)
    if change:
        change(fault, request, answer)


def _foreign_next(fault: Fault, request: Request, answer: Answer) -> None:
    target = "http://127.0.0.1/" if fault.value is None else str(fault.value)
    answer.headers["link"] = f'<{target}>; rel="next"'
    given = _read(answer)
    if isinstance(given, dict) and "values" in given:
        _write(answer, {**given, "next": target})


def _endless_next(fault: Fault, request: Request, answer: Answer) -> None:
    page = int(request.args.get("page", "1") or 1) + 1
    answer.headers["link"] = f'<{_again(request, page=str(page))}>; rel="next"'
    answer.headers["x-next-page"] = str(page)


def _next_page(fault: Fault, request: Request, answer: Answer) -> None:
    answer.headers.pop("link", None)
    answer.headers["x-next-page"] = str(fault.value)


def _repeat_items(fault: Fault, request: Request, answer: Answer) -> None:
    items = _read(answer)
    if not isinstance(items, list) or not items:
        return
    before = fault.value if isinstance(fault.value, list) else []
    fault.value = items[-1:]
    _write(answer, before + items)


def _empty_next(fault: Fault, request: Request, answer: Answer) -> None:
    if isinstance(_read(answer), list) and "sandbox_again" not in request.args:
        _write(answer, [])
        answer.headers["link"] = f'<{_again(request, sandbox_again="1")}>; rel="next"'


def _content_type(fault: Fault, request: Request, answer: Answer) -> None:
    answer.headers["content-type"] = str(fault.value or "text/plain")


def _set_cookie(fault: Fault, request: Request, answer: Answer) -> None:
    answer.headers["set-cookie"] = str(fault.value or "_sandbox_session=sandbox; path=/")


def _gzip(fault: Fault, request: Request, answer: Answer) -> None:
    answer.body = gzip.compress(answer.body)
    answer.headers["content-encoding"] = "gzip"


def _token_answer(fault: Fault, request: Request, answer: Answer) -> None:
    given = _read(answer)
    if isinstance(given, dict) and "access_token" in given and isinstance(fault.value, dict):
        _write(answer, {**given, **fault.value})


def _form_answer(fault: Fault, request: Request, answer: Answer) -> None:
    given = _read(answer)
    if isinstance(given, dict) and "access_token" in given:
        answer.body = urlencode(given).encode()
        answer.headers["content-type"] = "application/x-www-form-urlencoded; charset=utf-8"


def _set_keys(fault: Fault, request: Request, answer: Answer) -> None:
    for item in _objects(given := _read(answer)):
        item.update(fault.value)
    _write(answer, given)


def _drop_keys(fault: Fault, request: Request, answer: Answer) -> None:
    for item in _objects(given := _read(answer)):
        for key in fault.value:
            item.pop(key, None)
    _write(answer, given)


def _objects(given: Any) -> list[dict[str, Any]]:
    if isinstance(given, dict) and isinstance(given.get("values"), list):
        given = given["values"]  # a page that holds its list
    items = given if isinstance(given, list) else [given]
    return [item for item in items if isinstance(item, dict)]


def _again(request: Request, **extra: str) -> str:
    query = urlencode({**request.args, **extra})
    return f"{request.origin}{request.path}?{query}"


def _read(answer: Answer) -> Any:
    if not re.match("application/json", answer.headers.get("content-type", "")):
        return None
    return json.loads(answer.body)


def _write(answer: Answer, value: Any) -> None:
    if value is not None:
        answer.body = json.dumps(value).encode()


_TWISTING: dict[str, Twisting] = {
    "foreign_next": _foreign_next,
    "endless_next": _endless_next,
    "next_page": _next_page,
    "repeat_items": _repeat_items,
    "empty_next": _empty_next,
    "content_type": _content_type,
    "set_cookie": _set_cookie,
    "gzip": _gzip,
    "token_answer": _token_answer,
    "form_answer": _form_answer,
    "set_keys": _set_keys,
    "drop_keys": _drop_keys,
}
