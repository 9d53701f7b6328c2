"""A bare loop that posts, to compare the relay with. Nothing of ours is used.

python -m tests.benchmarks.posts asyncio URL COUNT     → seconds, CPU seconds
"""

from __future__ import annotations

import asyncio
import sys
import time

CONCURRENCY = 100
BODY = b"x" * 2048
HEADERS = {"Content-Type": "application/json", "webhook-id": "evt_bench", "webhook-timestamp": "1"}


async def _post_all(url: str, count: int) -> None:
    import aiohttp

    left = iter(range(count))
    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:

        async def work() -> None:
            for _ in left:
                async with session.post(url, data=BODY) as answer:
                    await answer.read()

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


def main(url: str, count: int) -> None:
    import uvloop

    uvloop.run(_post_all(url, 200))  # warm
    begun, cpu = time.perf_counter(), time.process_time()
    uvloop.run(_post_all(url, count))
    print(time.perf_counter() - begun, time.process_time() - cpu)


if __name__ == "__main__":
    main(sys.argv[2], int(sys.argv[3]))
