"""A replaced token can be put back for a day; then nobody can, and it is gone."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from bindings import tasks
from bindings.models import Binding
from bindings.services.bind import change, replace, rollback, unbind
from bindings.services.browse import refs, repositories
from bindings.services.custody import keyring
from portal.ground.refusals import Refusal
from portal.tenants.models import Instance, Tenant
from tests.bindings.custody.test_keyring import SECOND, rotated
from tests.bindings.oauth.browser import dead_tokens
from tests.bindings.sources import (
    GitHub,
    GitLab,
    credential,
    events,
    opened,
    refused,
    stored,
)
from tests.people import Somebody


@pytest.fixture
def fresh(gitlab: GitLab) -> str:
    """Another token of build-bot."""
    return gitlab.sandbox.new_token("gitlab", "build-bot", "fresh", ["api"], "2027-10-01")


def later(**span: Any) -> Any:
    return time_machine.travel(timezone.now() + timedelta(**span))


def put_back(alice: Somebody, binding: Binding) -> Binding:
    return rollback.put_back(actor=alice.actor, binding=stored(binding))


def test_the_old_token_serves_again(
    gitlab: GitLab, alice: Somebody, binding: Binding, fresh: str, acme: Tenant
) -> None:
    replace.replace_token(actor=alice.actor, binding=binding, token=fresh)
    kept = credential(binding)
    assert kept.rollback_until is not None
    assert timedelta(hours=23) < kept.rollback_until - timezone.now() <= timedelta(hours=24)
    back = put_back(alice, binding)
    assert (back.pk, opened(back)) == (binding.pk, gitlab.token())
    row = credential(binding)
    assert (row.generation, row.rollback_until, row.previous_access) == (3, None, None)
    assert stored(binding).expires_at == gitlab.ends()["expires_at"]
    assert events(acme)[-1].data["put_back"] is True
    # What people pasted stays theirs.
    assert gitlab.sandbox.token_facts("gitlab", "build-bot", "fresh")["state"] == "active"


def test_an_old_token_that_works_no_longer_stays_out(
    gitlab: GitLab, alice: Somebody, binding: Binding, fresh: str
) -> None:
    replace.replace_token(actor=alice.actor, binding=binding, token=fresh)
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    refusal = refused(lambda: put_back(alice, binding))
    assert (refusal.code, refusal.steps is not None) == ("GL-TOK-01", True)
    assert opened(binding) == fresh
    assert credential(binding).rollback_until is not None


def test_after_a_day_it_is_destroyed(
    gitlab: GitLab, alice: Somebody, binding: Binding, fresh: str
) -> None:
    replace.replace_token(actor=alice.actor, binding=binding, token=fresh)
    with later(hours=23):
        tasks.discard_unconfirmed()
        assert credential(binding).previous_access is not None
    with later(hours=24, seconds=1):
        assert refused(lambda: put_back(alice, binding)).code == "X-STATE-02"
        tasks.discard_unconfirmed()
    row = credential(binding)
    assert (row.previous_access, row.previous, row.rollback_until) == (None, None, None)
    assert opened(binding) == fresh


def test_there_is_nothing_to_put_back(
    gitlab: GitLab,
    github: GitHub,
    alice: Somebody,
    binding: Binding,
    fresh: str,
    second_instance: Instance,
) -> None:
    assert refused(lambda: put_back(alice, binding)).code == "X-STATE-02"
    replace.replace_token(actor=alice.actor, binding=binding, token=fresh, revoke_old=True)
    assert refused(lambda: put_back(alice, binding)).code == "X-STATE-02"
    # What was minted for us is revoked when it is replaced.
    consented = github.bind(alice.actor, second_instance)
    dead = dead_tokens(github.sandbox, "octavia")
    github.finish(alice.actor, github.begin(alice.actor, second_instance, reconnect=consented))
    assert dead_tokens(github.sandbox, "octavia") == dead + 1
    assert refused(lambda: put_back(alice, consented)).code == "X-STATE-02"


def test_the_same_token_again_is_nothing_to_go_back_to(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    replace.replace_token(actor=alice.actor, binding=binding, token=gitlab.token())
    assert credential(binding).rollback_until is None


def test_a_stated_end_comes_back_with_the_token(
    gitlab: GitLab, alice: Somebody, binding: Binding, fresh: str, instance: Instance
) -> None:
    day = (timezone.now() + timedelta(days=50)).date()
    gitlab.fault("status:404", "/api/v4/personal_access_tokens/self")
    unbind.unbind(actor=alice.actor, binding=binding)
    stated = gitlab.bind(alice.actor, instance, expires_on=day)
    assert stored(stated).quality == "stated"
    replace.replace_token(actor=alice.actor, binding=stored(stated), token=fresh)
    other = {"expires_on": date.today() + timedelta(days=90)}
    change.change(actor=alice.actor, binding=stored(stated), changes=other)
    back = put_back(alice, stated)
    assert (back.expires_at and back.expires_at.date(), back.stated_by) == (day, "Alice")


def test_the_ring_turns_and_it_still_opens(
    gitlab: GitLab, alice: Somebody, binding: Binding, fresh: str, settings: Any
) -> None:
    replace.replace_token(actor=alice.actor, binding=binding, token=fresh)
    settings.MOORING_KEYS = rotated(settings)
    assert sum(batch.moved for batch in keyring.reseal()) == 1
    settings.MOORING_KEYS = SECOND
    assert opened(put_back(alice, binding)) == gitlab.token()


def test_unbinding_leaves_nothing_to_put_back(
    gitlab: GitLab, alice: Somebody, binding: Binding, fresh: str
) -> None:
    replace.replace_token(actor=alice.actor, binding=binding, token=fresh)
    unbind.unbind(actor=alice.actor, binding=stored(binding))
    assert credential(binding).previous_access is None


def test_a_token_that_sees_less_is_named_before_it_replaces(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    repositories.repositories(binding=binding)
    refs.resolve(binding=binding, repository="platform/api", ref="main")
    used = next(
        r for r in repositories.repositories(binding=binding).rows if r.path == "platform/api"
    )
    gitlab.fault("status:404", f"/api/v4/projects/{used.external_id}")
    fresh = gitlab.sandbox.new_token("gitlab", "build-bot", "fresh", ["api"], "2027-10-01")

    def go(**more: Any) -> Any:
        return replace.replace_token(actor=alice.actor, binding=binding, token=fresh, **more)

    refusal = refused(go)
    assert (refusal.code, refusal.facts["n"]) == ("GL-ACC-04", "1")
    assert refusal.extra["comparison"]["missing"] == [{"path": "platform/api", "triggers": 0}]
    assert opened(binding) == gitlab.token()
    assert opened(go(accept_missing=True).binding) == fresh


def test_two_who_put_it_back_at_once_do_it_once(
    gitlab: GitLab, alice: Somebody, binding: Binding, fresh: str
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connection

    replace.replace_token(actor=alice.actor, binding=binding, token=fresh)
    actor, row = alice.actor, stored(binding)

    def go(_: int) -> str:
        try:
            rollback.put_back(actor=actor, binding=row)
        except Refusal as refusal:
            return refusal.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(3) as threads:
        came = sorted(threads.map(go, range(3)))
    assert came == ["X-STATE-02", "X-STATE-02", "done"]
    assert credential(binding).generation == 3
