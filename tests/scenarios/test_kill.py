"""kill -9 of any process of the platform: nothing accepted is lost and the next start needs no hand."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.conftest import RunningNode

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# Writes its event's number as an object: what ran can be listed, from outside, after anything.
WRITES = """
import boto3
s3 = boto3.client("s3")
def handler(event, context):
    s3.put_object(Bucket="seen", Key=str(event["n"]), Body=b"x")
"""


def children(pid: int) -> list[tuple[int, str]]:
    """Pid and command of every process below."""
    found = subprocess.run(
        ["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in found.splitlines()[1:]]
    below, result = {pid}, []
    for row_pid, parent, command in sorted((int(r[0]), int(r[1]), r[2]) for r in rows if len(r) == 3):
        if parent in below:
            below.add(row_pid)
            result.append((row_pid, command))
    return result


def child(node: RunningNode, part: str) -> int:
    assert node.process is not None
    return next(pid for pid, command in children(node.process.pid) if part in command)


def seen(node: RunningNode) -> set[str]:
    listed = node.client("s3").list_objects_v2(Bucket="seen")
    return {entry["Key"] for entry in listed.get("Contents", [])}


def until(check: Callable[[], bool], what: str, timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def push(node: RunningNode, numbers: range) -> set[str]:
    """The events that were accepted with a 202 before the node went."""
    client = node.client("lambda")
    accepted = set()
    for n in numbers:
        try:
            client.invoke(FunctionName="writes", InvocationType="Event", Payload=json.dumps({"n": n}))
        except (BotoCoreError, ClientError):
            break
        accepted.add(str(n))
    return accepted


@pytest.mark.parametrize("victim", ["node", "launcher"])
def test_accepted_events_run_after_kill_9(new_node: Callable[..., RunningNode], victim: str) -> None:
    node = new_node()
    node.client("s3").create_bucket(Bucket="seen")
    node.deploy("writes", WRITES, Timeout=60, MemorySize=512)
    accepted = push(node, range(40))
    assert node.process is not None
    os.kill(child(node, "lambent.serving") if victim == "node" else node.process.pid, signal.SIGKILL)
    node.process.wait(30)
    until(lambda: not node.answers(), "the port is given back")
    node.start()
    assert len(accepted) == 40
    until(lambda: seen(node) >= accepted, "every accepted event has run")
    assert node.stop() == 0, node.log()


def test_nothing_is_left_behind_by_a_killed_launcher(new_node: Callable[..., RunningNode]) -> None:
    node = new_node()
    node.client("s3").create_bucket(Bucket="seen")
    node.deploy("writes", WRITES, MemorySize=512)
    node.client("lambda").invoke(FunctionName="writes", Payload=b'{"n": 1}')
    assert node.process is not None
    below = [pid for pid, _ in children(node.process.pid)]
    node.kill()

    def gone() -> bool:
        return not any(os.path.exists(f"/proc/{pid}") for pid in below)

    until(gone, "every process of the platform ends with its launcher", 30)
    node.start()
    assert node.stop() == 0


def test_the_object_store_comes_back(new_node: Callable[..., RunningNode]) -> None:
    node = new_node()
    client = node.client("s3", config=None)
    client.create_bucket(Bucket="seen")
    client.put_object(Bucket="seen", Key="before", Body=b"x")
    os.kill(child(node, "weed"), signal.SIGKILL)
    until(lambda: _puts(client), "writes work again", 60)
    assert seen(node) == {"before", "after"}


def _puts(client: Any) -> bool:
    try:
        client.put_object(Bucket="seen", Key="after", Body=b"x")
    except (BotoCoreError, ClientError):
        return False
    return True
