"""Forks are not twins: a hundred from a zygote that has used TLS draw numbers of their own."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.sandbox.conftest import process_on, write_code
from tests.sandbox.launched import Config, launch, this_interpreter
from tests.security.test_processes import TWINS

from lambent.cli.attempts import HANDLER

pytestmark = pytest.mark.slow

FORKS = 100
# A library that the zygote loads ahead: a whole handshake begins, and numbers are drawn.
USED = """
import random, ssl, uuid
inner, outer = ssl.MemoryBIO(), ssl.MemoryBIO()
client = ssl.create_default_context().wrap_bio(inner, outer, server_hostname="example.test")
try:
    client.do_handshake()
except ssl.SSLWantReadError:
    pass
drawn = [ssl.RAND_bytes(32), uuid.uuid4(), random.random()]
"""


async def test_a_hundred_forks_differ(tmp_path: Path) -> None:
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    (libraries / "used.py").write_text(USED)
    (libraries / "preload.txt").write_text("used\n")
    interpreter = replace(this_interpreter(), libraries=libraries)
    data = tmp_path / "data"
    launched = await launch(data, Config(interpreters=(interpreter,), max_sandboxes=FORKS + 20))
    code = write_code(data, "twins", HANDLER)
    try:
        drawn = []
        for _ in range(FORKS // 10):
            callers = await asyncio.gather(
                *(process_on(launched, code, interpreter=interpreter) for _ in range(10))
            )
            drawn += [(await caller.call(TWINS))["got"] for caller in callers]
        assert (await launched.callers[0].call("got = 'used' in sys.modules"))["got"] is True
        for number, kind in enumerate(("RAND_bytes", "random", "uuid4", "secrets", "TLS client random")):
            assert len({one[number] for one in drawn}) == FORKS, kind
    finally:
        for caller in launched.callers:
            await caller.close()
        await launched.end()
        await launched.host.close()
