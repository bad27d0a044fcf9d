"""A command finds the node that is meant, and says what to do when there is none."""

import json
import os
from pathlib import Path

import pytest

from lambent.cli.failure import Failure
from lambent.cli.node import find
from lambent.settings import BadSetting

GONE = 2**22 + 1  # above the largest process id
EVAL = {
    "AWS_ENDPOINT_URL": "http://10.0.0.5:9000/",
    "AWS_ACCESS_KEY_ID": "KEY",
    "AWS_SECRET_ACCESS_KEY": "SECRET",
}


def running(data: Path, pid: int = 0, credentials: str = "AKIA:shh:123456789012\n") -> Path:
    data.mkdir(exist_ok=True)
    run = {"pid": pid or os.getpid(), "url": "http://127.0.0.1:9001", "region": "eu-west-1"}
    (data / "node.json").write_text(json.dumps(run))
    (data / "credentials").write_text(credentials)
    return data


def test_by_its_data_folder(tmp_path: Path) -> None:
    node = find(running(tmp_path), {})
    assert (node.url, node.access_key, node.secret_key) == ("http://127.0.0.1:9001", "AKIA", "shh")
    assert node.region == "eu-west-1"
    assert "shh" not in repr(node)


def test_by_the_variable(tmp_path: Path) -> None:
    assert find(None, {"LAMBENT_DATA": str(running(tmp_path))}).access_key == "AKIA"


def test_the_environment_wins_over_the_variable_and_a_flag_over_both(tmp_path: Path) -> None:
    environment = {**EVAL, "LAMBENT_DATA": str(running(tmp_path))}
    assert find(None, environment).url == "http://10.0.0.5:9000"
    assert find(tmp_path, environment).url == "http://127.0.0.1:9001"


def test_keys_without_an_endpoint_are_aws_own_and_not_used(tmp_path: Path) -> None:
    environment = {"AWS_ACCESS_KEY_ID": "REAL", "AWS_SECRET_ACCESS_KEY": "REAL"}
    assert find(running(tmp_path), environment).access_key == "AKIA"


def test_region_and_token_come_along() -> None:
    node = find(None, {**EVAL, "AWS_DEFAULT_REGION": "eu-north-1", "AWS_SESSION_TOKEN": "T"})
    assert (node.region, node.token) == ("eu-north-1", "T")
    assert node.exports()["AWS_SESSION_TOKEN"] == "T"


@pytest.mark.parametrize("credentials", ["KEY:B", "KEY:B,C12:D:123456789012", "KEY:B\nC12:D\n"])
def test_the_first_pair_of_the_file_is_used(tmp_path: Path, credentials: str) -> None:
    node = find(running(tmp_path, credentials=credentials), {})
    assert (node.access_key, node.secret_key) == ("KEY", "B")


def test_an_endpoint_without_keys_is_refused() -> None:
    with pytest.raises(Failure, match="AWS_ACCESS_KEY_ID is not"):
        find(None, {"AWS_ENDPOINT_URL": "http://x"})


def test_no_run_file_means_no_node(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="start one with `lambent up`"):
        find(tmp_path, {})


def test_a_dead_nodes_run_file_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="no node runs on"):
        find(running(tmp_path, pid=GONE), {})


@pytest.mark.parametrize("credentials", ["", "nonsense", "a:b:c:d"])
def test_a_file_without_a_pair_is_named(tmp_path: Path, credentials: str) -> None:
    with pytest.raises(BadSetting, match=r"KEY:SECRET\[:ACCOUNT\]|12 digits"):
        find(running(tmp_path, credentials=credentials), {})
