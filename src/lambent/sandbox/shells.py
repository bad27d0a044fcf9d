"""Sandboxes made ahead, for whoever comes first: a place, an init, and a stem.

A stem is a process that its zygote has forked into the namespaces already. It has seen nothing of any account
and belongs to nobody until it is taken; then it serves one sandbox until it ends.
"""

import contextlib
import os
import signal
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lambent.sandbox import members, spawn, syscalls, wire
from lambent.sandbox.cgroup import Group
from lambent.sandbox.namespaces import Cradle, Home
from lambent.sandbox.places import Place, Places
from lambent.sandbox.zygotes import Zygote

READY = 8  # shells that wait at rest, shared among the zygotes as they were last asked for
TAKE_TIMEOUT_S = 10.0


@dataclass(slots=True)
class Shell:
    """A sandbox's kernel objects before it has code."""

    zygote: Zygote
    place: Place
    init: spawn.Starting
    stem: int = 0  # the number that its zygote knows it by
    waiting: socket.socket | None = None  # where the stem waits, until it is taken

    @property
    def group(self) -> Group:
        return self.place.group

    def take(self, environment: Mapping[str, str], uid: int, given: Sequence[tuple[str, int]]) -> None:
        """Tell the stem who it is, with its mounts and descriptors. Raises OSError, SandboxError."""
        assert self.waiting is not None
        self.init.wait()
        message = {"environment": environment, "uid": uid, "descriptors": [name for name, _ in given]}
        waiting, self.waiting = self.waiting, None
        with waiting:
            wire.send(waiting, message, [descriptor for _, descriptor in given])

    def signal(self, number: int) -> None:
        """To every process in it but the init."""
        if self.group.folders:
            self.group.signal(number)
            return
        for pid in members.of(self.init.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """SIGKILL the init, and with it all."""
        os.kill(self.init.pid, signal.SIGKILL)


@dataclass(slots=True)
class Shells:
    """The pool."""

    places: Places
    home: Home | Cradle
    _ready: list[Shell] = field(default_factory=list)
    _unowned: dict[int, Shell] = field(default_factory=dict)  # by their init: the ready and the dying ones
    _asked: "deque[Zygote]" = field(default_factory=lambda: deque(maxlen=READY))  # the last ones
    _broken: set[Zygote] = field(default_factory=set)  # whose stems end by themselves
    _stems: int = 0

    def take(self, zygote: Zygote) -> Shell:
        """A shell of this zygote, which is the caller's until it is given back. Raises SandboxError."""
        if zygote.kind.entry != "archives":
            self._asked.append(zygote)
        shell = next((shell for shell in self._ready if shell.zygote is zygote), None)
        if shell is None:
            shell = self._make(zygote)
        else:
            self._ready.remove(shell)
        del self._unowned[shell.init.pid]
        return shell

    def expect(self, zygote: Zygote) -> None:
        """Its first sandbox will be asked for: the next refill makes a shell."""
        if zygote not in self._asked:
            self._asked.append(zygote)

    def revive(self, shell: Shell) -> None:
        """A new init and a new stem for a shell whose processes are all gone."""
        shell.init = self._init(shell.zygote, shell.place)
        self._fork(shell)

    def give_back(self, shell: Shell) -> None:
        """Its processes are all gone, and it is no more; its place is for another one."""
        if shell.waiting is not None:
            shell.waiting.close()
        self.places.give_back(shell.place)

    def refill(self) -> bool:
        """Make one shell where one is short; False when there is nothing to do. Raises as `take`."""
        short = next((zygote for zygote in set(self._asked) if self._missing(zygote) > 0), None)
        if short is None or not self.places.left:
            return False
        if len(self._ready) >= READY:
            self._discard(min(self._ready, key=lambda shell: self._missing(shell.zygote)))
        self._ready.append(self._make(short))
        return True

    def reaped(self, pid: int) -> bool:
        """The init of a shell that belongs to nobody is gone; False when the pid is none of these."""
        shell = self._unowned.pop(pid, None)
        if shell is None:
            return False
        if shell in self._ready:
            self._ready.remove(shell)
        self.give_back(shell)
        return True

    def ended(self, stem: int) -> str:
        """A stem ended that nobody had taken: what to say about it, or nothing when it was to end."""
        shell = next((shell for shell in self._ready if shell.stem == stem), None)
        if shell is None:
            return ""
        self._broken.add(shell.zygote)  # making more of them would not end
        self._discard(shell)
        return f"a process of {shell.zygote.kind.interpreter.runtime} ended before it was used"

    def zygote_gone(self, zygote: Zygote) -> None:
        self._broken.discard(zygote)
        self._asked = deque((other for other in self._asked if other is not zygote), READY)
        for shell in [shell for shell in self._ready if shell.zygote is zygote]:
            self._discard(shell)

    def kill_all(self) -> None:
        for shell in self._unowned.values():
            shell.kill()

    def _missing(self, zygote: Zygote) -> int:
        """How many shells it has too few, by its share of what was asked for last."""
        share = READY * self._asked.count(zygote) // len(self._asked) if self._asked else 0
        have = sum(shell.zygote is zygote for shell in self._ready)
        return (0 if zygote in self._broken else share) - have

    def _discard(self, shell: Shell) -> None:
        self._ready.remove(shell)
        shell.kill()

    def _make(self, zygote: Zygote) -> Shell:
        place = self.places.take()
        shell = Shell(zygote, place, self._init(zygote, place))
        self._unowned[shell.init.pid] = shell
        self._fork(shell)
        return shell

    def _init(self, zygote: Zygote, place: Place) -> spawn.Starting:
        return self.home.start_init(zygote.namespace, place.network)

    def _fork(self, shell: Shell) -> None:
        """Have a stem forked; it may enter before the init has said that it is ready. Raises OSError."""
        self._stems += 1
        shell.stem = self._stems
        shell.waiting, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        shell.waiting.settimeout(TAKE_TIMEOUT_S)
        given = [("waiting", theirs.detach()), ("init", syscalls.pidfd_open(shell.init.pid))]
        try:
            given += [("group", os.open(door, os.O_WRONLY | os.O_CLOEXEC)) for door in shell.group.doors]
            shell.zygote.fork(shell.stem, given)
        except OSError:
            shell.kill()
            raise
        finally:
            wire.close(descriptor for _, descriptor in given)
