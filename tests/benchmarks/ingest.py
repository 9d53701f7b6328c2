"""B1, B2, B5: what taking a webhook in costs, beside a view of the same server without work."""

from __future__ import annotations

import hmac
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.benchmarks import poster, report, stage

HOOKS = 1000
CONNECTIONS = 32
SECRET = "test-bench-secret-0123456789abcdef"
PAIRS = {"small": 4, "full": 7}
SECONDS = {"small": 3.0, "full": 5.0}
MOST_A_SECOND = 3000  # requests that are prepared
REPEATS = 1000
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """What one round came to."""

    done: int
    rate: float
    cpu_ms: float  # of the server, per request


def main(size: str) -> None:
    with stage.services(), tempfile.TemporaryDirectory() as folder, _server() as server:
        hooks = _seed()
        ours, no_ops, last = _rounds(size, server, hooks, Path(folder))
        more = {"n": sum(run.done for run in ours), "size": size, "hooks": len(hooks)}
        added = [one.cpu_ms - two.cpu_ms for one, two in zip(ours, no_ops, strict=True)]
        _say_cost(added, ours, no_ops, more)
        rates, others = [run.rate for run in ours], [run.rate for run in no_ops]
        report.line("B2", "ingest_rate", "requests/s", rates, others, 0.40, **more)
        again = _repeats(server, last, Path(folder))
        new = median(run.cpu_ms for run in ours)
        report.say(
            id="B5",
            metric="ingest_repeats_cpu",
            unit="ms",
            value=round(again.cpu_ms, 3),
            reference=round(new, 3),
            ratio=round(again.cpu_ms / new, 3),
            goal="<=0.8",
            ok=again.cpu_ms <= 0.8 * new,
            events_of_ten_at_once=_ten_at_once(server, hooks[0], Path(folder)),
            n=again.done,
            size=size,
        )


@dataclass(frozen=True)
class Server:
    """A gunicorn of two workers with eight threads each, and how many posts it answers."""

    port: int
    pid: int

    def post(self, file: Path, seconds: float) -> Run:
        before = _cpu(self.pid)
        port, many = str(self.port), str(CONNECTIONS)
        done, taken, bad = stage.reference("poster", port, many, str(seconds), str(file))
        if bad:
            raise RuntimeError(f"{bad:.0f} answers other than 2xx")
        return Run(int(done), done / taken, (_cpu(self.pid) - before) / done * 1000)


def _rounds(
    size: str, server: Server, hooks: Sequence[str], folder: Path
) -> tuple[list[Run], list[Run], list[bytes]]:
    count = int(MOST_A_SECOND * SECONDS[size])
    ours, no_ops, requests = [], [], []
    for turn in range(PAIRS[size] + 1):
        nothing, new = folder / "nothing", folder / "new"
        poster.write(nothing, _requests(["no-op"], turn, count))
        requests = _requests(hooks, turn, count)
        poster.write(new, requests)
        pair = (server.post(nothing, SECONDS[size]), server.post(new, SECONDS[size]))
        if turn:  # the first round warms up
            no_ops.append(pair[0])
            ours.append(pair[1])
    return ours, no_ops, requests


def _repeats(server: Server, known: Sequence[bytes], folder: Path) -> Run:
    file = folder / "again"
    poster.write(file, list(known[:REPEATS]))
    return server.post(file, 60.0)


def _ten_at_once(server: Server, hook: str, folder: Path) -> int:
    """How many rows ten equal deliveries at once leave."""
    from bindings.models import Delivery
    from portal.ground import rls

    with rls.fleet("a benchmark counts"):
        before = Delivery.objects.count()
    file = folder / "ten"
    poster.write(file, _requests([hook], -1, 1) * 10)
    server.post(file, 10.0)
    with rls.fleet("a benchmark counts"):
        return Delivery.objects.count() - before


def _requests(hooks: Sequence[str], turn: int, count: int) -> list[bytes]:
    """Pushes of 5 KB as GitHub sends them, each another."""
    return [_request(hooks[n % len(hooks)], f"{turn}-{n}") for n in range(count)]


def _request(hook: str, name: str) -> bytes:
    body = json.dumps({"ref": "refs/heads/main", "name": name, "filler": "x" * 5000}).encode()
    proof = hmac.digest(SECRET.encode(), body, "sha256").hex()
    head = (
        f"POST /hooks/{hook} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"User-Agent: GitHub-Hookshot/test\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: {name}\r\n"
        f"X-Hub-Signature-256: sha256={proof}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _seed() -> list[str]:
    """A thousand hooks; their addresses. One is limited to 600 a minute."""
    from django.utils import timezone

    from bindings.models import Hook, Repository
    from bindings.services.custody import sealed
    from portal.ground import rls
    from tests import factories
    from tests.bindings import fleet, hooked

    tenant = factories.tenant("acme", factories.person("alice"))
    bindings = fleet.many(tenant, hooked.host("github"), HOOKS)
    repositories, hooks = [], []
    for binding in bindings:
        repositories.append(
            Repository(
                tenant=tenant,
                instance_id=binding.instance_id,
                host_id=binding.host_id,
                remote_id="42",
                path="acme/app",
            )
        )
        hook = Hook(tenant=tenant, binding=binding, repository=repositories[-1], proof="hmac")
        sealed.put_shared_secret(hook, SECRET, now=timezone.now())
        hooks.append(hook)
    with rls.tenant(tenant.pk):
        Repository.objects.bulk_create(repositories)
        Hook.objects.bulk_create(hooks)
    return [hook.public_id for hook in hooks]


@contextmanager
def _server() -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    site = "tests.benchmarks.ingest_site:application"
    command = [sys.executable, "-m", "gunicorn", "--config", "python:portal.gunicorn"]
    process = subprocess.Popen(
        [*command, "--bind", f"127.0.0.1:{port}", site],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int) -> None:
    for _ in range(300):
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("the server did not start")


def _cpu(pid: int) -> float:
    """CPU seconds of a process and its children, living and ended."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(_own_cpu(int(one)) for one in (pid, *children))


def _own_cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICK


def _say_cost(
    added: Sequence[float], ours: Sequence[Run], no_ops: Sequence[Run], more: dict[str, object]
) -> None:
    report.say(
        id="B1",
        metric="ingest_cpu",
        unit="ms",
        value=round(median(added), 3),
        pairs=[round(one, 3) for one in added],
        ours_ms=round(median(run.cpu_ms for run in ours), 3),
        reference=round(median(run.cpu_ms for run in no_ops), 3),
        goal="<=0.45",
        ok=median(added) <= 0.45,
        **more,
    )
