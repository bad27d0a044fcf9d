"""What a function does when nobody calls it: nothing; and what it may do when it is to end."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from tests.lines import into
from tests.sandbox.conftest import VARIABLES, sandbox_on, write_code
from tests.sandbox.launched import this_interpreter
from tests.security.conftest import Ground

from lambent.invoke.instance import Instance
from lambent.invoke.pool import FREEZE_S, Pool
from lambent.invoke.transcript import Transcript
from lambent.model.function import Code, State, Version
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import FunctionKey, Target

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

KEY = FunctionKey("000000000000", "us-east-1", "restless")
VERSION = Version(
    key=KEY,
    code=Code("d", 1, "s"),
    runtime=this_interpreter().runtime,
    handler="handler.handler",
    role="arn:aws:iam::000000000000:role/r",
    state=State.ACTIVE,
    timeout_s=1,
)
RESTLESS = """
import os, signal, subprocess, sys, threading, time
signal.signal(signal.SIGTERM, lambda *_: (print("good bye"), sys.exit(0)) if polite else print("no"))
count, polite = 0, True
def run():
    global count
    while True:
        count += 1
        time.sleep(0.001)
def handler(event, context):
    scope = globals()
    scope["answer"] = None
    exec(event, scope)
    return scope["answer"]
"""


@dataclass
class Bench:
    """A pool with real instances, and their log."""

    pool: Pool
    log: list[str]

    async def call(self, code: str) -> Outcome:
        request = Invocation(
            request_id=str(uuid.uuid4()), target=Target(KEY), payload=json.dumps(code).encode()
        )
        async with self.pool.instance(VERSION) as instance:
            return await instance.run(request)

    async def answer(self, code: str) -> int:
        return int((await self.call(f"answer = {code}")).payload)


@pytest_asyncio.fixture(loop_scope="session")
async def bench(ground: Ground) -> AsyncIterator[Bench]:
    log: list[str] = []
    code = write_code(ground.data, "restless", RESTLESS)

    async def make(version: Version, tenant: str | None, ahead: bool) -> Instance:
        sandbox = await sandbox_on(ground.launched, code)
        instance = Instance(version, this_interpreter(), sandbox, VARIABLES, Transcript(into(log)))
        await instance.start()
        return instance

    pool = Pool(make, limit=10, starting_limit=2, idle_s=600)
    yield Bench(pool, log)
    await pool.close()


async def test_nothing_goes_on_between_calls(bench: Bench) -> None:
    await bench.call("threading.Thread(target=run, daemon=True).start()")
    await asyncio.sleep(0.2 + 2 * FREEZE_S)
    before = await bench.answer("count")
    await asyncio.sleep(1)
    assert await bench.answer("count") - before < 500


async def test_between_calls_that_follow_each_other_it_does(bench: Bench) -> None:
    await bench.call("threading.Thread(target=run, daemon=True).start()")
    counts = [await bench.answer("count") for _ in range(200)]
    assert counts[-1] > counts[0]


async def test_nothing_goes_on_after_the_timeout(bench: Bench) -> None:
    """The duration is the one that was configured, /tmp is kept, and of the processes nothing is."""
    forever = "open('/tmp/kept', 'w').close(); subprocess.Popen(['sleep', '996'])\nwhile True: pass"
    outcome = await bench.call(forever)
    assert (outcome.run.error_type, outcome.run.duration_ms) == ("Sandbox.Timedout", 1000.0)
    assert await bench.answer("int(os.path.exists('/tmp/kept'))") == 1
    left = (
        "sum(b'996' in open(f'/proc/{p}/cmdline', 'rb').read() for p in os.listdir('/proc') if p.isdigit())"
    )
    assert await bench.answer(left) == 0


async def test_it_may_say_good_bye(bench: Bench) -> None:
    await bench.call("")
    await asyncio.sleep(3 * FREEZE_S)
    await bench.pool.close()
    assert "good bye\n" in bench.log


async def test_who_does_not_go_is_killed(bench: Bench) -> None:
    await bench.call("polite = False")
    began = asyncio.get_running_loop().time()
    await bench.pool.close()
    assert asyncio.get_running_loop().time() - began >= 0.5
    assert "no\n" in bench.log
    assert "good bye\n" not in bench.log
