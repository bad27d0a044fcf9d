"""The launcher's side of the sandboxes: what each is made of, and its way from one process to the next."""

import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lambent.sandbox import spawn, wire
from lambent.sandbox.base import SandboxError
from lambent.sandbox.scratch import Image
from lambent.sandbox.shells import Shell, Shells
from lambent.sandbox.zygotes import Zygote


@dataclass(slots=True)
class Ended:
    """How a process ended, as wait gives it; `problem` when it never got as far as its program."""

    status: int
    out_of_memory: bool
    problem: str = ""


@dataclass(slots=True)
class Run:
    """One process in a cell, from the fork until it and all that it started are gone."""

    on_end: Callable[[Ended], None]
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
    kills: int = 0  # by the memory limit, as counted so far
    image: Image | None = None  # of its /tmp
    run: Run | None = None
    init_lives: bool = True
    on_gone: Callable[[], None] | None = None  # set once it is to be destroyed


@dataclass(slots=True)
class Cells:
    """All sandboxes of the node."""

    shells: Shells
    cells: dict[int, Cell] = field(default_factory=dict)
    _inits: dict[int, Cell] = field(default_factory=dict)  # by pid
    _stems: dict[int, Cell] = field(default_factory=dict)  # by the number of the process that runs
    _errands: dict[int, Callable[[int], None]] = field(default_factory=dict)

    def create(
        self,
        number: int,
        zygote: Zygote,
        mounts: Callable[[], list[tuple[str, int]]],
        memory_mb: int,
        uid: int | None = None,
    ) -> Cell:
        """Make a sandbox out of a shell; raises SandboxError."""
        try:
            shell = self.shells.take(zygote)
        except OSError as error:
            raise SandboxError(f"no sandbox could be made: {error}") from error
        cell = Cell(number, shell, mounts, memory_mb, uid or shell.place.uid)
        self._inits[shell.init.pid] = cell
        self.cells[number] = cell
        shell.group.limit(memory_mb)
        return cell

    def start(
        self,
        cell: Cell,
        environment: Mapping[str, str],
        given: Iterable[tuple[str, int]],
        on_end: Callable[[Ended], None],
    ) -> None:
        """Give the sandbox a process; the one before must be gone."""
        shell = cell.shell
        if cell.on_gone is not None or (cell.init_lives and shell.waiting is None):
            raise SandboxError(f"sandbox {cell.number} has a process already, or is being destroyed")
        own: list[tuple[str, int]] = []
        try:
            if not cell.init_lives:
                self._revive(cell)
            own += cell.mounts()
            shell.take(environment, cell.uid, [*own, *given])
        except OSError as error:
            self.kill(cell)
            raise SandboxError(f"no process could be started: {error}") from error
        finally:
            wire.close(descriptor for _, descriptor in own)
        cell.run = Run(on_end)
        self._stems[shell.stem] = cell

    def kill(self, cell: Cell) -> None:
        if cell.init_lives:
            cell.shell.kill()

    def destroy(self, cell: Cell, on_gone: Callable[[], None]) -> None:
        cell.on_gone = on_gone
        self.kill(cell)
        self._settle(cell)

    def ended(self, stem: int, status: int) -> str:
        """A zygote has reaped a process: whatever it left in the sandbox ends now. Returns a complaint."""
        cell = self._stems.get(stem)
        if cell is None or cell.run is None:
            return self.shells.ended(stem)
        cell.run.status = status
        self.kill(cell)
        self._settle(cell)
        return ""

    def failed(self, stem: int, problem: str) -> str:
        """A process could not enter its sandbox; its end follows. Returns a complaint."""
        cell = self._stems.get(stem)
        if cell is None or cell.run is None:
            return f"a process that nobody had asked for: {problem}"
        cell.run.problem = problem
        return ""

    def errand(self, child: spawn.Starting, on_end: Callable[[int], None]) -> None:
        """Be told of the end of a child that does one thing, so that the loop need not wait."""
        child.forget()
        self._errands[child.pid] = on_end

    def reaped(self, pid: int, status: int) -> None:
        """A child of the launcher's is gone: with an init every process of its sandbox."""
        if pid in self._errands:
            self._errands.pop(pid)(status)
        elif pid in self._inits:
            cell = self._inits.pop(pid)
            cell.init_lives = False
            self._settle(cell)
        else:
            self.shells.reaped(pid)

    def zygote_gone(self, zygote: Zygote) -> None:
        """Its processes died with it, and their statuses."""
        self.shells.zygote_gone(zygote)
        for cell in [cell for cell in self.cells.values() if cell.shell.zygote is zygote]:
            if cell.run and cell.run.status is None:
                cell.run.status = signal.SIGKILL
            self.kill(cell)
            self._settle(cell)

    def kill_all(self) -> None:
        self.shells.kill_all()
        for cell in self.cells.values():
            self.kill(cell)

    def _revive(self, cell: Cell) -> None:
        """What the last process left has ended with the init: another one begins anew."""
        self.shells.revive(cell.shell)
        self._inits[cell.shell.init.pid] = cell
        cell.init_lives = True
        cell.shell.group.reset_peak()

    def _settle(self, cell: Cell) -> None:
        """Tell of an end once nothing of it is left, and let go of a sandbox that was to be destroyed."""
        if cell.init_lives:
            return
        run = cell.run
        if run is not None:
            if run.status is None:
                return
            del self._stems[cell.shell.stem]
            cell.run = None
            before, cell.kills = cell.kills, cell.shell.group.out_of_memory_kills()
            run.on_end(Ended(run.status, cell.kills > before, run.problem))
        if cell.on_gone is not None and self.cells.pop(cell.number, None) is cell:
            self.shells.give_back(cell.shell)
            cell.on_gone()
