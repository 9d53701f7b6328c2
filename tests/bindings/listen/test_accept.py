"""Taking deliveries in: proven, stored once, refused early."""

from __future__ import annotations

from bindings.services.listen import work
from portal.tenants.models import Tenant
from tests.bindings import hooked


def test_a_push_is_stored_and_worked_off(acme: Tenant) -> None:
    hook = hooked.hook(acme)
    hooked.trigger(hook)
    headers, body = hooked.github()
    answer = hooked.post(hook, headers, body)
    assert answer.status_code == 202, answer.content
    assert answer.json()["status"] == "accepted"
    again = hooked.post(hook, headers, body)
    assert (again.status_code, again.json()["status"]) == (200, "duplicate")
    assert again.json()["delivery"] == answer.json()["delivery"]
    work.run(budget_s=0, stopping=lambda: False)
    (event,) = hooked.events(acme)
    assert event.type == "build.push"
    (row,) = hooked.deliveries(hook)
    assert (row.outcome, row.duplicates, row.events) == ("matched", 1, [str(event.pk)])
