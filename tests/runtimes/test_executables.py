"""Which Nodes are found, and that a function's own bootstrap is always welcome."""

import shutil
from pathlib import Path

import pytest

from lambent.model.errors import InvalidParameter
from lambent.runtimes import executables
from lambent.runtimes.catalog import Catalog

NODE = "#!/bin/sh\necho v{}\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH and a home of the test's own; the system's folders stay as they are."""
    monkeypatch.setenv("PATH", str(tmp_path / "one" / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NVM_DIR", raising=False)
    return tmp_path


def install(folder: Path, version: str) -> Path:
    node = folder / "bin" / "node"
    node.parent.mkdir(parents=True)
    node.write_text(NODE.format(version))
    node.chmod(0o755)
    return node


def test_a_node_is_known_by_its_major_version(machine: Path) -> None:
    node = install(machine / "one", "98.4.1")
    found = executables.find()["nodejs98.x"]
    assert (found.executable, found.prefix, found.version) == (node, machine / "one", "98.4.1")
    assert (found.family, found.forks) == ("nodejs", False)


def test_the_newest_of_a_major_version_wins(machine: Path) -> None:
    install(machine / "one", "98.10.0")
    install(machine / ".nvm" / "versions" / "node" / "v98.9.0", "98.9.0")
    install(machine / ".nvm" / "versions" / "node" / "v97.0.0", "97.0.0")
    found = executables.find()
    assert (found["nodejs98.x"].version, found["nodejs97.x"].version) == ("98.10.0", "97.0.0")


def test_links_lead_to_the_installation(machine: Path) -> None:
    node = install(machine / "real", "98.1.0")
    (machine / "one" / "bin").mkdir(parents=True)
    (machine / "one" / "bin" / "node").symlink_to(node)
    assert executables.find()["nodejs98.x"].prefix == machine / "real"


@pytest.mark.parametrize("script", ["#!/bin/sh\necho rubbish\n", "#!/bin/sh\necho v9.1.2\n", "no program"])
def test_what_is_no_node_is_left_out(machine: Path, script: str) -> None:
    before = set(executables.find())
    install(machine / "one", "1").write_text(script)
    assert set(executables.find()) == before


def test_bootstraps_need_nothing(machine: Path) -> None:
    found = executables.find()
    assert {"provided.al2", "provided.al2023"} <= set(found)
    assert Catalog({}, found).get("provided.al2023").family == "provided"
    assert Catalog({}, found).runtimes == tuple(found)


def test_a_missing_node_says_what_is_there(machine: Path) -> None:
    catalog = Catalog({}, {"provided.al2": executables.find()["provided.al2"]})
    with pytest.raises(InvalidParameter, match=r"Available are: provided.al2. Install that Node.js"):
        catalog.get("nodejs22.x")
    with pytest.raises(InvalidParameter, match=r"bring any other with your package, as provided.al2023"):
        catalog.get("java21")


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js")
def test_the_machines_own_node_is_found() -> None:
    assert any(name.startswith("nodejs") for name in Catalog.find().runtimes)
