"""Every row of the public cases of webhooks, on a fresh hook each."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from bindings.models import Hook
from bindings.services.listen import work
from portal.ground import ids
from portal.tenants.models import Tenant
from tests.bindings import hooked

FOLDER = Path(__file__).parent.parent / "corpora"
ROWS = [json.loads(line) for line in (FOLDER / "webhooks.jsonl").read_text().splitlines()]
COVERED = ("hmac", "signed")
DOWN = {"wh-084"}
"""The database is away: `test_receive.py` takes it away for real."""
ONE = ("one build event", "exactly one build event", "headers ignored", "matched by id")


def packed(value: Any) -> str:
    """A long string of the corpus, unpacked."""
    if isinstance(value, Mapping):
        value = value["rle"]
    return value if isinstance(value, str) else "".join(text * times for text, times in value)


def body_of(row: Mapping[str, Any]) -> bytes:
    if "body_b64" in row:
        return base64.b64decode(row["body_b64"])
    return packed(row.get("body_rle", row.get("body", ""))).encode("utf-8", "surrogatepass")


def headers_of(row: Mapping[str, Any]) -> dict[str, str]:
    """As WSGI hands them on: bytes, read as Latin-1."""
    given = {name.lower(): packed(value) for name, value in row["headers"].items()}
    return {name: value.encode().decode("latin-1") for name, value in given.items()}


def hook_of(row: Mapping[str, Any], acme: Tenant) -> Hook:
    provider = "github" if row["provider"] == "any" else row["provider"]
    secrets, now = row["secrets"], timezone.now()
    signed = secrets.get("mode") == "signed" or "webhook-signature" in headers_of(row)
    more = {"proof": "signed"} if provider == "gitlab" and signed else {}
    former = secrets.get("previous", "")
    until = {"+1h": now + timedelta(hours=1), "-1s": now - timedelta(seconds=1)}
    return hooked.hook(
        acme,
        provider,
        secret=secrets["current"],
        former=former,
        former_until=until.get(secrets.get("previous_valid_until", "")),
        **more,
    )


def send(row: Mapping[str, Any], hook: Hook) -> list[int]:
    """The statuses of as many identical deliveries as the row wants, at once."""
    address = ids.public("hok", ids.uuid7()) if "unknown" in row["title"] else hook.public_id
    headers = headers_of(row)
    media = headers.pop("content-type", "application/json")
    times = row.get("repeat", 1)
    together = threading.Barrier(min(times, 4))

    def one(number: int) -> int:
        try:
            if number < together.parties and times > 1:
                together.wait()
            client = Client(raise_request_exception=False)
            path = f"/hooks/{address}"
            answer = client.generic(row["method"], path, body_of(row), media, headers=headers)
            return int(answer.status_code)
        finally:
            if times > 1:
                connection.close()

    if times == 1:
        return [one(0)]
    with ThreadPoolExecutor(together.parties) as crew:
        return list(crew.map(one, range(times)))


@pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in ROWS])
def test_a_case(row: dict[str, Any], acme: Tenant) -> None:
    if row["id"] in DOWN:
        return
    moment = datetime.fromtimestamp(row["now"], UTC) if "now" in row else None
    with time_machine.travel(moment, tick=False) if moment else nullcontext():
        hook = hook_of(row, acme)
        hooked.trigger(hook, branches=["**"])
        statuses = send(row, hook)
        work.run(budget_s=0, stopping=lambda: False)
    expected, effect = row["expect"], row["expect"]["effect"]
    assert set(statuses) <= set(expected["status"]), statuses
    assert 500 not in statuses
    stored, events = hooked.deliveries(hook), hooked.events(acme)
    assert len([one for one in stored if one.outcome != "refused"]) <= 1
    if statuses[0] in (401, 403):
        assert all((one.body, one.key) == (b"", None) for one in map(_plain, stored))
    if effect.startswith("none") or statuses[0] >= 400:
        assert not events
    if effect.startswith(ONE) and hook.proof in COVERED:
        assert len(events) == 1
    elif effect.startswith(ONE):  # waits for a host that nobody reaches: built after it answered
        assert [one.outcome for one in stored] == ["queued"]
        assert not events
    if "matched by id" in effect:
        assert events[0].data["repository"]["path"] == "acme/app-renamed"


def _plain(one: Any) -> Any:
    one.body = bytes(one.body)
    return one
