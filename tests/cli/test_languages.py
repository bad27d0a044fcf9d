"""What a function is written in shows at the top of its folder."""

import zipfile
from pathlib import Path

import pytest

from lambent.cli.languages import family


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["handler.py"], "python"),
        (["index.js"], "nodejs"),
        (["index.mjs", "data.json"], "nodejs"),
        (["package.json", "dist"], "nodejs"),
        (["handler.py", "page.js"], "python"),
        (["bootstrap", "helper.py", "index.js"], "provided"),
        (["package"], "python"),
    ],
)
def test_folders_and_zips(tmp_path: Path, names: list[str], expected: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for name in names:
            (folder / name).touch()
            archive.writestr(name, "")
    assert family(folder) == family(tmp_path / "packed.zip") == expected


@pytest.mark.parametrize(
    ("name", "expected"), [("a.py", "python"), ("a.mjs", "nodejs"), ("bootstrap", "provided")]
)
def test_files(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / name).touch()
    assert family(tmp_path / name) == expected
