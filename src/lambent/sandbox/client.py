"""The node's side of the launcher: sandboxes, archives and programs, asked for over one socket."""

import asyncio
import itertools
import logging
import os
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lambent.sandbox import wire
from lambent.sandbox.base import BadArchive, Child, Door, Exit, Process, Sandbox, SandboxError, SandboxSpec
from lambent.sandbox.freezer import Freezer
from lambent.sandbox.peak import Peak
from lambent.sandbox.quota import Quota
from lambent.sandbox.resolver import Resolver
from lambent.sandbox.zygotes import ahead

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 60.0  # the first sandbox of an interpreter waits for its zygote
UNPACK_TIMEOUT_S = 300.0
KILL_TIMEOUT_S = 10.0
GREETING_TIMEOUT_S = 30.0


class Refused(SandboxError):
    """The launcher did nothing, and says why."""


class LauncherHost:
    """The `Host` of namespaces isolation. Once `lost` is done the launcher is gone, with all sandboxes."""

    isolation = "namespaces"
    snapshots = True

    def __init__(
        self, sock: socket.socket, code: Path, doors: Mapping[int, Door], resolver: Resolver | None = None
    ) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._socket = sock
        self.code = code  # where packages are unpacked
        self._doors = doors
        self._resolver = resolver
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._processes: dict[int, LauncherProcess] = {}
        self._children: dict[int, LauncherChild] = {}
        self._sandboxes: dict[int, LauncherSandbox] = {}
        self._unsent: deque[tuple[dict[str, object], list[int]]] = deque()
        asyncio.get_running_loop().add_reader(sock, self._on_readable)

    @classmethod
    async def connect(cls, fd: int) -> Self:
        """Take over the socket that the launcher left open, and hear its greeting."""
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        await _readable(sock, GREETING_TIMEOUT_S)
        frame = wire.receive(sock)
        if frame is None:
            raise SandboxError("the launcher is gone before it said anything")
        greeting, descriptors = frame
        host, ports, shared = greeting["host"], greeting["ports"], greeting["shared"]
        sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        listeners = [None] * len(ports) if shared else sockets[: len(ports)]
        doors = {port: Door(host, listener) for port, listener in zip(ports, listeners, strict=True)}
        resolver = None
        if len(sockets) > len(ports):
            questions, connections = sockets[len(ports) :]
            resolver = Resolver(questions, connections)
            await resolver.start()
        return cls(sock, Path(greeting["code"]), doors, resolver)

    async def create(self, spec: SandboxSpec) -> Sandbox:
        """The launcher makes it when it is first started: one question in place of two."""
        number = next(self._numbers)
        wanted = {
            **_kind(spec),
            "image": spec.image,
            "code": self._folder_name(spec.code),
            "layers": [self._folder_name(layer) for layer in spec.layers],
            "memory_mb": spec.memory_mb,
            "tmp_mb": spec.tmp_mb,
        }
        return LauncherSandbox(self, number, f"sandbox-{number}", wanted)

    async def prepare(self, spec: SandboxSpec) -> None:
        await self._ask({"operation": "prepare", **_kind(spec)})

    async def unpack(self, archive: Path, folder: Path, limit_bytes: int) -> None:
        name = self._folder_name(folder)
        with archive.open("rb") as file:
            message = {"operation": "unpack", "folder": name, "limit_bytes": limit_bytes}
            verdict = await self._ask(message, [os.dup(file.fileno())], UNPACK_TIMEOUT_S)
        if verdict.get("failed"):
            raise SandboxError(str(verdict["message"]))
        if "message" in verdict:
            raise BadArchive(str(verdict["message"]), too_large=verdict["too_large"] is True)

    async def run(self, program: str) -> Child:
        answer = await self._ask({"operation": "run", "program": program})
        return self._children.setdefault(answer["pid"], LauncherChild(self, answer["pid"]))

    def door(self, port: int) -> Door:
        if port not in self._doors:
            known = ", ".join(map(str, self._doors)) or "none"
            raise SandboxError(f"functions have no way to port {port}; the launcher opened {known}")
        return self._doors[port]

    async def close(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for sandbox in list(self._sandboxes.values()):
                tasks.create_task(sandbox.destroy())
            for child in list(self._children.values()):
                tasks.create_task(child.stop())
        self._disconnect()
        if self._resolver is not None:
            await self._resolver.close()
        for door in self._doors.values():
            if door.listener is not None:
                door.listener.close()

    async def _ask(
        self,
        message: Mapping[str, object],
        descriptors: Sequence[int] = (),
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> dict[str, Any]:
        """Send a request, with descriptors that are given away, and wait for its answer."""
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._send({**message, "request": number}, descriptors)
            async with asyncio.timeout(timeout_s):
                found = await answer
        except TimeoutError:
            raise SandboxError(
                f"the launcher did not {message['operation']} within {timeout_s:g} s"
            ) from None
        finally:
            del self._answers[number]
        if "error" in found:
            raise Refused(found["error"])
        return found

    def _send(self, message: Mapping[str, object], descriptors: Sequence[int] = ()) -> None:
        if self.lost.done():
            wire.close(descriptors)
            raise SandboxError("the launcher is gone")
        self._unsent.append((dict(message), list(descriptors)))
        self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._unsent:
            message, descriptors = self._unsent[0]
            try:
                wire.send(self._socket, message, descriptors)
            except BlockingIOError:
                loop.add_writer(self._socket, self._flush)
                return
            except OSError:
                self._disconnect()
                return
            except wire.BadFrame:
                wire.close(self._unsent.popleft()[1])
                raise
            wire.close(self._unsent.popleft()[1])
        loop.remove_writer(self._socket)

    def _on_readable(self) -> None:
        try:
            frame = wire.receive(self._socket)
        except BlockingIOError:
            return
        except OSError:
            frame = None
        if frame is None:
            self._disconnect()
            return
        message, descriptors = frame
        wire.close(descriptors)
        self._dispatch(message)

    def _dispatch(self, message: dict[str, Any]) -> None:
        if "process" in message:
            if process := self._processes.pop(message["process"], None):
                if "problem" in message:
                    log.error("a process could not enter its sandbox: %s", message["problem"])
                _settle(process.exited, _exit(message))
        elif "child" in message:
            if child := self._children.pop(message["child"], None):
                _settle(child.exited, _exit(message))
        elif (answer := self._answers.get(message["request"])) and not answer.done():
            answer.set_result(message)

    def _disconnect(self) -> None:
        """The launcher is gone, or we go: nothing more will be heard of anything."""
        if self.lost.done():
            return
        self.lost.set_result(None)
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        loop.remove_writer(self._socket)
        self._socket.close()
        for _, descriptors in self._unsent:
            wire.close(descriptors)
        self._unsent.clear()
        killed = Exit(None, 9)
        for process in self._processes.values():
            _settle(process.exited, killed)
        for child in self._children.values():
            _settle(child.exited, killed)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result({"error": "the launcher is gone"})

    def _folder_name(self, folder: Path) -> str:
        if folder.parent != self.code:
            raise SandboxError(f"{folder} is not in {self.code}, so it cannot be shown to a function")
        return folder.name


@dataclass(slots=True)
class LauncherProcess:
    """A process in a sandbox; see `base.Process`."""

    sandbox: "LauncherSandbox"
    control: socket.socket
    output: int
    exited: asyncio.Future[Exit]
    peak: Peak | None = None

    def terminate(self) -> None:
        if not self.exited.done():
            self.sandbox.host._send({"operation": "terminate", "sandbox": self.sandbox.number})

    def kill(self) -> None:
        if not self.exited.done():
            self.sandbox.host._send({"operation": "kill", "sandbox": self.sandbox.number})
            self.sandbox.thaw()  # version 1 kills nothing that is frozen

    def memory_peak_mb(self) -> int:
        return self.peak.read_mb() if self.peak else 0


@dataclass(slots=True)
class LauncherSandbox:
    """A sandbox; see `base.Sandbox`."""

    host: LauncherHost
    number: int
    id: str
    wanted: Mapping[str, object]  # what it is to be made from; nothing once it is there
    freezer: Freezer = field(default_factory=lambda: Freezer(""))
    quota: Quota = field(default_factory=lambda: Quota("", 0))

    def hold_to_share(self) -> None:
        self.quota.bind()

    def freeze(self) -> None:
        self.freezer.freeze()

    def thaw(self) -> None:
        self.freezer.thaw()

    async def start(self, environment: Mapping[str, str], snapshot: int | None = None) -> Process:
        self.quota.release()
        host = self.host
        number = next(host._numbers)
        control, theirs = socket.socketpair()
        output, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(write, True)
        control.setblocking(False)
        exited: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        process = host._processes[number] = LauncherProcess(self, control, output, exited)
        message = {"operation": "start", "sandbox": self.number, "process": number, **self.wanted}
        host._sandboxes[self.number] = self
        wanted, self.wanted = self.wanted, {}
        try:
            given = [theirs.detach(), write, *([os.dup(snapshot)] if snapshot is not None else [])]
            answer = await host._ask({**message, "environment": dict(environment)}, given)
            restored_bytes = os.fstat(snapshot).st_size if snapshot is not None else 0
            inherited_bytes = restored_bytes or answer["inherited_bytes"]
            process.peak = Peak(answer["peak_file"], inherited_bytes, answer["limit_mb"], answer["init"])
            self.freezer = Freezer(answer["freezer_file"])
            self.quota = Quota(answer["quota_file"], answer["limit_mb"])
        except BaseException as error:
            host._processes.pop(number, None)
            control.close()
            os.close(output)
            if wanted and isinstance(error, Refused):
                del host._sandboxes[self.number]
                self.wanted = wanted
            raise
        return process

    async def destroy(self) -> None:
        self.thaw()
        if self.host._sandboxes.pop(self.number, None) and not self.host.lost.done():
            await self.host._ask({"operation": "destroy", "sandbox": self.number})


@dataclass(slots=True)
class LauncherChild:
    """A started program; see `base.Child`."""

    host: LauncherHost
    pid: int
    exited: asyncio.Future[Exit] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def stop(self, grace_s: float = 10.0) -> Exit:
        """Ask it to stop, and make it after the grace."""
        for kill, timeout_s in ((False, grace_s), (True, KILL_TIMEOUT_S)):
            if not self.exited.done() and not self.host.lost.done():
                self.host._send({"operation": "stop", "pid": self.pid, "kill": kill})
            try:
                async with asyncio.timeout(timeout_s):
                    return await asyncio.shield(self.exited)
            except TimeoutError:
                continue
        raise SandboxError(f"process {self.pid} is still there {KILL_TIMEOUT_S:g} s after it was killed")


def _kind(spec: SandboxSpec) -> dict[str, object]:
    """What the launcher chooses a zygote by."""
    interpreter = spec.interpreter
    return {
        "runtime": interpreter.runtime,
        "program": interpreter.program,
        "ahead": ahead(spec),
        "account": spec.account,
    }


async def _readable(sock: socket.socket, timeout_s: float) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(sock, ready.set)
    try:
        async with asyncio.timeout(timeout_s):
            await ready.wait()
    finally:
        loop.remove_reader(sock)


def _exit(message: Mapping[str, Any]) -> Exit:
    return Exit(message["status"], message["signal"], message.get("out_of_memory") is True)


def _settle(future: asyncio.Future[Exit], value: Exit) -> None:
    if not future.done():
        future.set_result(value)
