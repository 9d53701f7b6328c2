"""Bare loops to compare with: they ask and parse, and do nothing else. Nothing of ours is used.

python -m tests.benchmarks.loops asyncio|threads URL COUNT     → seconds, CPU seconds
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

CONCURRENCY = 100
HEADERS = {"Authorization": "Bearer bench-test-token", "Accept": "application/json"}


async def _ask_all(url: str, count: int) -> None:
    import aiohttp

    left = iter(range(count))
    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:

        async def work() -> None:
            for _ in left:
                async with session.get(url) as answer:
                    json.loads(await answer.read())

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


def _threads(url: str, count: int) -> None:
    import urllib3

    pool = urllib3.PoolManager(maxsize=CONCURRENCY)

    def ask(_: int) -> None:
        json.loads(pool.request("GET", url, headers=HEADERS).data)

    with ThreadPoolExecutor(CONCURRENCY) as crew:
        for _ in crew.map(ask, range(count)):
            pass


def main(kind: str, url: str, count: int) -> None:
    if kind == "asyncio":
        import uvloop

        def run(n: int) -> None:
            uvloop.run(_ask_all(url, n))
    else:

        def run(n: int) -> None:
            _threads(url, n)

    run(200)  # warm
    begun, cpu = time.perf_counter(), time.process_time()
    run(count)
    print(time.perf_counter() - begun, time.process_time() - cpu)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
