"""A node of the demo's own: started by the product's command, and gone afterwards."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

START_S = 60
STOP_S = 60
COMMAND = [sys.executable, "-m", "lambent"]


class Node:
    """A running node, and what its command line says."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.log = data.with_suffix(".log")
        arguments = ["up", "--data", str(data), "--port", str(_free_port())]
        environment = {**_clean(), "LAMBENT_WAREHOUSE_PORT": str(_free_port())}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment,
                start_new_session=True,
            )  # fmt: skip

    def wait(self) -> None:
        """Until it is ready. Shows what it said when it is not."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                if json.loads((self.data / "node.json").read_text()):
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise SystemExit(f"the node did not start:\n{self.log.read_text()}")

    def run(self, *arguments: str) -> Any:
        """A command of the command line, and the JSON that it prints."""
        done = subprocess.run(
            [*COMMAND, *arguments, "--data", str(self.data), "--json"],
            capture_output=True, text=True, timeout=120, env=_clean(), check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"lambent {' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def warehouse(self) -> dict[str, Any]:
        """How redshift_connector reaches the node's warehouse."""
        given = self.run("env", "--warehouse")
        return {
            "host": given["REDSHIFT_HOST"],
            "port": int(given["REDSHIFT_PORT"]),
            "database": given["REDSHIFT_DATABASE"],
            "user": given["REDSHIFT_USER"],
            "password": given["REDSHIFT_PASSWORD"],
            "ssl": False,  # it is the loopback; functions use TLS
        }

    def stop(self) -> None:
        """Stop it as Ctrl-C does, and see that nothing of it is left."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise SystemExit(f"the node did not stop within {STOP_S} s; its log is {self.log}") from None
        if left := _processes_of(self.data):
            raise SystemExit(f"the node left processes behind: {left}; its log is {self.log}")
        shutil.rmtree(self.data, ignore_errors=True)
        self.log.unlink(missing_ok=True)


@contextlib.contextmanager
def started(*, keep: bool) -> Iterator[Node]:
    """A node on a scratch folder, stopped at the end, also when something goes wrong or Ctrl-C comes."""
    data = Path(tempfile.mkdtemp(prefix="lambent-demo-"))
    data.chmod(0o755)
    node = Node(data)
    try:
        node.wait()
        yield node
    except BaseException:
        node.stop()
        raise
    if not keep:
        node.stop()


def _clean() -> dict[str, str]:
    """The environment without what would lead to another node, or to AWS."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LAMBENT_"))}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _processes_of(data: Path) -> list[str]:
    """Processes whose command line names the data folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(data) in command and int(path.parent.name) != os.getpid():
                found.append(f"{path.parent.name} {command[:80]}")
    return found
