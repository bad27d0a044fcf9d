"""One launcher for all attempts of a test worker, with an attacker's sandbox and another one beside it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.conformance.caller import Caller
from tests.sandbox.conftest import process_on, sandbox_on, start_in, write_code
from tests.sandbox.launched import Config, Launched, launch

from lambent.cli.attempts import HANDLER, REFUSALS
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

    async def got(self, code: str) -> Any:
        """What code gets that has to work."""
        answer = await self.attempt(code)
        assert "refused" not in answer, answer
        return answer["got"]

    async def refused(self, code: str) -> None:
        """Code that has to fail, and because the kernel says no."""
        answer = await self.attempt(code)
        assert answer.get("refused") in REFUSALS, answer

    def code(self, name: str = "attempts") -> Path:
        return write_code(self.data, name, HANDLER)

    async def another(self, name: str = "other", **more: object) -> tuple[Sandbox, Caller]:
        """One more sandbox, for those who lose it."""
        sandbox = await sandbox_on(self.launched, self.code(name), **more)
        return sandbox, await start_in(self.launched, sandbox)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    data = tmp_path_factory.mktemp("security") / "data"
    launched = await launch(data, Config(ports=(PORT,)))
    attacker = await sandbox_on(launched, write_code(data, "attempts", HANDLER))
    caller = await start_in(launched, attacker)
    neighbour = await process_on(launched, write_code(data, "neighbour", HANDLER))
    (data / "state" / "secret").write_text("the node's")
    yield Ground(data, launched, attacker, caller, neighbour)
    for opened in launched.callers:
        await opened.close()
    await launched.end()
    await launched.host.close()
