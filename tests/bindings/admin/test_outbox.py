"""The outbox for operators: endpoints, what is on its way, dead letters, once more."""

from __future__ import annotations

from django.urls import reverse

from bindings.models import Dispatch
from portal.ground import rls
from portal.tenants.models import Tenant
from tests.bindings.admin.conftest import Operator, address, said, sent, told

LIST = "bindings_dispatch_changelist"


def shown(operator: Operator, **query: str) -> set[str]:
    """The events that the list shows."""
    answer = operator.client.get(address(LIST), query)
    assert answer.status_code == 200, answer.content[:300]
    return {row.public_id for row in answer.context["cl"].result_list}


def test_dead_letters_are_a_filter_and_can_be_sent_once_more(
    operator: Operator, acme: Tenant
) -> None:
    dead, waiting = sent(acme, "abandoned", "waiting")
    assert shown(operator) == {dead.public_id, waiting.public_id}
    assert shown(operator, state="abandoned") == {dead.public_id}
    assert shown(operator, state="waiting") == {waiting.public_id}
    endpoint = str(dead.endpoint_id)
    assert len(shown(operator, endpoint__id__exact=endpoint)) == 2
    chosen = {"action": "replay", "_selected_action": [str(dead.pk)], "index": "0"}
    answer = operator.client.post(address(LIST), chosen, follow=True)
    assert said(answer) == ["To be sent once more: 1."]
    assert shown(operator, state="abandoned") == set()
    (event,) = told(acme, "delivery.replayed")
    assert event.actor["kind"] == "operator"
    with rls.tenant(acme.pk):
        row = Dispatch.objects.get(pk=dead.pk)
    assert (row.state, row.tries, row.body) == ("waiting", 0, dead.body)


def test_pages_say_how_an_endpoint_is_and_what_it_answered(
    operator: Operator, acme: Tenant
) -> None:
    (dead,) = sent(acme, "abandoned")
    page = operator.sees("bindings_endpoint_changelist", status="off")
    assert "off (failures)" in page
    page = operator.sees("bindings_dispatch_change", str(dead.pk))
    assert "500 &lt;b&gt;no" in page
    assert reverse("admin:bindings_endpoint_change", args=[dead.endpoint_id]) in page
    page = operator.sees("bindings_endpoint_change", str(dead.endpoint_id))
    assert "https://builder.example.com/" in page
    assert "sealed" not in page
    assert {event.data["what"] for event in told(acme, "tenant.viewed_by_operator")} == {
        "endpoint",
        "outgoing event",
    }
