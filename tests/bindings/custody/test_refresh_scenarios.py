"""The rows of the corpus about token endpoints, as far as a binding feels them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bindings.models import Binding
from bindings.services.custody import ahead, sealed
from bindings.services.custody.refresh import Outcome
from portal.tenants.models import Instance
from tests.bindings import renewals
from tests.bindings.renewals import TOKEN_PATH, pair, refreshes
from tests.bindings.sources import credential, opened, stored
from tests.hosts import Sandbox

CORPUS = Path(__file__).parents[2] / "providers" / "corpora" / "http_scenarios.jsonl"
ROWS = [
    row
    for row in map(json.loads, CORPUS.read_text("utf-8").splitlines())
    if row["call"] == "oauth_refresh"
]
_JSON = {"content-type": "application/json"}
#         what the row expects → what may come of the request
OUTCOMES = {
    "ok": {"stored"},
    "failed": {"doubt", "failed"},
    "failed_or_ok": {"doubt", "failed", "stored"},
    "refresh_open": {"doubt"},
    "operator_alert": {"failed"},
    "retry_later": {"doubt", "failed"},
}


def answers(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The faults that make the sandbox answer as the row says; several for a list of values."""
    server = row["setup"]["server"]
    if server.get("process_then_reset"):
        yield "lost_refresh_answer", None
    elif "location" in server:
        yield "redirect", {"status": server["status"], "location": server["location"]}
    elif "seq" in server:
        body = json.dumps({"error": server["seq"][0]})
        yield "body", {"status": 400, "headers": _JSON, "body": body}
    elif "raw" in server:
        yield "body", {"headers": {"content-type": server["ctype"]}, "body": server["raw"]}
    else:
        for body in _bodies(server["body"]):
            yield "body", {"status": 200, "headers": _JSON, "body": json.dumps(body)}


def _bodies(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    plain = {name: _long(value) for name, value in given.items()}
    lists = [name for name, value in plain.items() if isinstance(value, list)]
    if not lists:
        yield plain
    for name in lists:
        for value in plain[name]:
            yield {**plain, name: value}


def _long(value: Any) -> Any:
    if isinstance(value, dict) and "rle" in value:
        return "".join(text * times for text, times in value["rle"])
    return value


CASES = [(row, answer) for row in ROWS for answer in answers(row)]


@pytest.mark.parametrize(("row", "answer"), CASES, ids=[row["id"] for row, _ in CASES])
def test_no_answer_of_a_token_endpoint_condemns_or_loses_anything(
    near: Sandbox, instance: Instance, row: dict[str, Any], answer: tuple[str, Any]
) -> None:
    binding = pair(near, "gitlab", instance)
    before, kept = opened(binding), refresh_token(binding)
    fault, value = answer
    near.fault("gitlab", fault, TOKEN_PATH["gitlab"], times=1, value=value)
    found = ahead.once(binding.tenant_id, binding.pk, generation=1)
    assert isinstance(found, Outcome)
    assert found.result.value in OUTCOMES[row["expect"]["outcome"]]
    assert (stored(binding).status, stored(binding).suspicion) == ("active", 0)
    assert refresh_token(binding) == kept
    assert (opened(binding) == before) is (found.result.value != "stored")
    assert refreshes(near, "gitlab") == 1
    assert (renewals.intent(binding) is not None) is (found.result.value == "doubt")
    at = credential(binding).renew_at
    assert at is not None
    assert at > found.at  # no busy loop, whatever life the answer promises


def refresh_token(binding: Binding) -> str:
    return sealed.secret_of(credential(binding), stored(binding)).refresh_token


def test_every_row_of_the_corpus_is_run() -> None:
    assert len(ROWS) == 10
    assert {row["id"] for row, _ in CASES} == {row["id"] for row in ROWS}
