"""The aws command: a function from zip to log, its URL, its bucket, its user."""

import json
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.clients.conftest import Run, by_path
from tests.conftest import RunningNode, zip_of

pytestmark = pytest.mark.slow

CODE = (
    "def handler(event, context):\n    print('asked for', event)\n    return {'sum': sum(event['numbers'])}\n"
)
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
LEAVE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}],
}


def test_a_function_from_zip_to_log(aws: Run, tmp_path: Path) -> None:
    (tmp_path / "f.zip").write_bytes(zip_of(handler=CODE))
    role = json.loads(
        aws("iam", "create-role", "--role-name", "cli", "--assume-role-policy-document", json.dumps(TRUST))
    )["Role"]["Arn"]
    basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    aws("iam", "attach-role-policy", "--role-name", "cli", "--policy-arn", basic)
    aws(
        "lambda", "create-function", "--function-name", "cli", "--zip-file", "fileb://f.zip",
        "--runtime", f"python3.{sys.version_info.minor}", "--handler", "handler.handler", "--role", role,
    )  # fmt: skip
    aws("lambda", "wait", "function-active-v2", "--function-name", "cli")
    told = aws("lambda", "invoke", "--function-name", "cli", "--payload", '{"numbers": [1, 2, 3]}', "out")
    assert json.loads(told)["StatusCode"] == 200
    assert json.loads((tmp_path / "out").read_text()) == {"sum": 6}
    log = aws("logs", "filter-log-events", "--log-group-name", "/aws/lambda/cli", "--output", "text")
    assert "asked for {'numbers': [1, 2, 3]}" in log
    aws("lambda", "publish-version", "--function-name", "cli")
    aws("lambda", "create-alias", "--function-name", "cli", "--name", "live", "--function-version", "1")
    aws("lambda", "invoke", "--function-name", "cli:live", "--payload", '{"numbers": [4]}', "out")
    assert json.loads((tmp_path / "out").read_text()) == {"sum": 4}
    listed = json.loads(aws("lambda", "list-functions"))["Functions"]
    assert "cli" in [one["FunctionName"] for one in listed]
    aws("lambda", "delete-function", "--function-name", "cli")


def test_a_function_url(aws: Run, node: RunningNode) -> None:
    node.deploy("cli-url", "def handler(event, context):\n    return event['rawPath']\n")
    config = ("function-url-config", "--function-name", "cli-url")
    made = json.loads(aws("lambda", f"create-{config[0]}", *config[1:], "--auth-type", "NONE"))
    for sid, *permission in (
        ("url", "lambda:InvokeFunctionUrl", "--function-url-auth-type", "NONE"),
        ("function", "lambda:InvokeFunction", "--invoked-via-function-url"),
    ):
        aws(
            "lambda", "add-permission", *config[1:], "--statement-id", sid, "--principal", "*",
            "--action", *permission,
        )  # fmt: skip
    with urllib.request.urlopen(by_path(node, made["FunctionUrl"]) + "some/where", timeout=60) as answer:
        assert json.load(answer) == "/some/where"
    aws("lambda", f"update-{config[0]}", *config[1:], "--cors", "AllowOrigins=https://a.example,MaxAge=60")
    (listed,) = json.loads(aws("lambda", f"list-{config[0]}s", *config[1:]))["FunctionUrlConfigs"]
    assert listed["Cors"] == {"AllowOrigins": ["https://a.example"], "MaxAge": 60}
    aws("lambda", f"delete-{config[0]}", *config[1:])
    aws("lambda", f"get-{config[0]}", *config[1:], status=255)


def test_a_user_may_what_its_policy_says(aws: Run) -> None:
    aws("iam", "create-user", "--user-name", "ann")
    keys = json.loads(aws("iam", "create-access-key", "--user-name", "ann"))["AccessKey"]
    ann = {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"]}
    assert json.loads(aws("sts", "get-caller-identity", more=ann))["Arn"].endswith(":user/ann")
    aws("lambda", "list-functions", more=ann, status=255)
    listing = json.dumps(LEAVE).replace("InvokeFunction", "ListFunctions")
    aws("iam", "put-user-policy", "--user-name", "ann", "--policy-name", "p", "--policy-document", listing)
    aws("lambda", "list-functions", more=ann)
    aws("s3", "mb", "s3://ann-may-not", more=ann, status=1)


def test_s3_by_its_high_commands(aws: Run, tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "up" / name).write_text(name)
    aws("s3", "mb", "s3://cli-bucket")
    aws("s3", "sync", "up", "s3://cli-bucket/in")
    assert aws("s3", "ls", "s3://cli-bucket/in/").count(".txt") == 2
    aws("s3", "cp", "s3://cli-bucket/in/a.txt", "down.txt")
    assert (tmp_path / "down.txt").read_text() == "a.txt"
    aws("s3", "rb", "--force", "s3://cli-bucket")


def test_live_tail_prints_what_a_function_prints(
    aws: Run, environment: dict[str, str], tmp_path: Path, node: RunningNode
) -> None:
    node.deploy("tailed", "def handler(event, context):\n    print('here it is')\n")
    aws("lambda", "invoke", "--function-name", "tailed", "out")
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/tailed"
    command = [sys.executable, "-m", "awscli", "logs", "start-live-tail", "--log-group-identifiers", arn]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        found = threading.Event()
        caller = threading.Thread(target=call_until, args=(node, found))
        caller.start()
        try:
            assert any("here it is" in line for line in tail.stdout)
        finally:
            found.set()
            caller.join()
            tail.kill()


def call_until(node: RunningNode, found: threading.Event) -> None:
    """The tail begins at some time: call until it has heard one."""
    client = node.client("lambda")
    while not found.wait(0.5):
        client.invoke(FunctionName="tailed")


def test_a_queue_takes_and_gives_messages(aws: Run, environment: dict[str, str]) -> None:
    def sqs(*given: str) -> dict[str, Any]:
        told = aws("--endpoint-url", environment["AWS_ENDPOINT_URL"], "sqs", *given)
        return dict(json.loads(told)) if told else {}

    url = sqs("create-queue", "--queue-name", "cli")["QueueUrl"]
    sqs("send-message", "--queue-url", url, "--message-body", "hello")
    (message,) = sqs("receive-message", "--queue-url", url)["Messages"]
    assert message["Body"] == "hello"
    sqs("delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"])
    assert url in sqs("list-queues")["QueueUrls"]
    sqs("delete-queue", "--queue-url", url)
