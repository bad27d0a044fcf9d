"""Forged frames on the control socket: the invocation fails, the process goes, the node stays well."""

import json
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from tests.lines import into
from tests.sandbox.conftest import VARIABLES, sandbox_on, write_code
from tests.sandbox.launched import this_interpreter
from tests.security.conftest import Ground

from lambent.invoke.instance import Instance
from lambent.invoke.transcript import Transcript
from lambent.model.function import Code, State, Version
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import FunctionKey, Target

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

KEY = FunctionKey("000000000000", "us-east-1", "forger")
FORGER = """
import array, json, os, socket, struct, time
control = socket.socket(fileno=3)
def frame(kind, meta=b"{}", payload=b""):
    return struct.pack("!BII", kind, len(meta), len(payload)) + meta + payload
def wait():
    time.sleep(9)
def handler(event, context):
    own = json.dumps({"id": context.aws_request_id}).encode()
    scope = dict(globals(), own=own)
    exec(event, scope)
    return scope.get("answer", "the handler's own answer")
"""
READY, ANSWER, ERROR, PIECE = 10, 12, 13, 15

# What ends the process that sends it, and with it the invocation.
BROKEN = {
    "another invocation's answer": f"control.sendall(frame({ANSWER}, b'{{\"id\":\"x\"}}', b'1')); wait()",
    "an answer of nobody's": f"control.sendall(frame({ANSWER}, b'{{}}', b'1')); wait()",
    "a kind that there is not": "control.sendall(frame(99, own)); wait()",
    "a piece that nobody takes": f"control.sendall(frame({PIECE}, b'{{\"type\":\"a\"}}', b'1')); wait()",
    "a call to the node": "control.sendall(frame(1, own)); wait()",
    "a second beginning": f"control.sendall(frame({READY}, own)); wait()",
    "a meta that is not JSON": f"control.sendall(frame({ANSWER}, b'x')); wait()",
    "a meta that is no object": f"control.sendall(frame({ANSWER}, b'[]')); wait()",
    "a meta without a bottom": f"control.sendall(frame({ANSWER}, b'[' * 60000)); wait()",
    "a meta that is too long": f"control.sendall(frame({ANSWER}, b' ' * 70000)); wait()",
    "an answer that is too long": f"control.sendall(struct.pack('!BII', {ANSWER}, 2, 7 << 20)); wait()",
    "a length of four gigabytes": f"control.sendall(struct.pack('!BII', {ANSWER}, 2, 2**32 - 1)); wait()",
    "an error that is no object": f"control.sendall(frame({ERROR}, own, b'[]')); wait()",
    "an error that is not JSON": f"control.sendall(frame({ERROR}, own, b'{{')); wait()",
    "two answers at once": f"control.sendall(frame({ANSWER}, b'{{}}', b'1') * 2); wait()",
    "half a frame and the end": f"control.sendall(frame({ANSWER}, own)[:5]); control.close(); wait()",
    "nothing, and the end": "control.close(); wait()",
    "a flood": "\nwhile True: control.sendall(os.urandom(65536))",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def forge(ground: Ground) -> AsyncIterator[Callable[[str], Awaitable[Outcome]]]:
    """Invoke an instance whose handler runs the code that it is sent."""
    log: list[str] = []

    version = Version(
        key=KEY,
        code=Code("d", 1, "s"),
        runtime=this_interpreter().runtime,
        handler="handler.handler",
        role="arn:aws:iam::000000000000:role/r",
        state=State.ACTIVE,
        timeout_s=30,
    )
    sandbox = await sandbox_on(ground.launched, write_code(ground.data, "forger", FORGER))
    instance = Instance(version, this_interpreter(), sandbox, VARIABLES, Transcript(into(log)))
    await instance.start()

    async def invoke(code: str) -> Outcome:
        request = Invocation(
            request_id=str(uuid.uuid4()),
            target=Target(KEY),
            payload=json.dumps(code).encode(),
            wants_tail=True,
        )
        return await instance.run(request)

    yield invoke
    await instance.close()


Forge = Callable[[str], Awaitable[Outcome]]


@pytest.mark.parametrize("what", BROKEN)
async def test_it_costs_the_process(forge: Forge, what: str) -> None:
    outcome = await forge(BROKEN[what])
    assert outcome.run.error_type == "Runtime.ExitError", outcome
    assert outcome.run.duration_ms < 5000
    assert json.loads((await forge("answer = 'well'")).payload) == "well"


async def test_an_answer_that_came_too_early_is_nobodys(forge: Forge) -> None:
    """What is sent after the answer waits for the next invocation, whose id it cannot know."""
    forged = "import threading\nthreading.Timer(0.05, control.sendall, [frame(12, own, b'1')]).start()"
    assert json.loads((await forge(forged)).payload) == "the handler's own answer"
    outcomes = [await forge("time.sleep(0.2); answer = 'well'") for _ in range(2)]
    assert b"1" not in [outcome.payload for outcome in outcomes]
    assert json.loads(outcomes[-1].payload) == "well"


async def test_descriptors_that_are_passed_are_dropped(forge: Forge) -> None:
    before = len(os.listdir("/proc/self/fd"))
    code = """
for _ in range(200):
    files = array.array("i", [os.open("/dev/null", 0) for _ in range(4)])
    control.sendmsg([b""], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
"""
    await forge(code)
    assert (await forge("answer = 'well'")).run.error_type in (None, "Runtime.ExitError")
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize("error_type", ["x" * 1_000_000, "a\nEND RequestId: forged", "\x1b[2J"])
async def test_the_type_of_an_error_is_a_word(forge: Forge, error_type: str) -> None:
    described = json.dumps({"errorType": error_type, "errorMessage": "m"})
    outcome = await forge(f"control.sendall(frame(13, own, {described.encode()!r})); time.sleep(0.2)")
    assert outcome.run.error_type is not None
    assert len(outcome.run.error_type) <= 256
    assert outcome.run.error_type.isprintable()
    while (outcome := await forge("answer = 'well'")).run.error_type:  # what it said itself
        assert outcome.run.error_type == "Runtime.ExitError"
