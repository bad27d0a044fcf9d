"""The fork server: preloads modules inside the minimal root, then forks processes into sandboxes.

Runs with an empty environment and never runs user code. The launcher asks over descriptor 3; a forked child
enters the sandbox that was made ready for it and waits there, as a stem, until it is told whose it is. Then
it gives up every privilege, and only then runs its entry.
Loaded by every Python that functions run on, so it keeps to the syntax of 3.7.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pathlib
import resource
import select
import signal
import socket
import ssl
import struct
import sys
import types
import typing

from lambent.sandbox import landlock, seccomp, syscalls, wire

LAUNCHER = 3  # the launcher's socket in a zygote, the control socket in a process
OPEN_MAX = 256  # more descriptors than a zygote ever has
FILES = 1024  # AWS's limit of open files
PROCESSES = 1024  # too
FUNCTION = 993  # as in sandbox/users.py
NOBODY = 65534
SNAPSTART = "_LAMBENT_SNAPSTART"  # tells `runtimes/python/snapstart.py` how to begin
NO_CORE = 1  # with 0 a core dump still goes to a host's handler, where it has one
SET_UP_FAILED = 125
SANDBOX = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWNET
PLACES = {"code": "/var/task", "layers": "/opt", "tmp": "/tmp"}
IMAGE = "/.lambent/image"  # where an image's root is mounted before it becomes the root
SHARED = ("/dev", "/etc/hosts", "/etc/resolv.conf", "/tmp", "/proc")
OUT_OF_MEMORY_SCORE = b"1000"  # the machine's memory ends with an instance, not with the node

if typing.TYPE_CHECKING:
    Descriptors = dict[str, list[int]]
    Entry = typing.Callable[[int, dict[str, str]], int | None]


class Zygote:
    """One per interpreter and preload set. It has a single thread, so that a fork of it is whole."""

    def __init__(self, launcher: socket.socket, entry: Entry) -> None:
        self.launcher = launcher
        self.entry = entry
        self.children: dict[int, int] = {}  # pid to the launcher's number
        self.filters = {restored: seccomp.for_this_machine(restored) for restored in (False, True)}
        kernel = landlock.version()
        self.wall = landlock.Wall(kernel) if kernel else None
        self.own = syscalls.pidfd_open(os.getpid())
        self.pages = b""  # that every process writes to, as `populate` takes them
        self.renew: typing.Callable[[], None] = lambda: None  # what no two forks may share

    def serve(self) -> None:
        """Answer until the launcher is gone."""
        wakes, woken = socket.socketpair()
        wakes.setblocking(False)
        woken.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self.launcher, select.POLLIN)
        poll.register(wakes, select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll()]
            if wakes.fileno() in ready:
                wakes.recv(OPEN_MAX)
                self.reap()
            if self.launcher.fileno() in ready and not self.answer():
                return

    def rehearse(self) -> None:
        """Learn from a process that serves nobody which pages every process writes to, where that can be."""
        rehearsal = sys.modules["_lambent.rehearsal"]
        waiting, stem = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control, inside = socket.socketpair()
        read, output = os.pipe()
        pid = syscalls.fork()
        if pid == 0:
            self.become(0, {"waiting": [stem.detach()]})
        stem.close()
        given = {"environment": rehearsal.VARIABLES, "uid": NOBODY, "descriptors": ["control", "output"]}
        wire.send(waiting, given, [inside.fileno(), output])
        inside.close()
        with contextlib.suppress(OSError, ValueError):
            self.pages = mapped(rehearsal.ask(control))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        waiting.close()
        control.close()
        wire.close([read, output])

    def answer(self) -> bool:
        """Serve one request; False when the launcher is gone."""
        frame = wire.receive(self.launcher)
        if frame is None:
            return False
        request, descriptors = frame
        try:
            self.children[self.fork(request["id"], named(request, descriptors))] = request["id"]
        except OSError as error:
            wire.send(self.launcher, {"id": request["id"], "failed": str(error), "ended": SET_UP_FAILED << 8})
        wire.close(descriptors)
        return True

    def fork(self, number: int, given: Descriptors) -> int:
        """Fork a stem into the pid namespace of a sandbox's init."""
        syscalls.setns(given["init"][0], syscalls.CLONE_NEWPID)
        try:
            pid = syscalls.fork()
            if pid == 0:
                self.become(number, given)
            return pid
        finally:
            with contextlib.suppress(PermissionError):  # as in a user namespace; the next fork goes elsewhere
                syscalls.setns(self.own, syscalls.CLONE_NEWPID)

    def become(self, number: int, given: Descriptors) -> typing.NoReturn:
        """The stem's way: into the sandbox; once it is taken, out of every privilege, and into the entry."""
        try:
            forget_the_zygote()
            join(given)
            if self.pages:
                syscalls.populate(self.pages)
            enter(given)
            self.renew()
            rules = self.wall.begin() if self.wall else -1
            frame = await_owner(given["waiting"][0])
            if frame is None:  # nobody will come any more
                os._exit(0)
            request, descriptors = frame
            given = named(request, descriptors)
            furnish(given, request["uid"])
            if self.wall:
                self.wall.enclose(rules)
            confine(request["uid"], self.filters[request["environment"].get(SNAPSTART) == "restored"])
            adopt(given)
        except BaseException as error:
            if number:  # else it is a rehearsal
                wire.send(self.launcher, {"id": number, "failed": repr(error)})
            os._exit(SET_UP_FAILED)
        run(self.entry, request["environment"])

    def reap(self) -> None:
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            wire.send(self.launcher, {"id": self.children.pop(pid), "ended": status})


def forget_the_zygote() -> None:
    os.setsid()  # SIGCONT reaches a whole session, whoever its processes belong to
    syscalls.die_with_parent()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    gc.enable()


def named(request: dict[str, typing.Any], descriptors: list[int]) -> Descriptors:
    """The descriptors of a frame by the names that it gives them."""
    given: Descriptors = {}
    for position, name in enumerate(request["descriptors"]):
        given.setdefault(name, []).append(descriptors[position])
    return given


def join(given: Descriptors) -> None:
    """Enter the control groups first, so that all that follows is counted."""
    for group in given.get("group", ()):
        os.write(group, b"0")


def enter(given: Descriptors) -> None:
    """Enter the namespaces; a rehearsal has some of its own."""
    syscalls.unshare(syscalls.CLONE_NEWCGROUP)
    if "init" in given:
        syscalls.setns(given["init"][0], SANDBOX)
    else:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount("proc", "/proc", "proc")


def mapped(runs: list[tuple[int, int]]) -> bytes:
    """The runs of pages that are there in this process, too, as `populate` takes them."""
    found = b""
    for run in runs:
        packed = struct.pack("=QQ", *run)
        with contextlib.suppress(OSError):
            syscalls.populate(packed, syscalls.MADV_POPULATE_READ)
            found += packed
    return found


def await_owner(waiting: int) -> tuple[dict[str, typing.Any], list[int]] | None:
    """Whose the stem is, with what belongs to it; None when nobody will come any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, waiting) as told:
        return wire.receive(told)


def furnish(given: Descriptors, uid: int) -> None:
    """Put what belongs to one version and one sandbox where it is looked for; now there is a /proc, too."""
    score = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    os.write(score, OUT_OF_MEMORY_SCORE)
    os.close(score)
    for name, place in PLACES.items():
        for mount in given.get(name, ()):
            syscalls.move_mount(mount, place)
    if "image" in given:
        enter_image(given["image"][0])
    if uid:
        os.fchown(given["output"][0], uid, uid)  # else /dev/stdout cannot be opened


def enter_image(image: int) -> None:
    """Make an image's root this one's, with what every sandbox has in its places."""
    shared = [(place, syscalls.open_tree(place, recursive=True)) for place in SHARED]
    syscalls.move_mount(image, IMAGE)
    root = os.open(IMAGE, os.O_PATH | os.O_CLOEXEC)
    for place, tree in shared:
        target = syscalls.open_beneath(root, place.lstrip("/"), os.O_PATH)  # whoever made it chose no link
        syscalls.move_mount(tree, "", target)
        wire.close([tree, target])
    os.chdir(IMAGE)
    syscalls.pivot_root(".", ".")
    syscalls.unmount(".")
    os.chdir("/")


def confine(uid: int, calls: seccomp.Filter) -> None:
    """Give up users, capabilities and system calls, in the order in which each step is still allowed."""
    if uid == 0:
        uid = alone()
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    syscalls.die_with_parent()  # a change of uid clears it, and the dumpable flag that /proc/self needs
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
    syscalls.drop_capabilities()
    calls.install()


def alone() -> int:
    """Where the launcher is no root a process is its user too; a namespace keeps it from what that may."""
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    for file, text in (("setgroups", "deny"), ("uid_map", f"{FUNCTION} 0 1"), ("gid_map", f"{FUNCTION} 0 1")):
        with open(f"/proc/self/{file}", "w") as written:
            written.write(text)
    syscalls.drop_exec_gains()  # which are new ones here
    resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))  # counted in each namespace
    return FUNCTION


def adopt(given: Descriptors) -> None:
    """Lay the descriptors where they belong and close all others, the launcher's socket first of all."""
    os.dup2(given["output"][0], 1)
    os.dup2(given["output"][0], 2)
    os.dup2(given["control"][0], LAUNCHER)
    last = LAUNCHER
    for snapshot in given.get("snapshot", ()):
        last += 1
        os.dup2(snapshot, last)
    os.closerange(last + 1, OPEN_MAX)


def run(entry: Entry, environment: dict[str, str]) -> typing.NoReturn:
    status: int | None = 1
    try:
        status = entry(LAUNCHER, environment)
    finally:
        sys.stdout.flush()
        os._exit(status or 0)


def functions(libraries: str, bootstrap: str) -> Entry:
    """The entry that runs handlers: the bootstrap, under a name that no handler's module has."""
    package = types.ModuleType("_lambent")
    package.__path__ = [bootstrap]
    sys.modules[package.__name__] = package
    module = importlib.import_module(package.__name__ + ".bootstrap")
    with pipes_for_output():
        module.prepare()
        importlib.import_module(package.__name__ + ".snapstart").prepare()
        for name in ("rehearsal", "action"):
            importlib.import_module(f"{package.__name__}.{name}")

    def entry(control: int, environment: dict[str, str]) -> int | None:
        return module.main(control, libraries=libraries, environment=environment)  # type: ignore[no-any-return]

    return entry


@contextlib.contextmanager
def pipes_for_output() -> typing.Iterator[None]:
    """Streams that are opened now find what processes will have: a pipe, not the launcher's log."""
    ends = os.pipe()
    own = {place: os.dup(place) for place in (1, 2)}
    for place in own:
        os.dup2(ends[1], place)
    try:
        yield
    finally:
        for place, descriptor in own.items():
            os.dup2(descriptor, place)
        wire.close([*own.values(), *ends])


def archives() -> Entry:
    """The entry that unpacks a zip, open on the control descriptor, into /tmp and prints its verdict."""
    archive = importlib.import_module("lambent.sandbox.archive")

    def entry(control: int, environment: dict[str, str]) -> int | None:
        try:
            archive.unpack(control, pathlib.Path(PLACES["tmp"], "out"), int(environment["limit_bytes"]))
            verdict: dict[str, object] = {"ok": True}
        except archive.BadArchive as error:
            verdict = {"ok": False, "message": str(error), "too_large": error.too_large}
        print(json.dumps(verdict))
        return 0

    return entry


def executables() -> Entry:
    """The entry that becomes another program."""
    return importlib.import_module("lambent.runtimes.start").main  # type: ignore[no-any-return]


def preload(modules: list[str]) -> None:
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:
            print(f"lambent: {name} could not be preloaded: {error!r}", file=sys.stderr)


def limit() -> None:
    """What processes inherit need not be done in each: they copy every page that they touch."""
    syscalls.drop_exec_gains()
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (NO_CORE, NO_CORE))


def main(kind: str, libraries: str, bootstrap: str, *modules: str) -> None:
    """The child of the launcher: `modules` are to be preloaded."""
    syscalls.die_with_parent()
    limit()
    sys.path[:] = [p for p in sys.path if p.startswith(sys.prefix)]
    sys.path.append(libraries)
    preload(list(modules))
    entries = {"archives": archives, "executables": executables}
    entry = entries[kind]() if kind in entries else functions(libraries, bootstrap)
    for name in [name for name in sys.modules if name.split(".")[0] == "lambent"]:
        del sys.modules[name]  # the handler may bring modules of any name, so ours give up theirs
    ssl.RAND_bytes(1)  # builds OpenSSL's generators, so that a fork has only to reseed them
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # and its tables of algorithms; the context itself is gone again
    gc.collect()
    gc.freeze()
    launcher = socket.socket(fileno=LAUNCHER)
    wire.send(launcher, {"ready": True})
    zygote = Zygote(launcher, entry)
    if kind == "functions":
        zygote.renew = sys.modules["_lambent.bootstrap"].renew
        zygote.rehearse()
    zygote.serve()
