"""Activations: lists, filters, records, logs, results; and what a restart leaves of everything."""

import time
from collections.abc import Callable

import pytest
from tests.conftest import RunningNode
from tests.whisk.conftest import Client, client_of

pytestmark = pytest.mark.slow

CODE = "def main(args):\n    print('a line')\n    return args\n"


@pytest.fixture(scope="module")
def quiet(node: RunningNode) -> Client:
    """A namespace in which nothing else happens."""
    client = client_of(node, "quiet-one")
    client.action("first", CODE)
    client.action("second", CODE)
    return client


def test_lists_and_their_filters(quiet: Client) -> None:
    ids = [quiet.invoke(name)["activationId"] for name in ("first", "second", "first")]
    listed = quiet.ok("GET", "activations")
    assert [one["activationId"] for one in listed[:3]] == ids[::-1]
    assert set(listed[0]) == {
        "activationId", "annotations", "duration", "end", "name", "namespace", "publish", "start",
        "statusCode", "version",
    }  # fmt: skip
    assert listed[0]["statusCode"] == 0
    assert [one["activationId"] for one in quiet.ok("GET", "activations", name="second")] == ids[1:2]
    assert [one["activationId"] for one in quiet.ok("GET", "activations", limit=1, skip=1)] == ids[1:2]
    (whole,) = quiet.ok("GET", "activations", docs=True, name="second")
    assert whole == quiet.activation(ids[1])
    start = whole["start"]
    assert ids[0] not in [one["activationId"] for one in quiet.ok("GET", "activations", since=start)]
    assert ids[2] not in [one["activationId"] for one in quiet.ok("GET", "activations", upto=start)]
    assert quiet.ok("GET", "activations", count=True, name="second") == {"activations": 1}


def test_the_parts_of_a_record(quiet: Client) -> None:
    activation_id = quiet.invoke("first", {"a": 1})["activationId"]
    record = quiet.activation(activation_id)
    assert record["response"]["result"] == {"a": 1}
    assert "statusCode" not in record
    assert quiet.ok("GET", f"activations/{activation_id}/logs") == {"logs": record["logs"]}
    assert quiet.ok("GET", f"activations/{activation_id}/result") == record["response"]


def test_what_cannot_be_read(quiet: Client, other: Client) -> None:
    assert quiet.refused(404, "GET", f"activations/{'0' * 32}") == "The requested resource does not exist."
    assert quiet.refused(400, "GET", "activations/short") == "Activation id length is 5 but must be 32."
    assert quiet.refused(400, "GET", f"activations/{'g' * 32}") == "The activation id is not valid."
    activation_id = quiet.invoke("first")["activationId"]
    foreign = f"/api/v1/namespaces/quiet-one/activations/{activation_id}"
    assert other.raw("GET", foreign).status == 403
    other.refused(404, "GET", f"activations/{activation_id}")


def test_a_restart_keeps_everything(new_node: Callable[..., RunningNode]) -> None:
    node = new_node("--isolation", "process")
    client = client_of(node, "lasting")
    client.action("kept", CODE, parameters=[{"key": "a", "value": 1}])
    activation_id = client.invoke("kept")["activationId"]
    before = client.ok("GET", "actions/kept")
    node.stop()
    node.start()
    assert client.ok("GET", "actions/kept") == before
    assert client.result("kept") == {"a": 1}
    assert client.activation(activation_id)["logs"]


def test_a_call_that_was_accepted_outlives_a_kill(new_node: Callable[..., RunningNode]) -> None:
    node = new_node("--isolation", "process")
    client = client_of(node, "lasting")
    client.action("slow", "import time\ndef main(args):\n    time.sleep(2)\n    return {'ran': True}\n")
    answer = client.send("POST", "actions/slow", {})
    node.kill()
    while node.listens():  # the launcher is gone, its node soon
        time.sleep(0.02)
    node.start()
    assert client.wait(answer.json["activationId"])["response"]["result"] == {"ran": True}
