"""`lambent up` by an ordinary user: walls all the same, and the stores beside the node."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import RunningNode
from tests.rootless import PATHS, RootlessNode
from tests.sandbox.launched import ROOT, staged

from lambent.sandbox.users import FUNCTION, users

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user"),
]
UID = users(ROOT).node
PROBE = """
import os, boto3, socket

def handler(event, context):
    keys = [each["Key"] for each in boto3.client("s3").list_objects_v2(Bucket="bkt").get("Contents", [])]
    try:
        socket.create_connection(("127.0.0.1", 22), 1)
    except OSError as error:
        alone = type(error).__name__
    return [os.getuid(), os.path.exists("/home"), alone, keys]
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    node = RootlessNode(tmp_path_factory.mktemp("rootless") / "data").start()
    yield node
    assert node.stop() == 0, node.log()


def test_a_function_has_walls_and_reaches_the_node(node: RunningNode) -> None:
    assert json.loads((node.data / "node.json").read_text())["isolation"] == "userns"
    s3, functions = node.client("s3"), node.client("lambda")
    s3.create_bucket(Bucket="bkt")
    s3.put_object(Bucket="bkt", Key="k", Body=b"x")
    node.deploy("f", PROBE, Timeout=30)
    answer = functions.invoke(FunctionName="f", LogType="Tail")
    assert json.load(answer["Payload"]) == [FUNCTION, False, "ConnectionRefusedError", ["k"]]
    assert int((node.data / "programs").stat().st_uid) == users(node.data).node
    assert "no root" in node.log()


def test_what_needs_root_is_refused(tmp_path: Path) -> None:
    node = RootlessNode(tmp_path / "data", flags=("--network", "nat"))
    with pytest.raises(AssertionError, match="--network nat needs root"):
        node.start()


def test_the_choice_without_root() -> None:
    """As `--isolation auto` makes it."""
    code = "from lambent.sandbox import capabilities; print(capabilities.best_isolation())"
    command = staged(UID, PATHS, [sys.executable, "-c", code])
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "userns\n"


def test_the_doctor_tries_the_walls_and_says_what_is_lost() -> None:
    command = staged(UID, PATHS, [sys.executable, "-m", "lambent.cli.main", "doctor", "--json"])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HOME": "/nowhere"})
    found = {each["name"]: each for each in json.loads(done.stdout)}
    assert found["walls"]["state"] == "ok", found["walls"]
    assert found["root"]["state"] == "less"
    assert "a user id for each function" in found["root"]["lost"]
    needed = ("namespaces", "mounts", "proc", "seccomp", "network")
    assert {found[name]["state"] for name in needed} == {"ok"}
