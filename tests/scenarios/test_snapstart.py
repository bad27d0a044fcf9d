"""SnapStart as a user meets it: published, Pending, Active, restored, with hooks that may fail."""

import base64
import json
import os
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, WaiterError
from tests.conftest import RunningNode, zip_of

from lambent.runtimes import executables

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.getuid() != 0, reason="sandboxes want root")]

HANDLER = """
import os, uuid
import boto3
from snapshot_restore_py import register_after_restore, register_before_snapshot

ORDER = []
register_before_snapshot(ORDER.append, "before 1")
register_before_snapshot(ORDER.append, "before 2")
register_after_restore(ORDER.append, "after 1")
@register_after_restore
def after():
    ORDER.append("after 2")

INIT = dict(os.environ)
IDENTITY = str(uuid.uuid4())
CLIENT = boto3.client("sts")

def handler(event, context):
    print("printed", context.function_version)
    if event == "crash":
        os._exit(3)
    return {
        "order": ORDER, "init": INIT, "identity": IDENTITY, "own": str(uuid.uuid4()),
        "now": dict(os.environ), "stream": context.log_stream_name,
        "who": CLIENT.get_caller_identity()["Arn"],
    }
"""
NODES = [name for name, found in executables.find().items() if found.family == "nodejs"]
SECRETS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
THREAD = "import threading, time\nthreading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n"
REPORT = re.compile(
    r"REPORT RequestId: \S+\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 512 MB\t"
    r"Max Memory Used: \d+ MB\tRestore Duration: [\d.]+ ms\tBilled Restore Duration: \d+ ms\t\n"
)


def publish(node: RunningNode, name: str, code: str, wait: bool = True) -> dict[str, Any]:
    """A new function's version 1, of SnapStart."""
    snapstart = {"ApplyOn": "PublishedVersions"}
    node.deploy(name, code, MemorySize=512, Timeout=20, SnapStart=snapstart)
    client = node.client("lambda")
    published: dict[str, Any] = client.publish_version(FunctionName=name)
    if wait:
        waiter = client.get_waiter("published_version_active")
        waiter.wait(FunctionName=name, Qualifier="1", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return published


def call(node: RunningNode, name: str, event: Any = None) -> tuple[Any, str]:
    answer = node.client("lambda").invoke(
        FunctionName=name, Qualifier="1", Payload=json.dumps(event), LogType="Tail"
    )
    return json.load(answer["Payload"]), base64.b64decode(answer["LogResult"]).decode()


def test_a_published_version_begins_with_its_snapshot(node: RunningNode) -> None:
    published = publish(node, "snap-whole", HANDLER)
    assert published["State"] == "Pending"
    assert published["StateReasonCode"] == "Creating"
    assert published["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}
    client = node.client("lambda")
    latest = client.get_function_configuration(FunctionName="snap-whole")
    assert latest["SnapStart"]["OptimizationStatus"] == "Off"
    answer, tail = call(node, "snap-whole")
    assert answer["order"] == ["before 2", "before 1", "after 1", "after 2"]
    assert not SECRETS & {*answer["init"], *answer["now"]}
    assert "REDSHIFT_PASSWORD" not in answer["init"]
    assert "REDSHIFT_PASSWORD" in answer["now"]
    assert answer["init"]["AWS_LAMBDA_INITIALIZATION_TYPE"] == "snap-start"
    assert answer["stream"] == answer["now"]["AWS_LAMBDA_LOG_STREAM_NAME"]
    assert answer["stream"] != answer["init"]["AWS_LAMBDA_LOG_STREAM_NAME"]
    assert answer["who"].endswith("assumed-role/test/snap-whole")
    assert "printed 1\n" in tail
    assert REPORT.search(tail), tail
    crashed, _ = call(node, "snap-whole", "crash")
    assert crashed["errorType"] == "Runtime.ExitError"
    again, _ = call(node, "snap-whole")
    assert again["identity"] == answer["identity"]  # the same init
    assert again["own"] != answer["own"]


def test_what_is_pending_is_not_ready(node: RunningNode) -> None:
    publish(
        node, "snap-pending", "import time\ntime.sleep(5)\ndef handler(event, context): pass\n", wait=False
    )
    with pytest.raises(ClientError) as refused:
        call(node, "snap-pending")
    assert refused.value.response["Error"]["Code"] == "SnapStartNotReadyException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


@pytest.mark.parametrize("code", ["1 / 0", "import os\nos._exit(4)", "def handler(", "HOOK"])
def test_a_failed_init_is_the_versions_failure(node: RunningNode, code: str) -> None:
    hook = "from snapshot_restore_py import register_before_snapshot\nregister_before_snapshot(int, 'x')\n"
    name = f"snap-failed-{abs(hash(code))}"
    with pytest.raises(WaiterError):
        publish(node, name, code.replace("HOOK", f"{hook}\ndef handler(event, context): pass\n"))
    failed = node.client("lambda").get_function_configuration(FunctionName=name, Qualifier="1")
    assert failed["State"] == "Failed"
    assert failed["StateReasonCode"] == "FunctionError.RuntimeInitError"
    with pytest.raises(ClientError) as refused:
        call(node, name)
    assert refused.value.response["Error"]["Code"] == "ResourceConflictException"


def test_a_hook_that_fails_after_the_restore_is_told(node: RunningNode) -> None:
    code = "from snapshot_restore_py import register_after_restore\nregister_after_restore(int, 'x')\n"
    publish(node, "snap-hook", f"{code}\ndef handler(event, context): pass\n")
    with pytest.raises(ClientError) as refused:
        call(node, "snap-hook")
    assert refused.value.response["Error"]["Code"] == "SnapStartException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_init_that_leaves_threads_runs_in_every_instance(node: RunningNode) -> None:
    """As ever, and with both kinds of hooks."""
    publish(node, "snap-threads", THREAD + HANDLER)
    answer, tail = call(node, "snap-threads")
    assert answer["order"] == ["before 2", "before 1", "after 1", "after 2"]
    assert "Init Duration" in tail
    logs = node.client("logs")
    said = [
        event["message"]
        for event in logs.filter_log_events(logGroupName="/aws/lambda/snap-threads")["events"]
    ]
    assert [line for line in said if "no snapshot" in line and "threads" in line], said


@pytest.mark.parametrize("runtime", NODES[:1])
def test_other_languages_start_as_ever(node: RunningNode, runtime: str) -> None:
    code = {"ZipFile": zip_of(**{"index.js": "exports.handler = async () => 'ran'"})}
    client = node.client("lambda")
    node.deploy(
        "snap-other",
        "",
        Runtime=runtime,
        Handler="index.handler",
        Code=code,
        SnapStart={"ApplyOn": "PublishedVersions"},
    )
    client.publish_version(FunctionName="snap-other")
    waiter = client.get_waiter("published_version_active")
    waiter.wait(FunctionName="snap-other", Qualifier="1", WaiterConfig={"Delay": 1})
    assert call(node, "snap-other")[0] == "ran"


def test_a_node_that_starts_again_makes_the_snapshot_again(new_node: Callable[..., RunningNode]) -> None:
    """And after each start there is an instance that waits for the next one."""
    node = new_node()
    publish(node, "snap-again", HANDLER)
    until_waiting(node, 1)
    before, _ = call(node, "snap-again")
    until_waiting(node, 1)
    node.stop()
    node.start()
    after, tail = call(node, "snap-again")
    assert after["identity"] != before["identity"]
    assert REPORT.search(tail), tail
    until_waiting(node, 1)
    call(node, "snap-again", "crash")
    again, _ = call(node, "snap-again")
    assert again["identity"] == after["identity"]
    assert again["own"] != after["own"]
    node.client("lambda").delete_function(FunctionName="snap-again")
    until_waiting(node, 0)


def until_waiting(node: RunningNode, count: int) -> None:
    """Until so many instances have begun that nobody has called yet."""
    deadline = time.monotonic() + 60
    while (found := status(node)["snapstart"])["spares"] != count:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def status(node: RunningNode) -> dict[str, Any]:
    url = f"{node.url}/_lambent/status"
    request = AWSRequest("GET", url)
    SigV4Auth(Credentials(*node.keys()), "lambda", "us-east-1").add_auth(request)
    answer = urllib3.request("GET", url, headers=dict(request.headers.items()), timeout=30.0)
    return dict(answer.json())
