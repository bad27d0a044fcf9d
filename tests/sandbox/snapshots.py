"""Templates and what begins with them, on a launcher, as an instance does it."""

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import Any

from tests.conformance.caller import Caller
from tests.sandbox.conftest import VARIABLES, sandbox_on
from tests.sandbox.launched import Launched

from lambent.invoke.environment import NO_THREADS
from lambent.runtimes.python import frames

CREDENTIALS = {
    "AccessKeyId": "AKID",
    "SecretAccessKey": "secret",
    "Token": "token",
    "Expiration": "2099-01-01T00:00:00Z",
}
ENVIRONMENT = {
    **VARIABLES,
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "door",
    **NO_THREADS,
}


async def begin(
    launched: Launched,
    code: Path,
    file: int,
    mode: str,
    own: dict[str, str] | None = None,
    touched: bytes = b"",
    **more: Any,
) -> Caller:
    """A process of SnapStart that has been told what is its own."""
    sandbox = await sandbox_on(launched, code, memory_mb=1024, **more)
    environment = {"_LAMBENT_SNAPSTART": mode}
    if mode != "restored":
        environment |= ENVIRONMENT
    caller = Caller(await sandbox.start(environment, file))
    launched.callers.append(caller)
    if mode == "restored":
        await send(caller, frames.TOUCHED, touched)
    await tell(caller, own or {})
    return caller


async def tell(caller: Caller, own: dict[str, str], meta: bytes = b"") -> None:
    """Who it is; with a meta it is observed."""
    told = json.dumps({"environment": own, "credentials": CREDENTIALS}).encode()
    await send(caller, frames.IDENTITY, told, meta)


async def send(caller: Caller, kind: int, payload: bytes, meta: bytes = b"") -> None:
    frame = frames.HEADER.pack(kind, len(meta), len(payload)) + meta + payload
    with contextlib.suppress(OSError):  # the process is gone; its exit is the answer
        await asyncio.get_running_loop().sock_sendall(caller.process.control, frame)


async def snapshot(launched: Launched, code: Path, **more: Any) -> tuple[int, str]:
    """A new file with a snapshot, or the reason why there is none."""
    file = os.memfd_create("test")
    caller = await begin(launched, code, file, "template", **more)
    kind, meta, payload = await caller.frame()
    assert kind == frames.SNAPSHOT, (payload, bytes(caller.printed))
    await caller.ended()
    return file, meta["problem"]


async def restored(launched: Launched, code: Path, file: int, **more: Any) -> Caller:
    caller = await begin(launched, code, file, "restored", **more)
    kind, _, payload = await caller.frame()
    assert kind == frames.LAID, (payload, bytes(caller.printed))
    return await caller.ready()
