"""A sandbox's namespaces: an init holds them, and what a zygote forks enters them."""

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lambent.sandbox import init, spawn, syscalls
from lambent.sandbox.base import SandboxError

NEW = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
OWN = {
    "mnt": syscalls.CLONE_NEWNS,
    "pid": syscalls.CLONE_NEWPID,
    "ipc": syscalls.CLONE_NEWIPC,
    "uts": syscalls.CLONE_NEWUTS,
    "net": syscalls.CLONE_NEWNET,
}


class Home:
    """The launcher's own namespaces, which it leaves to make a sandbox's.

    A child that Python forked could do the same, but copying what it touches takes many times as long.
    """

    def __init__(self) -> None:
        self._root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        flags = os.O_RDONLY | os.O_CLOEXEC
        self._namespaces = [(os.open(f"/proc/self/ns/{name}", flags), flag) for name, flag in OWN.items()]

    def start_init(self, root: int, network: int) -> spawn.Starting:
        """Start the first process of a new sandbox, which holds its namespaces until it is killed.

        `root` is the mount namespace of a zygote, which the sandbox gets a copy of; `network` its network
        namespace. When it dies the kernel kills everything else in the pid namespace first.
        """
        read, write = os.pipe()
        ready = [(os.POSIX_SPAWN_DUP2, write, 0)]
        try:
            syscalls.setns(root, syscalls.CLONE_NEWNS)
            syscalls.unshare(NEW)
            syscalls.setns(network, syscalls.CLONE_NEWNET)
            pid = os.posix_spawn(init.PLACE, ["init"], {}, file_actions=ready, setsid=True)
        except OSError:
            os.close(read)
            raise
        finally:
            os.close(write)
            self._return()
        return spawn.Starting(pid, read)

    def close(self) -> None:
        for descriptor in (self._root, *(descriptor for descriptor, _ in self._namespaces)):
            os.close(descriptor)

    def _return(self) -> None:
        try:
            for descriptor, flag in self._namespaces:
                syscalls.setns(descriptor, flag)
            os.fchdir(self._root)  # the root of a mount namespace need not be where the launcher's was
            os.chroot(".")
        except OSError as error:  # a launcher that is lost must do nothing more
            raise SystemExit(f"lambent: the launcher cannot come back from a sandbox: {error}") from error


class Cradle:
    """What `Home` is in a user namespace, from which there is no way back to the machine's namespaces."""

    def start_init(self, root: int, network: int) -> spawn.Starting:
        read, write = os.pipe()

        def child() -> NoReturn:
            os.dup2(write, 0)
            syscalls.setns(root, syscalls.CLONE_NEWNS)
            syscalls.unshare(NEW & ~syscalls.CLONE_NEWPID)
            syscalls.setns(network, syscalls.CLONE_NEWNET)
            os.execve(init.PLACE, ["init"], {})

        try:
            pid = spawn.start(child, syscalls.CLONE_NEWPID).wait()
        except SandboxError:
            os.close(read)
            raise
        finally:
            os.close(write)
        return spawn.Starting(pid, read)

    def close(self) -> None:
        """Nothing is held."""


def private_mounts() -> int:
    """Leave the host's mount namespace, so that no mount made here is seen there or outlives this process.

    Returns a descriptor of a second one, that stays without what is mounted from now on.
    """
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    plain = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    syscalls.unshare(syscalls.CLONE_NEWNS)
    return plain


def start_zygote(root: Path, argv: Sequence[str], control: socket.socket) -> spawn.Starting:
    """Start a fork server in `root`, with an empty environment and no network."""

    def child() -> NoReturn:
        syscalls.die_with_parent()
        syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWIPC)
        move_into(root)
        spawn.lay({0: os.open("/dev/null", os.O_RDWR), 3: control.fileno()})
        os.execve(argv[0], list(argv), {})

    return spawn.start(child)


def move_into(root: Path) -> None:
    """Make `root` the root of this process's own mount namespace, with nothing else in it."""
    os.chdir(root)
    syscalls.pivot_root(".", ".")
    syscalls.unmount(".")
    os.chdir("/")
