"""Instances of programs on the host without walls, as a test calls them."""

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambent.invoke.instance import Instance
from lambent.invoke.transcript import Events, Transcript
from lambent.model.function import Code, State, Version
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import FunctionKey, Target
from lambent.runtimes import executables
from lambent.sandbox.base import Host, SandboxSpec

KEY = FunctionKey("000000000000", "us-east-1", "f")
EXECUTABLES = executables.find()


@dataclass
class Bench:
    """An instance of what a test wrote, and its log."""

    instance: Instance
    log: list[str]

    async def call(self, event: Any = None, *, raw: bytes | None = None, **more: Any) -> Outcome:
        payload = json.dumps(event).encode() if raw is None else raw
        request = Invocation(
            request_id=str(uuid.uuid4()), target=Target(KEY), payload=payload, wants_tail=True, **more
        )
        return await self.instance.run(request)

    async def answer(self, event: Any = None, **more: Any) -> Any:
        outcome = await self.call(event, **more)
        assert outcome.ok, (outcome, self.log)
        return json.loads(outcome.payload)

    async def fail(self, event: Any = None, **more: Any) -> Any:
        outcome = await self.call(event, **more)
        assert outcome.function_error == "Unhandled", outcome
        told = json.loads(outcome.payload)
        assert told["errorType"] == outcome.error_type
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
        **environment: str,
    ) -> Bench:
        """`files` by their paths; a text alone is the bootstrap."""
        code = self.folder / str(len(self.made))
        for name, text in ({"bootstrap": files} if isinstance(files, str) else files).items():
            (code / name).parent.mkdir(parents=True, exist_ok=True)
            (code / name).write_text(text)
            (code / name).chmod(0o755)
        version = Version(
            key=KEY,
            code=Code("d", 1, "s"),
            runtime=runtime,
            handler=handler,
            role="arn:aws:iam::000000000000:role/r",
            state=State.ACTIVE,
            timeout_s=timeout_s,
        )
        interpreter = EXECUTABLES[runtime]
        sandbox = await self.host.create(SandboxSpec(interpreter=interpreter, code=code))
        log: list[str] = []

        def write(events: Events) -> None:
            log.extend(message for _, message in events)

        own = {
            "_HANDLER": handler,
            "LAMBDA_TASK_ROOT": "/var/task",
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
        }
        instance = Instance(version, interpreter, sandbox, {**own, **environment}, Transcript(write))
        await instance.start()
        self.made.append(Bench(instance, log))
        return self.made[-1]

    async def close(self) -> None:
        for bench in self.made:
            await bench.instance.close()
        await self.host.close()
