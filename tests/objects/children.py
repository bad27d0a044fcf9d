"""The platform's programs as plain children of the test."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from lambent.objects.place import Place
from lambent.sandbox.base import Exit, Program


class PlainChild:
    """One child; its output goes to a file beside its folder."""

    def __init__(self, program: Program) -> None:
        program.folder.mkdir(parents=True, exist_ok=True)
        log = program.folder.parent / f"{program.name}.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                program.argv,
                cwd=program.folder,
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.pid = self.process.pid
        self.exited: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._descriptor = os.pidfd_open(self.pid)
        asyncio.get_running_loop().add_reader(self._descriptor, self._ended)

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        status = self.process.wait()
        self.exited.set_result(Exit(status) if status >= 0 else Exit(None, -status))

    async def stop(self, grace_s: float = 10.0) -> Exit:
        if not self.exited.done():
            self.process.send_signal(signal.SIGTERM if grace_s else signal.SIGKILL)
        try:
            return await asyncio.wait_for(asyncio.shield(self.exited), grace_s)
        except TimeoutError:
            self.process.kill()
            return await asyncio.wait_for(self.exited, 30)


class PlainHost:
    """The part of a `Host` that runs programs."""

    isolation = "process"

    def __init__(self, *programs: Program) -> None:
        self._programs = {program.name: program for program in programs}
        self.children: list[PlainChild] = []

    async def run(self, program: str) -> PlainChild:
        self.children.append(PlainChild(self._programs[program]))
        return self.children[-1]

    def kill(self) -> None:
        for child in self.children:
            child.process.kill()
            child.process.wait(10)


def sweep(place: Place) -> None:
    """SeaweedFS leaves unix sockets behind, named after its ports."""
    for port in place.ports:
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            path.unlink(missing_ok=True)
