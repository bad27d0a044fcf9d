"""Functions that are container images, from their deployment to their answer, on a whole node."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import RunningNode, zip_of
from tests.images.maker import Made, layer, python_with_client, static_bootstrap
from tests.rootless import RootlessNode

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.getuid() != 0, reason="sandboxes are made by root"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc"),
]
ROLE = "arn:aws:iam::000000000000:role/r"
HANDLER = b"""
import os, socket, sys

def handler(event, context):
    print("in the image")
    if event == "look":
        return {
            "argv": sys.argv, "cwd": os.getcwd(), "root": sorted(os.listdir("/")),
            "writable": [p for p in ("/", "/usr", "/tmp", "/etc", "/function") if os.access(p, os.W_OK)],
            "uid": os.getuid(), "variables": {n: os.environ.get(n) for n in ("AA", "BB", "LD_LIBRARY_PATH")},
            "name": context.function_name, "opt": os.listdir("/opt"),
        }
    return eval(event)
"""


@pytest.fixture(scope="module", params=["namespaces", "userns"])
def isolation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(isolation: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    folder.chmod(0o755)  # the node reads it as its own user
    return folder


@pytest.fixture(scope="module")
def node(isolation: str, tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[RunningNode]:
    data, flags = tmp_path_factory.mktemp("node") / "data", ("--image-sources", str(folder))
    rootless = isolation == "userns"
    node = RootlessNode(data, flags, shown=(folder,)) if rootless else RunningNode(data, flags)
    node.start()
    assert json.loads((data / "node.json").read_text())["isolation"] == isolation
    yield node
    assert node.stop() == 0, node.log()


@pytest.fixture(scope="module")
def client(node: RunningNode) -> Any:
    return node.client("lambda")


@pytest.fixture(scope="module")
def static(folder: Path) -> Made:
    made = Made([layer({"srv/bootstrap": static_bootstrap(folder)})], Entrypoint=["/srv/bootstrap"])
    made.folder(folder / "static", "v1")
    return made


def deploy(client: Any, name: str, uri: str, **more: Any) -> dict[str, Any]:
    given = {"FunctionName": name, "PackageType": "Image", "Code": {"ImageUri": uri}, "Role": ROLE}
    made: dict[str, Any] = client.create_function(**given, **more)
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return made


def invoke(client: Any, name: str, event: Any = None) -> Any:
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event))
    return json.load(answer["Payload"])


def test_a_static_program(client: Any, folder: Path, static: Made) -> None:
    uri = f"oci:{folder}/static:v1"
    shown = deploy(client, "static", uri)
    hexadecimal = static.digest.removeprefix("sha256:")
    assert (shown["PackageType"], shown["CodeSha256"], shown["CodeSize"]) == ("Image", hexadecimal, 0)
    assert not {"Runtime", "Handler", "Layers", "ImageConfigResponse"} & shown.keys()
    assert client.get_function(FunctionName="static")["Code"] == {
        "ImageUri": uri,
        "ResolvedImageUri": f"oci:{folder}/static@{static.digest}",
        "RepositoryType": "ECR",
    }
    assert invoke(client, "static", {"n": 1}) == {"from": "C", "event": {"n": 1}}
    published = client.publish_version(FunctionName="static")
    assert (published["Version"], published["CodeSha256"]) == ("1", hexadecimal)


def test_from_archives_and_switched(client: Any, folder: Path, static: Made) -> None:
    static.archive(folder / "static.tar")
    deploy(client, "archived", f"oci-archive:{folder}/static.tar")
    assert invoke(client, "archived", 1)["event"] == 1
    plain = Made([layer({"b": static_bootstrap(folder)})], packed=False, Entrypoint=["/b"])
    plain.docker_archive(folder / "docker.tar", "n:t")
    updated = client.update_function_code(
        FunctionName="archived", ImageUri=f"docker-archive:{folder}/docker.tar:n:t"
    )
    assert len(updated["CodeSha256"]) == 64
    assert updated["CodeSha256"] != static.digest.removeprefix("sha256:")
    client.get_waiter("function_updated_v2").wait(FunctionName="archived", WaiterConfig={"Delay": 1})
    assert invoke(client, "archived", 1)["event"] == 1


def test_what_the_function_says_of_the_start(client: Any, folder: Path, static: Made) -> None:
    config = {"EntryPoint": ["/srv/nothing"], "WorkingDirectory": "/srv"}
    shown = deploy(client, "configured", f"oci:{folder}/static:v1", ImageConfig=config)
    assert shown["ImageConfigResponse"] == {"ImageConfig": config}
    told = invoke(client, "configured")
    assert told["errorType"] == "Runtime.InvalidEntrypoint"
    assert "/srv/nothing" in told["errorMessage"]
    right = {"EntryPoint": ["./bootstrap"], "WorkingDirectory": "/srv"}
    client.update_function_configuration(FunctionName="configured", ImageConfig=right)
    client.get_waiter("function_updated_v2").wait(FunctionName="configured", WaiterConfig={"Delay": 1})
    assert invoke(client, "configured", 1)["event"] == 1


@pytest.mark.parametrize(
    ("update", "words"),
    [
        (
            {"ZipFile": zip_of(handler="")},
            "Please provide ImageUri when updating a function",
        ),
        ({"ImageUri": "oci:/etc"}, "image_sources"),
        ({"ImageUri": "registry.example.com/a"}, "image_sources"),
    ],
)
def test_what_is_refused(client: Any, static: Made, folder: Path, update: Any, words: str) -> None:
    if "refused" not in [each["FunctionName"] for each in client.list_functions()["Functions"]]:
        deploy(client, "refused", f"oci:{folder}/static:v1")
    with pytest.raises(ClientError, match=words):
        client.update_function_code(FunctionName="refused", **update)


def test_a_zip_stays_a_zip(node: RunningNode, client: Any, folder: Path, static: Made) -> None:
    node.deploy("zipped", "def handler(event, context): return 1\n")
    with pytest.raises(ClientError, match="Please don't provide ImageUri"):
        client.update_function_code(FunctionName="zipped", ImageUri=f"oci:{folder}/static:v1")


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the runtime client is built for this Python")
@pytest.mark.skipif(not Path("/usr/bin/python3.11").exists(), reason="the system has no Python 3.11")
def test_a_python_with_awss_own_client(node: RunningNode, client: Any, folder: Path) -> None:
    said: dict[str, Any] = {
        "Entrypoint": ["python3.11", "-m", "awslambdaric"],
        "Cmd": ["app.handler"],
        "WorkingDir": "/function",
        "Env": ["PATH=/usr/local/bin:/usr/bin", "AA=image", "BB=image"],
    }
    layers = [layer(python_with_client()), layer({"function/app.py": HANDLER})]
    Made(layers, **said).folder(folder / "python")
    more = {"Environment": {"Variables": {"BB": "function"}}, "Timeout": 30, "MemorySize": 256}
    deploy(client, "python", f"oci:{folder}/python", **more)
    seen = invoke(client, "python", "look")
    assert "cwd" in seen, seen
    assert (seen["cwd"], seen["name"], seen["argv"][1:]) == ("/function", "python", ["app.handler"])
    assert seen["writable"] == ["/tmp"]
    assert seen["variables"] == {"AA": "image", "BB": "function", "LD_LIBRARY_PATH": None}
    assert {"dev", "etc", "function", "lib64", "proc", "tmp", "usr"} <= set(seen["root"])
    assert not {".lambent", "home", "root", "sys"} & set(seen["root"])
    assert seen["uid"] > 0
    rootless = isinstance(node, RootlessNode)
    attempts = {
        "open('/etc/shadow').read()": "FileNotFoundError",
        "os.listdir('/proc/1/root/')": "FileNotFoundError" if rootless else "PermissionError",
        "open('/usr/new', 'w')": "OSError",
        "open('/dev/vda', 'rb')": "FileNotFoundError",
        "os.chroot('/tmp')": "OSError",
        "socket.create_connection(('127.0.0.1', 22), 2)": "ConnectionRefusedError",
    }
    told = {code: invoke(client, "python", code)["errorType"] for code in attempts}
    assert told == attempts
    assert invoke(client, "python", "open('/tmp/x', 'w').write('x')") == 1


def test_an_image_is_deployed_from_the_command_line(
    node: RunningNode, client: Any, folder: Path, static: Made
) -> None:
    static.folder(folder / "pushed", "v1")
    command = [sys.executable, "-m", "lambent.cli.main"]
    given = ["--data", str(node.data), "--json"]
    deploy = [*command, "deploy", "--image", str(folder / "pushed"), *given]
    for changed in (["created"], []):
        done = subprocess.run(deploy, capture_output=True, text=True, timeout=90, check=True)
        told = json.loads(done.stdout)
        assert (told["name"], told["changed"]) == ("pushed", changed)
    assert told["code_sha256"] == static.manifest["digest"].rpartition(":")[2]
    listed = subprocess.run([*command, "ls", *given], capture_output=True, text=True, timeout=90, check=True)
    assert {one["name"]: one["runtime"] for one in json.loads(listed.stdout)}["pushed"] == "image"
    refused = subprocess.run([*deploy, "--runtime", "python3.12"], capture_output=True, text=True, timeout=90)
    assert refused.returncode == 2
