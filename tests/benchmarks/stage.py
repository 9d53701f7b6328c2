"""Where benchmarks run: private PostgreSQL and Redis, a reference host, many bindings."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portal import embedded

HOST = Path(__file__).parent / "host"


@contextmanager
def services() -> Iterator[None]:
    """Servers of our own in a new folder, migrated; Django is ready inside the block."""
    folder = Path(tempfile.mkdtemp(prefix="mooring-bench-"))
    folder.chmod(0o711)
    os.environ |= {
        "MOORING_ENV": "test",
        "MOORING_SECRET_KEY": "bench-secret-key-for-test-only-0123456789-0123456789",
        "MOORING_KEYS": "bench1:"
        + base64.urlsafe_b64encode(b"bench key of exactly 32 bytes!!!").decode(),
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }
    try:
        with embedded.services(
            embedded.fill_in(os.environ, folder / "services"), folder / "services"
        ):
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0, skip_checks=True)
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def reference_host(latency_ms: float) -> Iterator[str]:
    """The small server in C; its address. Raises RuntimeError without a compiler."""
    binary = HOST / "server"
    if not binary.exists() or binary.stat().st_mtime < (HOST / "server.c").stat().st_mtime:
        compiler = shutil.which("cc")
        if compiler is None:
            raise RuntimeError("the reference host needs a C compiler (cc)")
        subprocess.run([compiler, "-O2", "-o", binary, HOST / "server.c"], check=True)
    command = [str(binary), "0", str(latency_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def reference(module: str, *arguments: str) -> list[float]:
    """Run a reference loop in a process of its own; the figures it prints."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(figure) for figure in done.stdout.split()]
