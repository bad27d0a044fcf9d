"""Which Pythons are found, and what is said about those that are not."""

import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest
from tests.runtimes.bench import CATALOG

from lambent.model.errors import InvalidParameter
from lambent.model.interpreter import Interpreter
from lambent.runtimes import catalog, shelf
from lambent.runtimes.catalog import Catalog, known_runtimes

OWN = "python{}.{}".format(*sys.version_info)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH and a home of the test's own; the system's folders stay as they are."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    return tmp_path


def test_the_nodes_own_python_is_there_without_its_virtual_environment() -> None:
    own = CATALOG.get(OWN)
    assert own.version == "{}.{}.{}".format(*sys.version_info)
    assert own.prefix == Path(sys.base_prefix).resolve()
    assert own.executable.is_relative_to(own.prefix)
    assert not own.executable.is_symlink()


def test_every_interpreter_is_what_it_says(interpreter: Interpreter) -> None:
    code = "import sys; print(sys.version.split()[0], sys.base_prefix)"
    told = subprocess.run(
        [interpreter.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    version, prefix = told.stdout.split()
    assert (version, Path(prefix).resolve()) == (interpreter.version, interpreter.prefix)
    assert interpreter.runtime == "python" + version.rpartition(".")[0]
    assert int(version.split(".")[1]) >= 8


def test_names_are_in_their_order() -> None:
    minors = [int(name.rpartition(".")[2]) for name in CATALOG.interpreters]
    assert minors == sorted(minors)


def test_finding_them_is_quick() -> None:
    times = []
    for _ in range(3):
        start = time.process_time()
        Catalog.find()
        times.append(time.process_time() - start)
    assert min(times) < 0.3


def test_virtual_environments_lead_to_the_python_behind_them(machine: Path) -> None:
    venv.create(machine / "linked", symlinks=True)
    venv.create(machine / "copied", symlinks=False)
    for folder in ("linked", "copied"):
        name = machine / folder / "bin" / OWN
        if not name.exists():
            shutil.copy(machine / folder / "bin" / "python3", name)
        shutil.rmtree(machine / "bin")
        (machine / "bin").symlink_to(machine / folder / "bin")
        found = Catalog.find().get(OWN)
        assert found.prefix == Path(sys.base_prefix).resolve()
        (machine / "bin").unlink()
        (machine / "bin").mkdir()


def test_shims_and_broken_pythons_are_left_out(machine: Path) -> None:
    for minor, text in ((30, "#!/bin/sh\nexec false\n"), (31, "not a program at all")):
        path = machine / "bin" / f"python3.{minor}"
        path.write_text(text)
        path.chmod(0o755)
    for minor, program in ((32, "false"), (33, "echo")):
        os.symlink(shutil.which(program, path="/usr/bin:/bin") or "", machine / "bin" / f"python3.{minor}")
    assert not {f"python3.{minor}" for minor in (30, 31, 32, 33)} & set(Catalog.find().interpreters)


def test_pyenvs_versions_are_looked_at(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bins = [machine / root / "versions" / "3.9.1" / "bin" for root in (".pyenv", "elsewhere")]
    for folder in bins:
        folder.mkdir(parents=True)
    monkeypatch.setenv("PYENV_ROOT", str(machine / "elsewhere"))
    assert set(bins) < set(catalog._folders())


def test_the_nodes_own_python_wins_and_else_the_newest_patch() -> None:
    def python(version: str, prefix: str) -> Interpreter:
        return Interpreter("python3.11", Path(prefix, "bin/python3.11"), Path(prefix), version, None)

    own = str(Path(sys.base_prefix).resolve())
    there = [python("3.11.10", "/b"), python("3.11.2", own), python("3.11.9", "/a")]
    assert [p.version for p in sorted(there, key=catalog._preference)] == ["3.11.9", "3.11.10", "3.11.2"]


@pytest.mark.parametrize(
    ("runtime", "text"),
    [
        ("python3.7", "The runtime parameter of python3.7 is no longer supported for creating or updating "
         "AWS Lambda functions. We recommend you use a supported runtime while creating or updating "
         "functions."),
        ("java8", "The runtime parameter of java8 is no longer supported"),
        ("nodejs", "The runtime parameter of nodejs is no longer supported"),
        ("python3.15", "The runtime python3.15 is not on this machine. Available are: python3.11. Install "),
        ("nodejs22.x", "The runtime nodejs22.x is not on this machine. Available are: python3.11. Install "),
        ("cobol", "Value cobol at 'runtime' failed to satisfy constraint: Member must satisfy enum value "),
        ("", "Value  at 'runtime' failed to satisfy constraint"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_with_a_way_out(runtime: str, text: str) -> None:
    python = Interpreter("python3.11", Path("/usr/bin/python3.11"), Path("/usr"), "3.11.2", None)
    with pytest.raises(InvalidParameter) as refused:
        Catalog({"python3.11": python}).get(runtime)
    assert refused.value.message.startswith(text)


def test_no_runtime_that_aws_runs_today_is_called_retired() -> None:
    alive = {
        *(f"python3.{minor}" for minor in range(8, 16)),
        *("nodejs18.x", "nodejs20.x", "nodejs22.x", "nodejs24.x", "nodejs26.x"),
        *("java8.al2", "java11", "java17", "java21", "java25", "dotnet8", "dotnet10"),
        *("ruby3.2", "ruby3.3", "ruby3.4", "provided.al2", "provided.al2023"),
    }
    for runtime in alive & set(known_runtimes()):
        with pytest.raises(InvalidParameter, match="is not on this machine"):
            Catalog({}).get(runtime)


def test_libraries_are_seen_as_soon_as_they_are_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMBENT_RUNTIMES", str(tmp_path))
    assert CATALOG.get(OWN).libraries is None
    shelf.folder_for(OWN).mkdir()
    assert CATALOG.get(OWN).libraries == shelf.folder_for(OWN)
