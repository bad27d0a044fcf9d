"""A layer's version: an archive that functions find at /opt, and who besides its account may use it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from lambent.model.function import Code

GET = "lambda:GetLayerVersion"


class LayerKey(NamedTuple):
    """What a layer is kept under."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:layer:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerVersion:
    """One version, immutable but for its policy."""

    key: LayerKey
    number: int = 0  # given when it is published, and never again
    code: Code
    created_at: str  # 2025-11-25T02:26:54.123+0000
    description: str = ""
    license_info: str | None = None
    runtimes: tuple[str, ...] | None = None  # None: never given, so AWS omits the key
    architectures: tuple[str, ...] | None = None
    statements: tuple[Mapping[str, Any], ...] = ()  # of its policy, as IAM's document has them
    policy_revision: str = ""

    @property
    def arn(self) -> str:
        return f"{self.key.arn}:{self.number}"

    def fits(self, runtime: str | None, architecture: str | None) -> bool:
        """Whether its publisher says that it is for these; what is not asked for fits."""
        return (runtime is None or runtime in (self.runtimes or ())) and (
            architecture is None or architecture in (self.architectures or ())
        )

    def allows(self, account: str) -> bool:
        """Whether an account may use it."""
        principals = ("*", {"AWS": "*"}, {"AWS": f"arn:aws:iam::{account}:root"})
        return account == self.key.account or any(
            statement["Principal"] in principals and "Condition" not in statement
            for statement in self.statements
        )


def parse_version(arn: str) -> tuple[LayerKey, int] | None:
    """The layer's version that an ARN names; None if it names none."""
    parts = arn.split(":")
    if len(parts) != 8 or parts[5] != "layer" or not parts[7].isdecimal():
        return None
    return LayerKey(parts[4], parts[3], parts[6]), int(parts[7])
