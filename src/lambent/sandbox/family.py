"""A child process with all that it started: awaited by descriptors, never by polling, and killed as a whole.

Without namespaces the kernel keeps no such group, so it is put together from sessions and parents. A process
that leaves its session after its parent died is out of reach.
"""

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
from pathlib import Path

from lambent.sandbox.base import Exit

PROC = Path("/proc")
_ZOMBIE = ("Z", "X")


class Family:
    """A child that leads a session. `exited` is set once it and its descendants are gone."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.pid = process.pid
        self.exited: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._process = process  # kept, lest its finalizer reap the child before us
        # A child that was forked from a large process counts that one's memory as its own peak.
        self._inherited_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._peak_kb = 0
        self._watch = asyncio.create_task(self._until_gone())

    def kill(self) -> None:
        """SIGKILL to all; `exited` follows."""
        if not self.exited.done():
            _kill(members(self.pid))

    def signal(self, number: int) -> None:
        """A signal to the child itself."""
        if not self.exited.done():
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM to the child and those of its descendants that have made no group of their own."""
        if not self.exited.done():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGTERM)

    def memory_peak_mb(self) -> int:
        """The child's own peak of resident memory; its descendants' are not known.

        Once it has ended: what it reached, or what was read last when it stayed below our own peak.
        """
        for line in () if self.exited.done() else _status(self.pid):
            if line.startswith("VmHWM:"):
                self._peak_kb = max(self._peak_kb, int(line.split()[1]))
        return -(-self._peak_kb // 1024)

    async def _until_gone(self) -> None:
        """Wait for the child, kill what it left, and reap it last: until then its pid stays its session's."""
        await _gone(self.pid)
        while rest := members(self.pid):
            _kill(rest)
            await asyncio.gather(*map(_gone, rest))
        if not self.exited.done():
            self.exited.set_result(self._reap())

    def _reap(self) -> Exit:
        _, status, usage = os.wait4(self.pid, 0)
        if usage.ru_maxrss > self._inherited_kb:
            self._peak_kb = max(self._peak_kb, usage.ru_maxrss)
        code = self._process.returncode = os.waitstatus_to_exitcode(status)
        return Exit(code) if code >= 0 else Exit(None, signal=-code)


def _status(pid: int) -> list[str]:
    """Nothing once it has been reaped."""
    try:
        return (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return []


def members(leader: int) -> list[int]:
    """The living processes of a session, and the descendants of its leader in other sessions."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (read := _stat(int(entry.name))):
            state, parent, session, _ = read
            pid = int(entry.name)
            parents[pid] = parent
            if (session == leader or pid == leader) and state not in _ZOMBIE:
                found.add(pid)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found, reverse=True)


def start_time(pid: int) -> int | None:
    """When a process started, in ticks since boot: with its pid it names the process for good."""
    read = _stat(pid)
    return read and read[3]


def sweep(leader: int, started: int) -> None:
    """Kill what is left of the family of an earlier node. Another process under that pid is left alone."""
    now = start_time(leader)
    if now is None or now == started:
        _kill(members(leader))


def _stat(pid: int) -> tuple[str, int, int, int] | None:
    """State, parent, session, start time."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[1]), int(fields[3]), int(fields[19])


def _kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


async def _gone(pid: int) -> None:
    """Wait until a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
