"""One launcher for all attempts, with an attacker's sandbox and another one beside it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.conformance.caller import Caller
from tests.sandbox.conftest import process_on, sandbox_on, start_in, write_code
from tests.sandbox.launched import Config, Launched, launch

from lambent.sandbox.base import Sandbox

PORT = 9000


@dataclass
class Ground:
    """The attacker's process can be lost and is then started again."""

    data: Path
    launched: Launched
    attacker: Sandbox
    caller: Caller
    neighbour: Caller

    async def attempt(self, code: str) -> dict[str, Any]:
        """Run code as the attacker: what it `got`, or what it was `refused` with."""
        if self.caller.process.exited.done():
            self.caller = await start_in(self.launched, self.attacker)
        answer: dict[str, Any] = await self.caller.call(code)
        return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    data = tmp_path_factory.mktemp("security") / "data"
    launched = await launch(data, Config(ports=(PORT,)))
    attacker = await sandbox_on(launched, write_code(data))
    caller = await start_in(launched, attacker)
    neighbour = await process_on(launched, write_code(data, "neighbour"))
    (data / "state" / "secret").write_text("the node's")
    yield Ground(data, launched, attacker, caller, neighbour)
    for opened in launched.callers:
        await opened.close()
    await launched.end()
    await launched.host.close()
