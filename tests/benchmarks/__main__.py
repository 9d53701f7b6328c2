"""`make bench`: each benchmark prints one JSON line per metric, and nothing else."""

from __future__ import annotations

import argparse
import importlib

MODULES = ("sweep", "ingest", "browse", "relay", "clones")


def main() -> None:
    reader = argparse.ArgumentParser(prog="make bench")
    reader.add_argument("--size", choices=("small", "full"), default="small")
    reader.add_argument("--only", choices=MODULES)
    given = reader.parse_args()
    for name in MODULES:
        if given.only in (None, name):
            importlib.import_module(f"tests.benchmarks.{name}").main(given.size)


if __name__ == "__main__":
    main()
