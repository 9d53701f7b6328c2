"""F1 to F4: clones through the git proxy against clones straight from the host, in turns."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.request import urlopen

from tests.benchmarks import report, stage

PAIRS = {"small": 7, "full": 11}
BIG = {"small": 100, "full": 131}  # MB that do not compress
SPEED = 40_000_000  # bytes a second of a paced host
AT_ONCE = 20
_MB = 1 << 20


@dataclass(frozen=True)
class Way:
    """Where a clone goes: its address, with user and password."""

    url: str

    def clone(self, *options: str) -> float:
        """Seconds of one bare clone."""
        at = mkdtemp(prefix="mooring-clone-")
        begun = time.perf_counter()
        subprocess.run(
            ["git", "clone", "-q", "--bare", *options, self.url, f"{at}/r"],
            check=True,
            capture_output=True,
            env={"PATH": os.environ["PATH"], "HOME": at, "GIT_TERMINAL_PROMPT": "0"},
        )
        seconds = time.perf_counter() - begun
        shutil.rmtree(at)
        return seconds


@dataclass(frozen=True)
class Proxy:
    """The portal's own process for git: gunicorn with its two workers."""

    site: str
    pid: int

    def tree(self) -> list[int]:
        kids = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, kids)]

    def cpu(self) -> float:
        """Seconds of CPU that all have used so far."""
        ticks = 0
        for pid in self.tree():
            ticks += sum(
                map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])
            )
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """MB that all hold now."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.tree())
        return pages * os.sysconf("SC_PAGE_SIZE") / _MB

    def share(self) -> float:
        """MB that all take of the machine: what they share counts once."""
        kb = 0
        for pid in self.tree():
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            kb += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return round(kb / 1024, 1)


class Peak:
    """The most memory a proxy held while the block ran."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy, self._over = proxy, threading.Event()
        self.before = self.most = proxy.memory()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.most = max(self.most, self._proxy.memory())


def main(size: str) -> None:
    folder = Path(mkdtemp(prefix="mooring-repositories-"))
    try:
        _repository(folder / "small.git", texts=1500, megabytes=1)
        _repository(folder / "big.git", texts=3000, megabytes=BIG[size])
        with stage.services():
            for speed in (0, SPEED):
                with host(folder, speed) as url, proxy(url) as portal:
                    _measure(size, url, portal, speed)
    finally:
        shutil.rmtree(folder)


def _measure(size: str, url: str, portal: Proxy, speed: int) -> None:
    from tests.benchmarks import lending

    lending.seed(url, portal.site)
    straight = Way(url.replace("//", "//bench:bench@") + "/big.git")
    through = Way(lending.lease("big"))
    more: dict[str, Any] = {"size": size, "host": "git http-backend, CGI", "mb": BIG[size]}
    through.clone()  # warm
    direct, proxied, cpu = [], [], []
    for _ in range(PAIRS[size]):
        direct.append(straight.clone())
        begun = portal.cpu()
        with Peak(portal) as peak:
            proxied.append(through.clone())
        cpu.append((portal.cpu() - begun) / BIG[size] * 1024)
    name = "clone_paced" if speed else "clone_big"
    # Seconds: less is better, so the ratio is direct over proxied.
    report.line("F1", name, "s", direct, proxied, 0.95 if speed else 0.85, **more)
    _limit("F2", f"{name}_cpu", "s/GB", sorted(cpu)[len(cpu) // 2], 1.5, **more)
    _limit("F3", f"{name}_memory", "MB", peak.most - peak.before, 8.0, **more)
    if not speed:
        _together(size, url, portal, more)


def _together(size: str, url: str, portal: Proxy, more: dict[str, Any]) -> None:
    from tests.benchmarks import lending

    ways = [Way(lending.lease("big")) for _ in range(5)]
    with Peak(portal) as peak, ThreadPoolExecutor(5) as threads:
        list(threads.map(Way.clone, ways))
    _limit("F3", "clone_5_memory", "MB each", (peak.most - peak.before) / 5, 8.0, **more)
    small = [Way(lending.lease("small")) for _ in range(AT_ONCE)]
    straight = [Way(url.replace("//", "//bench:bench@") + "/small.git")] * AT_ONCE
    direct, proxied, cpu = [], [], []
    _all(small)  # warm
    with Peak(portal) as peak:
        for _ in range(PAIRS[size]):
            direct.append(_all(straight))
            begun = portal.cpu()
            proxied.append(_all(small))
            cpu.append((portal.cpu() - begun) / AT_ONCE * 1000)
    report.line("F4", "clone_small", "s", direct, proxied, 0.85, n=AT_ONCE, **more)
    _limit("F4", "clone_small_cpu", "ms", sorted(cpu)[len(cpu) // 2], 25.0, **more)
    more |= {"pss": portal.share(), "idle": round(peak.before, 1)}
    _limit("F3", "clone_20_memory", "MB", peak.most, 250.0, **more)


def _all(ways: list[Way]) -> float:
    """Seconds until all of these are done."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(len(ways)) as threads:
        list(threads.map(lambda way: way.clone("--depth", "1"), ways))
    return time.perf_counter() - begun


def _limit(id: str, metric: str, unit: str, value: float, goal: float, **more: Any) -> None:
    report.say(
        id=id,
        metric=metric,
        unit=unit,
        value=round(value, 2),
        goal=f"<={goal}",
        ok=value <= goal,
        **more,
    )


@contextmanager
def host(folder: Path, speed: int) -> Iterator[str]:
    """The code host; its address."""
    command = [sys.executable, "-m", "tests.benchmarks.host.smart", str(folder), str(speed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


@contextmanager
def proxy(sandbox: str) -> Iterator[Proxy]:
    """The portal as it serves git."""
    from tests.journeys.servers import free_port

    site = f"http://127.0.0.1:{free_port()}"
    known = {
        "MOORING_BIND": site.removeprefix("http://"),
        "MOORING_URL": site,
        "MOORING_SANDBOX_URL": sandbox,
        "MOORING_LOG_LEVEL": "warning",
    }
    command = ["gunicorn", "--config", "python:portal.gunicorn", "--threads", "16"]
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "portal.wsgi:application"], env=os.environ | known
    )
    try:
        _wait(f"{site}/healthz")
        yield Proxy(site, process.pid)
    finally:
        process.terminate()
        process.wait()


def _wait(address: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the portal does not answer")


def _repository(at: Path, *, texts: int, megabytes: int) -> None:
    """A bare repository: many small texts, some files that do not compress, forty commits."""
    work = at.with_suffix(".work")
    (work / "texts").mkdir(parents=True)
    run = [
        "git",
        "-C",
        str(work),
        *("-c", "user.name=Bench", "-c", "user.email=bench@example.com"),
    ]
    subprocess.run([*run, "init", "-q", "-b", "main"], check=True)
    for number in range(texts):
        (work / "texts" / f"{number}.txt").write_text(f"line {number}\n" * 20)
    for number in range(40):
        (work / f"{number}.bin").write_bytes(os.urandom(megabytes * _MB // 40))
        subprocess.run([*run, "add", "-A"], check=True)
        subprocess.run([*run, "commit", "-q", "-m", f"commit {number}"], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(at)], check=True)
    subprocess.run(["git", "-C", str(at), "repack", "-q", "-a", "-d"], check=True)
    shutil.rmtree(work)
