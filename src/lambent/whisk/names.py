"""Names of OpenWhisk's entities: a namespace, perhaps a package, and a name of up to 256 characters."""

import re
from typing import NamedTuple

from lambent.whisk.errors import Refusal, malformed

SEGMENT = re.compile(r"[\w]|[\w][\w@ .&-]{0,254}[\w@.&-]", re.ASCII)
OWN = "_"  # the namespace of the caller's key
LONGEST = 256
FUNCTION_NAME = 64  # characters
TOO_SHORT = (
    "requirement failed: The fully qualified name of the entity must contain at least the namespace and the "
    "name of the entity."
)


class Name(NamedTuple):
    """What an entity is called. Entities of every kind share the names of their namespace."""

    namespace: str
    name: str
    package: str = ""

    @property
    def place(self) -> str:
        """The namespace that a document of the entity shows: `guest` or `guest/pkg`."""
        return f"{self.namespace}/{self.package}" if self.package else self.namespace

    @property
    def local(self) -> str:
        """The name within the namespace: `hello` or `pkg/hello`."""
        return f"{self.package}/{self.name}" if self.package else self.name

    def __str__(self) -> str:
        return f"{self.place}/{self.name}"

    def of_package(self) -> "Name":
        return Name(self.namespace, self.package)


def check_segment(text: str) -> str:
    """One part of a path. Raises `Refusal` when it is no name."""
    if len(text) > LONGEST:
        raise Refusal(
            400, f"Name segement longer than allowed: {len(text)} > {LONGEST}."
        )  # as OpenWhisk spells
    if not SEGMENT.fullmatch(text):
        raise Refusal(400, "The name of the entity contains illegal characters.")
    return text


def check_namespace(text: str) -> str:
    """The part of a path that is a namespace. Raises `Refusal`."""
    if len(text) > LONGEST:
        raise Refusal(400, f"Namespace longer than allowed: {len(text)} > {LONGEST}.")
    if not SEGMENT.fullmatch(text):
        raise Refusal(400, "The namespace contains illegal characters.")
    return text


def function_name(local: str) -> str:
    """What an action is called as a function: `pkg/hello` is `pkg-hello`."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", local)[:FUNCTION_NAME]


def parse(text: object, own: str) -> Name:
    """The entity behind `/ns/name`, `ns/pkg/name` or the like; `_` is `own`. Raises `Refusal`."""
    parts = text.removeprefix("/").split("/") if isinstance(text, str) else []
    if len(parts) == 1:
        raise malformed(TOO_SHORT)
    if not 2 <= len(parts) <= 3 or not all(SEGMENT.fullmatch(part) for part in parts):
        raise malformed("fully qualified name malformed")
    namespace = own if parts[0] == OWN else parts[0]
    return Name(namespace, parts[-1], parts[1] if len(parts) == 3 else "")
