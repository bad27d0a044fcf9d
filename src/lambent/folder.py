"""The data folder of a node: made, locked, and told apart from another node's."""

import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUN_FILE = "node.json"
LOCK_FILE = "lock"
CREDENTIALS_FILE = "credentials"
CERTIFICATES_FILE = "certificates.pem"  # what the machine trusts, and the platform's own authority


LOCK_WAIT_S = 3.0  # a node that was killed holds its lock until the kernel has taken it apart
LOCK_LOOK_S = 0.05


class CannotStart(Exception):
    """Why a node cannot start, in one line with the way out."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A data folder that is ours while `lock` is open."""

    path: Path
    lock: int

    @classmethod
    def take(cls, path: Path) -> "DataFolder":
        """Make it where it is missing and lock it. Raises `CannotStart`."""
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o755)
            (path / "code").mkdir(exist_ok=True, mode=0o755)
            (path / "state").mkdir(exist_ok=True, mode=0o700)
            (path / "keys").mkdir(exist_ok=True, mode=0o700)
            lock = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CannotStart(
                f"the data folder {path} cannot be used: {error.strerror}; choose another with --data"
            ) from None
        if not _locked(lock):
            os.close(lock)
            raise CannotStart(
                f"a node runs on {path} already{_where(path)}; choose another folder with --data"
            )
        (path / RUN_FILE).unlink(missing_ok=True)
        return cls(path, lock)

    @property
    def credentials(self) -> Path:
        return self.path / CREDENTIALS_FILE

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def state(self) -> Path:
        return self.path / "state"

    def give_to(self, owner: int) -> None:
        """Let the node's own user write its state and the run file, and read the keys.

        What root has made lies in a folder that the node cannot change: it plants no link for the next start.
        """
        path = self.path / RUN_FILE
        path.touch(mode=0o644)
        if os.geteuid() == owner:
            return
        for place in (path, self.state):
            os.chown(place, owner, owner)
        for place in (self.keys, *self.keys.rglob("*")):
            os.chown(place, -1, owner)
            place.chmod(0o750 if place.is_dir() else 0o640)

    def release(self) -> None:
        (self.path / RUN_FILE).unlink(missing_ok=True)
        os.close(self.lock)


def write_run_file(path: Path, facts: dict[str, Any]) -> None:
    """Say that the node is ready, and where; nothing secret is in it."""
    (path / RUN_FILE).write_text(json.dumps(facts) + "\n")


def _where(path: Path) -> str:
    try:
        facts = json.loads((path / RUN_FILE).read_text())
        return f" (pid {facts['pid']}, {facts['url']})"
    except (OSError, ValueError, KeyError):
        return ""


def _locked(lock: int) -> bool:
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(LOCK_LOOK_S)
        else:
            return True
