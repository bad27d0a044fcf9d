"""The second rival of `warm`: MiniStack, an emulator of AWS, serving the same handler by the same API."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import boto3

from benchmarks.node import ROLE, RUNTIME, free_port, zip_of
from benchmarks.rival import Rival, installed, running
from benchmarks.signing import Signer

NAME, VERSION = "ministack", "1.5.33"
ACTIVE_S = 30


def signer(rival: Rival) -> Signer:
    return Signer(f"127.0.0.1:{rival.port}", "test", "test")


@contextmanager
def started(code: str, function: str) -> Iterator[Rival]:
    """With its defaults: functions are plain children of its own user."""
    port = free_port()
    environment = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "LOG_LEVEL": "ERROR"}
    with tempfile.TemporaryDirectory() as folder:
        environment |= {"TMPDIR": folder, "S3_DATA_DIR": f"{folder}/s3"}
        with running([installed(NAME, VERSION) / NAME], port, folder, environment) as rival:
            _deploy(rival, code, function)
            yield rival


def _deploy(rival: Rival, code: str, function: str) -> None:
    client = boto3.client(
        "lambda",
        endpoint_url=f"http://127.0.0.1:{rival.port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_function(
        FunctionName=function,
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="handler.handler",
        Timeout=30,
        Code={"ZipFile": zip_of(code)},
    )
    deadline = time.monotonic() + ACTIVE_S
    while client.get_function_configuration(FunctionName=function)["State"] != "Active":
        if time.monotonic() > deadline:
            raise TimeoutError(f"{NAME}: {function} is not active")
        time.sleep(0.1)
