"""A1 to A3: tokens a second and CPU a token, against bare loops in the same run."""

from __future__ import annotations

import time

from tests.benchmarks import report, stage

PAIRS = {"small": 4, "full": 4}
COUNT = {"small": 10_000, "full": 10_000}
FLEET = {"small": 20_000, "full": 1_000_000}


def main(size: str) -> None:
    with stage.services():
        for latency, goals in ((50.0, (0.85, 0.0)), (0.0, (0.20, 0.65))):
            _one(size, latency, *goals)


def _one(size: str, latency: float, of_asyncio: float, of_threads: float) -> None:
    # Only importable once the services stand and Django is set up.
    from django.conf import settings

    from tests.benchmarks import fleet

    count = COUNT[size]
    with stage.reference_host(latency) as url:
        settings.MOORING_SANDBOX_URL = url
        fleet.seed(url, FLEET[size], due=count)
        _ours(500)  # warm
        rates, cpus, loops, loop_cpus, threads, thread_cpus = [], [], [], [], [], []
        for _ in range(PAIRS[size]):
            seconds, cpu = stage.reference("loops", "asyncio", f"{url}/user", str(count))
            loops.append(count / seconds)
            loop_cpus.append(cpu / count * 1000)
            fleet.make_due(count)
            seconds, cpu = _ours(count)
            rates.append(count / seconds)
            cpus.append(cpu / count * 1000)
            seconds, cpu = stage.reference("loops", "threads", f"{url}/user", str(count))
            threads.append(count / seconds)
            thread_cpus.append(cpu / count * 1000)
    name = f"sweep_{latency:.0f}ms"
    more = {"n": count, "size": size, "host": "c", "fleet": FLEET[size]}
    ids = ("A1", "A2") if latency else ("A3", "A3")
    report.line(ids[0], name, "tokens/s", rates, loops, of_asyncio, cpu_ms=_middle(cpus), **more)
    if of_threads:
        report.line(ids[1], f"{name}_threads", "tokens/s", rates, threads, of_threads, **more)
    else:
        # Less CPU is better: the ratio is turned round, so that 1 / 1.6 is the goal.
        report.line(
            ids[1],
            f"{name}_cpu",
            "ms",
            thread_cpus,
            cpus,
            round(1 / 1.6, 3),
            cpu_ms=_middle(cpus),
            loop_cpu_ms=_middle(thread_cpus),
            **more,
        )


def _ours(limit: int) -> tuple[float, float]:
    from bindings.services.keep import sweep

    begun, cpu = time.perf_counter(), time.process_time()
    result = sweep.run(budget_s=600, limit=limit)
    seconds, used = time.perf_counter() - begun, time.process_time() - cpu
    if result.asked != limit or result.outcomes["ok"] != limit:
        raise RuntimeError(f"the sweep did something else: {result}")
    return seconds, used


def _middle(figures: list[float]) -> float:
    return round(sorted(figures)[len(figures) // 2], 3)
