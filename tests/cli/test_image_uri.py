"""`lambent deploy --image`: from what a user names to an ImageUri and a function's name."""

import tarfile
from pathlib import Path

import pytest

from lambent.cli.failure import Failure
from lambent.cli.image_uri import name_of, uri_of


def archive(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w") as packed:
        for name in names:
            packed.addfile(tarfile.TarInfo(name))
    return path


def test_a_folder_and_archives_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "index.json").touch()
    assert uri_of(str(tmp_path)) == f"oci:{tmp_path}"
    oci = archive(tmp_path / "a.tar", "index.json", "manifest.json")
    assert uri_of(str(oci)) == f"oci-archive:{oci}"
    docker = archive(tmp_path / "b.tar", "manifest.json", "x.json")
    assert uri_of(str(docker)) == f"docker-archive:{docker}"


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, archive(tmp_path / "a.tar", "x")):
        with pytest.raises(Failure, match="is no image"):
            uri_of(str(path))
    (tmp_path / "b.tar").write_text("no tar")
    with pytest.raises(Failure, match="is no archive"):
        uri_of(str(tmp_path / "b.tar"))


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("oci:/srv/images/web:v1", "web"),
        ("docker-archive:/srv/web.tar:web:1", "web"),
        ("registry.example.com/team/web:1.2", "web"),
        ("localhost:5000/web", "web"),
        ("registry.example.com/web@sha256:" + "0" * 64, "web"),
    ],
)
def test_names_stay_and_give_the_function_its_own(uri: str, name: str) -> None:
    assert uri_of(uri) == uri
    assert name_of(uri) == name
