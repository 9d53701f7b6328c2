"""Unbinding: at once here, whatever the host does; the rest for as long as it takes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from bindings import tasks
from bindings.models import Binding, Credential, Ending
from bindings.services.bind import grant, unbind
from bindings.services.browse import repositories
from bindings.services.keep import checks, retention, sweep
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants import access
from portal.tenants.models import Instance, Membership, Tenant
from tests import factories
from tests.bindings.api import rows as made
from tests.bindings.sources import (
    GitHub,
    GitLab,
    credential,
    events,
    live,
    opened,
    stored,
    told,
)
from tests.people import Somebody


def refused(call: Callable[[], Any]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value


def receipt(binding: Binding) -> dict[str, str]:
    """Action → status, as the receipt says it now."""
    with rls.tenant(binding.tenant_id):
        rows = Ending.objects.of(binding.tenant_id).select_related("binding__instance")
        told = unbind.receipt(rows.get(pk=binding.pk))
    return {item["action"]: item["status"] for item in told["items"]}


def erased(binding: Binding) -> bool:
    with rls.tenant(binding.tenant_id):
        return not Credential.objects.of(binding.tenant_id).filter(pk=binding.pk).exists()


def token_state(gitlab: GitLab, name: str = "full") -> str:
    return str(gitlab.sandbox.token_facts("gitlab", "build-bot", name)["state"])


def later(**span: Any) -> Any:
    return time_machine.travel(timezone.now() + timedelta(**span))


# -- here, at once -------------------------------------------------------------------------------


def test_it_ends_here_at_once_with_the_host_away(
    gitlab: GitLab, alice: Somebody, binding: Binding, instance: Instance, acme: Tenant
) -> None:
    gitlab.sandbox.stop()
    unbind.unbind(actor=alice.actor, binding=binding, revoke=True, reason="a new server")
    row = stored(binding)
    assert (row.unbound_at is not None, row.unbound_by_name) == (True, alice.person.name)
    assert row.schedule.next_check_at is None
    assert live(instance) == []
    assert told(acme) == ["binding.bound", "binding.unbound"]
    assert events(acme)[-1].data["reason"] == "a new server"
    with pytest.raises(NotYours):
        repositories.repositories(binding=binding)
    with pytest.raises(NotYours):
        checks.start(actor=alice.actor, binding=binding)
    with pytest.raises(NotYours):
        unbind.unbind(actor=alice.actor, binding=binding)


def test_the_next_account_can_be_bound_right_away(
    gitlab: GitLab, alice: Somebody, binding: Binding, instance: Instance
) -> None:
    unbind.unbind(actor=alice.actor, binding=binding)
    other = gitlab.bind(alice.actor, instance, login="ann")
    assert other.account_login == "ann"
    assert stored(binding).unbound_at is not None


def test_what_was_unbound_is_never_asked_about_again(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    unbind.unbind(actor=alice.actor, binding=binding)
    asked = gitlab.asked()
    with later(days=8):
        assert sweep.run().asked == 0
    assert gitlab.asked() == asked


# -- who may, and when it asks back --------------------------------------------------------------


def test_an_account_in_use_is_named_before_it_goes(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    repositories.repositories(binding=binding)
    with rls.tenant(binding.tenant_id):
        impact = unbind.impact(stored(binding))
    assert (impact["in_use"], impact["confirm"]) == (True, "build-bot")
    for wrong in ("", "ann"):
        refusal = refused(
            lambda wrong=wrong: unbind.unbind(actor=alice.actor, binding=binding, confirm=wrong)
        )
        assert (refusal.code, refusal.extra) == ("X-CONFIRM-01", {"confirm": "build-bot"})
    unbind.unbind(actor=alice.actor, binding=binding, confirm="build-bot")
    assert stored(binding).unbound_at is not None


def test_an_account_that_rested_for_a_month_needs_one_click(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    repositories.repositories(binding=binding)
    with later(days=31):
        with rls.tenant(binding.tenant_id):
            assert unbind.impact(stored(binding))["confirm"] is None
        unbind.unbind(actor=alice.actor, binding=binding)


def test_the_person_who_bound_it_may_unbind_it_as_a_developer(
    gitlab: GitLab, alice: Somebody, instance: Instance, acme: Tenant
) -> None:
    person = factories.person("dora")
    member = factories.member(acme, person, "admin")
    dora = Somebody(person, acme)
    bound = gitlab.bind(dora.actor, instance)
    Membership.objects.filter(pk=member.pk).update(role="developer")
    rows = Binding.objects.select_related("host", "instance")
    own = access.get(dora.actor, rows, bound.public_id, "bindings:write", own="bound_by")
    unbind.unbind(actor=dora.actor, binding=own)
    assert stored(bound).unbound_by_name == "Dora"


def test_what_the_cloud_account_brings_is_not_the_tenants_to_unbind(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    account = made.cloud_account(alice.tenant, binding.host)
    with rls.tenant(binding.tenant_id):
        mine = Binding.objects.filter(pk=binding.pk)
        mine.update(kind="platform", platform_account=account)
    refusal = refused(lambda: unbind.unbind(actor=alice.actor, binding=binding))
    assert refusal.code.endswith("-LOCK-01")
    assert stored(binding).unbound_at is None


def test_the_impact_says_what_will_happen(
    gitlab: GitLab, github: GitHub, alice: Somebody, binding: Binding, instance: Instance
) -> None:
    consented = github.bind(alice.actor, instance)
    with rls.tenant(binding.tenant_id):
        plans = [unbind.impact(stored(one))["plan"] for one in (binding, consented)]
    assert [plan[1] for plan in plans] == [
        {"action": "revoke_credential", "default": False, "possible": True},
        {"action": "revoke_credential", "default": True, "possible": True},
    ]


# -- at the host, for as long as it takes --------------------------------------------------------


def test_a_typed_token_is_left_alone_unless_asked(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    unbind.unbind(actor=alice.actor, binding=binding)
    assert receipt(binding) == {"revoke_credential": "skipped", "erase_credential": "pending"}
    tasks.end_bindings()
    assert receipt(binding) == {"revoke_credential": "skipped", "erase_credential": "done"}
    assert (token_state(gitlab), erased(binding)) == ("active", True)


def test_the_token_is_revoked_and_the_ciphertext_destroyed(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    unbind.unbind(actor=alice.actor, binding=binding, revoke=True)
    assert token_state(gitlab) == "active"
    tasks.end_bindings()
    assert receipt(binding) == {"revoke_credential": "done", "erase_credential": "done"}
    assert (token_state(gitlab), erased(binding)) == ("revoked", True)


def test_clean_up_waits_for_a_host_that_is_away_and_then_finishes(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    gitlab.sandbox.stop()
    unbind.unbind(actor=alice.actor, binding=binding, revoke=True)
    tries = []
    for minutes in (0, 2, 8, 60, 200):
        with later(minutes=minutes):
            tasks.end_bindings()
        with rls.tenant(binding.tenant_id):
            tries.append(Ending.objects.of(binding.tenant_id).get().attempts)
    assert tries == [1, 2, 3, 4, 5]
    assert receipt(binding) == {"revoke_credential": "pending", "erase_credential": "pending"}
    assert not erased(binding)
    gitlab.sandbox.start()
    with later(days=1):
        tasks.end_bindings()
        tasks.end_bindings()
    assert receipt(binding) == {"revoke_credential": "done", "erase_credential": "done"}
    assert (token_state(gitlab), erased(binding)) == ("revoked", True)


def test_it_is_not_tried_again_before_its_time(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    gitlab.fault("status:502", method="DELETE")
    unbind.unbind(actor=alice.actor, binding=binding, revoke=True)
    for _ in range(3):
        tasks.end_bindings()
    deletes = [r for r in gitlab.sandbox.requests("gitlab") if r["method"] == "DELETE"]
    assert len(deletes) == 1


def test_after_seven_days_the_ciphertext_goes_and_a_person_is_asked(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    gitlab.sandbox.stop()
    unbind.unbind(actor=alice.actor, binding=binding, revoke=True)
    with later(days=6, hours=23):
        tasks.end_bindings()
        assert not erased(binding)
        with rls.tenant(binding.tenant_id):
            ending = Ending.objects.of(binding.tenant_id).get()
        assert ending.next_try_at <= ending.give_up_at
    with later(days=7, minutes=1):
        tasks.end_bindings()
    assert erased(binding)
    assert receipt(binding) == {"revoke_credential": "manual", "erase_credential": "done"}
    with rls.tenant(binding.tenant_id):
        row = Ending.objects.of(binding.tenant_id).select_related("binding__instance").get()
        (revoke, _) = unbind.receipt(row)["items"]
    assert revoke["url"].startswith(f"{gitlab.base_url}/-/user_settings/")
    gitlab.sandbox.start()


def test_what_the_platform_will_not_do_is_left_to_a_person_at_once(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    gitlab.fault("insufficient_scope", method="DELETE")
    unbind.unbind(actor=alice.actor, binding=binding, revoke=True)
    tasks.end_bindings()
    assert receipt(binding) == {"revoke_credential": "manual", "erase_credential": "done"}


def test_a_token_that_is_dead_already_counts_as_revoked(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    unbind.unbind(actor=alice.actor, binding=binding, revoke=True)
    tasks.end_bindings()
    assert receipt(binding) == {"revoke_credential": "done", "erase_credential": "done"}


def test_a_damaged_credential_is_left_to_a_person_and_destroyed(
    gitlab: GitLab, alice: Somebody, binding: Binding, superuser: Any
) -> None:
    superuser.execute("UPDATE bindings_credential SET access = set_byte(access, 40, 0)")
    unbind.unbind(actor=alice.actor, binding=binding, revoke=True)
    tasks.end_bindings()
    assert (receipt(binding)["revoke_credential"], erased(binding)) == ("manual", True)


def test_a_credential_whose_key_is_missing_waits_for_the_key(
    gitlab: GitLab, alice: Somebody, binding: Binding, settings: Any
) -> None:
    unbind.unbind(actor=alice.actor, binding=binding, revoke=True)
    right = settings.MOORING_KEYS
    settings.MOORING_KEYS = "other1:" + "A" * 43
    tasks.end_bindings()
    assert receipt(binding)["revoke_credential"] == "pending"
    settings.MOORING_KEYS = right
    with later(hours=1):
        tasks.end_bindings()
    assert (receipt(binding)["revoke_credential"], token_state(gitlab)) == ("done", "revoked")


def test_two_workers_ask_the_host_once(gitlab: GitLab, alice: Somebody, binding: Binding) -> None:
    unbind.unbind(actor=alice.actor, binding=binding, revoke=True)
    gitlab.fault("slow", method="DELETE", value=0.3)
    gate = threading.Barrier(4)

    def work() -> None:
        gate.wait()
        try:
            unbind.work_off(tenant_id=binding.tenant_id, binding_id=binding.pk)
        finally:
            connection.close()

    crew = [threading.Thread(target=work) for _ in range(4)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    deletes = [r for r in gitlab.sandbox.requests("gitlab") if r["method"] == "DELETE"]
    assert len(deletes) == 1
    assert receipt(binding) == {"revoke_credential": "done", "erase_credential": "done"}


def test_a_worker_that_was_killed_leaves_its_work_to_the_next(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    unbind.unbind(actor=alice.actor, binding=binding, revoke=True)
    assert unbind._take_up(binding.tenant_id, binding.pk, timezone.now()) is not None
    tasks.end_bindings()  # the lease of the killed one still runs
    assert token_state(gitlab) == "active"
    with later(minutes=6):
        tasks.end_bindings()
    assert token_state(gitlab) == "revoked"


def test_the_receipt_is_kept_for_thirty_days(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    unbind.unbind(actor=alice.actor, binding=binding)
    tasks.end_bindings()
    ended = stored(binding).ending
    with rls.tenant(binding.tenant_id):
        told = unbind.receipt(ended)
    assert isinstance(told["unbound_at"], datetime)
    assert told["cleanup_until"] - told["unbound_at"] == timedelta(days=7)
    assert told["triggers_kept_until"] - told["unbound_at"] == timedelta(days=30)
    assert told["by"] == {"kind": "user", "id": alice.person.public_id, "name": "Alice"}
    now = timezone.now()
    assert retention.purge(now + timedelta(days=29))["receipts"] == 0
    assert retention.purge(now + timedelta(days=31), dry_run=True)["receipts"] == 1
    assert retention.purge(now + timedelta(days=31))["receipts"] == 1
    with rls.tenant(binding.tenant_id):
        assert not Ending.objects.of(binding.tenant_id).exists()
        assert Binding.objects.of(binding.tenant_id).count() == 1


def test_what_nobody_confirmed_goes_without_a_word(
    github: GitHub, alice: Somebody, instance: Instance, acme: Tenant
) -> None:
    pending = github.finish(alice.actor, github.begin(alice.actor, instance))
    secret = opened(pending)
    grant.discard(actor=alice.actor, binding=pending)
    tasks.end_bindings()
    states = {t["token"]: t["state"] for t in github.sandbox.account("github", "octavia")["tokens"]}
    assert states[secret] == "revoked"
    assert (told(acme), erased(pending)) == ([], True)


def test_an_unbound_binding_keeps_its_credential_sealed_until_the_end(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    unbind.unbind(actor=alice.actor, binding=binding, revoke=True)
    assert opened(binding) == gitlab.token()
    assert repr(credential(binding).access) == "<sealed>"
