"""Post prepared requests over some connections, each one as soon as the last is answered.

    python -m tests.benchmarks.poster PORT CONNECTIONS SECONDS FILE

The file holds requests as they go over the wire, each after its length. Ends after so many seconds,
or with the last one; prints how many were answered, the seconds, and how many other than 2xx.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_LENGTH = 8


def main() -> None:
    port, connections, seconds, file = sys.argv[1:]
    asked = iter(_requests(Path(file).read_bytes()))
    print(*asyncio.run(_post(int(port), int(connections), float(seconds), asked)))


def write(file: Path, requests: list[bytes]) -> None:
    """Prepare a file."""
    file.write_bytes(b"".join(len(one).to_bytes(_LENGTH) + one for one in requests))


def _requests(stored: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(stored):
        length = int.from_bytes(stored[at : at + _LENGTH])
        yield stored[at + _LENGTH : at + _LENGTH + length]
        at += _LENGTH + length


async def _post(
    port: int, connections: int, seconds: float, asked: Iterator[bytes]
) -> tuple[int, float, int]:
    begun = time.monotonic()
    ends = begun + seconds
    counts = await asyncio.gather(*(_one(port, ends, asked) for _ in range(connections)))
    taken = time.monotonic() - begun
    return sum(done for done, _ in counts), taken, sum(bad for _, bad in counts)


async def _one(port: int, ends: float, asked: Iterator[bytes]) -> tuple[int, int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    done = bad = 0
    crlf = b"\r\n"
    for request in asked:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0].strip()
        body = await reader.readexactly(int(length or 0))
        done += 1
        if head[9:10] != b"2":
            bad += 1
            sys.stderr.write(f"{head.partition(crlf)[0]!r} {body[:200]!r}\n")
        if time.monotonic() > ends:
            break
    writer.close()
    return done, bad


if __name__ == "__main__":
    main()
