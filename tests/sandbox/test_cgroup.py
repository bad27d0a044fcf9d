"""Control groups: the machine's own version for real, both versions' layouts from their files."""

import os
import select
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambent.sandbox import cgroup
from lambent.sandbox.cgroup import Tree
from lambent.sandbox.freezer import Freezer

MIB = 1024 * 1024


@pytest.fixture
def tree() -> Iterator[Tree]:
    tree = cgroup.find(f"lambent-test-{uuid.uuid4().hex[:8]}")
    tree.prepare()
    yield tree
    tree.remove()


def process_in(group: cgroup.Group, code: str) -> "subprocess.Popen[bytes]":
    joins = "; ".join(f"open({str(door)!r}, 'w').write('0')" for door in group.doors)
    return subprocess.Popen(["python3", "-S", "-c", f"{joins}\n{code}"], stdout=subprocess.PIPE)


def test_memory_binds_and_the_kill_is_counted(tree: Tree) -> None:
    group = tree.make("a")
    group.limit(128)
    assert group.out_of_memory_kills() == 0
    with process_in(group, "x = bytearray(300 << 20)") as process:
        assert process.wait() == -9
    assert group.out_of_memory_kills() == 1


def test_the_peak_is_known_and_forgotten(tree: Tree) -> None:
    group = tree.make("a")
    group.limit(256)
    with process_in(group, "x = bytearray(100 << 20)") as process:
        assert process.wait() == 0
    assert group.peak_bytes() >= 100 * MIB
    if not group.unified:
        group.reset_peak()
        assert group.peak_bytes() < 100 * MIB


def test_remove_kills_what_is_inside(tree: Tree) -> None:
    group = tree.make("a")
    with process_in(group, "print(1, flush=True)\nimport time\ntime.sleep(600)") as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert not group.remove()
        tree.remove()
        assert process.wait() == -9
    assert not any(root.exists() for root in tree.roots.values())


def test_prepare_finds_what_was_left_under_another_group(tree: Tree) -> None:
    memory = tree.roots["memory"]
    other = next(iter(tree.mounts & {m for m in tree.mounts if m in memory.parents}))
    left = other / f"elsewhere-{uuid.uuid4().hex[:8]}" / tree.name
    left.mkdir(parents=True)
    try:
        tree.prepare()
        assert not left.exists()
    finally:
        left.parent.rmdir()


BUSY = "import time\nwhile True: print(1, flush=True); time.sleep(0.001)"


@pytest.mark.parametrize("version", ["version 1", "version 2"])
def test_what_is_frozen_stands_still_and_goes_on(version: str) -> None:
    mounts = cgroup._mounts(Path("/proc/self/mountinfo").read_text())
    mount = mounts.get("freezer" if version == "version 1" else "")
    if mount is None:
        pytest.skip(f"no freezer of {version} here")
    folder = mount / f"lambent-test-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    group = cgroup.Group({"freezer": folder}, unified=False)
    held = Freezer(str(group.freezer_file))
    try:
        with process_in(group, BUSY) as process:
            assert process.stdout is not None
            process.stdout.readline()
            held.freeze()
            os.set_blocking(process.stdout.fileno(), False)
            while (folder / "cgroup.events").exists() and "frozen 1" not in (
                folder / "cgroup.events"
            ).read_text():
                continue
            while process.stdout.read(65536):
                continue
            assert not select.select([process.stdout], [], [], 0.1)[0]
            held.thaw()
            assert select.select([process.stdout], [], [], 10)[0]
            held.freeze()
            process.kill()
            held.thaw()
    finally:
        held.close()
        cgroup._remove_tree(folder)


def test_a_sandbox_that_has_gone_is_not_frozen(tmp_path: Path) -> None:
    held = Freezer(str(tmp_path / "gone" / "cgroup.freeze"))
    held.freeze()
    assert not held.frozen
    held.thaw()
    none = Freezer("")
    none.freeze()
    assert not none.frozen


def test_what_was_left_frozen_can_be_removed(tree: Tree) -> None:
    group = tree.make("a")
    with process_in(group, BUSY) as process:
        assert process.stdout is not None
        process.stdout.readline()
        held = Freezer(str(group.freezer_file))
        held.freeze()
        tree.remove()
        assert process.wait() == -9
    assert not any(root.exists() for root in tree.roots.values())


def own(folder: Path, groups: str, mounts: str) -> Path:
    (folder / "cgroup").write_text(groups)
    (folder / "mountinfo").write_text(mounts)
    return folder


def test_hybrid_machines_are_used_by_version_one(tmp_path: Path) -> None:
    mounts = (
        "1 0 0:1 / /c/cpu rw - cgroup cgroup rw,cpu\n2 0 0:1 / /c/m rw - cgroup cgroup rw,memory\n"
        "3 0 0:1 / /c/u rw - cgroup2 cgroup2 rw\n"
    )
    found = cgroup.find("n", own(tmp_path, "4:memory:/own/group\n1:cpu:/\n0::/\n", mounts))
    limits = {"memory": Path("/c/m/own/group/n"), "cpu": Path("/c/cpu/n")}
    assert found.roots == {**limits, "freezer": Path("/c/u/n")}
    assert not found.unified
    mounts = mounts.replace("/c/u rw - cgroup2 cgroup2 rw", "/c/f rw - cgroup cgroup rw,freezer")
    found = cgroup.find("n", own(tmp_path, "4:memory:/own/group\n1:cpu:/\n2:freezer:/\n", mounts))
    assert found.roots == {**limits, "freezer": Path("/c/f/n")}


def test_version_two_has_one_folder_for_all(tmp_path: Path) -> None:
    group = tmp_path / "c" / "user.slice"
    group.mkdir(parents=True)
    (group / "cgroup.controllers").write_text("cpu memory\n")
    mounts = f"1 0 0:1 / {tmp_path}/c rw - cgroup2 cgroup2 rw\n"
    found = cgroup.find("n", own(tmp_path, "0::/user.slice\n", mounts))
    assert found.roots == dict.fromkeys(("memory", "cpu", "freezer"), group / "n")
    assert found.unified
    assert len(cgroup.Group(found.roots, True).doors) == 1


def test_version_two_is_found_again_from_the_leaf(tmp_path: Path) -> None:
    group = tmp_path / "c" / "user.slice"
    (group / cgroup.LEAF).mkdir(parents=True)
    (group / "cgroup.controllers").write_text("memory\n")
    mounts = f"1 0 0:1 / {tmp_path}/c rw - cgroup2 cgroup2 rw\n"
    found = cgroup.find("n", own(tmp_path, f"0::/user.slice/{cgroup.LEAF}\n", mounts))
    assert found.roots == {"memory": group / "n", "freezer": group / "n"}


def test_version_twos_limits_go_where_it_has_them(tmp_path: Path) -> None:
    for name in ("memory.max", "memory.swap.max", "cpu.weight", "pids.max"):
        (tmp_path / name).touch()
    group = cgroup.Group(dict.fromkeys(cgroup.CONTROLLERS, tmp_path), unified=True)
    group.bind()
    group.limit(1769)
    assert (tmp_path / "memory.max").read_text() == str(1769 * MIB)
    assert (tmp_path / "cpu.weight").read_text() == "100"
    assert (tmp_path / "pids.max").read_text() == "1024"
    (tmp_path / "memory.peak").write_text("12345\n")
    (tmp_path / "memory.events").write_text("oom 2\noom_kill 1\n")
    assert (group.peak_bytes(), group.out_of_memory_kills()) == (12345, 1)


def test_a_machine_without_groups_has_none(tmp_path: Path) -> None:
    found = cgroup.find("n", own(tmp_path, "", "1 0 0:1 / / rw - ext4 /dev/vda rw\n"))
    assert found.roots == {}
    found.prepare()
    group = found.make("a")
    group.limit(128)
    assert (group.peak_bytes(), group.out_of_memory_kills(), group.doors) == (0, 0, [])
    assert group.remove()
