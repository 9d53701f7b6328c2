"""E1, E2: signed events a second against a bare posting loop, and with a builder that hangs."""

from __future__ import annotations

import json
import time
from statistics import quantiles
from typing import Any

from tests.benchmarks import report, stage

BUILDERS, EACH = 60, 84  # two threads each: more than there are threads
COUNT = BUILDERS * EACH
PAIRS = {"small": 3, "full": 5}
HANGS_MS = 3_600_000.0


def main(size: str) -> None:
    with stage.services():
        _open()
        for latency, goal in ((50.0, 0.85), (0.0, 0.20)):
            _fan_out(size, latency, goal)
        _hung(size)


def _open() -> None:
    from django.conf import settings

    settings.MOORING_ENDPOINT_ALLOW_CIDRS = ("127.0.0.0/8",)
    settings.MOORING_ENDPOINT_ALLOW_HTTP = True


def _fan_out(size: str, latency: float, goal: float) -> None:
    from tests.benchmarks import outbox

    rates, loops, cpus, loop_cpus = [], [], [], []
    with stage.reference_host(latency) as url:
        urls = [f"{url}/{n}" for n in range(BUILDERS)]
        _ours(outbox.seed(urls, EACH // 10))  # warm
        for _ in range(PAIRS[size]):
            seconds, cpu = stage.reference("posts", "asyncio", url, str(COUNT))
            loops.append(COUNT / seconds)
            loop_cpus.append(cpu / COUNT * 1000)
            seconds, cpu = _ours(outbox.seed(urls, EACH))
            rates.append(COUNT / seconds)
            cpus.append(cpu / COUNT * 1000)
    report.line(
        "E1",
        f"relay_{latency:.0f}ms",
        "events/s",
        rates,
        loops,
        goal,
        n=COUNT,
        size=size,
        host="c",
        builders=BUILDERS,
        cpu_ms=_middle(cpus),
        loop_cpu_ms=_middle(loop_cpus),
    )


def _hung(size: str) -> None:
    """The same with one builder more, which takes requests and never answers."""
    from tests.benchmarks import outbox

    alone, beside, held = [], [], 0
    with stage.reference_host(50.0) as url, stage.reference_host(HANGS_MS) as hung:
        urls = [f"{url}/{n}" for n in range(BUILDERS)]
        for _ in range(PAIRS[size]):
            outbox.seed(urls, EACH)
            alone.append(_p95())
            before = _accepted(hung)
            outbox.seed(urls, EACH, hung=hung)
            beside.append(_p95())
            held = max(held, _accepted(hung) - before)
    # Less is better: the ratio is turned round, so that 1 / 1.2 is the goal.
    more = {"n": COUNT, "size": size, "host": "c", "hung_held": held}
    report.line("E2", "hung_builder_p95", "s", alone, beside, round(1 / 1.2, 3), **more)


def _ours(count: int) -> tuple[float, float]:
    from bindings.services.tell import relay

    begun, cpu = time.perf_counter(), time.process_time()
    result = relay.run(budget_s=600, once=True)
    seconds, used = time.perf_counter() - begun, time.process_time() - cpu
    if result.outcomes["delivered"] != count:
        raise RuntimeError(f"the relay did something else: {result}")
    return seconds, used


def _p95() -> float:
    """Seconds from the start of a slice until the builders that answer had 95 of 100 events."""
    from bindings.services.tell import relay
    from tests.benchmarks import outbox

    begun, looked = relay.utc_now(), time.monotonic()

    def over() -> bool:
        nonlocal looked
        if time.monotonic() - looked < 0.5:
            return False
        looked = time.monotonic()
        return len(outbox.taken()) >= COUNT

    relay.run(budget_s=600, stopping=over)
    return quantiles([(at - begun).total_seconds() for at in outbox.taken()], n=20)[-1]


def _accepted(url: str) -> int:
    """Connections a reference host has taken, this one included."""
    import urllib3

    found: dict[str, Any] = json.loads(urllib3.request("GET", f"{url}/counters").data)
    return int(found["accepted"])


def _middle(figures: list[float]) -> float:
    return round(sorted(figures)[len(figures) // 2], 3)
