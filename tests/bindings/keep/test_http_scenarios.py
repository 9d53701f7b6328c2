"""Every behaviour of a far end in the corpus, as the product meets it: while an account is bound,
checked, or listed. What the token endpoint does is shown where tokens are refreshed
(`tests/providers`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Binding, Check, CodeHost, Credential, Repository
from bindings.services.bind import token
from bindings.services.bind.token import TokenAsk
from bindings.services.browse import repositories
from bindings.services.keep import sweep
from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants.models import Instance, Tenant
from providers.http import Door
from tests.bindings import far
from tests.bindings.fleet import Clock, many, plan
from tests.bindings.sources import stored, told
from tests.people import Somebody
from tests.providers.farend import by_path
from tests.providers.network import ADDRESS, NAME
from tests.providers.scenes import variants
from tests.providers.test_http_scenarios import (
    NOT_RUN,
    OURS,
    ROWS,
    TOKEN,
    WAITS,
    World,
    stray,
    tunnel,
)

CODES = {
    "unexpected_redirect": {"GL-ADDR-09", "GL-API-04"},
    "unresolvable": {"GL-ADDR-03"},
    "timeout": {"GL-NET-01"},
    "not_a_gitlab_api": {"GL-API-01"},
    "missing_scope_api": {"GL-SCOPE-01"},
    "token_characters": {"GL-TOK-07"},
    # A server that hangs up in the handshake does not say why.
    "tls_error": {"GL-TLS-01", "GL-TLS-02", "GL-TLS-03", "GL-NET-03"},
}
"""Logical code of the corpus → ours."""

FOR_EVER = {"http-055", "http-056", "http-057", "http-169"}
"""Far ends that never come to an end: met by a door with little patience."""

RUN = [row for row in ROWS.values() if row["id"] not in NOT_RUN and row["call"] != "oauth_refresh"]


@dataclass
class Place:
    """One far end, and everything of ours around it."""

    row: Mapping[str, Any]
    world: World
    tenant: Tenant
    stack: ExitStack

    @property
    def expected(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.row["expect"]
        return found

    def host(self, **more: Any) -> CodeHost:
        """An operator's host at this far end."""
        github = "secondary" in str(self.row["setup"])
        provider, api = ("github", "api/v3") if github else ("gitlab", "api/v4")
        setup = self.row["setup"].get("host", {})
        facts = {
            "slug": "far-end",
            "provider": provider,
            "label": "Far end",
            "base_url": self.world.base,
            "api_url": f"{self.world.base}/{api}",
            "ca_bundle": self.world.rules.ca_bundle,
            "proxy_url": setup.get("egress_proxy", ""),
        }
        with rls.fleet("a test's far end"):
            return CodeHost.objects.create(**{**facts, **more})

    def binding(self) -> Binding:
        (row,) = many(self.tenant, self.host(), 1, token=TOKEN, account_id="4711")
        return row


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def place(
    row: Mapping[str, Any], server: Mapping[str, Any], tenant: Tenant, stack: ExitStack
) -> Place:
    world = World(row, server, stack)
    world.door.close()
    setup = row["setup"]
    if set(server) <= {"check"} and "dns" not in setup and "plain HTTP" not in str(setup):
        world.far.script = by_path(far.cloneable)
    trusted = "" if "ca_bundle" in setup.get("host", {}) else world.rules.ca_bundle
    kind: type[Door] = far.Hasty if row["id"] in FOR_EVER else Door
    stack.enter_context(far.installed(kind(network=world.network, trusted=trusted)))
    return Place(row, world, tenant, stack)


# -- how each call ends --------------------------------------------------------------------------


def _met(call: Callable[[], Any]) -> tuple[Any, Refusal | None]:
    """What a call gives, or how it is refused."""
    try:
        return call(), None
    except Refusal as refusal:
        return None, refusal


def bind_gitlab(here: Place, who: Somebody, instance: Instance) -> None:
    """Refused with its code and nothing stored, or bound."""
    known = here.host() if "ca_bundle" in here.row["setup"].get("host", {}) else None
    asked = TokenAsk(
        provider="gitlab",
        base_url="" if known else here.world.base,
        host=known.slug if known else "",
        token=here.world.credential.token,
    )
    outcome = here.expected["outcome"]
    bound, refusal = _met(lambda: token.bind(actor=who.actor, instance=instance, ask=asked))
    if refusal is not None:
        assert "rejected" in outcome, refusal.code
        assert refusal.code in CODES.get(here.expected.get("code", ""), {refusal.code})
        with rls.fleet("a test looks"):
            assert not Binding.objects.exists()
            assert not Credential.objects.exists()
            assert not Check.objects.exists()
        assert told(here.tenant) == []
        return
    assert "ok" in outcome
    assert bound.binding.status == "active"


def revalidate(here: Place, who: Somebody, instance: Instance) -> None:
    """A sweep asks; what it stored is the outcome."""
    row, clock = here.binding(), Clock()
    if "proxy.corp.example" in str(here.row["setup"]):
        tunnel(here.world, here.stack)
    sweep.run(clock=clock)
    after, outcome = stored(row), here.expected["outcome"]
    assert len(here.world.far.requests) <= here.expected.get("max_requests", 5)
    if outcome == "suspended":
        assert (after.status, after.why) == ("suspended", "account_blocked")
        return
    assert (after.status, after.suspicion) == ("active", 0)
    if outcome == "unchanged":
        assert after.reach == "rate_limited"
        _waits(here, row, clock)
    elif outcome == "ok":
        assert after.reach == "ok"
    elif outcome == "call_failed":
        assert after.reach in ("degraded", "unreachable")
        assert plan(row).failures == 1
    else:
        assert outcome == "ok_or_call_failed"
        assert after.reach in ("ok", "degraded", "unreachable")
    assert told(here.tenant) == []


def _soon(row: Binding) -> bool:
    planned = plan(row).next_check_at
    return planned is not None and planned <= timezone.now()


def _waits(here: Place, row: Binding, clock: Clock) -> None:
    """Nobody is asked before the time, and no failure is counted."""
    planned, wait = plan(row), WAITS.get(here.row["id"], 60.0)
    assert planned.failures == 0
    assert planned.next_check_at is not None
    pause = (planned.next_check_at - clock()).total_seconds()
    assert wait - 1 <= pause <= 1.1 * wait + 1
    asked = len(here.world.far.requests)
    clock.move(seconds=max(wait - 1, 0))
    assert sweep.run(clock=clock).asked == 0
    assert len(here.world.far.requests) == asked


def list_repos(here: Place, who: Somebody, instance: Instance) -> None:
    """A whole list or a refusal, and nothing is removed."""
    row = here.binding()
    if len(here.row["setup"].get("dns", [])) == 3:
        sweep.run()
    outcome = here.expected["outcome"]
    listing, refusal = _met(lambda: repositories.repositories(binding=stored(row)))
    if refusal is not None:
        assert outcome in ("failed", "truncated", "failed_or_single_page", "ok_or_call_failed")
        assert refusal.code.startswith("GL-")
        with rls.tenant(here.tenant.pk):
            assert not Repository.objects.of(here.tenant).exists()
        if here.row["id"] == "http-126":
            assert _soon(row)
    else:
        assert outcome in ("ok", "failed_or_single_page", "ok_or_call_failed")
        keys = [one.external_id for one in listing.rows]
        assert len(keys) == len(set(keys)) > 0
    assert len(here.world.far.requests) <= here.expected.get("max_requests", 200)
    assert stored(row).status == "active"
    if here.row["id"] == "http-174":
        here.world.network.later = 600.0
        with pytest.raises(Refusal, match="GL-ADDR-04"):
            repositories.repositories(binding=stored(row), fresh=True)


def sweep_many(here: Place, who: Somebody, instance: Instance) -> None:
    """Hundreds of bindings of one host that limits for ever cost a handful of requests."""
    there, clock = here.host(), Clock()
    many(here.tenant, there, 300, token=TOKEN, account_id="4711")
    for _ in range(10):
        sweep.run(clock=clock)
        clock.move(minutes=1)
    assert len(here.world.far.requests) <= here.expected["max_requests"]
    assert told(here.tenant) == []


CALLS: dict[str, Callable[[Place, Somebody, Instance], None]] = {
    "bind_gitlab": bind_gitlab,
    "revalidate": revalidate,
    "list_repos": list_repos,
    "sweep": sweep_many,
}


@pytest.mark.parametrize(
    ("row_id", "server"),
    [
        pytest.param(row["id"], server, id=f"{row['id']}-{n}")
        for row in RUN
        for n, server in enumerate(variants(row["setup"].get("server", {})))
    ],
)
def test_the_product_meets_a_far_end(
    row_id: str,
    server: Mapping[str, Any],
    alice: Somebody,
    acme: Tenant,
    instance: Instance,
    stack: ExitStack,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    row = ROWS[row_id]
    here = place(row, server, acme, stack)
    CALLS[row["call"]](here, alice, instance)
    world = here.world
    assert set(world.network.dialled) <= {(ADDRESS, world.port), ("10.0.0.9", 3128)}
    assert stray(world.evil.heard) == []
    if row["group"] == "tls" and row["expect"]["outcome"] != "ok":
        assert stray(world.far.heard) == []
    assert stray(caplog.text.encode()) == []
    assert stray(_rows().encode()) == []


def _rows() -> str:
    """Everything that was stored, but for the ciphertext, which does not print."""
    tables = (Binding, Credential, Check, CodeHost, Repository)
    with rls.fleet("a test looks"):
        return repr([list(table.objects.values()) for table in tables])


def test_every_row_is_run_here_or_where_tokens_are_refreshed() -> None:
    elsewhere = {row["id"] for row in ROWS.values() if row["call"] == "oauth_refresh"}
    assert {row["id"] for row in RUN} | elsewhere | NOT_RUN == set(ROWS)
    assert {ROWS[row_id]["level"] for row_id in NOT_RUN} == {"should"}


def test_a_bound_server_hears_the_name_that_was_typed(
    alice: Somebody, acme: Tenant, instance: Instance, stack: ExitStack
) -> None:
    """Row 044, through a whole bind."""
    here = place(ROWS["http-044"], {}, acme, stack)
    bind_gitlab(here, alice, instance)
    assert set(here.world.far.names) == {NAME}
    assert OURS.pem in here.world.rules.ca_bundle
    assert timedelta() < plan(stored_one(acme)).next_check_at - timezone.now()


def stored_one(tenant: Tenant) -> Binding:
    with rls.tenant(tenant.pk):
        return Binding.objects.of(tenant).get()
