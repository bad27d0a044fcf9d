"""A bundle holds the user's files and nothing else, and is the same bytes for the same files."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from lambent.cli.bundle import build
from lambent.cli.failure import Failure
from lambent.model import limits


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "app"
    (made / "lib").mkdir(parents=True)
    (made / "handler.py").write_text("def handler(event, context): return 1\n")
    (made / "lib" / "tool.py").write_text("X = 1\n")
    (made / "run.sh").write_text("#!/bin/sh\n")
    (made / "run.sh").chmod(0o755)
    return made


def names(packed: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(packed)).namelist()


def test_a_file_lies_at_the_top(folder: Path) -> None:
    made = build(folder / "handler.py")
    assert names(made.zip) == ["handler.py"]
    assert list(made.sources) == ["handler.py"]


def test_a_folder_keeps_its_shape_and_its_modes(folder: Path) -> None:
    made = build(folder)
    archive = zipfile.ZipFile(io.BytesIO(made.zip))
    assert archive.namelist() == ["handler.py", "lib/tool.py", "run.sh"]
    assert [entry.external_attr >> 16 & 0o777 for entry in archive.infolist()] == [0o644, 0o644, 0o755]
    assert made.files == 3


def test_the_same_files_give_the_same_bytes(folder: Path) -> None:
    before = build(folder).zip
    for file in folder.rglob("*.py"):
        os.utime(file, (1, 1))
    assert build(folder).zip == before
    (folder / "handler.py").write_text("def handler(event, context): return 2\n")
    assert build(folder).zip != before


@pytest.mark.parametrize(
    "unwanted", ["__pycache__/handler.pyc", ".git/config", ".venv/lib/x.py", "lib/old.pyc", ".DS_Store"]
)
def test_what_is_not_code_stays_out(folder: Path, unwanted: str) -> None:
    before = build(folder).zip
    (folder / unwanted).parent.mkdir(parents=True, exist_ok=True)
    (folder / unwanted).write_text("x")
    assert build(folder).zip == before


def test_installed_packages_go_under_the_folders_own_files(folder: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    installed.mkdir()
    (installed / "package.py").write_text("handler = 1")
    (installed / "run.sh").write_text("theirs")
    made = build(folder, installed)
    archive = zipfile.ZipFile(io.BytesIO(made.zip))
    assert "package.py" in archive.namelist()
    assert archive.read("run.sh") == b"#!/bin/sh\n"
    assert set(made.sources) == {"handler.py", "lib/tool.py"}, "a handler is looked for in own files only"


def test_a_link_to_a_file_is_followed_and_one_to_a_folder_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text("Y = 2")
    (folder / "shared.py").symlink_to(tmp_path / "shared.py")
    assert zipfile.ZipFile(io.BytesIO(build(folder).zip)).read("shared.py") == b"Y = 2"
    (folder / "more").symlink_to(tmp_path)
    with pytest.raises(Failure, match="is a link to a folder"):
        build(folder)


def test_a_zip_goes_as_it_is(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "made.zip"
    path.write_bytes(build(folder).zip)
    made = build(path)
    assert made.zip == path.read_bytes()
    assert list(made.sources) == ["handler.py"]


@pytest.mark.parametrize(
    ("name", "message"), [("x.zip", "is no zip"), ("x.txt", "neither a file of Python or")]
)
def test_what_is_no_function_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_text("hello")
    with pytest.raises(Failure, match=message):
        build(tmp_path / name)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="has no files in it"):
        build(tmp_path)


def test_lambdas_limits_are_named_before_anything_is_sent(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "data.bin").write_bytes(os.urandom(5000))
    monkeypatch.setattr(limits, "ZIP_BYTES", 4000)
    with pytest.raises(Failure, match=r"makes a zip of 5\.\d KB; Lambda takes 3\.9 KB"):
        build(folder)
    monkeypatch.setattr(limits, "UNZIPPED_BYTES", 4000)
    with pytest.raises(Failure, match=r"unzipped: the largest file is data\.bin"):
        build(folder)


def test_the_limits_are_aws_own() -> None:
    assert (limits.ZIP_BYTES, limits.UNZIPPED_BYTES) == (50 * limits.MIB, 250 * limits.MIB)


def test_node_modules_belong_to_node_only(folder: Path, tmp_path: Path) -> None:
    for place in (folder, tmp_path / "js"):
        (place / "node_modules" / "dep").mkdir(parents=True)
        (place / "node_modules" / "dep" / "index.js").write_text("exports.x = 1\n")
    (tmp_path / "js" / "index.js").write_text("exports.handler = async () => 1\n")
    assert "node_modules/dep/index.js" not in names(build(folder).zip)
    made = build(tmp_path / "js")
    assert names(made.zip) == ["index.js", "node_modules/dep/index.js"]
    assert list(made.sources) == ["index.js"]


def test_packages_that_npm_has_not_installed_are_named(tmp_path: Path) -> None:
    (tmp_path / "index.js").write_text("exports.handler = async () => 1\n")
    (tmp_path / "package.json").write_text('{"dependencies": {"left-pad": "1"}}')
    with pytest.raises(Failure, match=r"run `npm install` in it, for left-pad"):
        build(tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    assert build(tmp_path).files == 2


def test_a_bootstrap_is_a_package_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "bootstrap").write_bytes(b"\x7fELF")
    (tmp_path / "bootstrap").chmod(0o755)
    (entry,) = zipfile.ZipFile(io.BytesIO(build(tmp_path / "bootstrap").zip)).infolist()
    assert (entry.filename, entry.external_attr >> 16 & 0o777) == ("bootstrap", 0o755)
