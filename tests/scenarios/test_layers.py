"""Layers in functions that run: merged in order, on every path, and never the runtime's own."""

import io
import json
import os
import sys
import zipfile

import pytest
from tests.conftest import RunningNode, zip_of

from lambent.runtimes import executables

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.getuid() != 0, reason="sandboxes want root")]

NODES = [name for name, found in executables.find().items() if found.family == "nodejs"]
HANDLER = """
import os, subprocess, boto3, first, second
def handler(event, context):
    try:
        open("/opt/new", "w")
        written = True
    except OSError:
        written = False
    return {
        "modules": [first.NAME, second.NAME],
        "both": open("/opt/both.txt").read(),
        "boto3": getattr(boto3, "NAME", "the ready one"),
        "tool": subprocess.check_output(["tool"], text=True).strip(),
        "written": written,
    }
"""


def layer_of(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o755 << 16
            archive.writestr(info, text)
    return buffer.getvalue()


def publish(node: RunningNode, name: str, files: dict[str, str]) -> str:
    answer = node.client("lambda").publish_layer_version(LayerName=name, Content={"ZipFile": layer_of(files)})
    arn: str = answer["LayerVersionArn"]
    return arn


def test_python_finds_what_layers_bring(node: RunningNode) -> None:
    first = publish(
        node,
        "layers-first",
        {
            "python/first.py": "NAME = 'first'",
            "both.txt": "first",
            "bin/tool": "#!/bin/sh\necho first\n",
        },
    )
    site = f"python/lib/python3.{sys.version_info.minor}/site-packages"
    second = publish(node, "layers-second", {f"{site}/second.py": "NAME = 'second'", "both.txt": "second"})
    node.deploy("layers-f", HANDLER, Layers=[first, second])
    client = node.client("lambda")
    expected = {
        "modules": ["first", "second"],
        "both": "second",
        "boto3": "the ready one",
        "tool": "first",
        "written": False,
    }
    assert json.loads(client.invoke(FunctionName="layers-f")["Payload"].read()) == expected
    own = publish(node, "layers-boto3", {"python/boto3/__init__.py": "NAME = 'the layer\\'s'"})
    client.update_function_configuration(FunctionName="layers-f", Layers=[second, own, first])
    client.get_waiter("function_updated_v2").wait(FunctionName="layers-f")
    client.delete_layer_version(LayerName="layers-first", VersionNumber=1)
    answer = json.loads(client.invoke(FunctionName="layers-f")["Payload"].read())
    assert answer == expected | {"both": "first", "boto3": "the layer's"}


@pytest.mark.skipif(not NODES, reason="there is no Node.js")
def test_nodejs_finds_what_layers_bring(node: RunningNode) -> None:
    arn = publish(node, "layers-js", {"nodejs/node_modules/brought/index.js": "exports.name = 'brought'"})
    source = "exports.handler = async () => require('brought').name"
    client = node.client("lambda")
    client.create_function(
        FunctionName="layers-js-f",
        Runtime=NODES[-1],
        Role="arn:aws:iam::000000000000:role/test",
        Handler="index.handler",
        Code={"ZipFile": zip_of(**{"index.js": source})},
        Layers=[arn],
    )
    client.get_waiter("function_active_v2").wait(FunctionName="layers-js-f")
    assert json.loads(client.invoke(FunctionName="layers-js-f")["Payload"].read()) == "brought"
