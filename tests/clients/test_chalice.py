"""Chalice: an app with a function, an S3 trigger and an SQS trigger is deployed, runs, and is deleted."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.clients.conftest import Run
from tests.conftest import RunningNode

pytestmark = pytest.mark.slow

APP = """
from chalice import Chalice

app = Chalice(app_name="shop")


@app.lambda_function()
def add(event, context):
    return {"sum": event["a"] + event["b"]}


@app.on_s3_event(bucket="chalice-in", events=["s3:ObjectCreated:*"], prefix="in/")
def uploaded(event):
    print("uploaded", event.bucket, event.key)


@app.on_sqs_message(queue="chalice-work", batch_size=1)
def received(event):
    for record in event:
        print("received", record.body)
"""
CONFIG = {"version": "2.0", "app_name": "shop", "stages": {"dev": {"autogen_policy": True}}}
WAIT_S = 60


def wait_for(told: Callable[[], Any]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not told():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.timeout(400)
def test_an_app_is_deployed_runs_and_goes(node: RunningNode, run: Run, tmp_path: Path) -> None:
    s3, sqs, logs = node.client("s3"), node.client("sqs"), node.client("logs")
    s3.create_bucket(Bucket="chalice-in")
    url = sqs.create_queue(QueueName="chalice-work", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "requirements.txt").write_text("")

    def chalice(*command: str) -> str:
        return run(str(Path(sys.executable).parent / "chalice"), *command)

    def printed(name: str, text: str) -> bool:
        group = f"/aws/lambda/shop-dev-{name}"
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return False
        events = logs.filter_log_events(logGroupName=group)["events"]
        return any(text in event["message"] for event in events)

    chalice("deploy")
    answer = node.client("lambda").invoke(FunctionName="shop-dev-add", Payload=b'{"a": 2, "b": 3}')
    assert json.loads(answer["Payload"].read()) == {"sum": 5}
    s3.put_object(Bucket="chalice-in", Key="in/k", Body=b"1")
    wait_for(lambda: printed("uploaded", "uploaded chalice-in in/k"))
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    wait_for(lambda: printed("received", "received hello"))
    chalice("deploy")  # once more changes nothing, and works
    chalice("delete")
    names = [one["FunctionName"] for one in node.client("lambda").list_functions()["Functions"]]
    assert not [name for name in names if name.startswith("shop-dev-")]
