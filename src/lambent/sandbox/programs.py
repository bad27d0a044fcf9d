"""The platform's own child programs, such as the object store, each under a user id of its own."""

import json
import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path

from lambent.sandbox import jail, spawn, syscalls
from lambent.sandbox.base import Program, SandboxError
from lambent.sandbox.users import Users

LOG_BYTES = 16 * 1024 * 1024  # an older log is thrown away at the next start


class Programs:
    """Starts by name what it was set up with. Pids are on file, for the sweep after a launcher's death."""

    def __init__(
        self, programs: Iterable[Program], users: Users, view: int, paths: Iterable[Path], logs: Path
    ) -> None:
        self._programs = {program.name: program for program in programs}
        self._uids = {name: users.program(index) for index, name in enumerate(self._programs)}
        self._node = users.node
        self._view = view  # the mount namespace without any sandbox's mounts
        self._paths = tuple(paths)
        self._logs = logs
        self._users_file = logs / "passwd"
        self._users_file.write_text(_passwd(self._uids))
        self.running: dict[int, Program] = {}  # by pid

    def start(self, name: str) -> int:
        program = self._programs.get(name)
        if program is None:
            raise SandboxError(
                f"there is no program {name!r}; known are {', '.join(sorted(self._programs)) or 'none'}"
            )
        if program in self.running.values():
            raise SandboxError(f"the program {name} is running already")
        uid = self._uids[name]
        furnish(
            program.folder, uid, self._node if program.shared else uid, 0o750 if program.shared else 0o700
        )
        log = self._log(name)
        try:
            starting = spawn.start(lambda: self._become(program, uid, log))
        finally:
            os.close(log)
        pid = starting.pid
        self.running[pid] = program
        self._write()
        starting.wait()
        return pid

    def signal(self, pid: int, kill: bool = False) -> None:
        """Ask a program to stop, or make it."""
        if program := self.running.get(pid):
            os.kill(pid, signal.SIGKILL if kill else program.stop_signal)

    def reaped(self, pid: int) -> bool:
        if self.running.pop(pid, None) is None:
            return False
        self._write()
        return True

    def _become(self, program: Program, uid: int, log: int) -> None:
        syscalls.die_with_parent()
        names = syscalls.open_tree(str(self._users_file))  # it cannot be seen from in there
        see(self._view, [*self._paths, program.folder])
        syscalls.move_mount(names, "/etc/passwd")
        spawn.lay({0: os.open("/dev/null", os.O_RDWR), 1: log, 2: log})
        os.chdir(program.folder)
        spawn.become(uid)
        os.execvpe(program.argv[0], program.argv, {"PATH": os.defpath, **program.environment})

    def _log(self, name: str) -> int:
        path = self._logs / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.unlink()
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def _write(self) -> None:
        pids = {str(pid): started_at(pid) for pid in self.running}
        (self._logs / "pids.json").write_text(json.dumps(pids))


def _passwd(uids: Mapping[str, int]) -> str:
    """A user file in which each program finds itself: initdb will not run as somebody without a name."""
    lines = [f"{name}:x:{uid}:{uid}::/:/bin/false\n" for name, uid in uids.items()]
    return "".join(["root:x:0:0:root:/root:/bin/sh\n", *lines])


def see(view: int, paths: Iterable[Path]) -> None:
    """Give this process a mount namespace of its own in which `paths` can be reached by anyone."""
    syscalls.setns(view, syscalls.CLONE_NEWNS)
    syscalls.unshare(syscalls.CLONE_NEWNS)
    jail.open_ways(path for path in paths if path.exists())


def furnish(folder: Path, uid: int, gid: int, mode: int) -> None:
    """Make a folder that is a user's, with all that is in it: the ids change when a data folder moves."""
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    if folder.stat().st_uid != uid:
        chown_tree(folder, uid, gid)
    os.chown(folder, uid, gid)
    os.chmod(folder, mode)


def chown_tree(folder: Path, uid: int, gid: int) -> None:
    """Follows no link, whatever happens in the tree meanwhile."""
    for _, folders, files, here in os.fwalk(folder, follow_symlinks=False):
        os.fchown(here, uid, gid)
        for name in (*folders, *files):
            os.chown(name, uid, gid, dir_fd=here, follow_symlinks=False)


def started_at(pid: int) -> str:
    """When a process started, in ticks since boot: with the pid, its identity. Empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def sweep(logs: Path) -> None:
    """Kill the programs that a launcher left which was killed itself."""
    try:
        pids: Mapping[str, str] = json.loads((logs / "pids.json").read_text())
    except (OSError, ValueError):
        return
    for pid, started in pids.items():
        if started and started_at(int(pid)) == started:
            os.kill(int(pid), signal.SIGKILL)
