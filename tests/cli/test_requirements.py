"""A folder's requirements are installed for the function's Python, and pip's reason is passed on."""

import sys
import zipfile
from pathlib import Path

import pytest

from lambent.cli.failure import Failure
from lambent.cli.requirements import install

RUNTIME = f"python3.{sys.version_info.minor}"


def wheel(folder: Path, tag: str = "py3-none-any") -> Path:
    """A wheel of one module, made by hand so that no registry is asked."""
    path = folder / f"lambent_sample-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("lambent_sample.py", "X = 1\n")
        archive.writestr(
            "lambent_sample-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: lambent-sample\nVersion: 1.0\n",
        )
        archive.writestr(
            "lambent_sample-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
        )
        archive.writestr("lambent_sample-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def wanted(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text(f"--no-index\n--find-links {tmp_path}\nlambent-sample==1.0\n")
    return path


@pytest.mark.slow
def test_a_wheel_is_installed(tmp_path: Path, wanted: Path) -> None:
    wheel(tmp_path)
    install(wanted, tmp_path / "target", RUNTIME)
    assert (tmp_path / "target" / "lambent_sample.py").read_text() == "X = 1\n"


@pytest.mark.slow
def test_a_wheel_for_another_python_is_not(tmp_path: Path, wanted: Path) -> None:
    wheel(tmp_path, "cp39-none-any")
    with pytest.raises(Failure, match=f"cannot be installed for {RUNTIME}: .*lambent-sample==1.0"):
        install(wanted, tmp_path / "target", RUNTIME)
    install(wanted, tmp_path / "target", "python3.9")
    assert (tmp_path / "target" / "lambent_sample.py").exists()


def test_only_python_has_requirements(wanted: Path, tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"for Python runtimes only, not for nodejs20\.x"):
        install(wanted, tmp_path / "target", "nodejs20.x")
