"""Instances of programs on the host without walls, as a test calls them."""

import json
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.lines import into

from lambent.invoke.instance import Instance
from lambent.invoke.stream import Stream
from lambent.invoke.transcript import Transcript
from lambent.model.function import Code, State, Version
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import FunctionKey, Target
from lambent.runtimes import executables
from lambent.runtimes.catalog import Catalog
from lambent.sandbox.base import Host, SandboxSpec

KEY = FunctionKey("000000000000", "us-east-1", "f")
EXECUTABLES = executables.find()
CATALOG = Catalog.find()
PYTHON = f"python3.{sys.version_info.minor}"
PROGRAMS = {
    **EXECUTABLES,
    **{name: replace(CATALOG.get(name), program=True) for name in CATALOG.interpreters},
}

# A bootstrap with the client's half of the Runtime API.
CLIENT = f"""#!{sys.executable} -IS
import http.client, json, os, socket, sys, time
HOST, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
api = http.client.HTTPConnection(HOST, int(PORT))

def call(method, path, body=None):
    api.request(method, "/2018-06-01/runtime/" + path, body)
    answer = api.getresponse()
    return answer.status, answer.headers, answer.read()

def next_event():
    _, headers, body = call("GET", "invocation/next")
    return headers, json.loads(body)

def respond(headers, value, verb="response"):
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    return call("POST", "invocation/%s/%s" % (request_id, verb), json.dumps(value))
"""
SERVE = f"""{CLIENT}
while True:
    headers, event = next_event()
"""


@dataclass
class Bench:
    """An instance of what a test wrote, and its log."""

    instance: Instance
    log: list[str]

    async def call(
        self, event: Any = None, *, raw: bytes | None = None, stream: Stream | None = None, **more: Any
    ) -> Outcome:
        payload = json.dumps(event).encode() if raw is None else raw
        request = Invocation(
            request_id=str(uuid.uuid4()), target=Target(KEY), payload=payload, wants_tail=True, **more
        )
        return await self.instance.run(request, stream)

    async def answer(self, event: Any = None, **more: Any) -> Any:
        outcome = await self.call(event, **more)
        assert outcome.ok, (outcome, self.log)
        return json.loads(outcome.payload)

    async def fail(self, event: Any = None, **more: Any) -> Any:
        outcome = await self.call(event, **more)
        assert outcome.function_error == "Unhandled", outcome
        told = json.loads(outcome.payload)
        assert told["errorType"] == outcome.run.error_type
        return told


Make = Callable[..., Awaitable[Bench]]


@dataclass
class Benches:
    """All instances of one test."""

    host: Host
    folder: Path
    made: list[Bench] = field(default_factory=list)

    async def make(
        self,
        files: str | Mapping[str, str],
        *,
        runtime: str = "provided.al2023",
        handler: str = "index.handler",
        timeout_s: int = 10,
        extensions: Mapping[str, str] | None = None,
        **environment: str,
    ) -> Bench:
        """`files` by their paths; a text alone is the bootstrap. `extensions` come as a layer."""
        code = self._write("code", {"bootstrap": files} if isinstance(files, str) else files)
        programs = {f"extensions/{name}": text for name, text in (extensions or {}).items()}
        layers = (self._write("layer", programs),) if programs else ()
        version = Version(
            key=KEY,
            code=Code("d", 1, "s"),
            runtime=runtime,
            handler=handler,
            role="arn:aws:iam::000000000000:role/r",
            state=State.ACTIVE,
            timeout_s=timeout_s,
        )
        interpreter = PROGRAMS[runtime]
        sandbox = await self.host.create(SandboxSpec(interpreter=interpreter, code=code, layers=layers))
        log: list[str] = []

        own = {
            "_HANDLER": handler,
            "LAMBDA_TASK_ROOT": "/var/task",
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
        }
        instance = Instance(version, interpreter, sandbox, {**own, **environment}, Transcript(into(log)))
        await instance.start()
        self.made.append(Bench(instance, log))
        return self.made[-1]

    def _write(self, kind: str, files: Mapping[str, str]) -> Path:
        folder = self.folder / f"{kind}-{len(self.made)}"
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        return folder

    async def close(self) -> None:
        for bench in self.made:
            await bench.instance.close()
        await self.host.close()
