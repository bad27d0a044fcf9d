"""A Python that is a program, because extensions hear of its invocations: the same handlers and words."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.runtimes.bench import CATALOG, PROGRAMS, PYTHON, Benches, Make
from tests.runtimes.test_extensions import EXTENSION, SERVE_EVENTS, said
from tests.runtimes.test_telemetry import LISTEN
from tests.runtimes.test_walls import for_the_system, needs_python
from tests.sandbox.launched import Config, whole_host

from lambent.invoke.stream import Stream

pytestmark = pytest.mark.slow

ECHO = {"index.py": "def handler(event, context):\n    print('handler', event)\n    return event\n"}


@pytest.mark.parametrize("runtime", CATALOG.interpreters)
async def test_extensions_hear_of_every_invocation(make: Make, runtime: str) -> None:
    bench = await make(ECHO, runtime=runtime, extensions={"watch": SERVE_EVENTS})
    for event in ({"n": 1}, "text"):
        assert await bench.answer(event) == event
    assert "handler {'n': 1}\n" in bench.log
    await bench.instance.close()
    events = [json.loads(event)["eventType"] for event in said(bench, "watch")[1:]]
    assert events == ["INVOKE", "INVOKE", "SHUTDOWN"]


async def test_the_context_is_the_same(make: Make) -> None:
    code = """
def handler(event, context):
    client = context.client_context
    return [context.aws_request_id, context.invoked_function_arn, context.function_name,
            0 < context.get_remaining_time_in_millis() <= 10_000, client.custom, client.client.app_title]
"""
    bench = await make({"index.py": code}, runtime=PYTHON)
    context = json.dumps({"custom": {"ü": "→"}, "client": {"app_title": "t"}})
    request_id, arn, name, in_time, custom, title = await bench.answer(client_context=context)
    assert (len(request_id), name, in_time, custom, title) == (36, "f", True, {"ü": "→"}, "t")
    assert arn.endswith(":function:f")


async def test_a_stream_is_passed_on(make: Make) -> None:
    code = "def handler(event, context):\n    for n in event:\n        yield str(1 // n)\n"
    bench = await make({"index.py": code}, runtime=PYTHON)
    for event, error in (([1, 1], None), ([1, 0], "ZeroDivisionError")):
        stream = Stream()
        outcome = await bench.call(event, stream=stream)
        stream.end()
        pieces = [piece async for piece in stream]
        assert (b"".join(pieces), outcome.run.error_type) == (b"1" * sum(event), error)
    assert (await bench.call([1, 1])).payload == b"11"


async def test_an_error_too(make: Make) -> None:
    bench = await make(
        {"index.py": "def handler(event, context):\n    raise KeyError(event)\n"}, runtime=PYTHON
    )
    told = await bench.fail("k")
    assert (told["errorType"], told["errorMessage"]) == ("KeyError", "'k'")
    assert len(told["stackTrace"]) == 1
    assert told["stackTrace"][0].endswith('index.py", line 2, in handler\n    raise KeyError(event)\n')
    assert any(line.startswith("[ERROR] KeyError: 'k'") for line in bench.log)
    assert (await bench.fail("again"))["errorMessage"] == "'again'", "the process is still there"


async def test_an_init_that_fails(make: Make) -> None:
    bench = await make({"index.py": "import nowhere\n"}, runtime=PYTHON)
    told = await bench.fail()
    assert told["errorType"] == "Runtime.ImportModuleError"
    assert "No module named 'nowhere'" in told["errorMessage"]


async def test_layers_libraries_and_a_wrapper(make: Make, tmp_path: Path) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\nWRAPPED=yes exec "$@"\n')
    wrapper.chmod(0o755)
    code = "import os, boto3\ndef handler(event, context):\n    return os.environ.get('WRAPPED')\n"
    bench = await make({"index.py": code}, runtime=PYTHON, AWS_LAMBDA_EXEC_WRAPPER=str(wrapper))
    assert await bench.answer() == "yes"


@needs_python
@pytest.mark.skipif(os.getuid() != 0, reason="sandboxes are made by root")
class TestInside:
    @pytest.fixture
    async def make(self, tmp_path: Path) -> AsyncIterator[Make]:
        host = await whole_host(tmp_path / "data", Config(interpreters=(CATALOG.get(PYTHON),)))
        benches = Benches(host, tmp_path / "data" / "code")
        yield benches.make
        await benches.close()

    async def test_extensions_and_telemetry(self, make: Make) -> None:
        watch = for_the_system(EXTENSION + LISTEN).replace(
            '("127.0.0.1", 0)', '("sandbox.localdomain", 4243)'
        )
        code = """
import os, sys
import boto3

def handler(event, context):
    if event:
        return [sys.executable, boto3.__file__.split("/boto3")[0], os.getpid() > 1, __file__]
    return open("/tmp/out").read() if os.path.exists("/tmp/out") else ""
"""
        assert PROGRAMS[PYTHON].libraries is not None
        bench = await make({"index.py": code}, runtime=PYTHON, extensions={"watch": watch}, OUT="/tmp/out")
        assert await bench.answer(1) == [
            f"/var/lang/bin/{PYTHON}",
            "/var/runtime",
            True,
            "/var/task/index.py",
        ]
        seen = ""
        for _ in range(100):
            seen = await bench.answer()
            if "platform.report" in seen:
                break
        kinds = {json.loads(line)["type"] for line in seen.splitlines()}
        assert {"platform.initStart", "platform.start", "platform.runtimeDone", "platform.report"} <= kinds
