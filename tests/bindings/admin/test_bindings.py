"""The list of all bindings: what it says, how it is narrowed down, and what it costs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bindings.models import Binding, CodeHost, Schedule
from portal.ground import rls
from portal.tenants.models import Instance, Tenant
from tests.bindings.admin.conftest import Operator, address, changed
from tests.bindings.api import rows

LIST = "bindings_binding_changelist"


def shown(operator: Operator, **query: str) -> set[str]:
    """The accounts that the list shows."""
    answer = operator.client.get(address(LIST), query)
    assert answer.status_code == 200, answer.content[:300]
    return {binding.account_login for binding in answer.context["cl"].result_list}


def held(binding: Binding) -> None:
    with rls.fleet("the mass guard of a test"):
        CodeHost.objects.filter(pk=binding.host_id).update(held_since=timezone.now())


def test_a_line_says_whose_what_how_well_until_when_and_when_checked(
    operator: Operator, bound: Binding
) -> None:
    soon = timezone.now() + timedelta(days=6)
    changed([bound], status="expiring", why="ends_soon", expires_at=soon)
    with rls.tenant(bound.tenant_id):
        Schedule.objects.filter(pk=bound.pk).update(
            next_check_at=timezone.now() + timedelta(hours=3)
        )
    held(bound)
    page = operator.sees(LIST)
    for words in ("build-bot", "Acme", "prod-registry", "GitLab", "Ends in 6 days", "held"):
        assert words in page
    assert "just now" in page
    assert "in 2 h" in page or "in 3 h" in page


def test_all_tenants_are_in_one_list(operator: Operator, bound: Binding, foreign: Binding) -> None:
    assert shown(operator) == {"build-bot", "globex-bot"}


@pytest.mark.parametrize(
    ("columns", "query"),
    [
        ({"status": "revoked"}, {"state": "revoked"}),
        ({"status": "revoked"}, {"status__exact": "revoked"}),
        ({"reach": "unreachable"}, {"state": "unreachable"}),
        ({"reach": "rate_limited"}, {"reach__exact": "rate_limited"}),
        ({"suspicion": 1}, {"state": "degraded"}),
        ({"expires_at": timezone.now() + timedelta(days=3)}, {"ends": "7"}),
        ({"expires_at": timezone.now() + timedelta(days=20)}, {"ends": "30"}),
        ({"expires_at": timezone.now() - timedelta(days=1)}, {"ends": "0"}),
        ({"unbound_at": timezone.now()}, {"life": "ended"}),
    ],
)
def test_a_filter_finds_what_it_names(
    operator: Operator,
    bound: Binding,
    foreign: Binding,
    columns: dict[str, object],
    query: dict[str, str],
) -> None:
    changed([foreign], **columns)
    assert shown(operator, **query) == {"globex-bot"}


def test_a_platform_a_server_and_a_tenant_narrow_it_down(
    operator: Operator, bound: Binding, foreign: Binding, second_instance: Instance
) -> None:
    rows.binding(second_instance, "github", account_login="octo-bot")
    assert shown(operator, provider="github") == {"octo-bot"}
    assert shown(operator, host=bound.host.public_id) == {"build-bot", "globex-bot"}
    assert shown(operator, tenant__id__exact=str(foreign.tenant_id)) == {"globex-bot"}
    assert shown(operator, instance__id__exact=str(bound.instance_id)) == {"build-bot"}
    assert shown(operator, host="nonsense") == set()


def test_what_is_due_late_or_held_is_found(
    operator: Operator, bound: Binding, foreign: Binding
) -> None:
    with rls.tenant(bound.tenant_id):
        late = timezone.now() - timedelta(hours=1)
        Schedule.objects.filter(pk=bound.pk).update(next_check_at=late)
    with rls.tenant(foreign.tenant_id):
        due = timezone.now() - timedelta(minutes=1)
        Schedule.objects.filter(pk=foreign.pk).update(next_check_at=due)
    assert shown(operator, checks="due") == {"build-bot", "globex-bot"}
    assert shown(operator, checks="late") == {"build-bot"}
    assert shown(operator, held="1") == set()
    held(bound)
    assert shown(operator, held="1") == {"build-bot", "globex-bot"}


def test_what_has_ended_is_out_of_the_way(operator: Operator, bound: Binding) -> None:
    changed([bound], unbound_at=timezone.now())
    assert shown(operator) == set()
    assert shown(operator, life="all") == {"build-bot"}


def test_a_search_is_for_ids_and_exact_names(
    operator: Operator, bound: Binding, foreign: Binding, acme: Tenant
) -> None:
    instance = Instance(pk=foreign.instance_id)
    for asked, found in {
        bound.public_id: {"build-bot"},
        instance.public_id: {"globex-bot"},
        acme.public_id: {"build-bot"},
        "globex": {"globex-bot"},
        "globex-bot": {"globex-bot"},
        "prod-registry": {"build-bot", "globex-bot"},
        "build": set(),
        "%": set(),
    }.items():
        assert shown(operator, q=asked) == found, asked


def test_a_detail_says_why_and_shows_no_secret(operator: Operator, bound: Binding) -> None:
    changed(
        [bound],
        status="suspended",
        why="operator",
        before="active",
        why_facts={"reason": "a test", "date": "2026-11-21"},
    )
    page = operator.sees("bindings_binding_change", bound.pk)
    assert "Paused by the operator on 2026-11-21: a test." in page
    for words in ("3f9a1c02be77", "481516", "test1", bound.public_id):
        assert words in page
    assert 'name="_save"' not in page


def test_the_cost_does_not_grow_with_the_list(operator: Operator, acme: Tenant) -> None:
    few = rows.instances(acme, 3)
    rows.bindings(few)
    small = asked(operator)
    rows.bindings(rows.instances(acme, 60, "other"))
    large = asked(operator)
    assert len(large) == len(small) <= 10
    counts = [statement for statement in large if "COUNT(" in statement]
    assert counts
    assert all("LIMIT 1001" in statement for statement in counts)


def asked(operator: Operator) -> list[str]:
    operator.sees(LIST)
    with CaptureQueriesContext(connection) as captured:
        operator.sees(LIST)
    return [query["sql"] for query in captured.captured_queries]


def test_pages_end_where_nobody_reads_on(operator: Operator, acme: Tenant) -> None:
    rows.bindings(rows.instances(acme, 1001))
    page = operator.sees(LIST)
    assert "More than 1000 bindings" in page
    assert len(operator.client.get(address(LIST), {"p": "20"}).context["cl"].result_list) == 50
    answer = operator.client.get(address(LIST), {"p": "21"})
    assert answer.status_code == 302


def test_no_ciphertext_is_read_for_a_list(operator: Operator, bound: Binding) -> None:
    assert not [sql for sql in asked(operator) if '"access"' in sql or '"client_secret"' in sql]
