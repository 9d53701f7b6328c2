"""What an operator types."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from bindings.models import Binding
from bindings.services.keep import checks
from portal.ground import rls
from portal.tenants.models import Tenant
from tests.bindings.fleet import due, host, many, states
from tests.bindings.sources import GitLab, make_due, stored

SECOND = "test2:" + "B" * 43


def run(command: str, *arguments: str) -> str:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, stderr=out)
    return out.getvalue()


# -- check_bindings ------------------------------------------------------------------------------


def test_what_is_due_is_checked_and_counted(gitlab: GitLab, acme: Tenant) -> None:
    there = host(gitlab)
    rows = many(acme, there, 4, token=gitlab.token(), **gitlab.ends())
    many(acme, there, 1, token="glpat-test-refused")
    assert run("check_bindings") == "5 checked, 1 changed (ok 4, refused 1)\n"
    assert due(rows, timezone.now()) == 0
    assert run("check_bindings", "--due") == "0 checked, 0 changed\n"


def test_counts_come_as_json_too(gitlab: GitLab, acme: Tenant) -> None:
    many(acme, host(gitlab), 2, token=gitlab.token(), **gitlab.ends())
    counts = json.loads(run("check_bindings", "--json"))
    assert counts == {"checked": 2, "changed": 0, "results": {"ok": 2}}


def test_one_host_or_so_many(gitlab: GitLab, acme: Tenant) -> None:
    first, second = host(gitlab), host(gitlab, "other", owner=acme)
    rows = many(acme, first, 3, token=gitlab.token()) + many(acme, second, 3, token=gitlab.token())
    assert run("check_bindings", "--host", "other").startswith("3 checked")
    assert run("check_bindings", "--limit", "2").startswith("2 checked")
    assert due(rows, timezone.now()) == 1


def test_one_binding_is_examined_whole_due_or_not(gitlab: GitLab, binding: Binding) -> None:
    assert run("check_bindings", "--binding", binding.public_id) == "ok\n"
    told = (
        run("check_bindings", "--binding", binding.public_id, "--json") if _later(binding) else ""
    )
    found = json.loads(told)
    assert (found["status"], len(found["steps"])) == ("ok", 6)
    assert gitlab.token() not in told


def _later(binding: Binding) -> bool:
    """Its last check was a while ago."""
    with rls.tenant(binding.tenant_id):
        rows = checks.Check.objects.of(binding.tenant_id)
        return bool(rows.update(started_at=timezone.now() - checks.RUNNING_FOR))


def test_a_binding_that_fails_says_why(gitlab: GitLab, binding: Binding) -> None:
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    assert run("check_bindings", "--binding", binding.public_id) == "failed GL-TOK-01\n"
    assert stored(binding).suspicion == 1


@pytest.mark.parametrize(
    "arguments", [("--binding", "bnd_nothing"), ("--binding", "x"), ("--host", "nowhere")]
)
def test_what_is_not_there_is_wrong_usage(db: None, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as caught:
        run("check_bindings", *arguments)
    assert caught.value.returncode == 2


def test_what_cannot_be_checked_now_is_told(gitlab: GitLab, binding: Binding) -> None:
    with rls.fleet("a test pauses it"):
        Binding.objects.filter(pk=binding.pk).update(status="suspended", why="operator")
    with pytest.raises(CommandError, match="X-STATE-01") as caught:
        run("check_bindings", "--binding", binding.public_id)
    assert caught.value.returncode == 1


def test_a_host_that_is_away_is_asked_when_it_is_named(gitlab: GitLab, acme: Tenant) -> None:
    there = host(gitlab, weather="down", failures=9, ask_after=timezone.now().replace(year=2030))
    rows = many(acme, there, 3, token=gitlab.token())
    assert run("check_bindings").startswith("0 checked")
    assert run("check_bindings", "--host", there.slug).startswith("3 checked")
    assert states(rows) == {"active/ok": 3}
    make_due(*rows)
    assert run("check_bindings").startswith("3 checked")


# -- rotate_keys ---------------------------------------------------------------------------------


def test_keys_are_rotated_and_counted(gitlab: GitLab, acme: Tenant, settings: Any) -> None:
    many(acme, host(gitlab), 25, token=gitlab.token())
    assert run("rotate_keys") == "key test1: 25 rows\n"
    settings.MOORING_KEYS = f"{SECOND},{settings.MOORING_KEYS}"
    told = run("rotate_keys", "--batch", "10")
    assert told.splitlines()[-2:] == ["25 re-encrypted", "key test2: 25 rows"]
    document = json.loads(run("rotate_keys", "--json"))
    assert document == {"moved": 0, "rows": {"test2": 25}}


def test_a_key_is_retired_when_nothing_is_left_under_it(
    gitlab: GitLab, acme: Tenant, settings: Any, superuser: Any
) -> None:
    rows = many(acme, host(gitlab), 3, token=gitlab.token())
    settings.MOORING_KEYS = f"{SECOND},{settings.MOORING_KEYS}"
    superuser.execute(
        "UPDATE bindings_credential SET access = set_byte(access, 50, 0) WHERE binding_id = %s",
        [rows[0].pk],
    )
    out = io.StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("rotate_keys", "--retire", "test1", stdout=out, stderr=out)
    assert caught.value.code == 1
    assert "Key test1 still holds 1 rows" in out.getvalue()
    superuser.execute("DELETE FROM bindings_credential WHERE binding_id = %s", [rows[0].pk])
    assert "key test2: 2 rows" in run("rotate_keys", "--retire", "test1")
