"""Programs inside real sandboxes: what they find there, and that the walls are those of every function."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.runtimes.bench import EXECUTABLES, SERVE, Benches, Make
from tests.runtimes.test_extensions import EXTENSION
from tests.runtimes.test_telemetry import LISTEN
from tests.sandbox.launched import Config, whole_host

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.getuid() != 0, reason="sandboxes are made by root"),
]

SYSTEM_PYTHON = "/usr/bin/python3"
needs_python = pytest.mark.skipif(not Path(SYSTEM_PYTHON).exists(), reason="the system has no Python")


def for_the_system(code: str) -> str:
    """A program for the Python that is inside of every sandbox, not the one that runs the tests."""
    return f"#!{SYSTEM_PYTHON} -IS\n{code.partition(chr(10))[2]}"


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    host = await whole_host(tmp_path / "data", Config(interpreters=tuple(EXECUTABLES.values())))
    benches = Benches(host, tmp_path / "data" / "code")
    yield benches.make
    await benches.close()


@needs_python
async def test_a_program_is_walled_in(make: Make) -> None:
    bench = await make(for_the_system(SERVE + "    respond(headers, eval(event))\n"))
    status = await bench.answer("open('/proc/self/status').read()")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {facts[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
    assert len(set(facts["Uid"].split())) == 1
    assert int(facts["Uid"].split()[0]) > 0
    assert await bench.answer("os.getcwd()") == "/var/task"
    assert await bench.answer("os.environ['AWS_LAMBDA_RUNTIME_API']") == "127.0.0.1:9001"
    assert await bench.answer("sorted(set(os.listdir('/proc/self/fd')) - {'4'})") == ["0", "1", "2", "3"]
    assert await bench.answer("os.path.exists('/root') or os.path.exists('/home')") is False
    assert await bench.answer("[os.access(p, os.W_OK) for p in ('/', '/var/task', '/usr', '/tmp')]") == [
        *[False] * 3,
        True,
    ]


@needs_python
async def test_the_api_of_another_sandbox_is_out_of_reach(make: Make) -> None:
    """Each has it at the same address, which leads to its own."""
    code = for_the_system(SERVE + "    respond(headers, headers['Lambda-Runtime-Aws-Request-Id'])\n")
    first, second = await make(code), await make(code)
    ids = [await bench.answer() for bench in (first, second, first)]
    assert len(set(ids)) == 3


@needs_python
async def test_extensions_and_telemetry_inside(make: Make) -> None:
    """By the names that AWS gives the sandbox, and across its network."""
    watch = for_the_system(EXTENSION + LISTEN).replace('("127.0.0.1", 0)', '("sandbox.localdomain", 4243)')
    look = "    respond(headers, open('/tmp/out').read() if os.path.exists('/tmp/out') else '')\n"
    bench = await make(for_the_system(SERVE + look), extensions={"watch": watch}, OUT="/tmp/out")
    seen = ""
    for _ in range(100):
        seen = await bench.answer()
        if "platform.report" in seen:
            break
    kinds = {json.loads(line)["type"] for line in seen.splitlines()}
    assert {"platform.initStart", "platform.start", "platform.runtimeDone", "platform.report"} <= kinds


@pytest.mark.skipif(not any(name.startswith("nodejs") for name in EXECUTABLES), reason="there is no Node.js")
async def test_node_where_aws_has_it(make: Make) -> None:
    runtime = next(name for name in EXECUTABLES if name.startswith("nodejs"))
    code = "exports.handler = async () => [process.execPath, __dirname, process.env.NODE_PATH.split(':')[1]]"
    bench = await make({"index.js": code}, runtime=runtime)
    assert await bench.answer() == ["/var/lang/bin/node", "/var/task", "/opt/nodejs/node_modules"]


async def test_memory_binds(make: Make) -> None:
    bench = await make("#!/bin/sh\nhead -c 300000000 /dev/zero | tail\n")
    told = await bench.fail()
    assert told["errorType"] == "Runtime.ExitError"
