"""Who calls: the principal behind a verified request."""

from dataclasses import dataclass
from enum import StrEnum


class PrincipalKind(StrEnum):
    ROOT = "root"  # an account's own key
    USER = "user"  # of IAM
    ROLE = "role"  # a session: a function's, or one that AssumeRole gave
    SERVICE = "service"  # a part of the platform that acts for a bucket, a queue, a schedule
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `name` is the user's, the role's or the service's name; a function's session has its name."""

    kind: PrincipalKind
    account: str
    name: str = ""
    session: str = ""
    path: str = "/"  # of a user
    policy: str = ""  # JSON: what a session may do at most, together with
    policy_arns: tuple[str, ...] = ()  # these managed policies

    @property
    def arn(self) -> str:
        if self.kind is PrincipalKind.USER:
            return f"arn:aws:iam::{self.account}:user{self.path}{self.name}"
        if self.kind is PrincipalKind.ROLE:
            return f"arn:aws:sts::{self.account}:assumed-role/{self.name}/{self.session}"
        return f"arn:aws:iam::{self.account}:root"


ANONYMOUS = Principal(PrincipalKind.ANONYMOUS, "")


@dataclass(frozen=True, slots=True)
class Credential:
    """A key pair and whom it speaks for. `token` is set on session credentials only."""

    access_key: str
    secret_key: str
    principal: Principal
    token: str | None = None
    expires_at: float | None = None  # seconds since the epoch
