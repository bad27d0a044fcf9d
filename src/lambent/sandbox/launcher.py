"""The privileged process: makes sandboxes and runs programs for a node that it trusts with nothing else."""

import dataclasses
import gc
import os
import resource
import selectors
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lambent.model.interpreter import Interpreter
from lambent.sandbox import cgroup, init, programs, root, spawn, syscalls, userns, wire
from lambent.sandbox.base import Program, SandboxError
from lambent.sandbox.cells import Cells
from lambent.sandbox.namespaces import Cradle, Home, private_mounts
from lambent.sandbox.places import Places
from lambent.sandbox.programs import Programs
from lambent.sandbox.reach import PLATFORM_ONLY, Reach
from lambent.sandbox.requests import Requests
from lambent.sandbox.scratch import Scratch
from lambent.sandbox.shells import Shells
from lambent.sandbox.signals import Signals, wait_child
from lambent.sandbox.users import tag, users
from lambent.sandbox.zygotes import Zygote, Zygotes

NODE_CONTROL, NODE_INPUT = 3, 4  # what the node finds at these descriptors
SEND_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0
QUIET_S = 0.05
KILLED = 128  # as a shell says it: 137 is SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class LauncherConfig:
    """What the launcher is set up with by the one who starts it; nothing of it comes from the node."""

    data: Path
    argv: tuple[str, ...]  # the node
    input: int  # a descriptor of settings and secrets, which the node reads as its descriptor 4
    environment: Mapping[str, str] = field(default_factory=dict)  # the node's
    paths: tuple[Path, ...] = ()  # code that the node and the programs need
    interpreters: tuple[Interpreter, ...] = ()
    programs: tuple[Program, ...] = ()
    ports: tuple[int, ...] = ()  # the platform's, for functions
    certificates: Path | None = None  # a bundle with the platform's own CA, which functions see
    max_sandboxes: int = 1000
    cpu: str = "weight"  # weight | cap
    reach: Reach = PLATFORM_ONLY  # what functions reach besides the platform
    rootless: bool = False  # run by an ordinary user, in a user namespace; the node starts the programs then


def supervise(config: LauncherConfig) -> int:
    """Run a node from its start to its end and return its exit status. The caller holds the folder's lock.

    Raises SandboxError or OSError when the machine does not give what is needed.
    """
    os.umask(0o022)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # it holds several of each sandbox
    launcher = Launcher(config)
    try:
        return launcher.run()
    finally:
        launcher.close()


class Launcher:
    """One loop and no threads: a child's parent-death signal comes when the thread that made it ends."""

    def __init__(self, config: LauncherConfig) -> None:
        self.config = config
        self._socket, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(SEND_TIMEOUT_S)
        self._node = 0
        if config.rootless:
            self._node = self._start_node().wait()  # before: it stays in the machine's own namespaces
            userns.enter()
        else:
            os.setgroups([])
        self.users = userns.Alone(0) if config.rootless else users(config.data)
        self.own = config.data / "sandbox"
        self._prepare_folders()
        self._view = private_mounts()
        self.tree = cgroup.find(f"lambent-{tag(config.data)}", lent_to=self.users.node)
        self.tree = dataclasses.replace(self.tree, capped=config.cpu == "cap")
        self.tree = userns.prepared(self.tree) if config.rootless else self.tree.prepare()
        self.network = config.reach.network(config.ports, tag(config.data), complain)
        self.scratch = userns.Memory(self.own / "tmp") if config.rootless else Scratch(self.own / "tmp")
        self.home = Cradle() if config.rootless else Home()
        self.places = Places(self.users, self.network, self.tree, config.max_sandboxes)
        self.shells = Shells(self.places, self.home)
        self.cells = Cells(self.shells)
        shown = [(userns.MACHINE_PROC, init.MACHINE_PROC.decode())] if config.rootless else []
        self.zygotes = Zygotes(self.own, self._files, shown)
        self.zygotes.on_start = lambda zygote: self._watch(zygote.socket, lambda: self._on_zygote(zygote))
        paths = (*config.paths, *(interpreter.prefix for interpreter in config.interpreters))
        self.programs = Programs(config.programs, self.users, self._view, paths, config.data / "logs")
        self.requests = Requests(
            data=config.data,
            users=self.users,
            interpreters={interpreter.runtime: interpreter for interpreter in config.interpreters},
            cells=self.cells,
            zygotes=self.zygotes,
            scratch=self.scratch,
            programs=self.programs,
            tell=self.tell,
        )
        self._selector = selectors.DefaultSelector()
        self._status: int | None = None

    def run(self) -> int:
        """Start the node and serve it until it ends."""
        with Signals() as signals:
            self._watch(signals.pipe, lambda: self._on_signals(signals.take()))
            self._watch(self._socket, self._on_node)
            if isinstance(self.scratch, Scratch):
                self._watch(self.scratch.socket, self.scratch.hear)
            self._node = self._node or self._start_node().wait()
            self._theirs.close()
            self._greet()
            gc.freeze()  # all this stays: collections need not look at it
            wait_s: float | None = 0.0
            quiet = False
            while self._status is None:
                events = self._selector.select(wait_s)
                for key, _ in events:
                    key.data()
                if events:
                    wait_s, quiet = 0.0, False
                elif wait_s:
                    wait_s, quiet = 0.0, True
                elif not self._refill(quiet):
                    wait_s = None if quiet else QUIET_S
        return self._status

    def tell(self, message: Mapping[str, object], descriptors: Sequence[int] = ()) -> None:
        """Send the node a frame. A node that does not read is a broken node."""
        try:
            wire.send(self._socket, message, descriptors)
        except TimeoutError:
            os.kill(self._node, signal.SIGKILL)
        except OSError:  # it is gone; its exit is on the way
            return

    def close(self) -> None:
        """End everything that was made, in the order in which it hangs together."""
        self._stop_children()
        self.network.close()
        self.home.close()
        self.scratch.close()
        self.tree.remove()
        try:
            shutil.rmtree(self.own)
        except OSError as error:  # the next start sweeps it; the node's status must not turn on this
            complain(f"{self.own} could not be removed: {error}")

    def _prepare_folders(self) -> None:
        """The data folder is the caller's; the node owns its parts of it and can only look at the rest."""
        data, node = self.config.data, self.users.node
        data.mkdir(parents=True, exist_ok=True)
        os.chmod(data, 0o711)
        programs.furnish(data / "state", node, node, 0o700)
        programs.furnish(data / "code", node, node, 0o755)
        (data / "logs").mkdir(exist_ok=True)
        programs.sweep(data / "logs")
        shutil.rmtree(self.own, ignore_errors=True)
        (self.own / "tmp").mkdir(mode=0o700, parents=True)
        self.own.chmod(0o700)

    def _files(self) -> dict[str, bytes]:
        """What lies in every root besides the system's and the interpreter's files."""
        files = root.system_files(self.users, self.config.max_sandboxes)
        files["/etc/resolv.conf"] = self.network.resolver
        bundle = self.config.certificates
        if bundle is not None and bundle.exists():
            files[root.CERTIFICATES] = root.certificates(self.config.data, bundle)
        return files

    def _start_node(self) -> spawn.Starting:
        source = self.config.input
        argv, environment = self.config.argv, dict(self.config.environment)

        def child() -> None:
            syscalls.die_with_parent()
            if not self.config.rootless:
                programs.see(self._view, [*self.config.paths, self.config.data])
            descriptors = {0: os.open("/dev/null", os.O_RDWR), NODE_CONTROL: self._theirs.fileno()}
            spawn.lay({**descriptors, NODE_INPUT: source})
            if not self.config.rootless:
                spawn.become(self.users.node)
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
            os.chdir("/")
            os.execve(argv[0], argv, environment)

        try:
            return spawn.start(child)
        finally:
            os.close(source)

    def _greet(self) -> None:
        """The first frame: the listening sockets, in the order of their ports, then those for names."""
        network = self.network
        sockets = (*network.listeners.values(), *network.names)
        greeting = {
            "host": network.host,
            "ports": self.config.ports,
            "shared": not network.listeners,
            "code": str(self.config.data / "code"),
        }
        self.tell(greeting, [opened.fileno() for opened in sockets])

    def _watch(self, source: socket.socket, callback: Callable[[], None]) -> None:
        self._selector.register(source, selectors.EVENT_READ, callback)

    def _refill(self, quiet: bool) -> bool:
        """Make one thing that a pool is short of; False when all are full.

        A place takes longer than a cold start may wait, so it is made when nobody has come for a while, and
        so are the many images that a burst finds.
        """
        try:
            if self.shells.refill() or self.scratch.refill(quiet):
                return True
            return quiet and self.places.refill()
        except (SandboxError, OSError) as error:
            complain(f"a pool could not be filled: {error}")
            return False

    def _on_node(self) -> None:
        try:
            frame = wire.receive(self._socket)
        except wire.BadFrame as error:
            complain(f"the node: {error}")
            return
        if frame is None:  # its exit is on the way
            self._selector.unregister(self._socket)
        else:
            self.requests.serve(*frame)

    def _on_zygote(self, zygote: Zygote) -> None:
        if zygote.socket.fileno() < 0:  # lost a moment ago
            return
        frame = wire.receive(zygote.socket)
        if frame is None:
            self._lose(zygote)
            return
        message, _ = frame
        complaint = ""
        if "failed" in message:
            complaint = self.cells.failed(message["id"], message["failed"])
        if "ended" in message:
            complaint = self.cells.ended(message["id"], message["ended"])
        if complaint:
            complain(complaint)

    def _lose(self, zygote: Zygote) -> None:
        """It is gone, and with it its processes; one that waits may still have a copy of its socket open."""
        self._selector.unregister(zygote.socket)
        self.cells.zygote_gone(zygote)
        self.zygotes.remove(zygote)

    def _on_signals(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGCHLD:
                self._reap()
            elif self._status is None:
                os.kill(self._node, number)

    def _reap(self) -> None:
        while child := wait_child():
            pid, status = child
            if pid == self._node:
                code = os.waitstatus_to_exitcode(status)
                self._status = code if code >= 0 else KILLED - code
            elif zygote := self.zygotes.find(pid):
                self._lose(zygote)
            elif self.programs.reaped(pid):
                self.requests.child_ended(pid, status)
            else:
                self.cells.reaped(pid, status)

    def _stop_children(self) -> None:
        """Programs get the time to stop; what has nothing to lose is killed."""
        for pid in self.programs.running:
            self.programs.signal(pid)
        if self._status is None and self._node:
            os.kill(self._node, signal.SIGKILL)
        self.scratch.stop()
        for zygote in self.zygotes:
            zygote.kill()
        self.cells.kill_all()
        self.tree.thaw()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while (child := wait_child(deadline)) is not None:
            self.programs.reaped(child[0])
        for pid in self.programs.running:
            self.programs.signal(pid, kill=True)
        while wait_child(time.monotonic() + STOP_TIMEOUT_S):
            pass


def complain(text: str) -> None:
    print(f"lambent: {text}", file=sys.stderr, flush=True)
