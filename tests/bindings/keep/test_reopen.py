"""Credentials that did not open, and that come back with their key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from bindings import tasks
from bindings.models import Binding
from bindings.services.browse import repositories
from bindings.services.keep import reopen, sweep
from portal.ground import rls
from portal.tenants.models import Tenant
from tests.bindings.fleet import host, many, plan, states
from tests.bindings.sources import GitLab, credential, make_due, refused, stored, told

OTHER = "other1:" + "A" * 43


def test_with_the_key_everything_comes_back(gitlab: GitLab, acme: Tenant, settings: Any) -> None:
    rows = many(acme, host(gitlab), 5, token=gitlab.token(), **gitlab.ends())
    (short,) = many(
        acme, rows[0].host, 1, token=gitlab.token("reduced"), status="insufficient", why="scope"
    )
    before = [credential(row).access for row in rows]
    right, settings.MOORING_KEYS = settings.MOORING_KEYS, OTHER
    assert sweep.run().outcomes == {"undecryptable": 6}
    assert states(rows) == {"undecryptable/ok": 5}
    assert [credential(row).access for row in rows] == before
    assert reopen.reopen(timezone.now()) == 0

    settings.MOORING_KEYS = right
    now = timezone.now()
    assert reopen.reopen(now) == 6
    assert states(rows) == {"active/ok": 5}
    assert (stored(short).status, stored(short).why) == ("insufficient", "scope")
    assert {plan(row).next_check_at for row in rows} == {now}
    assert sweep.run(clock=lambda: now + timedelta(seconds=1)).outcomes == {"ok": 6}
    assert told(acme).count("binding.undecryptable") == 6
    assert told(acme).count("binding.recovered") == 5
    assert reopen.reopen(now) == 0


def test_the_tick_looks_by_itself(gitlab: GitLab, acme: Tenant, settings: Any) -> None:
    rows = many(acme, host(gitlab), 2, token=gitlab.token())
    right, settings.MOORING_KEYS = settings.MOORING_KEYS, OTHER
    tasks.sweep_due()
    assert states(rows) == {"undecryptable/ok": 2}
    settings.MOORING_KEYS = right
    tasks.sweep_due()
    assert states(rows) == {"active/ok": 2}


def test_a_wrong_key_under_the_right_name_is_found_and_mended(
    gitlab: GitLab, acme: Tenant, settings: Any
) -> None:
    rows = many(acme, host(gitlab), 2, token=gitlab.token())
    right, settings.MOORING_KEYS = settings.MOORING_KEYS, "test1:" + "A" * 43
    sweep.run()
    assert {stored(row).why for row in rows} == {"wrong_tag"}
    assert reopen.reopen(timezone.now()) == 0
    settings.MOORING_KEYS = right
    assert reopen.reopen(timezone.now()) == 2


def test_what_is_damaged_stays_shut(gitlab: GitLab, acme: Tenant, superuser: Any) -> None:
    (row,) = many(acme, host(gitlab), 1, token=gitlab.token())
    superuser.execute("UPDATE bindings_credential SET access = set_byte(access, 60, 0)")
    sweep.run()
    assert reopen.reopen(timezone.now()) == 0
    assert (stored(row).status, plan(row).next_check_at) == ("undecryptable", None)


def test_it_is_not_used_meanwhile(gitlab: GitLab, binding: Binding, settings: Any) -> None:
    settings.MOORING_KEYS = OTHER
    make_due(binding)
    sweep.run()
    asked = len(gitlab.sandbox.requests("gitlab"))
    refusal = refused(lambda: repositories.repositories(binding=binding))
    assert (refusal.code, refusal.extra) == ("X-STATE-01", {"state": "undecryptable"})
    assert len(gitlab.sandbox.requests("gitlab")) == asked


def test_many_are_looked_at_in_batches(gitlab: GitLab, acme: Tenant) -> None:
    rows = many(acme, host(gitlab), 30, token=gitlab.token())
    with rls.fleet("a test shuts them"):
        Binding.objects.filter(pk__in=[row.pk for row in rows]).update(
            status="undecryptable", why="key_missing", before="active"
        )
    assert reopen.reopen(timezone.now()) == 30
