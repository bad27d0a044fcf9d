"""What this kernel and this user allow, what is lost without it, and what to do about it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lambent.sandbox import cgroup, landlock, scratch, seccomp, spawn, syscalls, userns
from lambent.sandbox.base import SandboxError
from lambent.sandbox.links import End, pair
from lambent.sandbox.netlink import Netlink
from lambent.sandbox.network import Hub
from lambent.sandbox.uplink import Uplink

NO_WALLS = "functions run as plain processes of the node's user, without walls between them"
ALL_NAMESPACES = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWCGROUP
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWNET
)


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing that was tried. `found` says what there is or what went wrong."""

    name: str
    ok: bool
    found: str
    lost: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Trial:
    """A thing to try: it returns what is missing, or raises; the empty text means that it is there."""

    name: str
    needed: bool  # for sandboxes at all
    attempt: Callable[[], str]
    lost: str
    remedy: str


def probe() -> list[Capability]:
    """Try everything, each in a child of its own that changes nothing outside of itself."""
    return list(_tried())


def best_isolation() -> str:
    """`namespaces` where all that sandboxes need is there, `userns` where root is not, else `process`."""
    if any(_problem(trial.attempt) for trial in TRIALS if trial.needed):
        return "process"
    return "userns" if _root() else "namespaces"


def _tried() -> Iterator[Capability]:
    for trial in TRIALS:
        problem = _problem(trial.attempt)
        if problem:
            yield Capability(trial.name, False, problem, trial.lost, trial.remedy)
        else:
            yield Capability(trial.name, True, "yes", "", "")


def _problem(attempt: Callable[[], str]) -> str:
    try:
        return attempt()
    except (OSError, SandboxError) as error:
        return str(error)


def _in_child(work: Callable[[], None], namespaces: int = 0) -> str:
    """Run it in a child, as root of a user namespace without root; the text of what it raised, or nothing."""

    def rootless() -> None:
        userns.enter()
        spawn.start(work, namespaces).wait()

    child = spawn.start(rootless) if os.geteuid() else spawn.start(work, namespaces)
    try:
        child.wait()
        return ""
    except SandboxError as error:
        return str(error)
    finally:
        os.waitpid(child.pid, 0)


def _root() -> str:
    return "" if os.geteuid() == 0 else f"the user id is {os.geteuid()}"


def _namespaces() -> str:
    return _in_child(lambda: syscalls.unshare(ALL_NAMESPACES), syscalls.CLONE_NEWPID)


def _mounts() -> str:
    def work() -> None:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
        tree = syscalls.open_tree("/usr")
        syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_RDONLY)
        syscalls.mount("lambent", "/usr", "tmpfs")
        syscalls.move_mount(tree, "/usr")

    return _in_child(work)


def _seccomp() -> str:
    def work() -> None:
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        seccomp.for_this_machine().install()

    return _in_child(work)


def _landlock() -> str:
    kernel = landlock.version()
    if not kernel:
        return "the kernel has no Landlock, or one before version 2"
    return "" if kernel >= landlock.SCOPES else f"version {kernel} knows no scopes of signals and sockets"


def _freezer() -> str:
    if os.geteuid() and (missing := _groups()):
        return missing
    tree = cgroup.find("lambent-probe")
    if cgroup.FREEZER not in tree.roots:
        return "no control groups that can be frozen"
    unified = tree.roots[cgroup.FREEZER].parent / "cgroup.controllers"
    return "" if unified.exists() else "version 1 only"


def _network() -> str:
    def work() -> None:
        syscalls.unshare(syscalls.CLONE_NEWNET)
        with Netlink() as links:
            links.ask([pair(End("a", 2, "02:00:00:00:00:01"), End("b", 3, "02:00:00:00:00:02"))])

    return _in_child(work)


def _proc() -> str:
    """In a user namespace it is refused where the machine's own is covered in part, as in containers."""

    def work() -> None:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
        syscalls.mount("proc", "/proc", "proc", syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC)

    return _in_child(work, syscalls.CLONE_NEWPID)


def _uplink() -> str:
    if missing := _root():
        return missing

    def work() -> None:
        syscalls.unshare(syscalls.CLONE_NEWNET)
        Hub((), Uplink("00000000")).close()

    return _in_child(work)


def _overlay() -> str:
    def work() -> None:
        os.close(syscalls.filesystem("overlay", {"lowerdir": "/usr/bin:/usr/lib"}))

    return _in_child(work)


def _groups() -> str:
    tree = cgroup.find(f"lambent-probe-{os.getpid()}")
    missing = [controller for controller in cgroup.CONTROLLERS if controller not in tree.controllers]
    if missing:
        return f"no control groups for {', '.join(missing)}"
    try:
        tree.prepare()
        tree.make("probe").limit(128)
    finally:
        tree.remove()
    return ""


def _images() -> str:
    return _root() or scratch.missing()


TRIALS = (
    Trial(
        "root",
        False,
        _root,
        "a user id for each function, what control groups bind, what the network reaches beyond this node",
        "run `sudo lambent up`; only a small launcher keeps root",
    ),
    Trial(
        "namespaces",
        True,
        _namespaces,
        NO_WALLS,
        "run `sudo lambent up`, or allow users namespaces of their own (kernel.unprivileged_userns_clone, "
        "kernel.apparmor_restrict_unprivileged_userns); in a container, give it CAP_SYS_ADMIN",
    ),
    Trial("proc", True, _proc, NO_WALLS, "in a container, leave its /proc uncovered"),
    Trial("mounts", True, _mounts, NO_WALLS, "use Linux 5.12 or newer"),
    Trial("seccomp", True, _seccomp, NO_WALLS, "use a kernel with CONFIG_SECCOMP_FILTER"),
    Trial("network", True, _network, NO_WALLS, "load the kernel module veth"),
    Trial(
        "uplink",
        False,
        _uplink,
        "functions reach this node and nothing else",
        "use a kernel with nf_tables, its NAT and its fib, and a /proc/sys that can be written",
    ),
    Trial(
        "control groups",
        False,
        _groups,
        "the limits of memory, processes and cpu do not bind",
        "mount cgroup v2 with these controllers, and start the node from a group that has them",
    ),
    Trial(
        "landlock",
        False,
        _landlock,
        "the second wall around files; the first one, of mounts, stands",
        "use Linux 6.12 or newer with CONFIG_SECURITY_LANDLOCK, and name landlock in its lsm= option",
    ),
    Trial(
        "freezer",
        False,
        _freezer,
        "what a function leaves running goes on between its calls, or is frozen and thawed more slowly",
        "mount cgroup v2, which may be beside v1",
    ),
    Trial(
        "scratch images",
        False,
        _images,
        "what a function writes to /tmp takes memory of the machine",
        "as root, install e2fsprogs and load the kernel module loop",
    ),
    Trial(
        "overlay",
        False,
        _overlay,
        "functions with two or more layers do not start",
        "load the module overlay",
    ),
)
