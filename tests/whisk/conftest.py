"""A node with users of the OpenWhisk face, and a plain client of its REST API."""

import base64
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import urllib3
from click.testing import CliRunner
from tests.conftest import RunningNode

from lambent.cli.main import cli

PYTHON = f"python:3.{sys.version_info.minor}"
WAIT_S = 60
ROOMY = ("invocationsPerMinute=100000", "concurrentInvocations=1000", "firesPerMinute=100000")
HELLO = "def main(args):\n    return {'greeting': 'Hello ' + args.get('name', 'stranger')}\n"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """Speaks as one namespace; paths are relative to `namespaces/_`, or absolute."""

    url: str
    auth: str
    namespace: str
    http: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    def send(self, method: str, path: str, content: Any = None, **query: Any) -> Answer:
        body = content if isinstance(content, bytes | None) else json.dumps(content).encode()
        return self.raw(method, f"/api/v1/namespaces/_/{quote(path)}", body, query)

    def raw(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        given = {
            key: str(value).lower() if isinstance(value, bool) else value
            for key, value in (query or {}).items()
        }
        url = self.url + path + (f"?{urlencode(given)}" if given else "")
        own = {"Content-Type": "application/json"} if body is not None else {}
        if self.auth:
            own["Authorization"] = "Basic " + base64.b64encode(self.auth.encode()).decode()
        answer = self.http.request(
            method, url, body=body, headers=own | (headers or {}), timeout=90, retries=False, redirect=False
        )
        return Answer(answer.status, answer.headers, answer.data)

    def ok(self, method: str, path: str, content: Any = None, status: int = 200, **query: Any) -> Any:
        answer = self.send(method, path, content, **query)
        assert answer.status == status, (answer.status, answer.body)
        return answer.json if answer.body else None

    def refused(self, status: int, method: str, path: str, content: Any = None, **query: Any) -> str:
        """The text of a refusal, which is in OpenWhisk's form."""
        answer = self.send(method, path, content, **query)
        assert answer.status == status, (answer.status, answer.body)
        assert set(answer.json) == {"error", "code"}
        assert answer.headers["X-Request-ID"] == answer.json["code"]
        return str(answer.json["error"])

    def action(self, name: str, code: str = HELLO, kind: str = PYTHON, **more: Any) -> Any:
        exec_ = {"kind": kind, "code": code, **more.pop("exec", {})}
        return self.ok("PUT", f"actions/{name}", {"exec": exec_, **more}, overwrite=True)

    def invoke(self, name: str, content: Any = None) -> Any:
        """The whole activation."""
        return self.send("POST", f"actions/{name}", content or {}, blocking=True).json

    def result(self, name: str, content: Any = None) -> Any:
        return self.send("POST", f"actions/{name}", content or {}, blocking=True, result=True).json

    def activation(self, activation_id: str) -> Any:
        return self.ok("GET", f"activations/{activation_id}")

    def wait(self, activation_id: str) -> Any:
        """The record of an activation that has not ended yet."""
        deadline = time.monotonic() + WAIT_S
        while (answer := self.send("GET", f"activations/{activation_id}")).status == 404:
            assert time.monotonic() < deadline, f"{activation_id} has not ended after {WAIT_S} s"
            time.sleep(0.02)
        assert answer.status == 200, answer.body
        return answer.json


def lambent(data: Path, *arguments: str) -> str:
    done = CliRunner().invoke(cli, [*arguments, "--data", str(data)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def client_of(node: RunningNode, subject: str, *, roomy: bool = True) -> Client:
    auth = lambent(node.data, "whisk", "user", "create", subject)
    if roomy:
        lambent(node.data, "whisk", "limits", "set", subject, *ROOMY)
    return Client(node.url, auth, subject)


@pytest.fixture(scope="session")
def guest(node: RunningNode) -> Client:
    return client_of(node, "guest")


@pytest.fixture(scope="session")
def other(node: RunningNode) -> Client:
    """Another namespace of the same node."""
    return client_of(node, "other")


@pytest.fixture(scope="session")
def stranger(node: RunningNode) -> Client:
    """Somebody without a key."""
    return Client(node.url, "", "guest")
