"""Whole nodes on a machine of the test's own: what they leave, and what their functions reach."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import RunningNode
from tests.sandbox.internet import MACHINE, MACHINE6, PRIVATE, PUBLIC, PUBLIC6, Internet, eventually, reached
from tests.sandbox.test_network import is_forwarding, tables

pytestmark = pytest.mark.slow

CALL = """
import socket

def handler(event, context):
    found = {}
    for host in event:
        try:
            with socket.create_connection((host, 80), 5) as connection:
                found[host] = connection.recv(100).decode()
        except OSError as error:
            found[host] = type(error).__name__
    return found
"""
REFUSED = "ConnectionRefusedError"
Start = Callable[..., RunningNode]


@pytest.fixture
def start(world: Internet, tmp_path: Path) -> Iterator[Start]:
    nodes: list[RunningNode] = []

    def begin(*flags: str) -> RunningNode:
        nodes.append(RunningNode(tmp_path / f"data{len(nodes)}", flags))
        return nodes[-1].start()

    yield begin
    for node in nodes:
        if node.process is not None and node.process.poll() is None:
            node.stop()


def called(node: RunningNode, *hosts: str) -> dict[str, str]:
    answer = node.client("lambda").invoke(FunctionName="call", Payload=json.dumps(hosts))
    found: dict[str, str] = json.load(answer["Payload"])
    return found


def test_functions_reach_what_is_public_and_nothing_stays(world: Internet, start: Start) -> None:
    links = socket.if_nameindex()
    first, second = start("--network", "auto"), start("--network", "nat", "--allow-network", "10.1.0.0/16")
    for node in (first, second):
        node.deploy("call", CALL, Timeout=30)
    assert called(first, PUBLIC, PUBLIC6) == {PUBLIC: MACHINE, PUBLIC6: MACHINE6}
    assert called(first, PRIVATE[0], MACHINE) == dict.fromkeys(
        (PRIVATE[0], MACHINE), "ConnectionRefusedError"
    )
    assert called(second, PRIVATE[0], PRIVATE[1]) == {
        PRIVATE[0]: MACHINE,
        PRIVATE[1]: "ConnectionRefusedError",
    }
    assert first.stop() == 0
    assert called(second, PUBLIC) == {PUBLIC: MACHINE}
    assert second.stop() == 0
    assert is_forwarding() == (False, False)
    assert tables() == []
    assert socket.if_nameindex() == links


def test_after_a_kill_the_next_start_finds_its_place_free(world: Internet, start: Start) -> None:
    links = socket.if_nameindex()
    node = start("--network", "nat")
    node.deploy("call", CALL, Timeout=30)
    node.kill()
    eventually(lambda: socket.if_nameindex() == links)
    eventually(lambda: set(tables()) == {"lambent-forwarding"})
    node.start()
    assert called(node, PUBLIC) == {PUBLIC: MACHINE}
    assert node.stop() == 0
    assert tables() == []
    assert is_forwarding() == (False, False)


def test_the_machines_own_network_is_told_and_shared(world: Internet, start: Start) -> None:
    world.listen(world.machine)
    node = start("--network", "host")
    node.deploy("call", CALL, Timeout=30)
    hosts = ("127.0.0.1", PRIVATE[4], PUBLIC)
    assert called(node, *hosts) == {"127.0.0.1": "127.0.0.1", PRIVATE[4]: MACHINE, PUBLIC: MACHINE}
    assert "WARNING: --network host" in node.log()
    assert tables() == []
    assert node.stop() == 0


def test_a_function_of_a_node_without_a_network_reaches_the_node(world: Internet, start: Start) -> None:
    node = start("--network", "none")
    code = "import boto3\n\ndef handler(e, c): return boto3.client('sts').get_caller_identity()['Account']"
    node.deploy("who", code, Timeout=30)
    answer = node.client("lambda").invoke(FunctionName="who")
    assert json.load(answer["Payload"]) == "000000000000"
    node.deploy("call", CALL, Timeout=30)
    assert called(node, PUBLIC) == {PUBLIC: "OSError"}
    assert reached(PUBLIC) == MACHINE
