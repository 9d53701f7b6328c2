"""One JSON line per metric: the median of pairwise ratios, and what it was made of."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from statistics import median
from typing import Any


def line(
    id: str,
    metric: str,
    unit: str,
    ours: Sequence[float],
    reference: Sequence[float],
    goal: float,
    **more: Any,
) -> None:
    """Print one metric. `ours` and `reference` were measured in turns; higher is better."""
    pairs = [round(a / b, 3) for a, b in zip(ours, reference, strict=True)]
    ratio = round(median(pairs), 3)
    say(
        id=id,
        metric=metric,
        unit=unit,
        value=round(median(ours), 1),
        reference=round(median(reference), 1),
        ratio=ratio,
        pairs=pairs,
        goal=f">={goal}",
        ok=ratio >= goal,
        **more,
    )


def say(**facts: Any) -> None:
    """Print facts as one line, with the machine they hold for."""
    facts |= {"python": platform.python_version(), "cores": os.cpu_count(), "commit": commit()}
    print(json.dumps(facts), flush=True)


def commit() -> str:
    """The short name of what was measured."""
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
