"""OpenWhisk's own clients, unmodified: openwhisk, openwhisk-composer and aio-lib-runtime, from npm."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.conftest import RunningNode
from tests.whisk.conftest import Client, client_of

PACKAGES = {"openwhisk": "3.21.9", "openwhisk-composer": "0.12.0", "@adobe/aio-lib-runtime": "7.3.0"}
SCRIPT = Path(__file__).parent / "clients.cjs"
INSTALL_S = 100

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("npm"), reason="there is no Node.js with npm"),
]


@pytest.fixture(scope="module")
def clients() -> Path:
    """A folder with the clients, installed once for all runs of the tests."""
    wanted = json.dumps({"private": True, "dependencies": PACKAGES})
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "lambent" / "tests" / f"npm-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "installed"
        if not done.exists():
            (folder / "package.json").write_text(wanted)
            command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
            install = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False
            )
            if install.returncode:
                pytest.skip(f"npm cannot install the clients: {install.stderr[-300:]}")
            done.touch()
    return folder


@pytest.fixture(scope="module")
def caller(node: RunningNode) -> Client:
    return client_of(node, "clients")


@pytest.mark.parametrize("suite", ["actions", "entities", "routes", "feeds", "composer", "aio"])
def test_a_client_finds_what_it_expects(clients: Path, caller: Client, suite: str) -> None:
    environment = {**os.environ, "NODE_PATH": str(clients / "node_modules"), "NODE_NO_WARNINGS": "1"}
    environment = {k: v for k, v in environment.items() if not k.startswith(("__OW", "AIO_"))}
    done = subprocess.run(
        ["node", str(SCRIPT), suite, caller.url, caller.auth],
        env={**environment, "HOME": str(clients), "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
