"""Unpacking: an untrusted zip becomes a folder, by a sandboxed process that can write nowhere else."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from lambent.sandbox import spawn, syscalls
from lambent.sandbox.base import SandboxError
from lambent.sandbox.cells import Cell, Cells, Ended
from lambent.sandbox.programs import chown_tree
from lambent.sandbox.users import Users
from lambent.sandbox.zygotes import Zygote

MEMORY_MB = 1024
VERDICT_BYTES = 65536
OUT = "out"  # where in its /tmp the sandbox unpacks to
ATTRIBUTES = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV | syscalls.MOUNT_ATTR_NOEXEC

Verdict = dict[str, object]  # ok, or message and too_large


class Unpacking:
    """One archive on its way to a folder, in three steps, each begun by the end of the last."""

    def __init__(
        self, users: Users, cells: Cells, stage: Path, code: int, name: str, answer: Callable[[Verdict], None]
    ) -> None:
        self._users = users
        self._cells = cells
        self._stage = stage  # a folder of root's, so that nobody moves it meanwhile
        self._code = code  # the folder that the new one appears in
        self._name = name
        self._answer = answer
        self._verdict: Verdict = {}

    def start(self, number: int, zygote: Zygote, archive: int, limit_bytes: int) -> None:
        """Step one: the sandboxed process. Raises SandboxError."""
        if not stat.S_ISREG(os.fstat(archive).st_mode):
            raise SandboxError("an archive must be a file")
        self._stage.mkdir(mode=0o700)
        os.chown(self._stage, self._users.unpack, self._users.unpack)
        cell = self._cells.create(number, zygote, self._mounts, MEMORY_MB, self._users.unpack)
        read, write = os.pipe()
        environment = {"limit_bytes": str(limit_bytes)}
        given = [("control", archive), ("output", write)]
        try:
            self._cells.start(cell, environment, given, lambda ended: self._judge(cell, read, ended))
        finally:
            os.close(write)

    def _mounts(self) -> list[tuple[str, int]]:
        mount = syscalls.open_tree(str(self._stage))
        syscalls.mount_setattr(mount, ATTRIBUTES)
        return [("tmp", mount)]

    def _judge(self, cell: Cell, output: int, ended: Ended) -> None:
        """The process is gone. What it said may be the zip's own words; they decide about the answer only."""
        text = os.read(output, VERDICT_BYTES)
        os.close(output)
        self._verdict = _verdict(text, ended)
        self._cells.destroy(cell, self._own)

    def _own(self) -> None:
        """Step two: give the files to the node, or throw them away. It may take long: in a child."""
        done = bool(self._verdict.get("ok"))
        node = self._users.node

        def child() -> None:
            if done:
                chown_tree(self._stage / OUT, node, node)
            else:
                shutil.rmtree(self._stage)

        self._cells.errand(spawn.start(child), self._finish)

    def _finish(self, status: int) -> None:
        """Step three: the folder appears, whole."""
        if status:
            self._verdict = {"message": "the unpacked files could not be handed over", "failed": True}
        elif self._verdict.get("ok"):
            try:
                os.rename(self._stage / OUT, self._name, dst_dir_fd=self._code)
                self._stage.rmdir()
            except OSError as error:
                self._verdict = {"message": f"{self._name}: {error.strerror}", "failed": True}
                shutil.rmtree(self._stage, ignore_errors=True)
        self._answer(self._verdict)


def _verdict(text: bytes, ended: Ended) -> Verdict:
    if ended.out_of_memory:
        return {"message": f"the zip takes more than {MEMORY_MB} MB of memory to unpack", "too_large": True}
    try:
        said = json.loads(text)
        if said["ok"] is True:
            return {"ok": True}
        return {"message": str(said["message"]), "too_large": said["too_large"] is True}
    except (ValueError, KeyError, TypeError, RecursionError):
        problem = ended.problem or f"the process that unpacked it ended with status {ended.status}"
        return {"message": problem, "failed": True}
