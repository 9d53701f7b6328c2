"""Starts the sandbox: `python -m providers.sandbox --bind 127.0.0.1:8100 [--data DIR]`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType

from providers.sandbox.dialects.registry import DIALECTS
from providers.sandbox.server import Server
from providers.sandbox.world import World


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 0 at the end, 2 for wrong usage."""
    asked = _parser().parse_args(arguments)
    if asked.data is None:
        with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
            return _serve(asked.bind, Path(folder), keep=False)
    asked.data.mkdir(parents=True, exist_ok=True)
    return _serve(asked.bind, asked.data.resolve(), keep=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("sandbox", description=__doc__)
    parser.add_argument(
        "--bind", type=_address, default="127.0.0.1:8100", help="address and port; port 0: any"
    )
    parser.add_argument("--data", type=Path, help="folder that outlives the process")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not an address and a port")
    return host, int(port)


def _serve(address: tuple[str, int], folder: Path, *, keep: bool) -> int:
    world = World(folder, DIALECTS)
    server = Server(address, world)

    def end(number: int, frame: FrameType | None) -> None:
        # `shutdown` waits for the loop that this very thread runs.
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    sys.stdout.write(f"sandbox on {world.origin}\n")
    sys.stdout.flush()
    with server:
        server.serve_forever(poll_interval=0.1)
    if keep:
        world.save()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
