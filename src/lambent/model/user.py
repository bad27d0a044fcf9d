"""Users, groups, access keys and policies of an account: what IAM keeps besides roles."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An IAM user."""

    account: str
    name: str
    user_id: str  # AIDA…
    created_at: float  # seconds since the epoch
    path: str = "/"
    boundary: str | None = None  # ARN
    tags: Mapping[str, str] = field(default_factory=dict)
    attached: tuple[str, ...] = ()  # ARNs of managed policies
    inline: Mapping[str, str] = field(default_factory=dict)  # JSON documents by name
    groups: tuple[str, ...] = ()

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:user{self.path}{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of users, who have its policies."""

    account: str
    name: str
    group_id: str  # AGPA…
    created_at: float
    path: str = "/"
    attached: tuple[str, ...] = ()
    inline: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:group{self.path}{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A user's key; its secret follows from the node's own and is kept nowhere."""

    account: str
    name: str  # AKIA…
    user: str
    created_at: float
    active: bool = True


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of a managed policy."""

    number: int
    document: str  # JSON
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedPolicy:
    """A policy that stands by itself and is attached to users, groups and roles."""

    account: str  # "aws" for AWS's own
    name: str
    policy_id: str  # ANPA…
    created_at: float
    updated_at: float
    versions: tuple[PolicyVersion, ...]  # in the order of their making
    default: int = 1
    last: int = 1  # the highest number that was ever given
    path: str = "/"
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:policy{self.path}{self.name}"

    @property
    def document(self) -> str:
        """What is in force."""
        return next(version.document for version in self.versions if version.number == self.default)
