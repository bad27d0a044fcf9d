"""Load from wrk, one thread, which sends requests that were made before the run, one after the other."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Reads the requests from a file: their number, each one's length on a line, then their bytes.
SCRIPT = """
local requests, position = {}, 0

function init(arguments)
  local file = io.open(arguments[1], "rb")
  local lengths = {}
  for i = 1, file:read("*n") do lengths[i] = file:read("*n") end
  file:read(1)
  for i, length in ipairs(lengths) do requests[i] = file:read(length) end
  file:close()
end

function request()
  position = position % #requests + 1
  return requests[position]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('\\n{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk saw."""

    connections: int
    requests: int
    rps: float
    p50_us: int
    p99_us: int


class Failed(Exception):
    """Answers that were errors, or no answers: such a run measures nothing."""


def run(port: int, requests: Sequence[bytes], connections: int, seconds: int) -> Load:
    """Raises `Failed` if a single request got an error."""
    with tempfile.TemporaryDirectory() as folder:
        script, data = Path(folder, "load.lua"), Path(folder, "requests")
        script.write_text(SCRIPT)
        lengths = "\n".join(str(len(request)) for request in requests)
        data.write_bytes(f"{len(requests)}\n{lengths}\n".encode() + b"".join(requests))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", str(script)]
        command += [f"http://127.0.0.1:{port}", "--", str(data)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if ended.returncode:
        raise Failed(f"wrk: {ended.stdout}{ended.stderr}")
    seen = json.loads(ended.stdout.strip().splitlines()[-1])
    if seen["refused"] or seen["broken"] or not seen["requests"]:
        raise Failed(f"wrk: {seen}")
    rps = seen["requests"] / (seen["duration_us"] / 1e6)
    return Load(connections, seen["requests"], round(rps, 1), seen["p50_us"], seen["p99_us"])
