"""Names of OpenWhisk's entities: a namespace, perhaps a package, and a name of up to 256 characters."""

import re
from typing import NamedTuple

from lambent.whisk.errors import Refusal, malformed

SEGMENT = re.compile(r"[\w]|[\w][\w@ .&-]{0,254}[\w@.&-]")
OWN = "_"  # the namespace of the caller's key
LONGEST = 256


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
            400,
            f"The name of the entity exceeds the allowed length: {len(text)} > {LONGEST} bytes.",
        )
    if not SEGMENT.fullmatch(text):
        raise malformed(f"name contains invalid characters: {text!r}")
    return text


def parse(text: object, own: str) -> Name:
    """The entity behind `/ns/name`, `ns/pkg/name` or the like; `_` is `own`. Raises `Refusal`."""
    if not isinstance(text, str):
        raise malformed(f"The name of an entity is a string, not {type(text).__name__}.")
    parts = text.removeprefix("/").split("/")
    if not 2 <= len(parts) <= 3 or not all(SEGMENT.fullmatch(part) for part in parts):
        raise malformed(f"'{text}' is not a valid fully qualified name: /namespace/[package/]name")
    namespace = own if parts[0] == OWN else parts[0]
    return Name(namespace, parts[-1], parts[1] if len(parts) == 3 else "")
