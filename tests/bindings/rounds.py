"""Refreshes against each other, and refreshes that are killed, as many as somebody asks for: a few
in the ordinary suite, all of them in `tests/faults`."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import timedelta

import time_machine
from django.utils import timezone

from bindings.models import Binding
from bindings.services.custody.use import use
from bindings.services.keep import upkeep
from portal.tenants.models import Tenant
from providers.errors import ProviderError
from tests import factories
from tests.bindings import renewals
from tests.bindings.renewals import ROTATING, Worker, pair, refreshes
from tests.bindings.sources import credential, opened, stored
from tests.hosts import Sandbox

TOGETHER = 4
"""Refreshes of one credential at the same moment, each in a process of its own."""


@dataclass
class Rounds:
    """`requests`: how often token endpoints were asked. `stale`: rounds after which something else
    was stored than what the host had issued last."""

    rounds: int = 0
    requests: int = 0
    condemned: int = 0
    stale: int = 0
    seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)

    @property
    def figures(self) -> dict[str, object]:
        counts = {name: value for name, value in vars(self).items() if name != "answers"}
        ratio = self.requests / max(self.rounds, 1)
        return {**counts, **self.answers, "requests_per_rotation": ratio}


@dataclass
class Kills:
    """`spent`: the host had issued a pair that nobody could store. `named`: of those, how many an
    open intent named at once. `silent`: lost, and nobody was told."""

    kills: int = 0
    stored: int = 0
    untouched: int = 0
    spent: int = 0
    recovered: int = 0
    lost: int = 0
    named: int = 0
    silent: int = 0
    avoidable: int = 0

    @property
    def figures(self) -> dict[str, object]:
        return asdict(self)


def race(sandbox: Sandbox, tenant: Tenant, crew: list[Worker], *, count: int) -> Rounds:
    """`count` rounds over all rotating hosts in turn; in each, every worker refreshes the same
    credential at once."""
    places = {name: factories.instance(tenant, f"race-{name}") for name in ROTATING}
    mine = {name: pair(sandbox, name, places[name], due=False) for name in ROTATING}
    generations = dict.fromkeys(ROTATING, 1)
    found, begun = Rounds(), time.monotonic()
    for n in range(count):
        provider = ROTATING[n % len(ROTATING)]
        binding = mine[provider]
        for worker in crew:
            worker.begin("once", binding.tenant_id, binding.pk, generations[provider])
        found.answers.update(worker.answer() for worker in crew)
        generations[provider] += 1
        found.rounds += 1
        found.stale += credential(binding).generation != generations[provider]
        if n % 100 < len(ROTATING):
            found.stale += opened(binding) != newest(sandbox, binding)
    found.seconds = round(time.monotonic() - begun, 1)
    found.requests = sum(refreshes(sandbox, provider) for provider in ROTATING)
    for binding in mine.values():
        row = stored(binding)
        found.condemned += (row.status, row.suspicion) != ("active", 0)
        found.stale += opened(binding) != newest(sandbox, binding)
    return found


def newest(sandbox: Sandbox, binding: Binding, name: str = "pair") -> str:
    """The access token that the host has issued last."""
    return sandbox.token(binding.provider, binding.account_login, name)


def kill(sandbox: Sandbox, tenant: Tenant, *, count: int, seed: int = 7) -> Kills:
    """Kill `count` processes, each inside the refresh of a credential of its own, at moments drawn
    by `seed`; then let upkeep settle what they left, and look at every token."""
    chance, found = random.Random(seed), Kills()
    victims = [_kill(sandbox, tenant, n, chance) for n in range(count)]
    intents = {binding.pk: renewals.intent(binding) is not None for binding, _ in victims}
    stored_before = {binding.pk: credential(binding).generation > 1 for binding, _ in victims}
    issued = {binding.pk: _issued(sandbox, binding, name) for binding, name in victims}
    for binding, _ in victims:
        renewals.over(binding)
        if not stored_before[binding.pk]:
            renewals.change(binding, renew_at=timezone.now())
    for minutes in (0, 3, 6):
        with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
            upkeep.run()
    for binding, _ in victims:
        _count(found, binding, issued[binding.pk], stored_before[binding.pk], intents[binding.pk])
    return found


def _kill(sandbox: Sandbox, tenant: Tenant, n: int, chance: random.Random) -> tuple[Binding, str]:
    """From the intent on: before the request, under way, answered, stored."""
    provider, name = ROTATING[n % len(ROTATING)], f"victim-{n}"
    binding = pair(sandbox, provider, factories.instance(tenant, name), name, due=False)
    before = refreshes(sandbox, provider)
    sandbox.fault(provider, "slow", renewals.TOKEN_PATH[provider], times=1, value=0.05)
    with renewals.workers(sandbox) as (worker,):
        worker.begin("once", binding.tenant_id, binding.pk, 1)
        renewals.eventually(lambda: renewals.intent(binding))
        if chance.random() < 0.8:
            renewals.eventually(lambda: refreshes(sandbox, provider) > before)
        time.sleep(chance.uniform(0.0, 0.15))
        worker.kill()
    time.sleep(0.1)  # the host finishes what it has begun
    sandbox.clear_faults()
    return binding, name


def _issued(sandbox: Sandbox, binding: Binding, name: str) -> bool:
    """Has the host traded in the refresh token?"""
    known = sandbox.account(binding.provider, binding.account_login)["tokens"]
    return len([token for token in known if token["name"] == name]) > 1


def _count(found: Kills, binding: Binding, issued: bool, kept: bool, named: bool) -> None:
    found.kills += 1
    found.stored += kept
    found.untouched += not issued
    spent = issued and not kept
    found.spent += spent
    if _works(binding):
        found.recovered += spent
        return
    told = stored(binding).status == "revoked" or stored(binding).why == "refresh_lost"
    found.lost += 1
    found.named += named
    found.silent += not told
    found.avoidable += not spent


def _works(binding: Binding) -> bool:
    if stored(binding).why == "refresh_lost" or stored(binding).status == "revoked":
        return False
    try:
        with use(binding, why="test") as account:
            return account.identify().id == binding.account_id
    except ProviderError:
        return False
