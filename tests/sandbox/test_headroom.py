"""How much memory is left: the machine's, or what the tightest group above allows."""

from pathlib import Path

import pytest

from lambent.model.limits import MIB
from lambent.sandbox import headroom
from lambent.sandbox.headroom import FILES, Bound, Headroom

VERSION_2, VERSION_1 = FILES


@pytest.fixture
def meminfo(tmp_path: Path) -> Path:
    file = tmp_path / "meminfo"
    file.write_text(
        "MemTotal:       2048000 kB\nMemFree:  1000 kB\nMemAvailable:    1024000 kB\nBuffers: 5 kB\n"
    )
    return file


def group(folder: Path, files: tuple[str, str, str], limit_mb: int, used_mb: int, cache_mb: int) -> Bound:
    folder.mkdir()
    (folder / files[0]).write_text(f"{limit_mb * MIB}\n")
    (folder / files[1]).write_text(f"{used_mb * MIB}\n")
    (folder / "memory.stat").write_text(f"cache 5\n{files[2]} {cache_mb * MIB}\nunevictable 0\n")
    return Bound(folder, files)


def test_the_machine_says_what_is_available(meminfo: Path) -> None:
    assert Headroom(1, meminfo=meminfo).left_mb() == 1000


@pytest.mark.parametrize("files", FILES)
def test_a_group_counts_its_cache_as_free(files: tuple[str, str, str], tmp_path: Path, meminfo: Path) -> None:
    bound = group(tmp_path / "group", files, 512, 400, 100)
    assert Headroom(1, [bound], meminfo).left_mb() == 212


def test_the_tightest_counts(tmp_path: Path, meminfo: Path) -> None:
    wide = group(tmp_path / "wide", VERSION_2, 4096, 100, 0)
    tight = group(tmp_path / "tight", VERSION_1, 300, 100, 0)
    assert Headroom(1, [wide], meminfo).left_mb() == 1000
    assert Headroom(1, [wide, tight], meminfo).left_mb() == 200


def test_it_is_short_below_what_was_asked_for_and_never_with_nothing(meminfo: Path) -> None:
    assert [Headroom(least, meminfo=meminfo).is_short() for least in (0, 1000, 1001)] == [False, False, True]


def test_it_is_not_looked_at_for_each_of_many_starts(meminfo: Path) -> None:
    now = 0.0
    found = Headroom(1001, meminfo=meminfo, clock=lambda: now)
    assert found.is_short()
    meminfo.write_text("MemAvailable:    2048000 kB\n")
    assert found.is_short()
    now = headroom.FRESH_S
    assert not found.is_short()


def test_only_groups_with_a_limit_are_looked_at(tmp_path: Path) -> None:
    top, middle, own = tmp_path / "top", tmp_path / "top" / "middle", tmp_path / "top" / "middle" / "own"
    for folder, limit_mb in ((top, 0), (middle, 512), (own, 0)):
        bound = group(folder, VERSION_1, limit_mb or 2**50, 100, 0)
        assert bound.left_bytes() == ((limit_mb or 2**50) - 100) * MIB
    process = tmp_path / "process"
    process.mkdir()
    (process / "cgroup").write_text("4:memory:/middle/own\n0::/\n")
    (process / "mountinfo").write_text(f"30 20 0:25 / {top} rw - cgroup cgroup rw,memory\n")
    found = headroom.find(64, process)
    assert [bound.folder for bound in found.bounds] == [middle]
    assert found.left_mb() <= 412


def test_this_machine_has_some() -> None:
    assert headroom.find(1).left_mb() > 0
