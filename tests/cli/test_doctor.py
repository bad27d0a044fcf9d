"""The doctor looks at the real machine, and says of each thing that is not there what to do."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lambent.cli import examination, trial
from lambent.cli.attempts import QUICK
from lambent.cli.examination import State, examine
from lambent.objects import weed
from lambent.sandbox import capabilities
from lambent.settings import Settings
from lambent.warehouse import cluster


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", port=0, warehouse_port=0)


@pytest.fixture
def no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the walls alone, which takes seconds: for tests of everything else."""
    monkeypatch.setattr(examination, "_walls", lambda: examination.Finding("walls", State.LESS, "not tried"))


def by_name(settings: Settings) -> dict[str, examination.Finding]:
    return {finding.name: finding for finding in examine(settings)}


@pytest.mark.usefixtures("no_trial")
def test_it_finds_what_the_node_would_use(settings: Settings) -> None:
    found = by_name(settings)
    assert f"python3.{sys.version_info.minor}" in found["runtimes"].found
    assert str(cluster.binaries()) in found["warehouse"].found
    assert found["buckets"].state is State.OK
    assert "GiB free" in found["data folder"].found
    assert {each.name for each in capabilities.probe()} <= found.keys()


@pytest.mark.slow
def test_the_walls_are_tried(settings: Settings) -> None:
    found = by_name(settings)["walls"]
    assert (found.state, found.remedy) == (State.OK, "")
    assert f"{len(QUICK)} attempts" in found.found


@pytest.mark.slow
def test_a_wall_that_is_not_there_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        trial,
        "CHILD",
        f"""
from lambent.cli import attempts
attempts.QUICK.update(opened="got = open('/etc/passwd').read()", mistaken="got = nowhere")
{trial.CHILD}""",
    )
    found = by_name(settings)["walls"]
    assert found.state is State.MISSING
    assert "not refused: opened; mistaken" in found.found


@pytest.mark.slow
def test_it_changes_nothing(settings: Settings) -> None:
    by_name(settings)
    assert not settings.data.exists()


@pytest.mark.usefixtures("no_trial")
def test_a_port_in_use_is_named(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = by_name(Settings(data=settings.data, port=port, warehouse_port=0))["port"]
    assert found.state is State.LESS
    assert str(port) in found.found
    assert "--port" in found.remedy


@pytest.mark.usefixtures("no_trial")
def test_a_running_node_is_named_in_place_of_its_ports(settings: Settings) -> None:
    settings.data.mkdir()
    run = {"pid": os.getpid(), "url": "http://127.0.0.1:9000"}
    (settings.data / "node.json").write_text(json.dumps(run))
    found = by_name(settings)
    assert f"pid {os.getpid()}" in found["node"].found
    assert "port" not in found


@pytest.mark.usefixtures("no_trial")
def test_what_is_missing_has_a_loss_and_a_remedy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> Path:
        raise cluster.PostgresMissing("no")

    monkeypatch.setattr(cluster, "binaries", nothing)
    monkeypatch.setattr(weed, "binary", lambda: None)
    found = by_name(settings)
    for name in ("warehouse", "buckets"):
        assert found[name].state is State.MISSING
        assert found[name].lost
        assert found[name].remedy


@pytest.mark.usefixtures("no_trial")
def test_servers_of_the_settings_are_taken(settings: Settings) -> None:
    given = Settings(data=settings.data, postgres="postgresql://x", s3_endpoint="http://store", port=0)
    found = by_name(given)
    assert "setting" in found["warehouse"].found
    assert found["buckets"].found == "http://store"


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "lambent", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
def test_the_command_says_it_for_people_and_for_scripts(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    told: list[dict[str, Any]] = json.loads(run(*data, "--json").stdout)
    assert {"name", "state", "found", "lost", "remedy"} == set(told[0])
    text = run(*data)
    assert text.returncode in (0, 3)
    assert all(each["name"] in text.stdout for each in told)


def test_a_bad_setting_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "lambent.toml").write_text("colour = 1")
    done = run("--data", str(tmp_path))
    assert done.returncode == 2
    assert "unknown setting colour" in done.stderr
    assert done.stderr.count("\n") == 1
