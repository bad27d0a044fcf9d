"""A function URL: an HTTP address of a function or of one of its aliases."""

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambent.model.names import FunctionKey, Target

ID_CHARACTERS = 32
_ALPHABET = string.ascii_lowercase + string.digits
PUBLIC, SIGNED = "NONE", "AWS_IAM"
BUFFERED, STREAMED = "BUFFERED", "RESPONSE_STREAM"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionUrl:
    """How one is called, and by whom. Times are AWS's text."""

    id: str
    key: FunctionKey
    alias: str | None = None
    auth_type: str = SIGNED  # NONE | AWS_IAM
    invoke_mode: str = BUFFERED  # BUFFERED | RESPONSE_STREAM
    cors: Mapping[str, Any] | None = None  # AWS's Cors shape
    created_at: str = ""
    modified_at: str = ""

    @property
    def target(self) -> Target:
        return Target(self.key, self.alias)


def new_url_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(ID_CHARACTERS))
