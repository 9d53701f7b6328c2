"""Re-encryption under a new key: in batches, and never a row lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Binding, CodeHost, Credential
from bindings.services.custody import keyring, sealed
from portal.ground import rls
from portal.tenants.models import Tenant
from providers.types import Credential as Secret
from tests.bindings.fleet import host, many, reload
from tests.bindings.sources import GitHub, GitLab, credential, opened
from tests.hosts import ROOT

SECOND = "test2:" + "B" * 43


@pytest.fixture
def rows(gitlab: GitLab, acme: Tenant) -> list[Binding]:
    """Bindings whose tokens are all different."""
    return many(acme, host(gitlab), 60, tokens=[f"glpat-test-number-{n:04}" for n in range(60)])


def rotated(settings: Any) -> str:
    """The ring with a new first key."""
    return f"{SECOND},{settings.MOORING_KEYS}"


def tokens(rows: list[Binding]) -> list[str]:
    return [opened(row) for row in rows]


def test_everything_moves_to_the_active_key(
    rows: list[Binding], github: GitHub, settings: Any
) -> None:
    with rls.tenant(rows[0].tenant_id):
        first = credential(rows[0])
        sealed.put(first, Secret("glpat-test-number-0000", "test-refresh"), now=timezone.now())
        first.save()
    assert keyring.rows_by_key() == {"test1": 61}
    settings.MOORING_KEYS = rotated(settings)
    assert sum(batch.moved for batch in keyring.reseal(size=25)) == 61
    assert keyring.rows_by_key() == {"test2": 61}
    settings.MOORING_KEYS = SECOND
    assert tokens(rows) == [f"glpat-test-number-{n:04}" for n in range(60)]
    assert sealed.secret_of(credential(rows[0]), rows[0]).refresh_token == "test-refresh"
    assert sealed.client_secret(reload(github.host)) == "sandbox-client-secret"
    assert {credential(row).key_id for row in rows} == {"test2"}


def test_a_second_run_finds_nothing_to_do(rows: list[Binding], settings: Any) -> None:
    settings.MOORING_KEYS = rotated(settings)
    assert sum(batch.moved for batch in keyring.reseal()) == 60
    before = [credential(row).access for row in rows]
    assert list(keyring.reseal()) == []
    assert [credential(row).access for row in rows] == before


def test_a_rotation_that_is_killed_five_times_loses_nothing(
    rows: list[Binding], settings: Any
) -> None:
    """Killed in the middle of a batch, and at its commit."""
    ring = rotated(settings)
    ends = [_killed_at(n, ring) for n in (3, 9, 14, 20, 31)]
    assert ends == [-signal.SIGKILL] * 5
    settings.MOORING_KEYS = ring
    between = keyring.rows_by_key()
    assert sum(between.values()) == 60
    assert between["test1"] > 0
    assert tokens(rows) == [f"glpat-test-number-{n:04}" for n in range(60)]
    list(keyring.reseal())
    assert keyring.rows_by_key() == {"test2": 60}
    settings.MOORING_KEYS = SECOND
    assert tokens(rows) == [f"glpat-test-number-{n:04}" for n in range(60)]


def _killed_at(statement: int, ring: str) -> int:
    """Rotate in a process that dies before its n-th UPDATE."""
    script = _DIES.replace("LAST", str(statement))
    environment = os.environ | {"MOORING_KEYS": ring}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, check=False
    ).returncode


_DIES = """
import os, signal, django
django.setup()
from django.db import connection
from bindings.services.custody import keyring
seen = 0
def count(execute, sql, params, many, context):
    global seen
    seen += sql.startswith("UPDATE")
    if seen == LAST:
        os.kill(os.getpid(), signal.SIGKILL)
    return execute(sql, params, many, context)
with connection.execute_wrapper(count):
    list(keyring.reseal(size=10))
"""


def test_what_does_not_open_stays_as_it_is(
    rows: list[Binding], settings: Any, superuser: Any
) -> None:
    superuser.execute(
        "UPDATE bindings_credential SET access = set_byte(access, 50, 0)"
        " WHERE binding_id = ANY(%s)",
        [[row.pk for row in rows[:3]]],
    )
    before = [credential(row).access for row in rows[:3]]
    settings.MOORING_KEYS = rotated(settings)
    batches = list(keyring.reseal(size=10))
    assert sum(batch.moved for batch in batches) == 57
    assert max(batch.closed for batch in batches) == 3
    assert [credential(row).access for row in rows[:3]] == before
    assert keyring.rows_by_key() == {"test1": 3, "test2": 57}


def test_a_row_that_somebody_holds_is_passed_by_and_met_again(
    rows: list[Binding], settings: Any, superuser: Any
) -> None:
    settings.MOORING_KEYS = rotated(settings)
    with superuser.transaction():
        superuser.execute(
            "SELECT 1 FROM bindings_credential WHERE binding_id = %s FOR UPDATE", [rows[5].pk]
        )
        assert sum(batch.moved for batch in keyring.reseal(size=20)) == 59
    assert sum(batch.moved for batch in keyring.reseal(size=20)) == 1


def test_values_that_were_swapped_between_rows_do_not_open(
    rows: list[Binding], superuser: Any
) -> None:
    one, two = rows[0].pk, rows[1].pk
    superuser.execute(
        "UPDATE bindings_credential c SET access = o.access FROM bindings_credential o"
        " WHERE (c.binding_id, o.binding_id) IN ((%s, %s), (%s, %s))",
        [one, two, two, one],
    )
    for row in rows[:2]:
        with pytest.raises(sealed.Undecryptable) as shut:
            opened(row)
        assert not shut.value.missing


def test_values_that_were_swapped_between_fields_do_not_open(rows: list[Binding]) -> None:
    row = credential(rows[0])
    sealed.put(row, Secret("glpat-test-access", "test-refresh"), now=timezone.now())
    row.access, row.refresh = row.refresh, row.access
    with pytest.raises(sealed.Undecryptable):
        sealed.secret_of(row, rows[0])


def test_known_keys_are_named_active_first(settings: Any) -> None:
    settings.MOORING_KEYS = rotated(settings)
    assert keyring.known() == ["test2", "test1"]


def test_an_unreadable_app_secret_stops_no_rotation(
    rows: list[Binding], github: GitHub, settings: Any, superuser: Any
) -> None:
    superuser.execute(
        "UPDATE bindings_codehost SET client_secret = 'damaged' WHERE client_id <> ''"
    )
    settings.MOORING_KEYS = rotated(settings)
    batches = list(keyring.reseal())
    assert batches[-1] == keyring.Batch(0, 1)
    assert keyring.rows_by_key() == {"test2": 60, "": 1}
    with rls.fleet("a test looks"):
        assert CodeHost.objects.count() == 2
        assert Credential.objects.count() == 60
