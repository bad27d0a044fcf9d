"""The launcher's side of the sandboxes: what each is made of, and its way from one process to the next."""

import os
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lambent.sandbox import spawn, syscalls
from lambent.sandbox.base import SandboxError
from lambent.sandbox.cgroup import Group, Tree
from lambent.sandbox.namespaces import Home
from lambent.sandbox.network import Network
from lambent.sandbox.scratch import Image
from lambent.sandbox.users import Users
from lambent.sandbox.zygotes import Zygote

READY = 8  # sandboxes without code that wait for one, for each zygote


@dataclass(slots=True)
class Place:
    """What one sandbox after another may use: a user id and a network namespace."""

    index: int
    uid: int
    network: int


@dataclass(slots=True)
class Shell:
    """A sandbox's kernel objects before it has code: a place, a control group, and an init on its way."""

    zygote: Zygote
    place: Place
    group: Group
    init: spawn.Starting


@dataclass(slots=True)
class Ended:
    """How a process ended, as wait gives it; `problem` when it never got as far as its program."""

    status: int
    out_of_memory: bool
    problem: str = ""


@dataclass(slots=True)
class Run:
    """One process in a cell, from the fork until it and all that it started are gone."""

    number: int
    on_end: Callable[[Ended], None]
    kills_before: int
    status: int | None = None
    problem: str = ""


@dataclass(slots=True)
class Cell:
    """A sandbox. Its mounts are opened anew for each process, whose init gets a fresh mount namespace."""

    number: int
    shell: Shell
    mounts: Callable[[], list[tuple[str, int]]]  # detached mounts by their name in the zygote
    memory_mb: int
    uid: int
    image: Image | None = None  # of its /tmp
    run: Run | None = None
    init_lives: bool = True
    on_gone: Callable[[], None] | None = None  # set once it is to be destroyed


@dataclass(slots=True)
class Cells:
    """All sandboxes of the node, with the pools of what they are made from."""

    users: Users
    tree: Tree
    network: Network
    home: Home
    limit: int
    cells: dict[int, Cell] = field(default_factory=dict)
    _inits: dict[int, Cell | None] = field(default_factory=dict)  # by pid; None: of an unused shell
    _places: list[Place] = field(default_factory=list)
    _shells: dict[Zygote, list[Shell]] = field(default_factory=dict)
    _errands: dict[int, Callable[[int], None]] = field(default_factory=dict)
    _graves: list[Group] = field(default_factory=list)  # groups that could not be removed yet
    _made: int = 0
    _groups: int = 0

    def create(
        self,
        number: int,
        zygote: Zygote,
        mounts: Callable[[], list[tuple[str, int]]],
        memory_mb: int,
        uid: int | None = None,
    ) -> Cell:
        """Make a sandbox out of a shell; raises SandboxError."""
        ready = self._shells.get(zygote)
        shell = ready.pop() if ready else self._shell(zygote)
        cell = Cell(number, shell, mounts, memory_mb, uid or shell.place.uid)
        self._inits[shell.init.pid] = cell
        shell.group.limit(memory_mb)
        self.cells[number] = cell
        return cell

    def start(
        self,
        cell: Cell,
        number: int,
        environment: Mapping[str, str],
        given: Iterable[tuple[str, int]],
        on_end: Callable[[Ended], None],
    ) -> None:
        """Fork a process into the sandbox; the one before must be gone."""
        if cell.run is not None or cell.on_gone is not None:
            raise SandboxError(f"sandbox {cell.number} has a process already, or is being destroyed")
        if not cell.init_lives:
            cell.shell.init = self._init(cell.shell.zygote, cell.shell.place)
            self._inits[cell.shell.init.pid] = cell
            cell.init_lives = True
        shell = cell.shell
        own: list[tuple[str, int]] = []
        try:
            own.append(("init", syscalls.pidfd_open(shell.init.wait())))
            own += cell.mounts()
            own += [("group", os.open(door, os.O_WRONLY | os.O_CLOEXEC)) for door in shell.group.doors]
            shell.group.reset_peak()
            kills = shell.group.out_of_memory_kills()
            shell.zygote.fork(number, cell.uid, environment, [*own, *given])
        except OSError as error:
            raise SandboxError(f"no process could be started: {error}") from error
        finally:
            for _, descriptor in own:
                os.close(descriptor)
        cell.run = Run(number, on_end, kills)

    def kill(self, cell: Cell) -> None:
        """SIGKILL the init, and with it all."""
        if cell.init_lives:
            os.kill(cell.shell.init.pid, signal.SIGKILL)

    def destroy(self, cell: Cell, on_gone: Callable[[], None]) -> None:
        cell.on_gone = on_gone
        self.kill(cell)
        self._settle(cell)

    def ended(self, number: int, status: int) -> None:
        """The zygote has reaped a process: whatever it left in the sandbox ends now."""
        for cell in self.cells.values():
            if cell.run and cell.run.number == number:
                cell.run.status = status
                self.kill(cell)
                return self._settle(cell)
        return None

    def failed(self, number: int, problem: str) -> None:
        for cell in self.cells.values():
            if cell.run and cell.run.number == number:
                cell.run.problem = problem

    def errand(self, child: spawn.Starting, on_end: Callable[[int], None]) -> None:
        """Be told of the end of a child that does one thing, so that the loop need not wait."""
        child.forget()
        self._errands[child.pid] = on_end

    def reaped(self, pid: int, status: int) -> bool:
        """An init is gone, and with it every process of its sandbox; False when the pid is none of ours."""
        if pid in self._errands:
            self._errands.pop(pid)(status)
            return True
        if pid not in self._inits:
            return False
        cell = self._inits.pop(pid)
        if cell is None:
            for shells in self._shells.values():
                shells[:] = [shell for shell in shells if shell.init.pid != pid]
        elif cell.shell.init.pid == pid:
            cell.init_lives = False
            self._settle(cell)
        return True

    def zygote_gone(self, zygote: Zygote) -> None:
        """Its processes died with it, and their statuses."""
        for shell in self._shells.pop(zygote, []):
            os.kill(shell.init.pid, signal.SIGKILL)
        for cell in [cell for cell in self.cells.values() if cell.shell.zygote is zygote]:
            if cell.run and cell.run.status is None:
                cell.run.status = signal.SIGKILL
            self.kill(cell)
            self._settle(cell)

    def kill_all(self) -> None:
        for pid in self._inits:
            os.kill(pid, signal.SIGKILL)

    def refill(self, zygote: Zygote) -> bool:
        """Make one shell where one is short; False when there is nothing to do."""
        shells = self._shells.setdefault(zygote, [])
        if len(shells) >= READY or len(self.cells) + len(shells) >= self.limit:
            return False
        shells.append(self._shell(zygote))
        return True

    def _settle(self, cell: Cell) -> None:
        """Tell of an end once nothing of it is left, and let go of a sandbox that was to be destroyed."""
        if cell.init_lives:
            return
        run = cell.run
        if run is not None:
            if run.status is None:
                return
            cell.run = None
            killed = cell.shell.group.out_of_memory_kills() > run.kills_before
            run.on_end(Ended(run.status, killed, run.problem))
        if cell.on_gone is not None and self.cells.pop(cell.number, None) is cell:
            self._graves = [group for group in (*self._graves, cell.shell.group) if not group.remove()]
            self._places.append(cell.shell.place)
            cell.on_gone()

    def _shell(self, zygote: Zygote) -> Shell:
        place = self._places.pop() if self._places else self._place()
        self._groups += 1
        group = self.tree.make(str(self._groups))
        init = self._init(zygote, place)
        self._inits[init.pid] = None
        return Shell(zygote, place, group, init)

    def _place(self) -> Place:
        if self._made >= self.limit:
            raise SandboxError(f"this node is at its limit of {self.limit} sandboxes (max_instances)")
        self._made += 1
        return Place(self._made, self.users.sandbox(self._made), self.network.link(self._made))

    def _init(self, zygote: Zygote, place: Place) -> spawn.Starting:
        return self.home.start_init(zygote.namespace, place.network)
