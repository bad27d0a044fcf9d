"""What the launcher does for the node: one method for each frame."""

import os
import signal
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from lambent.model.interpreter import Interpreter
from lambent.model.limits import LAYERS, MEMORY_MB, TMP_MB
from lambent.sandbox import checks, syscalls, wire, zygotes
from lambent.sandbox.base import SandboxError
from lambent.sandbox.cells import Cell, Cells, Ended
from lambent.sandbox.checks import BadRequest
from lambent.sandbox.programs import Programs
from lambent.sandbox.scratch import Image, Scratch
from lambent.sandbox.unpacking import Unpacking, Verdict
from lambent.sandbox.userns import Memory
from lambent.sandbox.users import Users
from lambent.sandbox.zygotes import Kind

UNPACKED_BYTES = (0, 16 * 1024**3)
ATTRIBUTES = syscalls.MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV

Message = Mapping[str, Any]
Reply = dict[str, object]


class Tell(Protocol):
    def __call__(self, message: Mapping[str, object]) -> None: ...


@dataclass(slots=True)
class Requests:
    """Sandboxes, processes and children go by numbers that the node chooses."""

    data: Path
    users: Users
    interpreters: Mapping[str, Interpreter]
    cells: Cells
    zygotes: zygotes.Zygotes
    scratch: Scratch | Memory
    programs: Programs
    tell: Tell
    code: int = -1
    count: int = 0  # of processes and archives, for numbers of our own

    def __post_init__(self) -> None:
        self.code = os.open(self.data / "code", os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def serve(self, message: Message, descriptors: list[int]) -> None:
        """Do what a frame asks; the answer, if it wants one, bears its `request`."""
        operations = {
            "prepare": self.prepare,
            "create": self.create,
            "start": self.start,
            "terminate": self.terminate,
            "kill": self.kill,
            "destroy": self.destroy,
            "unpack": self.unpack,
            "run": self.run,
            "stop": self.stop,
        }
        request = message.get("request")
        try:
            operation = operations.get(str(message.get("operation")))
            if operation is None:
                raise BadRequest(f"there is no operation {message.get('operation')!r:.80}")
            answer = operation(message, descriptors)
            if answer is not None:
                self.tell({"request": request, **answer})
        except (SandboxError, BadRequest, OSError) as error:
            self.tell({"request": request, "error": str(error)})
        finally:
            wire.close(descriptors)

    def prepare(self, message: Message, descriptors: list[int]) -> Reply:
        """Start a zygote, if it does not run, and have a shell of it made."""
        checks.descriptors(descriptors)
        self.cells.shells.expect(self.zygotes.get(self._kind(message)))
        return {}

    def create(self, message: Message, descriptors: list[int]) -> Reply:
        checks.descriptors(descriptors)
        number = checks.number(message, "sandbox")
        if number in self.cells.cells:
            raise BadRequest(f"sandbox {number} is there already")
        code = checks.name(message, "code")
        layers = checks.names(message, "layers", LAYERS)
        place = "image" if checks.flag(message, "image") else "code"
        memory_mb = checks.number(message, "memory_mb", MEMORY_MB)
        tmp_mb = checks.number(message, "tmp_mb", TMP_MB)
        kind = self._kind(message)
        self._check(code, *layers)
        zygote = self.zygotes.get(kind)
        image = self.scratch.take(tmp_mb)
        try:
            cell = self.cells.create(
                number, zygote, lambda: self._mounts(place, code, layers, image), memory_mb
            )
        except BaseException:
            self.scratch.remove(image)
            raise
        cell.image = image
        image.open(cell.uid)
        return {}

    def start(self, message: Message, descriptors: list[int]) -> Reply:
        """Give a sandbox a process; one that is made by the same frame is gone again if that fails."""
        made = "runtime" in message
        if made:
            self.create(message, [])
        cell = self._cell(message)
        try:
            return self._start(cell, message, descriptors)
        except (SandboxError, BadRequest, OSError):
            if made:
                self._destroy(cell, lambda: None)
            raise

    def _start(self, cell: Cell, message: Message, descriptors: list[int]) -> Reply:
        process = checks.number(message, "process")
        environment = checks.environment(message)
        kinds = [stat.S_ISSOCK, stat.S_ISFIFO, stat.S_ISREG][: 3 if len(descriptors) > 2 else 2]
        control, output, *snapshot = checks.descriptors(descriptors, *kinds)

        def on_end(ended: Ended) -> None:
            self.tell(
                {"process": process, **_exit(ended.status), "out_of_memory": ended.out_of_memory}
                | ({"problem": ended.problem} if ended.problem else {})
            )

        given = [("control", control), ("output", output), *(("snapshot", file) for file in snapshot)]
        self.cells.start(cell, environment, given, on_end)
        shell = cell.shell
        return {
            "peak_file": str(shell.group.peak_file or ""),
            "init": shell.init.pid,
            "freezer_file": str(shell.group.freezer_file or ""),
            "quota_file": str(shell.group.quota_file or ""),
            "inherited_bytes": shell.zygote.resident_bytes(),
            "limit_mb": cell.memory_mb,
        }

    def terminate(self, message: Message, descriptors: list[int]) -> None:
        checks.descriptors(descriptors)
        if cell := self.cells.cells.get(checks.number(message, "sandbox")):
            cell.shell.signal(signal.SIGTERM)

    def kill(self, message: Message, descriptors: list[int]) -> None:
        checks.descriptors(descriptors)
        if cell := self.cells.cells.get(checks.number(message, "sandbox")):
            self.cells.kill(cell)

    def destroy(self, message: Message, descriptors: list[int]) -> None:
        checks.descriptors(descriptors)
        cell = self._cell(message)
        request = message.get("request")
        self._destroy(cell, lambda: self.tell({"request": request}))

    def unpack(self, message: Message, descriptors: list[int]) -> None:
        (archive,) = checks.descriptors(descriptors, stat.S_ISREG)
        folder = checks.name(message, "folder")
        limit_bytes = checks.number(message, "limit_bytes", UNPACKED_BYTES)
        request = message.get("request")
        own = self._next()

        def answer(verdict: Verdict) -> None:
            self.tell({"request": request, **verdict})

        unpacking = Unpacking(
            self.users, self.cells, self.data / "sandbox" / f"unpack-{own}", self.code, folder, answer
        )
        unpacking.start(-own, self.zygotes.get(zygotes.unpacker()), archive, limit_bytes)

    def run(self, message: Message, descriptors: list[int]) -> Reply:
        checks.descriptors(descriptors)
        return {"pid": self.programs.start(checks.name(message, "program"))}

    def stop(self, message: Message, descriptors: list[int]) -> None:
        checks.descriptors(descriptors)
        self.programs.signal(checks.number(message, "pid"), kill=message.get("kill") is True)

    def child_ended(self, pid: int, status: int) -> None:
        self.tell({"child": pid, **_exit(status)})

    def _destroy(self, cell: Cell, then: Callable[[], None]) -> None:
        def on_gone() -> None:
            then()
            if cell.image is not None:
                self.scratch.remove(cell.image)

        self.cells.destroy(cell, on_gone)

    def _kind(self, message: Message) -> Kind:
        interpreter = self.interpreters.get(str(message.get("runtime")))
        if interpreter is None:
            raise BadRequest(f"there is no runtime {message.get('runtime')!r:.80}")
        interpreter = replace(interpreter, program=checks.flag(message, "program"))
        return zygotes.kind_for(interpreter, checks.flag(message, "ahead"), checks.account(message))

    def _cell(self, message: Message) -> Cell:
        number = checks.number(message, "sandbox")
        cell = self.cells.cells.get(number)
        if cell is None:
            raise BadRequest(f"there is no sandbox {number}")
        return cell

    def _next(self) -> int:
        self.count += 1
        return self.count

    def _folder(self, name: str) -> int:
        """A descriptor of an unpacked folder of the node's."""
        return syscalls.open_beneath(self.code, name, os.O_PATH | os.O_DIRECTORY)

    def _check(self, *names: str) -> None:
        """A wrong name fails here, before anything is made."""
        wire.close([self._folder(name) for name in names])

    def _tree(self, name: str) -> int:
        """A detached read-only mount of an unpacked folder."""
        folder = self._folder(name)
        try:
            mount = syscalls.open_tree("", folder)
        finally:
            os.close(folder)
        syscalls.mount_setattr(mount, ATTRIBUTES)
        return mount

    def _mounts(self, place: str, code: str, layers: list[str], image: Image) -> list[tuple[str, int]]:
        mounts = [(place, self._tree(code)), ("tmp", image.mount_fd())]
        if layers:
            mounts.append(("layers", self._layers(layers)))
        return mounts

    def _layers(self, names: list[str]) -> int:
        """One folder of all layers; of two files at one path the later layer's is seen."""
        trees = [self._tree(name) for name in reversed(names)]
        if len(trees) == 1:
            return trees[0]
        try:
            lower = ":".join(f"/proc/self/fd/{tree}" for tree in trees)
            return syscalls.filesystem("overlay", {"lowerdir": lower}, ATTRIBUTES)
        finally:
            wire.close(trees)


def _exit(status: int) -> Reply:
    if os.WIFSIGNALED(status):
        return {"status": None, "signal": os.WTERMSIG(status)}
    return {"status": os.WEXITSTATUS(status), "signal": None}
