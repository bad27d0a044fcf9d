"""A program of the platform as a plain child of the test's own process."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from lambent.sandbox.base import Exit, Program


class PlainChild:
    """One child, under another uid where `user` is given; its output goes to `log`."""

    def __init__(self, program: Program, log: Path, user: int | None = None) -> None:
        program.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        if user is not None:
            os.chown(program.folder, user, os.getegid())
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                program.argv,
                cwd=program.folder,
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=user,
                group=user,
                extra_groups=[] if user else None,
            )
        self._stop_signal = program.stop_signal
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
            self.process.send_signal(self._stop_signal if grace_s else signal.SIGKILL)
        await asyncio.wait({self.exited}, timeout=grace_s)
        if not self.exited.done():
            self.process.kill()
        return await asyncio.wait_for(asyncio.shield(self.exited), 30)
