"""The demo as a user runs it: its last line is what was promised, and nothing is left behind."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
PROMISED = {
    "files": 365,
    "events": 365,
    "rows": 336776,
    "sum_distance": 350217607,
    "sum_arr_delay": 2257174,
    "ledger": 365,
    "duplicates": 0,
    "ec2_usd_month": 30.37,
}
MEASURED = ["seconds", "p50_put_to_rows_ms", "gb_seconds", "cost_usd"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demo_keeps_its_promises() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.flights"],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=290, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr  # it looks itself whether a process is left
    *shown, last = done.stdout.splitlines()
    result: dict[str, Any] = json.loads(last)
    assert {name: result[name] for name in PROMISED} == PROMISED
    assert list(result) == [*list(PROMISED)[:7], *MEASURED, "ec2_usd_month"]
    assert all(result[name] > 0 for name in MEASURED)
    assert any(line.startswith("Jul") and "█" in line for line in shown)
