"""The health page: every number, the list behind it, and what it says when it cannot count."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from bindings.models import Binding, CodeHost, Ending, Hook, Repository, Schedule
from bindings.services.keep import figures
from portal.ground import rls
from portal.tenants.models import Tenant
from tests.bindings.admin.conftest import Operator, address, changed, sent
from tests.bindings.api import rows

Superuser = psycopg.Connection[Any]
TILE = re.compile(r'<a class="tile[^"]*" href="([^"]+)"><b>(\d+)</b><span>([^<]+)')
WANT = re.compile(r'<p class="wants"><a href="([^"]+)"><strong>(\d+)</strong> ([^<]+)')


def tiles(operator: Operator) -> dict[str, tuple[int, str]]:
    """What each tile counts → its number and its link."""
    page = operator.sees("operator_health")
    return {label: (int(n), unescape(url)) for url, n, label in TILE.findall(page)}


def behind(operator: Operator, url: str) -> int:
    """How many rows the list behind a number shows."""
    answer = operator.client.get(url)
    assert answer.status_code == 200, url
    return int(answer.context["cl"].result_count)


@pytest.fixture
def mixed(acme: Tenant) -> list[Binding]:
    """Twelve bindings of one tenant in all kinds of states."""
    made = rows.bindings(rows.instances(acme, 12))
    changed(made[:2], status="revoked", why="refused")
    changed(made[2:3], status="undecryptable", why="key_missing", before="active")
    changed(made[3:6], reach="unreachable", reach_why="timeout")
    changed(made[6:7], status="expiring", expires_at=timezone.now() + timedelta(days=5))
    changed(made[7:8], unbound_at=timezone.now())
    changed(made[8:9], suspicion=1, refused_at=timezone.now())
    return made


def test_every_number_is_that_of_the_list_behind_it(
    operator: Operator, mixed: list[Binding]
) -> None:
    with rls.tenant(mixed[0].tenant_id):
        hour = timezone.now() - timedelta(hours=1)
        Schedule.objects.filter(pk__in=[one.pk for one in mixed[:2]]).update(next_check_at=hour)
        Ending.objects.create(
            binding=mixed[7],
            tenant_id=mixed[7].tenant_id,
            steps=[{"action": "revoke_credential", "status": "manual", "url": None}],
            next_try_at=timezone.now(),
            give_up_at=timezone.now(),
        )
        place = {"tenant_id": mixed[0].tenant_id, "host": mixed[0].host}
        for n, status in enumerate(("missing", "active", "removed")):
            repository = Repository.objects.create(
                instance=mixed[0].instance, remote_id=str(n), path=f"a/{n}", **place
            )
            Hook.objects.create(
                tenant_id=mixed[0].tenant_id,
                binding=mixed[0],
                repository=repository,
                proof="hmac",
                status=status,
            )
    sent(mixed[0].tenant, "waiting", "waiting", "abandoned", "delivered")
    with rls.fleet("a test"):
        CodeHost.objects.update(held_since=timezone.now(), weather="down")
    found = tiles(operator)
    assert {label: n for label, (n, _) in found.items()} == {
        "Live bindings": 11,
        "Cannot be opened": 1,
        "Reconnect": 2,
        "Server unreachable": 3,
        "Ends soon": 1,
        "Unstable": 1,
        "Healthy": 3,
        "Ending within 30 days": 1,
        "Checks due": 2,
        "Checks late": 2,
        "Unbindings to clean up": 1,
        "Left to a person": 1,
        "Events on their way": 2,
        "Dead letters": 1,
        "Endpoints off": 1,
        "Unhealthy webhooks": 1,
        "Mass guards in force": 1,
        "Servers down": 1,
    }
    for label, (number, url) in found.items():
        assert behind(operator, url) == number, label


def test_a_platform_has_its_numbers(operator: Operator, mixed: list[Binding]) -> None:
    page = operator.sees("operator_health")
    (row,) = re.findall(r'<tr><th scope="row">GitLab</th>(.*?)</tr>', page)
    assert re.findall(r"<td>(?:<a[^>]*>)?(\d+)", row) == ["11", "7"]


def sealed_with(key: str, binding: Binding, superuser: Superuser) -> None:
    """As if its token had been sealed with this key."""
    superuser.execute(
        "UPDATE bindings_credential SET key_id = %s, access = %s WHERE binding_id = %s",
        [key, b"\x01\x05" + key.encode() + b" sandbox ciphertext", binding.pk],
    )


def test_what_only_an_operator_can_mend_comes_first(
    operator: Operator, mixed: list[Binding], superuser: Superuser
) -> None:
    sealed_with("gone9", mixed[2], superuser)
    wants = {label: int(n) for _, n, label in WANT.findall(operator.sees("operator_health"))}
    assert wants == {
        "Rows need a key that is not in the ring": 1,
        "Credentials cannot be decrypted": 1,
    }


def test_with_nothing_to_do_it_says_so(operator: Operator, bound: Binding) -> None:
    page = operator.sees("operator_health")
    assert "Nothing. All that can be done without you is being done." in page


def test_an_empty_server_has_a_page(operator: Operator) -> None:
    assert "Nothing is bound yet." in operator.sees("operator_health")


def test_what_cannot_be_counted_is_the_last_figure_with_its_age(
    operator: Operator, bound: Binding, superuser: Superuser
) -> None:
    now = timezone.now()
    first = figures.now_or_last(now)
    assert first is not None
    assert first.fresh
    superuser.execute("ALTER TABLE bindings_ending RENAME TO bindings_ending_away")
    try:
        kept = figures.now_or_last(now + timedelta(hours=2))
        page = operator.sees("operator_health")
    finally:
        superuser.execute("ALTER TABLE bindings_ending_away RENAME TO bindings_ending")
    assert kept == first
    assert not kept.fresh
    assert kept.at == now
    assert "Could not be counted now: these figures are from" in page
    assert "<b>1</b><span>Live bindings" in page


def test_without_any_figure_there_is_no_zero(operator: Operator, superuser: Superuser) -> None:
    superuser.execute("ALTER TABLE bindings_ending RENAME TO bindings_ending_away")
    try:
        page = operator.sees("operator_health")
    finally:
        superuser.execute("ALTER TABLE bindings_ending_away RENAME TO bindings_ending")
    assert "there are no earlier ones" in page
    assert "Live bindings" not in page


def test_keys_show_ids_and_rows_and_never_a_key(
    operator: Operator, bound: Binding, settings: Any, superuser: Superuser
) -> None:
    sealed_with("test1", bound, superuser)
    page = operator.sees("operator_keys")
    assert "<code>test1</code></th><td>encrypts and decrypts</td><td>1</td>" in page
    assert settings.MOORING_KEYS.partition(":")[2] not in page
    assert address("operator_keys") == "/admin/keys/"
    assert address("operator_health") == "/admin/health/"
