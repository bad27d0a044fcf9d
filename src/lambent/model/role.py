"""A role: the identity that a function works under."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """An IAM role. Policies are kept as they were given; nothing evaluates them yet."""

    account: str
    name: str
    role_id: str  # AROA…
    trust_policy: str  # JSON document
    created_at: float  # seconds since the epoch
    path: str = "/"
    description: str | None = None
    max_session_s: int = 3600
    boundary: str | None = None  # ARN
    tags: Mapping[str, str] = field(default_factory=dict)
    attached: tuple[str, ...] = ()  # ARNs of managed policies
    inline: Mapping[str, str] = field(default_factory=dict)  # JSON documents by name

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:role{self.path}{self.name}"
