"""A template: a version's init, done once and kept as a snapshot of the process's memory."""

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import orjson

from lambent.invoke.environment import MODE
from lambent.model.errors import Unavailable
from lambent.model.identity import Credential
from lambent.records.report import timestamp

SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
RESTORED = {MODE: "restored"}  # all of its environment: the rest is in its memory
NOT_RESTORED = (96, 97)  # how a process ends that the snapshot does not fit


class Stale(Unavailable):
    """The snapshot is of a zygote that is gone."""


def _file() -> int:
    return os.memfd_create("snapshot", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


@dataclass(slots=True, eq=False)
class Template:
    """The snapshot, open as long as somebody may begin with it; `problem` says why there is none.

    Its content is the function's own work. Nobody but a process of the same version reads it.
    """

    token: str  # by which its processes ask for their credentials
    problem: str = ""
    stale: bool = False
    touched: bytes | None = None  # what its first process touched until its answer; others bring it in ahead
    is_sealed: bool = False
    file: int = field(default_factory=_file)

    @property
    def has_snapshot(self) -> bool:
        return self.is_sealed and not self.stale

    @property
    def size_bytes(self) -> int:
        return os.fstat(self.file).st_size

    def seal(self) -> None:
        """No more is written into it, by anybody."""
        self.is_sealed = True
        fcntl.fcntl(self.file, fcntl.F_ADD_SEALS, SEALS)

    def give_up(self, problem: str) -> None:
        self.problem = problem
        os.ftruncate(self.file, 0)

    def __del__(self) -> None:
        os.close(self.file)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a process of SnapStart begins with: what it is told, and a snapshot unless it runs init itself."""

    identity: bytes  # the payload of a frame
    template: Template | None = None

    @property
    def file(self) -> int | None:
        return self.template.file if self.template else None

    @property
    def restores(self) -> bool:
        return self.template is not None

    def plain(self) -> Self:
        return replace(self, template=None)


def identity(credential: Credential, environment: Mapping[str, str]) -> bytes:
    """What no other process of the version has, as the payload of a frame."""
    told = {
        "environment": environment,
        "credentials": {
            "AccessKeyId": credential.access_key,
            "SecretAccessKey": credential.secret_key,
            "Token": credential.token,
            "Expiration": timestamp(credential.expires_at or 0.0),
        },
    }
    return orjson.dumps(told)
