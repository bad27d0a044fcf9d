"""What a run's figures come down to, and the machine that they were measured on."""

import json
import math
import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

T = TypeVar("T")

ABBA = "ABBA"  # a drift of the machine falls on both sides alike


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def abba(rounds: int, ours: Callable[[], T], rival: Callable[[], T]) -> tuple[list[T], list[T]]:
    """Run both sides in turn, A B B A, as many times as asked."""
    results: dict[str, list[T]] = {"A": [], "B": []}
    sides = {"A": ours, "B": rival}
    for side in ABBA * rounds:
        results[side].append(sides[side]())
    return results["A"], results["B"]


def middle(values: Iterable[float], digits: int = 1) -> float:
    return round(median(values), digits)


def machine() -> dict[str, Any]:
    """What one must know to read the figures."""
    cgroup2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    return {
        "uptime": Path("/proc/uptime").read_text().split()[0],
        "load": os.getloadavg()[0],
        "kernel": platform.release(),
        "cgroup": "v2" if cgroup2 else "v1",
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu_model(),
        "python": platform.python_version(),
        "user": "root" if os.getuid() == 0 else "user",
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def say(text: str) -> None:
    """Progress, for people; the result alone goes to standard output."""
    print(text, file=sys.stderr, flush=True)


def finish(result: dict[str, Any]) -> None:
    print(json.dumps(result), flush=True)
