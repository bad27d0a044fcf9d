"""What the tests of users' own tools share: the node's address and keys as those tools take them."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.conftest import RunningNode

Run = Callable[..., str]
TOOL_S = 200


def by_path(node: RunningNode, function_url: str) -> str:
    """A function's URL as a path of the node: not every machine knows names below `localhost`."""
    name = function_url.removeprefix("http://").partition(".")[0]
    return f"{node.url}/_lambent/url/{name}/"


@pytest.fixture
def environment(node: RunningNode, tmp_path: Path) -> dict[str, str]:
    """Of a user whose AWS is this node, and who has no other."""
    key, secret = node.keys()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **kept,
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": node.url,
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
    }


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    """Runs a tool to its end and gives what it printed; one that fails fails the test."""

    def ask(*command: str, cwd: Path = tmp_path, more: Mapping[str, str] = {}, status: int = 0) -> str:
        done = subprocess.run(
            command, cwd=cwd, env={**environment, **more}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=TOOL_S, check=False,
        )  # fmt: skip
        assert done.returncode == status, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return ask


@pytest.fixture
def aws(run: Run) -> Run:
    """The aws command."""
    return lambda *given, **more: run(sys.executable, "-m", "awscli", *given, **more)
