"""Control groups, version 1 (also hybrid) and version 2, behind one small interface."""

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lambent.model.limits import MIB, ONE_CORE_MB
from lambent.sandbox import freezer, quota

CONTROLLERS = ("memory", "pids", "cpu")
FREEZER = "freezer"  # version 2 can always freeze, and hybrid machines have it for that
OLD_FREEZER = "freezer.state"
OLD_QUOTA, OLD_PERIOD = "cpu.cfs_quota_us", "cpu.cfs_period_us"
UNIFIED = ""  # the name of version 2's hierarchy in /proc
REMOVE_TIMEOUT_S = 5.0
PROCESSES = 1024  # AWS's limit of processes and threads
ONE_CORE_SHARES = 1024  # version 1
ONE_CORE_WEIGHT = 100  # version 2
# All instances together weigh half of one ordinary process beside them, so the node is never starved.
ALL_SHARES, ALL_WEIGHT = 512, 50


@dataclass(frozen=True, slots=True)
class Group:
    """One group: a folder in each version 1 hierarchy, or a single folder in version 2."""

    folders: Mapping[str, Path]  # by controller
    unified: bool
    capped: bool = False  # whoever it is lent to may bind its cpu time

    @property
    def doors(self) -> list[Path]:
        """The files that a process writes 0 into to join."""
        return [folder / "cgroup.procs" for folder in dict.fromkeys(self.folders.values())]

    def bind(self) -> None:
        """What is the same for all."""
        _write(self._file("pids", "pids.max"), PROCESSES)
        if self.unified:
            _write(self._file("memory", "memory.swap.max"), 0)
        else:
            _write(self._file("memory", "memory.swappiness"), 0)

    def limit(self, memory_mb: int) -> None:
        """Bind the memory, and give cpu in proportion to it."""
        share = memory_mb / ONE_CORE_MB
        if self.unified:
            _write(self._file("memory", "memory.max"), memory_mb * MIB)
            _write(self._file("cpu", "cpu.weight"), max(1, round(share * ONE_CORE_WEIGHT)))
        else:
            _write(self._file("memory", "memory.limit_in_bytes"), memory_mb * MIB)
            _write(self._file("memory", "memory.kmem.tcp.limit_in_bytes"), memory_mb * MIB)  # counted apart
            _write(self._file("cpu", "cpu.shares"), max(2, round(share * ONE_CORE_SHARES)))

    def reset_peak(self) -> None:
        """Forget the peak; version 2 can do so only per open file, so there it is the group's whole life."""
        if not self.unified:
            _write(self._file("memory", "memory.max_usage_in_bytes"), 0)

    @property
    def peak_file(self) -> Path | None:
        """Where the kernel tells the highest charge in bytes; anybody may read it."""
        return self._file("memory", "memory.peak" if self.unified else "memory.max_usage_in_bytes")

    @property
    def freezer_file(self) -> Path | None:
        """What it is frozen and thawed by; whoever the tree's groups are lent to may write it."""
        found = (self._file(FREEZER, name) for name in (freezer.UNIFIED, OLD_FREEZER))
        return next((file for file in found if file and file.exists()), None)

    @property
    def quota_file(self) -> Path | None:
        """What its cpu time is bound by, where it is to be bound."""
        file = self._file("cpu", quota.UNIFIED if self.unified else OLD_QUOTA) if self.capped else None
        return file if file and file.exists() else None

    def signal(self, number: int) -> None:
        """To every process in it."""
        if folder := next(iter(self.folders.values()), None):
            _signal(folder, number)

    def peak_bytes(self) -> int:
        return _read_number(self.peak_file)

    def out_of_memory_kills(self) -> int:
        file = self._file("memory", "memory.events" if self.unified else "memory.oom_control")
        return _fields(file).get("oom_kill", 0)

    def remove(self) -> bool:
        """False while the kernel still counts a process that has been reaped already; try later."""
        removed = [_removed(folder) for folder in dict.fromkeys(self.folders.values())]
        return all(removed)

    def _file(self, controller: str, name: str) -> Path | None:
        folder = self.folders.get(controller)
        return folder / name if folder else None


@dataclass(frozen=True, slots=True)
class Tree:
    """The node's own group, beneath the one that it was started in; every sandbox's group lies in it."""

    name: str
    roots: Mapping[str, Path]  # by controller: the folder of the node's own group
    mounts: frozenset[Path]
    unified: bool
    lent_to: int | None = None  # a user who may freeze and thaw each group
    capped: bool = False

    @property
    def controllers(self) -> frozenset[str]:
        return frozenset(self.roots)

    def prepare(self) -> Self:
        """Remove what a dead node left, wherever it was started, and make the own group; returns itself."""
        for mount in self.mounts:
            for folder, children, _ in os.walk(mount):
                if self.name in children:
                    children.remove(self.name)
                    _remove_tree(Path(folder, self.name))
        for root in dict.fromkeys(self.roots.values()):
            if self.unified:
                _open_for_children(root.parent)
            root.mkdir()
            if self.unified:
                _write(root / "cgroup.subtree_control", " ".join(f"+{c}" for c in self.roots if c != FREEZER))
        if cpu := self.roots.get("cpu"):
            name, value = ("cpu.weight", ALL_WEIGHT) if self.unified else ("cpu.shares", ALL_SHARES)
            _write(cpu / name, value)
        return self

    def make(self, name: str) -> Group:
        folders = {controller: root / name for controller, root in self.roots.items()}
        for folder in dict.fromkeys(folders.values()):
            folder.mkdir(exist_ok=True)
        group = Group(folders, self.unified, self.capped)
        group.bind()
        if self.capped and not self.unified:
            _write(group._file("cpu", OLD_PERIOD), quota.PERIOD_US)
        for file in (group.freezer_file, group.quota_file):
            if file and self.lent_to is not None:
                os.chown(file, self.lent_to, -1)
        return group

    def thaw(self) -> None:
        """Version 1 kills nothing that is frozen."""
        if root := self.roots.get(FREEZER):
            for file in root.glob(f"*/{OLD_FREEZER}"):
                _write(file, "THAWED")

    def remove(self) -> None:
        """Kill everything in the own group and remove it with all groups in it."""
        self.thaw()
        for root in dict.fromkeys(self.roots.values()):
            _remove_tree(root)


def find(
    name: str,
    own: Path = Path("/proc/self"),
    wanted: tuple[str, ...] = CONTROLLERS,
    lent_to: int | None = None,
) -> Tree:
    """Where this node's groups go. Controllers that the machine does not give are left out."""
    memberships = _memberships((own / "cgroup").read_text())
    mounts = _mounts((own / "mountinfo").read_text())
    groups = {
        controller: mounts[controller] / memberships[controller].lstrip("/")
        for controller in (*wanted, FREEZER, UNIFIED)
        if controller in mounts and controller in memberships
    }
    mounted = frozenset(mounts[controller] for controller in groups)
    group = groups.pop(UNIFIED, None)
    if group is None:
        return Tree(name, {c: g / name for c, g in groups.items()}, mounted, False, lent_to)
    group = group.parent if group.name == LEAF else group
    unified = not groups.keys() & set(wanted)
    if unified:
        given = (group / "cgroup.controllers").read_text().split()
        groups = {controller: group for controller in wanted if controller in given}
    groups[FREEZER] = group
    return Tree(name, {c: g / name for c, g in groups.items()}, mounted, unified, lent_to)


def memory_groups(own: Path) -> list[Path]:
    """The group of a process that counts its memory, and those above it."""
    memberships = _memberships((own / "cgroup").read_text())
    mounts = _mounts((own / "mountinfo").read_text())
    name = next((name for name in ("memory", UNIFIED) if name in mounts and name in memberships), None)
    if name is None:
        return []
    group = mounts[name] / memberships[name].lstrip("/")
    return [folder for folder in (group, *group.parents) if folder.is_relative_to(mounts[name])]


LEAF = "lambent-launcher"


def _open_for_children(group: Path) -> None:
    """Version 2 gives controllers to children only where no process is: move those here into a leaf."""
    given = (group / "cgroup.controllers").read_text().split()
    if group == _mounts(Path("/proc/self/mountinfo").read_text()).get(""):
        return  # the root may have both
    leaf = group / LEAF
    leaf.mkdir(exist_ok=True)
    for pid in (group / "cgroup.procs").read_text().split():
        _write(leaf / "cgroup.procs", pid)
    _write(group / "cgroup.subtree_control", " ".join(f"+{c}" for c in CONTROLLERS if c in given))


def _memberships(text: str) -> dict[str, str]:
    """Controller to group, from /proc/self/cgroup; version 2's own line has the empty name."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _mounts(text: str) -> dict[str, Path]:
    """Controller to mount point, from /proc/self/mountinfo; version 2 has the empty name."""
    found: dict[str, Path] = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        point = Path(before.split()[4])
        if kind == "cgroup2":
            found[""] = point
        elif kind == "cgroup":
            found |= dict.fromkeys(options.split(","), point)
    return found


def _write(file: Path | None, value: object) -> None:
    if file is not None:
        with contextlib.suppress(FileNotFoundError):  # a controller or a knob that this kernel lacks
            descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, str(value).encode())
            finally:
                os.close(descriptor)


def _read_number(file: Path | None) -> int:
    try:
        return int(file.read_text()) if file else 0
    except FileNotFoundError:
        return 0


def _fields(file: Path | None) -> dict[str, int]:
    if file is None:
        return {}
    return {key: int(value) for key, value in (line.split() for line in file.read_text().splitlines())}


def _remove_tree(root: Path) -> None:
    deadline = time.monotonic() + REMOVE_TIMEOUT_S
    for name, _, _ in os.walk(root, topdown=False):
        folder = Path(name)
        _write(folder / OLD_FREEZER, "THAWED")
        _signal(folder, signal.SIGKILL)
        while not _removed(folder) and time.monotonic() < deadline:
            time.sleep(0.005)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _signal(folder: Path, number: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        for pid in (folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), number)
