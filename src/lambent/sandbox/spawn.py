"""Child processes of the launcher: a few privileged steps after the fork, then a program."""

import fcntl
import os
import select
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lambent.sandbox import syscalls
from lambent.sandbox.base import SandboxError

START_TIMEOUT_S = 30
HIGH = 64  # descriptors from here on are not in the way of those that a child is given
MESSAGE_BYTES = 4096
FAILED = 127  # the status of a child that did not get to its program


@dataclass(slots=True)
class Starting:
    """A child on its way to its program. Its pipe closes when it gets there, or tells why it did not."""

    pid: int
    pipe: int

    def wait(self) -> int:
        """Wait until the program runs; returns its pid. Raises SandboxError."""
        if self.pipe < 0:
            return self.pid
        ready, _, _ = select.select([self.pipe], [], [], START_TIMEOUT_S)
        problem = os.read(self.pipe, MESSAGE_BYTES) if ready else b"it took too long to start"
        os.close(self.pipe)
        self.pipe = -1
        if problem:
            os.kill(self.pid, signal.SIGKILL)
            raise SandboxError(problem.decode(errors="replace"))
        return self.pid

    def forget(self) -> None:
        """Do not wait for it; its end will be noticed."""
        os.close(self.pipe)
        self.pipe = -1


def start(child: Callable[[], None], namespaces: int = 0) -> Starting:
    """Fork, into new namespaces where asked, and run `child`, which makes system calls and mostly execs."""
    read, write = os.pipe()
    high = fcntl.fcntl(write, fcntl.F_DUPFD_CLOEXEC, HIGH)
    os.close(write)
    pid = syscalls.clone(namespaces)
    if pid == 0:
        try:
            os.setsid()  # what the terminal sends is for the launcher, which passes it on
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would keep that
            child()
            os._exit(0)
        except BaseException as error:
            os.write(high, f"{type(error).__name__}: {error}".encode()[:MESSAGE_BYTES])
        finally:
            os._exit(FAILED)
    os.close(high)
    return Starting(pid, read)


def lay(descriptors: Mapping[int, int]) -> None:
    """Give this process's descriptors their numbers for the program: number to what it is now."""
    aside = {n: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH) for n, fd in descriptors.items()}
    for number, descriptor in aside.items():
        os.dup2(descriptor, number)


def become(uid: int, groups: Sequence[int] = ()) -> None:
    """Take a user of its own for good, and die with the launcher."""
    os.setgroups(list(groups))
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    syscalls.die_with_parent()  # a change of uid clears it
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
