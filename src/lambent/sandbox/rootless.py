"""The node's side of a launcher that is no root, and has left the machine's network to make another."""

from lambent.sandbox.base import Child
from lambent.sandbox.client import LauncherHost
from lambent.sandbox.process import ProcessHost


class RootlessHost(LauncherHost):
    """Sandboxes are the launcher's, programs the node's own children: they serve where the node is."""

    isolation = "userns"
    programs: ProcessHost

    async def run(self, program: str) -> Child:
        return await self.programs.run(program)

    async def close(self) -> None:
        await super().close()
        await self.programs.close()
