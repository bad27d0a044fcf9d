"""A sandbox's namespaces: an init holds them, and what a zygote forks enters them."""

import contextlib
import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lambent.sandbox import spawn, syscalls

SHARED_MEMORY_OPTIONS = "size=64m,nr_inodes=1k,mode=1777"  # counts against the memory limit
# What /proc tells about the machine rather than the sandbox.
MASKED = ("kallsyms", "kcore", "key-users", "keys", "kmsg", "sched_debug", "sysrq-trigger", "timer_list")
INIT = "/usr/bin/sleep"  # does nothing, forever; children that it inherits are reaped by the kernel
HOST_NAME = "sandbox"


def start_init(root: int, network: int, doors: Sequence[Path], uid: int) -> spawn.Starting:
    """Start the first process of a new sandbox, which holds its namespaces until it is killed.

    `root` is the mount namespace of a zygote, which the sandbox gets a copy of; `network` its network
    namespace. When it dies the kernel kills everything else in the pid namespace first.
    """

    def child() -> NoReturn:
        for door in doors:
            door.write_text("0")
        syscalls.setns(root, syscalls.CLONE_NEWNS)
        syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWCGROUP)
        syscalls.setns(network, syscalls.CLONE_NEWNET)
        mount_kernel_folders()
        syscalls.sethostname(HOST_NAME)
        spawn.become(uid)
        # An ignored signal stays ignored through exec, and ignoring this one makes the kernel reap.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        os.execve(INIT, ["sleep", "2147483647"], {})

    return spawn.start(child, syscalls.CLONE_NEWPID | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS)


def mount_kernel_folders() -> None:
    """/proc of the pid namespace that this process is in, without what it tells of the machine; /dev/shm."""
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("proc", "/proc", "proc", flags)
    for name in MASKED:
        with contextlib.suppress(FileNotFoundError):
            syscalls.mount("/dev/null", f"/proc/{name}", "", syscalls.MS_BIND)
    syscalls.mount("shm", "/dev/shm", "tmpfs", flags, SHARED_MEMORY_OPTIONS)


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
