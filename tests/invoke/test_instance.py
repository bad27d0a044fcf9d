"""An instance over a real process: what callers, the log and the bill get, whatever the handler does."""

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.lines import into

from lambent.invoke import instance as instance_module
from lambent.invoke.instance import Instance
from lambent.invoke.stream import Stream
from lambent.invoke.transcript import Transcript
from lambent.model.errors import InvalidContent
from lambent.model.function import Code, State, Version
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import FunctionKey, Target
from lambent.runtimes.catalog import Catalog
from lambent.sandbox.base import SandboxSpec
from lambent.sandbox.process import ProcessHost

KEY = FunctionKey("000000000000", "us-east-1", "f")
RUNTIME = f"python3.{sys.version_info.minor}"

pytestmark = pytest.mark.slow


class Bench:
    """An instance of a handler that a test writes, and its log."""

    def __init__(self, instance: Instance, log: list[str]) -> None:
        self.instance = instance
        self.log = log

    async def call(
        self, event: Any = None, *, raw: bytes | None = None, stream: Stream | None = None
    ) -> Outcome:
        payload = json.dumps(event).encode() if raw is None else raw
        request = Invocation(
            request_id=str(uuid.uuid4()), target=Target(KEY), payload=payload, wants_tail=True
        )
        return await self.instance.run(request, stream)


Make = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    host = ProcessHost(tmp_path)
    interpreter = Catalog.find().get(RUNTIME)
    benches: list[Bench] = []

    async def build(source: str, *, timeout_s: int = 10) -> Bench:
        code = tmp_path / "code" / str(len(benches))
        code.mkdir(parents=True)
        (code / "h.py").write_text(source)
        version = Version(
            key=KEY,
            code=Code("d", 1, "s"),
            runtime=RUNTIME,
            handler="h.f",
            role="arn:aws:iam::000000000000:role/r",
            state=State.ACTIVE,
            timeout_s=timeout_s,
        )
        sandbox = await host.create(SandboxSpec(interpreter=interpreter, code=code))
        log: list[str] = []

        environment = {"_HANDLER": "h.f", "LAMBDA_TASK_ROOT": "/var/task", "AWS_REGION": "us-east-1"}
        instance = Instance(version, interpreter, sandbox, environment, Transcript(into(log)))
        await instance.start()
        benches.append(Bench(instance, log))
        return benches[-1]

    yield build
    for bench in benches:
        await bench.instance.close()
    await host.close()


async def test_answer_log_and_bill_of_a_good_call(make: Make) -> None:
    bench = await make("def f(event, context):\n    print('seen', event)\n    return {'got': event}\n")
    first, second = await bench.call({"n": 1}), await bench.call({"n": 2})
    assert json.loads(first.payload) == {"got": {"n": 1}}
    assert first.ok
    assert first.run.init_ms is not None
    assert first.run.billed_ms >= first.run.duration_ms + first.run.init_ms - 0.001
    assert second.run.init_ms is None
    assert second.run.memory_peak_mb > 0
    kinds = [line.split(" ")[0] for line in bench.log]
    assert kinds == ["INIT_START", *["START", "seen", "END", "REPORT"] * 2]
    assert second.log_tail.decode() == "".join(bench.log[5:])


STREAM = """
def f(event, context):
    print('begins')
    for size in event:
        if size < 0: raise ValueError('broke')
        yield b'x' * size
"""


async def gather(stream: Stream, run: "asyncio.Task[Outcome]") -> tuple[int, Outcome]:
    run.add_done_callback(lambda _: stream.end())
    size = sum([len(piece) async for piece in stream])
    return size, await run


async def test_a_generators_pieces_are_passed_on_to_a_caller_who_takes_them(make: Make) -> None:
    bench = await make(STREAM)
    stream = Stream()
    run = asyncio.create_task(bench.call([10, 3_000_000], stream=stream))
    size, outcome = await gather(stream, run)
    assert (size, stream.version, outcome.payload, outcome.ok) == (3_000_010, "$LATEST", b"", True)
    assert stream.content_type == "application/octet-stream"
    assert b"begins" in outcome.log_tail
    assert (await bench.call([3])).payload == b"xxx"


async def test_a_stream_that_breaks_off_is_an_error(make: Make) -> None:
    bench = await make(STREAM)
    stream = Stream()
    size, outcome = await gather(stream, asyncio.create_task(bench.call([10, -1], stream=stream)))
    assert size == 10
    assert json.loads(outcome.payload)["errorMessage"] == "broke"
    assert outcome.run.error_type == "ValueError"


async def test_a_process_waits_for_a_slow_caller_until_its_time_is_up(make: Make) -> None:
    bench = await make(STREAM, timeout_s=1)
    stream = Stream()
    outcome = await bench.call([20_000_000], stream=stream)
    assert outcome.run.status == "timeout"
    assert stream.total < 10_000_000
    stream = Stream()
    stream.lose()
    outcome = await bench.call([20_000_000], stream=stream)
    assert (outcome.ok, stream.total) == (True, 20_000_000)


async def test_an_exception_is_an_outcome_and_the_process_goes_on(make: Make) -> None:
    bench = await make(
        "import os\ndef f(event, context):\n    if event: raise ValueError('boom')\n    return os.getpid()\n"
    )
    pid = (await bench.call()).payload
    failed = await bench.call(1)
    assert (failed.function_error, failed.run.error_type) == ("Unhandled", "ValueError")
    assert json.loads(failed.payload)["errorMessage"] == "boom"
    assert (await bench.call()).payload == pid


async def test_a_timeout_kills_the_process_but_keeps_tmp(make: Make) -> None:
    source = """
import os, time
MARK = os.environ.get("TMPDIR", "/tmp") + "/mark"
def f(event, context):
    open(MARK, "a").write("x")
    if event == "hang":
        time.sleep(60)
    return [os.getpid(), open(MARK).read()]
"""
    bench = await make(source, timeout_s=1)
    pid, _ = json.loads((await bench.call()).payload)
    hung = await bench.call("hang")
    body = json.loads(hung.payload)
    assert body["errorType"] == "Sandbox.Timedout"
    assert body["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert (hung.run.duration_ms, hung.run.billed_ms) == (1000.0, 1000)
    assert hung.log_tail.decode().endswith("\tStatus: timeout\n")
    new_pid, mark = json.loads((await bench.call()).payload)
    assert new_pid != pid
    assert mark == "xxx"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("os._exit(3)", "Runtime exited with error: exit status 3"),
        ("sys.exit(0)", "Runtime exited without providing a reason"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
        ("os.close(3)", "Runtime exited"),
    ],
)
async def test_a_process_that_ends_is_told_and_replaced(make: Make, statement: str, message: str) -> None:
    bench = await make(
        f"import os, sys\ndef f(event, context):\n    if event: {statement}\n    return 'well'\n"
    )
    ended = await bench.call(1)
    assert ended.run.error_type == "Runtime.ExitError" or statement == "os.close(3)"
    assert message in json.loads(ended.payload)["errorMessage"] or statement == "os.close(3)"
    assert json.loads((await bench.call()).payload) == "well"


async def test_an_init_that_fails_is_told_by_each_call(make: Make) -> None:
    bench = await make("import nowhere_to_be_found\n")
    for _ in range(2):
        outcome = await bench.call()
        body = json.loads(outcome.payload)
        assert body["errorType"] == "Runtime.ImportModuleError"
        assert body["errorMessage"] == "Unable to import module 'h': No module named 'nowhere_to_be_found'"
    assert any(line.startswith("INIT_REPORT") for line in bench.log)


async def test_an_init_that_takes_too_long_is_tried_again_in_the_call(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance_module, "INIT_TIMEOUT_S", 0.3)
    bench = await make("import time\ntime.sleep(1)\ndef f(event, context):\n    return 'late'\n")
    assert json.loads((await bench.call()).payload) == "late"
    assert any("Phase: init\tStatus: timeout" in line for line in bench.log)


async def test_output_beyond_measure_is_cut_and_said(make: Make) -> None:
    source = "def f(event, context):\n    for _ in range(100): print('x' * 1_000_000)\n    return 'done'\n"
    bench = await make(source, timeout_s=100)
    outcome = await bench.call()
    assert json.loads(outcome.payload) == "done"
    assert sum(map(len, bench.log)) < 12_000_000
    assert "lines dropped" in outcome.log_tail.decode()


@pytest.mark.parametrize(
    ("answer", "error_type"),
    [("object()", "Runtime.MarshalError"), ("'x' * 7_000_000", "Function.ResponseSizeTooLarge")],
)
async def test_answers_that_cannot_be_given(make: Make, answer: str, error_type: str) -> None:
    bench = await make(f"def f(event, context):\n    return {answer}\n")
    assert json.loads((await bench.call()).payload)["errorType"] == error_type


async def test_six_megabytes_both_ways(make: Make) -> None:
    bench = await make("def f(event, context):\n    return event\n")
    event = "x" * (6 * 1024 * 1024 - 2)
    assert json.loads((await bench.call(event)).payload) == event


async def test_what_is_not_json_is_refused(make: Make) -> None:
    bench = await make("def f(event, context):\n    return event\n")
    with pytest.raises(InvalidContent, match="Could not parse request body into json"):
        await bench.call(raw=b"{nonsense")
    assert json.loads((await bench.call(1)).payload) == 1


@pytest.mark.parametrize(
    "frames",
    [
        "struct.pack('!BII', 12, 4, 4) + b'{}  null'",  # an answer with no id
        "struct.pack('!BII', 12, 2**31, 2**31)",  # a frame that would fill the node's memory
        "struct.pack('!BII', 99, 0, 0)",
        "struct.pack('!BII', 12, 15, 1) + b'not JSON at all1'",
        "(struct.pack('!BII', 12, 2, 0) + b'{}') * 50",
        "os.urandom(100_000)",
    ],
)
async def test_forged_frames_cost_the_process_only(make: Make, frames: str) -> None:
    source = f"""
import os, stat, struct, time
SOCKETS = (fd for fd in map(int, os.listdir("/proc/self/fd")) if os.path.exists(f"/proc/self/fd/{{fd}}"))
CONTROL = next(fd for fd in SOCKETS if stat.S_ISSOCK(os.fstat(fd).st_mode))
def f(event, context):
    if event:
        data = {frames}
        while data:
            data = data[os.write(CONTROL, data):]
        time.sleep(5)
    return 'well'
"""
    bench = await make(source)
    forged = await bench.call(1)
    assert forged.run.error_type == "Runtime.ExitError"
    assert json.loads((await bench.call()).payload) == "well"


async def test_who_prints_too_fast_waits_and_the_node_does_not(make: Make) -> None:
    """Nine mebibytes, of which the first is a burst and the others take a quarter of a second."""
    bench = await make("def f(event, context):\n    for _ in range(144): print('x' * 65535)\n")
    outcome = await bench.call()
    assert outcome.run.error_type is None
    assert outcome.run.duration_ms > 200
    assert len([line for line in bench.log if line.startswith("x")]) == 144


async def test_what_prints_without_end_holds_up_no_answer(make: Make) -> None:
    bench = await make("import subprocess\ndef f(event, context):\n    subprocess.Popen(['yes'])\n")
    async with asyncio.timeout(30):
        for _ in range(3):
            assert (await bench.call()).run.error_type is None
