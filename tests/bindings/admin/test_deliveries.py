"""Deliveries in the operators' admin: no body, no header, and Replay."""

from __future__ import annotations

from bindings.services.listen import work
from portal.tenants.models import Tenant
from tests.bindings import hooked
from tests.bindings.admin.conftest import Operator, address, said, told


def test_operators_see_what_became_of_it_and_replay(operator: Operator, acme: Tenant) -> None:
    hook = hooked.hook(acme)
    hooked.post(hook, *hooked.github(hooked.push(note="kept from operators")))
    hooked.post(hook, *hooked.github(secret="test-wrong"))
    work.run(budget_s=0, stopping=lambda: False)
    first, refused = hooked.deliveries(hook)
    page = operator.sees("bindings_delivery_changelist")
    assert first.public_id in page
    assert "acme/app" in operator.sees("bindings_delivery_changelist", outcome="refused")
    detail = operator.sees("bindings_delivery_change", first.pk)
    assert "refs/heads/main" in detail
    assert "kept from operators" not in page + detail
    keys = [str(first.pk), str(refused.pk)]
    sent = {"action": "replay_chosen", "_selected_action": keys, "index": "0"}
    answer = operator.client.post(address("bindings_delivery_changelist"), sent, follow=True)
    assert said(answer)[0] == "Replayed: 1."
    assert said(answer)[1].startswith("Left as they are: 1.")
    (event,) = told(acme, "delivery.replayed")
    assert event.actor["kind"] == "operator"
