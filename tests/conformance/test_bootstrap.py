"""What every sandbox host does with a program that takes the place of a forked Python."""

import asyncio
import json
import os
import signal
import socket
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.conformance.caller import WAIT_S
from tests.conformance.conftest import EXECUTABLES, Create, Start

from lambent.runtimes import start as beginning
from lambent.runtimes.python import frames
from lambent.sandbox.base import Sandbox, SandboxSpec

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture
def deploy(create: Create, data: Path) -> "Deploy":
    return Deploy(create, data)


class Deploy:
    """Sandboxes for a bootstrap."""

    def __init__(self, create: Create, data: Path) -> None:
        self.create, self.data = create, data

    async def __call__(
        self, bootstrap: str | None, *, mode: int = 0o755, layer: dict[str, str] | None = None
    ) -> Sandbox:
        code = self._folder({"bootstrap": bootstrap} if bootstrap else {}, mode)
        layers = (self._folder(layer, mode),) if layer else ()
        spec = SandboxSpec(interpreter=EXECUTABLES["provided.al2023"], code=code, layers=layers)
        return await self.create(spec)

    def _folder(self, files: dict[str, str], mode: int) -> Path:
        folder = self.data / "code" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
            (folder / name).chmod(mode)
        return folder


async def listener_of(control: socket.socket) -> socket.socket:
    """The socket that comes with the first frame; another one, to send by, is not needed here."""
    listener, sender = await handed_over(control)
    os.close(sender)
    return socket.socket(fileno=listener)


async def handed_over(control: socket.socket, extensions: Sequence[str] = ()) -> list[int]:
    """The descriptors of the first frame, which names the extensions."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(control, readable.set)
    try:
        async with asyncio.timeout(WAIT_S):
            await readable.wait()
    finally:
        loop.remove_reader(control)
    head, descriptors, _, _ = socket.recv_fds(control, frames.HEADER.size, 16)
    kind, meta_bytes, payload_bytes = frames.HEADER.unpack(head)
    assert (kind, payload_bytes) == (beginning.LISTENING, 0)
    assert json.loads(control.recv(meta_bytes)) == {"extensions": list(extensions)}
    os.set_blocking(descriptors[0], False)
    return descriptors


async def test_a_bootstrap_reaches_the_node_by_the_socket_that_was_handed_over(
    deploy: Deploy, start: Start
) -> None:
    script = """#!/bin/bash
exec 9<>/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API#*:}
echo "$PWD $LAMBDA_TASK_ROOT $(id -u) $(ls /proc/$$/fd | tr '\\n' ' ')" >&9
read -r line <&9
echo "printed $line"
exit 7
"""
    caller = await start(await deploy(script))
    with await listener_of(caller.process.control) as listener:
        async with asyncio.timeout(WAIT_S):
            client, _ = await asyncio.get_running_loop().sock_accept(listener)
            with client:
                said = await asyncio.get_running_loop().sock_recv(client, 1000)
                client.send(b"back\n")
                assert (await caller.ended()).status == 7
    where, root, _, *descriptors = said.decode().split()
    assert where == root
    assert descriptors == ["0", "1", "2", "255", "3", "9"]  # bash's own are 255, the script, and 3, a pipe
    assert await caller.all_output() == b"printed back\n"


async def test_its_environment_is_what_was_given(deploy: Deploy, start: Start) -> None:
    caller = await start(await deploy("#!/bin/sh\nenv\n"), {"NAME": "välue", "AWS_REGION": "x"})
    printed = (await caller.all_output()).decode().splitlines()
    assert {"NAME=välue", "AWS_REGION=x"} <= set(printed)
    names = {line.partition("=")[0] for line in printed}
    ours = {"AWS_LAMBDA_RUNTIME_API", "LD_LIBRARY_PATH", "LAMBDA_RUNTIME_DIR", "TMPDIR", "PATH", "LC_CTYPE"}
    assert names - ours <= {
        "NAME",
        "AWS_REGION",
        "LAMBDA_TASK_ROOT",
        "_HANDLER",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
    }


@pytest.mark.parametrize(
    ("bootstrap", "mode", "message"),
    [
        ("#!/bin/sh\n", 0o644, "permission denied"),
        ("no program", 0o755, "exec format error"),
        ("#!/no/such/shell\n", 0o755, "no such file or directory"),
        (None, 0o755, "Couldn't find valid bootstrap(s)"),
    ],
)
async def test_what_cannot_be_run_is_told_in_awss_words(
    deploy: Deploy, start: Start, bootstrap: str | None, mode: int, message: str
) -> None:
    caller = await start(await deploy(bootstrap, mode=mode))
    (await listener_of(caller.process.control)).close()
    kind, _, payload = await caller.frame()
    told = json.loads(payload)
    assert (kind, told["errorType"]) == (beginning.INIT_ERROR, "Runtime.InvalidEntrypoint")
    assert message in told["errorMessage"]
    assert (await caller.ended()).status == 1


async def test_a_layer_brings_the_bootstrap_that_the_code_lacks(deploy: Deploy, start: Start) -> None:
    own, layers = "#!/bin/sh\necho own\n", {"bootstrap": "#!/bin/sh\necho layer\n"}
    assert await (await start(await deploy(None, layer=layers))).all_output() == b"layer\n"
    assert await (await start(await deploy(own, layer=layers))).all_output() == b"own\n"


async def test_extensions_start_first_and_the_runtime_when_it_is_told_to(
    deploy: Deploy, start: Start
) -> None:
    watch = "#!/bin/sh\necho watch $AWS_LAMBDA_RUNTIME_API\nexit 3\n"
    runtime = "#!/bin/sh\ntrap 'echo told; exit 0' TERM\necho runtime\nwhile true; do sleep 0.01; done\n"
    caller = await start(await deploy(runtime, layer={"extensions/watch": watch}))
    control = caller.process.control
    handed, printed, *senders = await handed_over(control, ["watch"])
    with socket.socket(fileno=handed) as listener, open(printed) as output:
        kind, meta, _ = await caller.frame()
        assert (kind, meta) == (beginning.ENDED, {"name": "watch", "how": "exit status 3"})
        control.send(beginning.RUN)
        async with asyncio.timeout(WAIT_S):
            while b"runtime\n" not in caller.printed:
                await asyncio.sleep(0.01)
        control.send(beginning.END)
        assert (await caller.ended()).status == 0
        host, port = listener.getsockname()
        assert output.read() == f"watch {host}:{port}\n"
    assert await caller.all_output() == b"runtime\ntold\n"
    assert len(senders) == 2, "one for the extension, one for the runtime"
    for sender in senders:
        os.close(sender)


async def test_a_second_process_gets_a_socket_of_its_own(deploy: Deploy, start: Start) -> None:
    sandbox = await deploy("#!/bin/sh\nread line\nexec sleep 1000\n")
    for _ in range(3):
        caller = await start(sandbox)
        with await listener_of(caller.process.control):
            caller.process.kill()
            assert (await caller.ended()).signal == signal.SIGKILL


async def test_what_the_program_started_ends_with_it(deploy: Deploy, start: Start) -> None:
    caller = await start(await deploy("#!/bin/sh\nsleep 1000 &\nexit 0\n"))
    (await listener_of(caller.process.control)).close()
    assert (await caller.ended()).status == 0
    os.set_blocking(caller.process.output, False)
    assert await caller.all_output() == b""  # nobody holds the pipe any more


async def test_broken_pipes_end_programs_as_elsewhere(deploy: Deploy, start: Start) -> None:
    """Python ignores SIGPIPE, and what it starts would do so too."""
    caller = await start(await deploy("#!/bin/bash\nyes | head -n 1\nexit ${PIPESTATUS[0]}\n"))
    assert (await caller.ended()).status == 128 + signal.SIGPIPE


async def test_memory_is_that_of_the_program(deploy: Deploy, start: Start) -> None:
    """What the process was forked from is no part of it."""
    caller = await start(await deploy("#!/bin/sh\necho up\nread line < /dev/zero\nsleep 1000\n"))
    (await listener_of(caller.process.control)).close()
    assert caller.process.memory_peak_mb() < 20
