"""Leases: who is asked, how many there may be, what they become, and what platforms mint."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bindings.models import Binding, Lease, Repository, Schedule
from bindings.services.bind import unbind
from bindings.services.browse import repositories as browse
from bindings.services.browse import usage
from bindings.services.clone import leases
from bindings.services.clone.leases import Issued
from bindings.services.keep import retention
from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants.models import Event, Instance
from tests.bindings.clone.conftest import PATH, basic, change, lend, reload
from tests.bindings.seven import Seven
from tests.bindings.sources import GitLab
from tests.hosts import Sandbox
from tests.people import Somebody

MINT = "/v4/users/impersonation-bearer-tokens"


def asked(sandbox: Sandbox) -> int:
    return sum(sandbox.state()["requests"].get("gitlab", {}).values())


def in_tenant(binding: Binding, model: Any, **columns: Any) -> None:
    with rls.tenant(binding.tenant_id):
        model.objects.update(**columns)


def test_nobody_is_asked_for_what_is_known(bound: Binding, bob: Somebody, sandbox: Sandbox):
    lend(bob, bound)
    before = asked(sandbox)
    with CaptureQueriesContext(connection) as queries:
        made = lend(bob, bound)
    assert asked(sandbox) == before
    assert len(queries) <= 14  # four of them begin and end two scopes
    assert made.url.endswith(f"/git/{bound.public_id}/platform/api.git")
    with rls.tenant(bound.tenant_id):
        assert [one.path for one in usage.in_use(bound)] == [PATH]


@pytest.mark.parametrize("what", ["unproved", "unseen", "of_another_account"])
def test_the_host_is_asked_once_where_that_is_out_of_date(
    bound: Binding, bob: Somebody, sandbox: Sandbox, what: str
):
    lend(bob, bound)
    now = timezone.now()
    if what == "unproved":
        in_tenant(bound, Schedule, next_check_at=now - timedelta(minutes=1))
    elif what == "unseen":
        in_tenant(bound, Repository, seen_at=now - timedelta(days=2))
    else:
        bound.bound_at = now + timedelta(seconds=1)
    before = asked(sandbox)
    lend(bob, bound)
    assert asked(sandbox) - before <= 1


def test_what_the_account_cannot_read_is_not_lent(bound: Binding, bob: Somebody, gitlab: GitLab):
    for name in ("secret/vault", f"rep_{'0' * 26}"):
        with pytest.raises(Refusal, match="GL-REPO-02"):
            lend(bob, bound, name)
    gitlab.fault("status:503")
    with pytest.raises(Refusal, match="GL-API-03"):
        lend(bob, bound, "platform/web")


def test_a_binding_that_cannot_be_used_says_where_to_go(bound: Binding, bob: Somebody):
    bound.status = "revoked"
    with pytest.raises(Refusal, match="X-STATE-01") as refused:
        lend(bob, bound)
    assert refused.value.fix_url.endswith(f"/t/acme/bindings/{bound.public_id}/")
    assert refused.value.extra == {"state": "revoked"}
    bound.status, bound.proofs = "insufficient", {"clone": {"ok": False, "code": "GL-SCOPE-03"}}
    with pytest.raises(Refusal, match="X-STATE-01"):
        lend(bob, bound)
    bound.proofs = {"hooks": {"ok": False, "code": "GL-SCOPE-02"}}
    assert lend(bob, bound)


def test_a_hundred_are_the_most_also_when_many_ask_at_once(bound: Binding, bob: Somebody):
    first, actor = lend(bob, bound), bob.actor
    with rls.tenant(bound.tenant_id):
        Lease.objects.bulk_create(
            Lease(
                tenant_id=bound.tenant_id,
                binding=bound,
                repository=first.lease.repository,
                kind="proxied",
                path=PATH,
                digest=bytes([number]) * 32,
                expires_at=first.lease.expires_at,
            )
            for number in range(97)
        )

    def ask(_: int) -> str:
        try:
            leases.issue(actor=actor, binding=bound, repository=PATH)
        except Refusal as refused:
            return f"{refused.code} {bool(refused.retry_after)}"
        finally:
            connections.close_all()
        return "lent"

    with ThreadPoolExecutor(6) as threads:
        found = sorted(threads.map(ask, range(6)))
    assert found == ["X-LEASE-02 True"] * 4 + ["lent"] * 2
    leases.revoke(actor=actor, lease=first.lease)
    assert lend(bob, bound)


def test_what_is_lent_and_ended_stands_in_the_log(bound: Binding, bob: Somebody, lent: Issued):
    leases.revoke(actor=bob.actor, lease=lent.lease)
    leases.revoke(actor=bob.actor, lease=reload(lent))
    assert reload(lent).revoked_at is not None
    with rls.tenant(bound.tenant_id):
        told = list(
            Event.objects.of(bound.tenant_id).filter(type__startswith="lease.").order_by("seq")
        )
    assert [event.type for event in told] == ["lease.created", "lease.revoked"]
    assert told[0].data["repository"]["path"] == PATH
    assert told[0].data["lease"]["id"] == lent.lease.public_id
    assert lent.password not in str([event.data for event in told])


def statuses(bound: Binding, now: datetime) -> Iterator[tuple[str, str]]:
    """How each lease stands, and which filter finds it."""
    with rls.tenant(bound.tenant_id):
        rows = Lease.objects.of(bound.tenant_id)
        for lease in rows.select_related("binding"):
            alone = rows.filter(pk=lease.pk)
            words = ("active", "expired", "revoked", "ended")
            found = [word for word in words if leases.with_status(alone, [word], now).exists()]
            yield leases.status_of(lease, now), ",".join(found)


def test_a_lease_is_one_of_four_things(bound: Binding, bob: Somebody):
    now = timezone.now()
    lend(bob, bound)
    change(lend(bob, bound), expires_at=now - timedelta(seconds=1))
    change(lend(bob, bound), revoked_at=now, ended_at=now)
    change(lend(bob, bound), ended_at=now)
    found = sorted(statuses(bound, now))
    assert found == [(word, word) for word in ("active", "ended", "expired", "revoked")]
    in_tenant(bound, Binding, status="revoked")
    assert ("ended", "ended") in statuses(bound, now)
    assert ("active", "active") not in statuses(bound, now)


def test_leases_end_with_their_binding(bound: Binding, alice: Somebody, lent: Issued):
    with rls.tenant(bound.tenant_id):
        assert unbind.impact(bound)["active_leases"] == 1
    unbind.unbind(actor=alice.actor, binding=bound, confirm=bound.account_login)
    assert reload(lent).ended_at is not None
    with rls.tenant(bound.tenant_id):
        assert leases.active(bound, timezone.now()) == 0


def test_leases_go_after_thirty_days(bound: Binding, lent: Issued):
    now = timezone.now()
    assert retention.purge(now + timedelta(days=29))["leases"] == 0
    assert retention.purge(now + timedelta(days=31), dry_run=True)["leases"] == 1
    assert retention.purge(now + timedelta(days=31))["leases"] == 1


def test_no_platform_mints_what_it_cannot(bound: Binding, bob: Somebody):
    with pytest.raises(Refusal, match="X-LEASE-01"):
        lend(bob, bound, kind="provider_token")


@pytest.fixture
def cloudy(all_seven: Seven, alice: Somebody, instance: Instance) -> Binding:
    """The binding of a cloud account, whose platform mints."""
    all_seven.cloud.connect(alice.tenant)
    with rls.tenant(alice.tenant.pk):
        return Binding.objects.select_related("host", "instance__tenant").get(provider="codearts")


def test_a_minted_credential_clones_and_is_ended_there(
    cloudy: Binding, bob: Somebody, sandbox: Sandbox
):
    made = lend(bob, cloudy, repository_of(cloudy), kind="provider_token")
    assert made.url == made.lease.repository.clone_url
    assert (made.lease.digest, bool(made.lease.remote_id)) == (None, True)
    assert made.lease.expires_at > timezone.now()
    leases.revoke(actor=bob.actor, lease=made.lease)
    assert reload(made).revoked_at is not None
    gone = [one for one in sandbox.requests("codearts") if one["method"] == "DELETE"]
    assert [one["status"] for one in gone] == [204]
    sandbox.fault("codearts", "status:500", "**/impersonation-bearer-tokens")
    with pytest.raises(Refusal, match="CA-API-03"):
        lend(bob, cloudy, repository_of(cloudy), kind="provider_token")
    with rls.tenant(cloudy.tenant_id):
        assert Lease.objects.of(cloudy.tenant_id).count() == 1


def test_a_proxied_clone_of_such_a_platform_mints_once(
    cloudy: Binding, bob: Somebody, sandbox: Sandbox
):
    made = lend(bob, cloudy, repository_of(cloudy))
    path = f"/git/{cloudy.public_id}/{made.lease.path}.git/info/refs?service=git-upload-pack"
    before = sandbox.count("codearts", MINT)
    for _ in range(3):
        answer = Client().get(path, headers={"Authorization": basic(made)})
        assert (answer.status_code, answer.getvalue()[:4]) == (200, b"001e")
    assert sandbox.count("codearts", MINT) == before + 1


def repository_of(binding: Binding) -> str:
    return browse.repositories(binding=binding).rows[0].path
