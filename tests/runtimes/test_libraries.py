"""The libraries that functions find ready: built from the pinned list, or from the node's own copies."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runtimes.bench import CATALOG
from tests.runtimes.conftest import Bootstrap

from lambent.model.interpreter import Interpreter
from lambent.runtimes import libraries, shelf

OWN = CATALOG.get("python{}.{}".format(*sys.version_info))


@pytest.fixture
def shelves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAMBENT_RUNTIMES", str(tmp_path / "runtimes"))
    return tmp_path / "runtimes"


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip finds nothing, as without a network."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)


def versions(runtime: str) -> dict[str, str]:
    lines = shelf.pins_for(runtime).read_text().split()
    return {name: version for name, _, version in (line.partition("==") for line in lines)}


def test_every_list_has_exact_versions_of_the_same_packages() -> None:
    names = {"boto3", "botocore", "redshift-connector", "psycopg", "psycopg-binary", "s3transfer", "urllib3"}
    for minor in range(8, 16):
        pins = versions(f"python3.{minor}")
        assert names <= set(pins)
        assert all(pins.values())


def test_the_lists_follow_what_boto3_still_supports() -> None:
    assert versions("python3.8")["boto3"] == "1.37.38"
    assert versions("python3.9")["boto3"] == "1.42.97"
    assert shelf.pins_for("python3.11") == shelf.pins_for("python3.15")


def test_another_list_is_another_folder(shelves: Path) -> None:
    assert shelf.folder_for("python3.8") != shelf.folder_for("python3.9")
    assert shelf.folder_for("python3.9").parent == shelves


def test_the_folder_is_where_caches_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAMBENT_RUNTIMES", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/me")
    assert shelf.cache_folder() == Path("/var/cache/me/lambent/runtimes")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert shelf.cache_folder() == Path.home() / ".cache/lambent/runtimes"


@pytest.mark.slow
@pytest.mark.usefixtures("no_index")
def test_without_an_index_the_nodes_own_copies_stand_in(shelves: Path) -> None:
    told: list[str] = []
    made = libraries.ensure(OWN, told.append)
    assert made.libraries == shelf.folder_for(OWN.runtime)
    assert "copies of this node's own packages" in told[-1]
    assert (made.libraries / "botocore" / "data").is_dir()
    assert [p.name for p in shelves.iterdir() if not p.name.endswith(".lock")] == [made.libraries.name]


@pytest.mark.slow
@pytest.mark.usefixtures("no_index", "shelves")
def test_another_python_goes_without_and_is_told_so() -> None:
    other = Interpreter("python3.40", OWN.executable, OWN.prefix, "3.40.0", None)
    told: list[str] = []
    assert libraries.ensure(other, told.append).libraries is None
    assert told[-1].startswith("python3.40: functions find no libraries besides their own: ")


HANDLER = """
    import boto3, botocore.session, psycopg, redshift_connector, urllib3

    def handler(event, context):
        boto3.client("s3", "us-east-1")
        return {"boto3": boto3.__version__, "redshift-connector": redshift_connector.__version__,
                "psycopg": psycopg.__version__, "from": boto3.__file__, "fast": psycopg.pq.__impl__}
"""

# Import the preload list; then making a client imports nothing more, no thread runs, and all came compiled.
PRELOADED = """
import importlib, json, os, sys, threading
sys.path.append(sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
before = set(sys.modules)
ours = [m.__spec__ for m in list(sys.modules.values()) if getattr(m, "__spec__", None)]
raw = [s.name for s in ours if (s.origin or "").startswith(sys.argv[1]) and (s.origin or "").endswith(".py")
       and not os.path.exists(s.cached)]
import boto3
boto3.client("s3", "us-east-1", aws_access_key_id="-", aws_secret_access_key="-")
print(json.dumps([sorted(set(sys.modules) - before), threading.active_count(), raw]))
"""


@pytest.mark.slow
@pytest.mark.usefixtures("shelves")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("interpreter", sorted({OWN.runtime, *list(CATALOG.interpreters)[:1]}), indirect=True)
def test_functions_find_the_pinned_versions(
    interpreter: Interpreter, start: Callable[..., Bootstrap]
) -> None:
    """Built as at set-up, for the node's own Python and for the oldest of this machine, and used on it."""
    told: list[str] = []
    made = libraries.ensure(interpreter, told.append)
    assert made.libraries is not None, told
    assert libraries.ensure(interpreter, told.append) == made
    assert len(told) == 1, "a folder that is there is not built again"
    found = start(HANDLER, libraries=made.libraries).ready().call()
    assert found.pop("from").startswith(str(made.libraries))
    assert found.pop("fast") == "binary"
    assert found.items() <= versions(interpreter.runtime).items()
    modules = (made.libraries / shelf.PRELOAD).read_text().split()
    assert {"boto3", "botocore.client", "s3transfer", "redshift_connector", "psycopg"} <= set(modules)
    argv = [str(interpreter.executable), "-I", "-S", "-c", PRELOADED, str(made.libraries), *modules]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True, timeout=120)
    assert json.loads(done.stdout) == [[], 1, []]


@pytest.mark.slow
@pytest.mark.usefixtures("no_index")
def test_the_command_builds_what_it_is_asked_for(shelves: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert libraries.main([OWN.runtime]) == 0
    assert f"{OWN.runtime}: {shelf.folder_for(OWN.runtime)}" in capsys.readouterr().out
    assert libraries.main(["python3.7"]) == 1
    assert "no longer supported" in capsys.readouterr().err
