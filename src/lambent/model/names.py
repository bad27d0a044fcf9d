"""Names: how functions, roles and buckets are called, and AWS's ARNs for them."""

import re
from functools import lru_cache
from typing import NamedTuple

LATEST = "$LATEST"
DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"

_TARGET = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<arn_account>\d{12}):function:"
    r"|(?:(?P<account>\d{12}):)?(?:function:)?)"
    r"(?P<name>[a-zA-Z0-9-_]+)"
    r"(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)


class FunctionKey(NamedTuple):  # looked up at every call: a tuple is hashed without a line of Python
    """What a function is kept under: names are unique within an account and region."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"


class Target(NamedTuple):
    """A function and, where given, one of its versions or aliases."""

    key: FunctionKey
    qualifier: str | None = None

    @property
    def arn(self) -> str:
        return self.key.arn if self.qualifier is None else f"{self.key.arn}:{self.qualifier}"


@lru_cache(maxsize=4096)
def parse_target(text: str, account: str, region: str) -> Target | None:
    """The function that a client means by a name, a partial or a full ARN; None if it is none of them.

    Source: the FunctionName pattern of the Lambda service model. The caller's account and region stand
    in where the text does not name them.
    """
    found = _TARGET.fullmatch(text)
    if found is None:
        return None
    key = FunctionKey(
        found["arn_account"] or found["account"] or account, found["region"] or region, found["name"]
    )
    return Target(key, found["qualifier"])


def role_arn(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def bucket_arn(name: str) -> str:
    return f"arn:aws:s3:::{name}"
