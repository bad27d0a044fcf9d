"""What comes out of a zip, and what is refused."""

import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lambent.sandbox import archive
from lambent.sandbox.base import BadArchive

LIMIT_BYTES = 1_000_000
Pack = Callable[..., Path]


def entry(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (2024, 2, 3, 4, 5, 6))
    info.create_system = archive.UNIX
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    def build(*entries: tuple[zipfile.ZipInfo, bytes]) -> Path:
        path = tmp_path / "upload.zip"
        with zipfile.ZipFile(path, "w") as packed:
            for info, data in entries:
                packed.writestr(info, data)
        return path

    return build


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    return tmp_path / "code" / "digest"


def refusal(path: Path, folder: Path, limit_bytes: int = LIMIT_BYTES) -> BadArchive:
    with pytest.raises(BadArchive) as caught:
        archive.extract(path, folder, limit_bytes)
    assert list(folder.parent.iterdir()) == [], "a refused zip leaves nothing behind"
    return caught.value


def test_files_come_out_read_only_with_their_bytes_times_and_executable_bit(pack: Pack, folder: Path) -> None:
    path = pack(
        (entry("handler.py", stat.S_IFREG | 0o644), b"x = 1\n"),
        (entry("bin/tool", stat.S_IFREG | 0o4755), b"#!/bin/sh\n"),
        (entry("empty/"), b""),
    )
    archive.extract(path, folder, LIMIT_BYTES)
    assert (folder / "handler.py").read_bytes() == b"x = 1\n"
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*")}
    assert modes == {"handler.py": 0o444, "bin": 0o555, "tool": 0o555, "empty": 0o555}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o555
    assert (folder / "handler.py").stat().st_mtime == 1706933106


def test_an_open_descriptor_will_do(pack: Pack, folder: Path) -> None:
    with pack((entry("a.py"), b"")).open("rb") as file:
        archive.extract(file.fileno(), folder, LIMIT_BYTES)
    assert (folder / "a.py").exists()


def test_a_link_that_stays_inside_is_kept(pack: Pack, folder: Path) -> None:
    path = pack(
        (entry("lib/libx.so.1", 0o755), b"elf"),
        (entry("lib/libx.so", stat.S_IFLNK | 0o777), b"libx.so.1"),
    )
    archive.extract(path, folder, LIMIT_BYTES)
    assert os.readlink(folder / "lib" / "libx.so") == "libx.so.1"
    assert (folder / "lib" / "libx.so").read_bytes() == b"elf"


@pytest.mark.parametrize("name", ["../out.py", "a/../../out.py", "/etc/cron.d/job", "a/.."])
def test_a_name_that_leaves_the_folder_is_refused(pack: Pack, folder: Path, name: str) -> None:
    assert "leaves the folder" in str(refusal(pack((entry(name), b"")), folder))


@pytest.mark.parametrize("target", ["../../secret", "/etc/passwd", "..", "a/b/../../../x"])
def test_a_link_that_leads_out_is_refused(pack: Pack, folder: Path, target: str) -> None:
    path = pack((entry("link", stat.S_IFLNK | 0o777), target.encode()))
    assert "leads out" in str(refusal(path, folder))


def test_links_that_lead_out_together_are_refused(pack: Pack, folder: Path) -> None:
    """Read by its letters, a/b/up/../x is a/b/x; but up is the top, so it is a file beside the folder."""
    path = pack(
        (entry("a/b/up", stat.S_IFLNK | 0o777), b"../.."),
        (entry("link", stat.S_IFLNK | 0o777), b"a/b/up/../x"),
    )
    assert "leads out" in str(refusal(path, folder))


def test_nothing_is_written_through_a_link(pack: Pack, folder: Path) -> None:
    path = pack(
        (entry("out", stat.S_IFLNK | 0o777), str(folder.parent.parent).encode()),
        (entry("out/planted.py"), b"x"),
    )
    refusal(path, folder)
    assert not (folder.parent.parent / "planted.py").exists()


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_devices_and_pipes_are_refused(pack: Pack, folder: Path, kind: int) -> None:
    assert "neither a file nor a folder" in str(refusal(pack((entry("thing", kind | 0o644), b"")), folder))


def test_an_encrypted_entry_is_refused(pack: Pack, folder: Path) -> None:
    path = pack((entry("a.py"), b"x"))
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(signature) + offset] |= archive.ENCRYPTED
    path.write_bytes(data)
    assert "encrypted" in str(refusal(path, folder))


def test_a_packing_method_beyond_deflate_is_refused(pack: Pack, folder: Path) -> None:
    info = entry("a")
    info.compress_type = zipfile.ZIP_LZMA
    assert "method 14" in str(refusal(pack((info, b"x")), folder))


def test_one_path_as_file_and_folder_is_refused(pack: Pack, folder: Path) -> None:
    assert "cannot be made" in str(refusal(pack((entry("a"), b"x"), (entry("a/b"), b"y")), folder))


def test_a_name_that_no_file_system_takes_is_refused(pack: Pack, folder: Path) -> None:
    assert "cannot be made" in str(refusal(pack((entry("n" * 300), b"x")), folder))


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_zip_or_an_empty_one_is_refused(tmp_path: Path, folder: Path, content: bytes) -> None:
    path = tmp_path / "upload.zip"
    path.write_bytes(content)
    assert refusal(path, folder).too_large is False


def test_damaged_bytes_are_refused(pack: Pack, folder: Path) -> None:
    path = pack((entry("a.py"), os.urandom(5000)))
    data = bytearray(path.read_bytes())
    data[2000] ^= 0xFF
    path.write_bytes(data)
    assert "not a readable zip" in str(refusal(path, folder))


def test_what_comes_out_counts_and_not_what_the_zip_says(pack: Pack, folder: Path) -> None:
    path = pack((entry("a"), bytes(600_000)), (entry("b"), bytes(600_000)))
    error = refusal(path, folder)
    assert error.too_large
    assert str(error) == "Unzipped size must be smaller than 1000000 bytes"


def test_too_many_entries_are_refused(pack: Pack, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "ENTRIES", 2)
    assert refusal(pack(*[(entry(str(i)), b"") for i in range(3)]), folder).too_large


def test_a_folder_that_is_there_is_left_alone(pack: Pack, folder: Path) -> None:
    folder.mkdir()
    (folder / "mine").touch()
    with pytest.raises(FileExistsError):
        archive.extract(pack((entry("a"), b"")), folder, LIMIT_BYTES)
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]
    assert [p.name for p in folder.iterdir()] == ["mine"]


def test_remove_deletes_read_only_trees(pack: Pack, folder: Path) -> None:
    archive.extract(pack((entry("a/b/c"), b"x")), folder, LIMIT_BYTES)
    archive.remove(folder)
    assert not folder.exists()


@pytest.mark.parametrize(("content", "ok"), [(b"x", True), (bytes(2_000_000), False)])
def test_the_child_prints_its_verdict(pack: Pack, folder: Path, content: bytes, ok: bool) -> None:
    argv = [sys.executable, "-m", "lambent.sandbox.archive", str(pack((entry("a"), content))), str(folder)]
    done = subprocess.run([*argv, str(LIMIT_BYTES)], capture_output=True, check=True, timeout=30)
    verdict = json.loads(done.stdout)
    assert verdict["ok"] is ok
    assert folder.exists() is ok
