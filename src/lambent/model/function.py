"""A function's version: the code and configuration that an instance is made from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from lambent.model.alias import Alias
from lambent.model.image import Image
from lambent.model.names import LATEST, FunctionKey


class State(StrEnum):
    PENDING = "Pending"
    ACTIVE = "Active"
    FAILED = "Failed"


class UpdateStatus(StrEnum):
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    IN_PROGRESS = "InProgress"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a state or an update status is what it is: AWS's text and its code."""

    text: str
    code: str


CREATING = Reason("The function is being created.", "Creating")


@dataclass(frozen=True, slots=True)
class Code:
    """An uploaded package. `digest` (hex sha-256 of the zip) names its files in the package store."""

    digest: str
    size: int  # bytes of the zip; 0 for an image
    sha256: str  # as AWS shows it: base64 for a zip, hexadecimal for an image


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's version as a function uses it; it goes on doing so when the layer is deleted."""

    arn: str
    code: Code


_STATE_FIELDS = {
    "state",
    "state_reason",
    "update_status",
    "update_reason",
    "revision_id",
    "last_modified",
    "identity",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a function, `$LATEST` or a published number."""

    key: FunctionKey
    version: str = LATEST
    code: Code
    runtime: str
    handler: str
    role: str  # ARN
    description: str = ""
    timeout_s: float = 3
    memory_mb: int = 128
    tmp_mb: int = 512
    environment: Mapping[str, str] | None = None  # None: never given, so AWS omits the key
    architecture: str = "x86_64"
    tracing_mode: str = "PassThrough"
    kept: Mapping[str, Any] = field(default_factory=dict)  # accepted and echoed, without effect here
    state: State = State.PENDING
    state_reason: Reason | None = CREATING
    update_status: UpdateStatus | None = None
    update_reason: Reason | None = None
    revision_id: str = ""
    last_modified: str = ""  # 2025-11-25T02:26:54.123+0000; differs from update to update
    published_from: str = ""  # fingerprint of the $LATEST that a numbered version is a copy of
    own_log_group: str = ""  # when not the function's default one
    image: Image | None = None  # in place of a zip; then there is no runtime and no handler
    layers: tuple[Layer, ...] = ()  # in order: of two files at one path the later layer's is seen
    per_tenant: bool = False  # each tenant has instances of its own
    identity: str = field(init=False, repr=False, compare=False)  # what an instance is made for

    def __post_init__(self) -> None:
        # Made once, as every call looks its instances up by it: a string keeps its hash.
        identity = f"{self.qualified_arn} {self.last_modified} {self.code.digest}"
        object.__setattr__(self, "identity", identity)

    @property
    def arn(self) -> str:
        return self.key.arn if self.version == LATEST else self.qualified_arn

    @property
    def qualified_arn(self) -> str:
        return f"{self.key.arn}:{self.version}"

    @property
    def packages(self) -> tuple[Code, ...]:
        """Everything that has to be unpacked for it."""
        return (self.code, *(layer.code for layer in self.layers))

    @property
    def snapstart(self) -> bool:
        """Whether its instances begin with a snapshot of an init that is done."""
        return self.version != LATEST and self.kept.get("SnapStart", {}).get("ApplyOn") == "PublishedVersions"

    @property
    def log_group(self) -> str:
        return self.own_log_group or f"/aws/lambda/{self.key.name}"

    @property
    def fingerprint(self) -> str:
        """The same for two versions of one function that differ in nothing but their state."""
        content = {name: value for name, value in asdict(self).items() if name not in _STATE_FIELDS}
        content["key"] = self.key._asdict()
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function with all its versions. `serving` is what an unqualified call runs: while an update is in
    progress that is $LATEST as it was before."""

    latest: Version
    serving: Version
    published: Mapping[str, Version] = field(default_factory=dict)  # by number, in the order of publishing
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)  # by name, in the order of the names
