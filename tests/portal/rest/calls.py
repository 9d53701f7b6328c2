"""How these tests call the API: JSON in and out, and the few things all of them look at."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

PROBLEM = "application/problem+json"


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
    """One request; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = b"" if body is None else json.dumps(body).encode()
    content_type = named.pop("Content-Type", "application/json")
    answer: Any = client.generic(method, path, data, content_type=content_type, headers=named)
    return answer  # type: ignore[no-any-return]  # the test client's own answer


def body_of(answer: HttpResponse) -> Any:
    return json.loads(answer.content)


def refused(answer: HttpResponse, code: str, status: int) -> dict[str, Any]:
    """The problem of an answer, after a look at what every problem has."""
    problem: dict[str, Any] = body_of(answer)
    assert (problem["code"], answer.status_code, problem["status"]) == (code, status, status)
    assert answer.headers["Content-Type"] == PROBLEM
    assert problem["trace_id"] == answer.headers["Trace-Id"]
    assert problem["type"].endswith(f"/help/errors/{code}/")
    assert problem["title"]
    assert problem["detail"]
    return problem
