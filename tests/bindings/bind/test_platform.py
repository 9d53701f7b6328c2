"""Cloud accounts: connected once by an operator, bound to every instance, mended by nobody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection
from django.utils import timezone

from bindings.models import Binding, PlatformAccount
from bindings.services.bind import instances, platform, replace, unbind
from bindings.services.custody import keyring, sealed, use
from bindings.services.keep import checks, pause, sweep
from portal.ground import rls
from portal.ground.refusals import NotYours
from portal.tenants.models import Instance, Tenant
from tests import factories
from tests.bindings.clouds import Cloud, refuse_twice
from tests.bindings.fleet import reload
from tests.bindings.sources import (
    credential,
    events,
    live,
    make_due,
    opened,
    refused,
    stored,
    told,
)
from tests.people import Somebody


@pytest.fixture
def brought(cloud: Cloud, acme: Tenant, instance: Instance) -> Binding:
    """What acme's cloud account brings to prod-registry."""
    cloud.connect(acme)
    (binding,) = live(instance)
    return binding


def test_every_open_instance_is_bound_at_once(
    cloud: Cloud, acme: Tenant, instance: Instance, second_instance: Instance
) -> None:
    closed = factories.instance(acme, "old-registry", closed_at=timezone.now())
    done = cloud.connect(acme)
    assert (done.bound, done.renewed) == (2, 0)
    for one in (instance, second_instance):
        (binding,) = live(one)
        assert (binding.provider, binding.kind, binding.status) == (
            *("codearts", "platform", "active"),
        )
        assert (binding.account_login, binding.bound_by_name) == ("acme-robot", "")
        assert (binding.quality, binding.expires_at) == ("never", None)
        assert all(proof["ok"] for proof in binding.proofs.values())
        assert opened(binding) == cloud.secret()
    assert live(closed) == []
    assert told(acme) == ["binding.bound", "binding.bound"]
    assert events(acme)[0].actor["kind"] == "operator"


def test_a_new_instance_is_bound_in_the_transaction_that_makes_it(
    cloud: Cloud, alice: Somebody
) -> None:
    cloud.connect(alice.tenant)
    asked = len(cloud.sandbox.requests("codearts"))
    made = instances.open_instance(actor=alice.actor, name="new-registry", region="default")
    (binding,) = live(made)
    assert (binding.kind, binding.account_login) == ("platform", "acme-robot")
    assert len(cloud.sandbox.requests("codearts")) == asked
    assert sweep.run().outcomes == {"ok": 1}
    assert stored(binding).schedule.checked_at is not None


def test_without_an_account_nothing_is_bound_and_the_refusal_says_so(
    cloud: Cloud, alice: Somebody, mallory: Somebody
) -> None:
    cloud.connect(alice.tenant)
    theirs = instances.open_instance(actor=mallory.actor, name="new-registry", region="default")
    assert live(theirs) == []


def test_instances_and_accounts_wait_for_each_other(
    cloud: Cloud, acme: Tenant, instance: Instance
) -> None:
    with rls.tenant(acme.pk):
        platform.take_turn(acme.pk)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
            assert cursor.fetchone() == (1,)


@pytest.mark.parametrize(
    ("name", "code"), [("revoked-keys", "CA-TOK-01"), ("nothing-allowed", "CA-SCOPE-01")]
)
def test_an_account_that_is_no_use_is_not_kept(
    cloud: Cloud, acme: Tenant, instance: Instance, name: str, code: str
) -> None:
    cloud.sandbox.new_token("codearts", "acme-robot", "nothing-allowed", [], kind="key")
    assert refused(lambda: cloud.connect(acme, name=name)).code == code
    with rls.tenant(acme.pk):
        assert not PlatformAccount.objects.of(acme).exists()
    assert live(instance) == []


def test_new_keys_reach_every_binding_and_nothing_else_changes(
    cloud: Cloud, acme: Tenant, brought: Binding
) -> None:
    fresh = cloud.new_keys()
    done = cloud.connect(acme, fresh)
    assert (done.bound, done.renewed) == (0, 1)
    assert stored(brought).pk == brought.pk
    assert opened(brought) == fresh
    assert credential(brought).generation == 2
    assert told(acme) == ["binding.bound", "binding.replaced"]


def test_another_account_is_refused_while_one_is_connected(
    cloud: Cloud, acme: Tenant, brought: Binding
) -> None:
    assert refused(lambda: cloud.connect(acme, login="globex-robot")).code == "CA-ACC-01"
    assert opened(brought) == cloud.secret()


def test_it_is_used_like_any_other(brought: Binding) -> None:
    with use.use(stored(brought), why="a test") as account:
        assert "foundry00228/api" in {row.path for row in account.repositories().items}
    assert stored(brought).used_at is not None


# -- refused by the platform -----------------------------------------------------------------------


def test_a_refused_account_pauses_its_bindings_and_blames_nobody_of_the_tenant(
    cloud: Cloud, acme: Tenant, brought: Binding
) -> None:
    cloud.revoke()
    refuse_twice(brought)
    row = stored(brought)
    assert (row.status, row.why) == ("suspended", "platform_refused")
    assert told(acme)[-1] == "binding.suspended"
    assert row.schedule.next_check_at > timezone.now() + timedelta(hours=20)


def test_one_account_is_one_refusal_however_many_instances_it_serves(
    cloud: Cloud, acme: Tenant
) -> None:
    """More than five bindings of one host at once, and no mass episode."""
    made = [factories.instance(acme, f"registry-{n}") for n in range(6)]
    cloud.connect(acme)
    cloud.revoke()
    brought = [live(one)[0] for one in made]
    refuse_twice(*brought)
    assert {stored(one).status for one in brought} == {"suspended"}
    assert reload(cloud.host).held_since is None


def test_one_refusal_more_is_no_news(cloud: Cloud, acme: Tenant, brought: Binding) -> None:
    cloud.revoke()
    refuse_twice(brought)
    before = told(acme)
    with time_machine.travel(timezone.now() + timedelta(minutes=4), tick=True):
        make_due(brought)
        assert sweep.run(clock=timezone.now).changed == 0
    assert told(acme) == before


def test_new_keys_wake_what_was_paused(cloud: Cloud, acme: Tenant, brought: Binding) -> None:
    cloud.revoke()
    refuse_twice(brought)
    cloud.connect(acme, cloud.new_keys())
    row = stored(brought)
    assert (row.status, row.why, row.suspicion) == ("active", "", 0)


def test_an_account_that_is_accepted_again_wakes_by_itself(
    cloud: Cloud, acme: Tenant, brought: Binding
) -> None:
    cloud.revoke()
    refuse_twice(brought)
    cloud.sandbox.change_token("cloud-account", "codearts", "acme-robot", revoked=False)
    make_due(brought)
    sweep.run()
    assert stored(brought).status == "active"
    assert told(acme)[-1] == "binding.resumed"


def test_a_server_that_is_away_pauses_nobody(cloud: Cloud, acme: Tenant, brought: Binding) -> None:
    cloud.sandbox.fault("codearts", "status:503")
    make_due(brought)
    sweep.run()
    row = stored(brought)
    assert (row.status, row.reach) == ("active", "degraded")


def test_new_keys_do_not_lift_an_operators_own_pause(
    cloud: Cloud, acme: Tenant, brought: Binding
) -> None:
    pause.suspend(actor=cloud.acting(acme), binding=brought, reason="a test")
    fresh = cloud.new_keys()
    cloud.connect(acme, fresh)
    row = stored(brought)
    assert (row.status, row.why) == ("suspended", "operator")
    assert opened(brought) == fresh


def test_a_check_by_hand_climbs_the_whole_ladder(
    cloud: Cloud, alice: Somebody, brought: Binding
) -> None:
    check = checks.run_now(binding=stored(brought))
    assert check.status in ("ok", "warn")
    assert [step["status"] for step in check.steps][:5] == ["ok", "skipped", "ok", "ok", "ok"]


# -- not the tenant's to end -----------------------------------------------------------------------


def test_the_tenant_can_neither_unbind_nor_replace_it(alice: Somebody, brought: Binding) -> None:
    assert refused(lambda: unbind.unbind(actor=alice.actor, binding=brought)).code == "CA-LOCK-01"
    again = refused(
        lambda: replace.replace_token(actor=alice.actor, binding=brought, token="x" * 20)
    )
    assert again.code == "X-STATE-02"
    assert stored(brought).unbound_at is None


def test_an_operator_unbinds_with_a_reason_and_connecting_again_binds_it(
    cloud: Cloud, acme: Tenant, instance: Instance, brought: Binding
) -> None:
    unbind.unbind(actor=cloud.acting(acme), binding=brought, reason="the customer asked")
    assert live(instance) == []
    assert events(acme)[-1].data["reason"] == "the customer asked"
    assert cloud.connect(acme).bound == 1


def test_disconnecting_unbinds_all_and_destroys_the_keys(
    cloud: Cloud, acme: Tenant, instance: Instance, second_instance: Instance, brought: Binding
) -> None:
    actor = cloud.acting(acme)
    ended = platform.disconnect(actor=actor, account=cloud.account(acme), reason="moved away")
    assert ended == 2
    assert live(instance) == live(second_instance) == []
    assert cloud.account(acme).secret is None
    assert cloud.connect(acme, login="globex-robot").bound == 2


def test_an_instance_that_holds_nothing_else_can_be_closed(
    alice: Somebody, instance: Instance, brought: Binding
) -> None:
    instances.close_instance(actor=alice.actor, instance=instance)
    row = stored(brought)
    assert row.unbound_at is not None
    assert row.schedule.next_check_at is None
    unbind.work_off(tenant_id=row.tenant_id, binding_id=row.pk)
    with pytest.raises(NotYours):
        checks.start(actor=alice.actor, binding=brought)


def test_the_database_ties_kind_and_account(acme: Tenant, brought: Binding) -> None:
    with pytest.raises(IntegrityError), rls.tenant(acme.pk):
        Binding.objects.filter(pk=brought.pk).update(platform_account=None)
    with pytest.raises(IntegrityError), rls.tenant(acme.pk):
        Binding.objects.filter(pk=brought.pk).update(kind="token")


# -- custody ---------------------------------------------------------------------------------------


def test_the_keys_are_sealed_and_move_to_a_new_key_of_the_ring(
    cloud: Cloud, acme: Tenant, brought: Binding, settings: Any
) -> None:
    account = cloud.account(acme)
    assert account.secret is not None
    assert cloud.pair()[1].encode() not in account.secret.ciphertext
    assert cloud.pair()[1] not in repr(vars(account))
    first = settings.MOORING_KEYS
    second = "test2:" + "B" * 43
    settings.MOORING_KEYS = f"{second},{first}"
    assert sum(batch.moved for batch in keyring.reseal()) == 2
    settings.MOORING_KEYS = second
    assert sealed.platform_secret(cloud.account(acme)) == opened(brought) == cloud.secret()


def test_keys_that_no_longer_open_leave_a_new_instance_unbound(
    cloud: Cloud, alice: Somebody, brought: Binding, settings: Any
) -> None:
    settings.MOORING_KEYS = "test2:" + "B" * 43
    made = instances.open_instance(actor=alice.actor, name="new-registry", region="default")
    assert live(made) == []
