"""Every crash point of the refresh protocol (`security.md` 4), with processes that are killed.

Columns of the table: a host without rotation (a switch of Gitea's), one with a grace period
(Bitbucket), a strict one (GitLab), and one that ends the whole family of a token used twice.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import time_machine
from django.utils import timezone

from bindings.models import Binding
from bindings.services.custody import pairs, refresh, storing
from bindings.services.custody.intents import Claim, Left, claim
from bindings.services.custody.use import use
from bindings.services.keep import upkeep
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings import renewals
from tests.bindings.renewals import TOKEN_PATH, Worker, eventually, pair, refreshes
from tests.bindings.sources import credential, stored
from tests.hosts import Sandbox

KINDS = ("none", "grace", "strict", "family")
HOST = {"none": "gitea", "grace": "bitbucket", "strict": "gitlab", "family": "gitlab"}
Superuser = psycopg.Connection[Any]
_HOLD = "SELECT FROM bindings_binding WHERE id = %s FOR NO KEY UPDATE"


@pytest.fixture
def spool(tmp_path: Path, settings: Any) -> Path:
    settings.MOORING_SPOOL = str(tmp_path / "spool")
    return tmp_path / "spool"


@pytest.fixture
def worker(near: Sandbox, spool: Path) -> Iterator[Worker]:
    with renewals.workers(near, MOORING_SPOOL=str(spool)) as (one,):
        yield one


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, near: Sandbox) -> str:
    if request.param == "none":
        near.fault("gitea", "rotation_off")
    if request.param == "family":
        near.fault("gitlab", "family_kill")
    return str(request.param)


@pytest.fixture
def mine(near: Sandbox, kind: str, instance: Instance) -> Binding:
    return pair(near, HOST[kind], instance)


def named(binding: Binding) -> Any:
    """One credential, as workers are told of it."""
    return binding.tenant_id, binding.pk


def works(binding: Binding) -> bool:
    with use(binding, why="test") as account:
        return account.identify().login == binding.account_login


def recovered(binding: Binding) -> str:
    """What upkeep makes of an open intent once its time has come: the state it ends in."""
    renewals.over(binding)
    for minutes in (0, 3, 6):
        with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
            upkeep.run()
    return stored(binding).status


def is_lost(binding: Binding) -> bool:
    """Whether its owner has been told that it cannot renew itself any more."""
    row = stored(binding)
    return row.status == "revoked" or row.why == "refresh_lost"


def test_killed_before_the_request(near: Sandbox, worker: Worker, kind: str, mine: Binding) -> None:
    worker.begin("claim and wait", *named(mine))
    eventually(lambda: renewals.intent(mine))
    worker.kill()
    assert refreshes(near, mine.provider) == 0
    assert recovered(mine) == "active"
    assert refreshes(near, mine.provider) == 1
    assert works(mine)
    assert renewals.intent(mine) is None


def test_the_request_is_lost_on_the_way(
    near: Sandbox, worker: Worker, kind: str, mine: Binding
) -> None:
    """It reaches nobody: for the host the retry is the first use."""
    near.fault(mine.provider, "timeout", TOKEN_PATH[mine.provider], times=1, value=60)
    worker.begin("once", *named(mine), 1)
    eventually(lambda: refreshes(near, mine.provider) == 1)
    worker.kill()
    near.clear_faults()
    assert renewals.intent(mine) is not None
    assert recovered(mine) == "active"
    assert works(mine)


def test_killed_while_the_host_answers(
    near: Sandbox, worker: Worker, kind: str, mine: Binding
) -> None:
    """The host has spent the token, and nobody has read what for. Where that loses it, the open
    intent has named it, and its owner is told."""
    near.fault(mine.provider, "slow", TOKEN_PATH[mine.provider], times=1, value=0.7)
    worker.begin("once", *named(mine), 1)
    eventually(lambda: refreshes(near, mine.provider) == 1)
    worker.kill()
    left = renewals.intent(mine)
    assert left is not None
    assert left.generation == 1
    eventually(lambda: near.requests(mine.provider, TOKEN_PATH[mine.provider]))
    recovered(mine)
    if kind in ("none", "grace"):
        assert works(mine)
        assert credential(mine).generation == 2
    else:
        assert is_lost(mine)


def test_killed_between_the_answer_and_the_commit(
    near: Sandbox, worker: Worker, kind: str, mine: Binding, superuser: Superuser
) -> None:
    with superuser.transaction():
        superuser.execute(_HOLD, [mine.pk])
        worker.begin("once", *named(mine), 1)
        eventually(lambda: near.requests(mine.provider, TOKEN_PATH[mine.provider]))
        eventually(lambda: waiting(superuser))
        worker.kill()
        assert credential(mine).generation == 1
    assert renewals.intent(mine) is not None
    recovered(mine)
    assert is_lost(mine) is (kind in ("strict", "family"))
    assert is_lost(mine) or works(mine)


def test_the_connection_is_cut_in_the_window(
    near: Sandbox, worker: Worker, kind: str, mine: Binding, superuser: Superuser, spool: Path
) -> None:
    """The pair is in memory, on the disk, and then stored over a new connection."""
    with superuser.transaction():
        superuser.execute(_HOLD, [mine.pk])
        worker.begin("once", *named(mine), 1)
        (cut,) = eventually(lambda: waiting(superuser))
        superuser.execute("SELECT pg_terminate_backend(%s)", [cut])
        (kept,) = eventually(lambda: list(spool.glob("*.sealed")))
        assert kept.stat().st_mode & 0o777 == 0o600
        eventually(lambda: waiting(superuser))
    assert worker.answer() == "stored"
    assert works(mine)
    assert refreshes(near, mine.provider) == 1
    assert list(spool.iterdir()) == []


def test_killed_while_the_database_is_away(
    near: Sandbox, worker: Worker, kind: str, mine: Binding, superuser: Superuser, spool: Path
) -> None:
    """The spool is replayed by whoever comes next, before anything else is done."""
    with superuser.transaction():
        superuser.execute(_HOLD, [mine.pk])
        worker.begin("once", *named(mine), 1)
        (cut,) = eventually(lambda: waiting(superuser))
        superuser.execute("SELECT pg_terminate_backend(%s)", [cut])
        eventually(lambda: list(spool.glob("*.sealed")))
        worker.kill()
    text = next(spool.glob("*.sealed")).read_text()
    assert near.token(mine.provider, mine.account_login, "pair") not in text
    assert upkeep.run().replayed == 1
    assert works(mine)
    assert credential(mine).generation == 2
    assert refreshes(near, mine.provider) == 1
    assert list(spool.iterdir()) == []


def test_the_task_is_delivered_again_after_the_commit(
    near: Sandbox, worker: Worker, kind: str, mine: Binding
) -> None:
    assert worker.call("once", *named(mine), 1) == "stored"
    assert worker.call("once", *named(mine), 1) == "moved"
    assert worker.call("upkeep") == {}
    assert refreshes(near, mine.provider) == 1


# -- what stands beside the table ----------------------------------------------------------------


@pytest.fixture
def strict(near: Sandbox, instance: Instance) -> Binding:
    return pair(near, "gitlab", instance)


def test_nothing_is_sent_when_the_intent_cannot_be_committed(
    near: Sandbox, strict: Binding, superuser: Superuser, worker: Worker
) -> None:
    with superuser.transaction():
        superuser.execute("LOCK TABLE bindings_refreshintent IN EXCLUSIVE MODE")
        worker.begin("once", *named(strict), 1)
        eventually(lambda: waiting(superuser))
        worker.kill()
    assert refreshes(near, "gitlab") == 0
    assert renewals.intent(strict) is None


def test_a_holder_that_is_frozen_is_not_overtaken(
    near: Sandbox, strict: Binding, worker: Worker
) -> None:
    worker.begin("claim and freeze", *named(strict), 0.3)
    eventually(lambda: renewals.intent(strict))
    os.kill(worker.pid, signal.SIGSTOP)
    other = claim(tenant_id=strict.tenant_id, binding_id=strict.pk, now=timezone.now())
    assert other is Left.BUSY
    os.kill(worker.pid, signal.SIGCONT)
    assert worker.answer() == "stored"
    assert refreshes(near, "gitlab") == 1
    assert works(strict)


def test_a_commit_whose_answer_was_lost_is_not_taken_for_a_failure(
    near: Sandbox, strict: Binding, spool: Path
) -> None:
    """Stored once already: the second try finds its own token, and drops nothing."""
    mine = claim(tenant_id=strict.tenant_id, binding_id=strict.pk, now=timezone.now())
    assert isinstance(mine, Claim)
    answer = refresh.ask(mine)
    assert not isinstance(answer, refresh.Unspent)
    pair_of = pairs.of(mine, answer)
    assert storing.put_away(pair_of, now=timezone.now())
    assert storing.put_away(pair_of, now=timezone.now())
    assert credential(strict).generation == 2


def test_intents_of_ended_bindings_are_cleared_away(strict: Binding, worker: Worker) -> None:
    worker.begin("claim and wait", *named(strict))
    eventually(lambda: renewals.intent(strict))
    worker.kill()
    renewals.over(strict)
    with rls.tenant(strict.tenant_id):
        Binding.objects.of(strict.tenant_id).filter(pk=strict.pk).update(unbound_at=timezone.now())
    upkeep.run()
    assert renewals.intent(strict) is None


def waiting(superuser: Superuser) -> list[int]:
    """Connections of ours that wait for a lock. Not pg_stat_activity, which stands still inside a
    transaction."""
    rows = superuser.execute("SELECT DISTINCT pid FROM pg_locks WHERE NOT granted")
    return [pid for (pid,) in rows]
