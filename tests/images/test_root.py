"""Layers laid over each other, and what is in them that must not come out."""

import io
import os
import stat
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.images.maker import Entry, layer, special

from lambent.sandbox import image
from lambent.sandbox.base import BadArchive

LIMIT_BYTES = 1_000_000


def unpacked(folder: Path, *layers: Mapping[str, Entry], limit_bytes: int = LIMIT_BYTES) -> Path:
    entries: dict[str, Entry] = {f"layer-{number}": layer(each) for number, each in enumerate(layers)}
    bundle = io.BytesIO(layer(entries))
    assert image.is_image(bundle)
    image.extract(bundle, folder / "out", limit_bytes)
    return folder / "out"


def test_a_later_layer_replaces_adds_and_takes_away(tmp_path: Path) -> None:
    root = unpacked(
        tmp_path,
        {"a": b"1", "b": b"1", "d/x": b"1", "d/y": b"1", "e/x": b"1"},
        {"a": b"2", ".wh.b": b"", "d/.wh.x": b"", "d/z": b"2", "e/n": b"2", "e/.wh..wh..opq": b""},
    )
    assert (root / "a").read_bytes() == b"2"
    assert not (root / "b").exists()
    assert sorted(path.name for path in (root / "d").iterdir()) == ["y", "z"]
    assert [path.name for path in (root / "e").iterdir()] == ["n"], "what the same layer brings stays"


def test_links_lead_within_the_root(tmp_path: Path) -> None:
    """As in images where /lib is a link to /usr/lib and a later layer writes to /lib."""
    root = unpacked(
        tmp_path,
        {"usr/lib/a": b"1", "lib": "/usr/lib", "up": "../../../usr"},
        {"lib/b": b"2", "up/c": b"3", "hard": special("hard", tarfile.LNKTYPE, "usr/lib/a")},
    )
    assert (root / "usr/lib/b").read_bytes() == b"2"
    assert (root / "usr/c").read_bytes() == b"3"
    assert (root / "hard").samefile(root / "usr/lib/a")


def test_a_link_out_of_the_root_writes_nothing_there(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("here")
    root = unpacked(
        tmp_path, {"way": str(outside), "up": "../.."}, {"way/file": b"x", "way/.wh.kept": b"", "up/f": b"x"}
    )
    assert [path.name for path in outside.iterdir()] == ["kept"]
    assert (root / str(outside).lstrip("/") / "file").read_bytes() == b"x"
    assert (root / "f").read_bytes() == b"x"


def test_no_devices_no_privileges_nothing_writable(tmp_path: Path) -> None:
    setuid = special("setuid", tarfile.REGTYPE)
    setuid.mode = 0o4777
    root = unpacked(tmp_path, {"disk": special("disk", tarfile.BLKTYPE), "setuid": setuid, "d/f": b""})
    assert not (root / "disk").exists()
    modes = {stat.S_IMODE(path.lstat().st_mode) for path in (root, *root.rglob("*"))}
    assert modes <= {0o555, 0o444}


def test_what_the_sandbox_needs_is_there_whatever_the_image_says(tmp_path: Path) -> None:
    root = unpacked(tmp_path, {"proc": "/etc", "etc": b"a file", "tmp": "/proc", "dev": b"x"})
    for name in image.FOLDERS:
        assert (root / name).is_dir()
        assert not (root / name).is_symlink()
    assert [(root / name).read_bytes() for name in image.FILES] == [b"", b""]


@pytest.mark.parametrize(
    ("entries", "words", "too_large"),
    [
        ({"../out": b"x"}, "leaves the image", False),
        ({"a/../../out": b"x"}, "leaves the image", False),
        ({"h": special("h", tarfile.LNKTYPE, "../out")}, "leaves the image", False),
        ({"h": special("h", tarfile.LNKTYPE, "etc")}, "what is no file", False),
        ({"l": "l", "l/x": b""}, "too many links", False),
        ({".wh...": b"x"}, "a whiteout", False),
        ({"big": bytes(LIMIT_BYTES + 1)}, f"more than {LIMIT_BYTES} bytes", True),
        ({"one": bytes(LIMIT_BYTES - 1), "two": b"xx"}, f"more than {LIMIT_BYTES} bytes", True),
    ],
)
def test_what_is_refused(tmp_path: Path, entries: dict[str, Entry], words: str, too_large: bool) -> None:
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(BadArchive, match=words) as caught:
        unpacked(tmp_path, entries)
    assert caught.value.too_large is too_large
    assert sorted({*os.listdir(tmp_path)} - {"out"}) == before


def test_too_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "ENTRIES", 3)
    with pytest.raises(BadArchive, match="more than 3 files"):
        unpacked(tmp_path, {str(n): b"" for n in range(4)})


def test_a_layer_that_is_no_archive(tmp_path: Path) -> None:
    bundle = io.BytesIO(layer({"layer-0": b"no tar at all" * 100}))
    with pytest.raises(BadArchive, match="cannot be read"):
        image.extract(bundle, tmp_path / "out", LIMIT_BYTES)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python reads zstd")
def test_a_layer_in_zstd_names_the_way_out(tmp_path: Path) -> None:
    bundle = io.BytesIO(layer({"layer-0": image.ZSTD + b"\0" * 600}))
    with pytest.raises(BadArchive, match=r"zstd.*gzip"):
        image.extract(bundle, tmp_path / "out", LIMIT_BYTES)
