"""Queues as triggers: read, made, mapped once, shown and taken away."""

import time
from pathlib import Path

import pytest
from tests.cli.test_commands import HELLO, answer, lambent, script
from tests.conftest import RunningNode

from lambent.cli.queues import QueueTrigger, parse


@pytest.mark.parametrize(("text", "name"), [("sqs://work", "work"), ("sqs://a.fifo", "a.fifo")])
def test_a_queue_is_read_and_shown(text: str, name: str) -> None:
    assert parse(text) == QueueTrigger(name)
    assert str(QueueTrigger(name)) == text


@pytest.mark.parametrize("text", ["s3://lake", "work", "sqs://", "sqs://a/b"])
def test_anything_else_is_none(text: str) -> None:
    assert parse(text) is None


@pytest.mark.slow
def test_a_message_starts_it_and_rm_unhooks_it(node: RunningNode, tmp_path: Path) -> None:
    path = script(tmp_path, "cli-queued", HELLO)
    made = lambent(node, "deploy", path, "--on", "sqs://cli-work", "--timeout", "60").stdout
    assert "cli-work created" in made
    assert "sqs://cli-work (was there)" in lambent(node, "deploy", path, "--on", "sqs://cli-work").stdout
    row = next(row for row in answer(node, "ls") if row["name"] == "cli-queued")
    assert row["triggers"] == ["sqs://cli-work"]
    sqs = node.client("sqs")
    url = sqs.get_queue_url(QueueName="cli-work")["QueueUrl"]
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    assert shown["Attributes"]["VisibilityTimeout"] == "360"
    sqs.send_message(QueueUrl=url, MessageBody="from the queue")
    deadline = time.monotonic() + 60
    while "from the queue" not in lambent(node, "logs", "cli-queued").stdout:
        assert time.monotonic() < deadline, node.log()
    lambent(node, "rm", "cli-queued", "--yes")
    left = [m["State"] for m in node.client("lambda").list_event_source_mappings()["EventSourceMappings"]]
    assert set(left) <= {"Deleting"}
