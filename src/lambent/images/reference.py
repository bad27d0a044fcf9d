"""How an image is named: a registry's name, or a place on the node's disk."""

import re
from dataclasses import dataclass
from pathlib import Path

from lambent.model.errors import InvalidParameter

KINDS = ("oci", "oci-archive", "docker-archive")
_ON_DISK = re.compile(rf"(?P<kind>{'|'.join(KINDS)}):(?P<path>/[^:]*)(:(?P<tag>.+))?")
_IN_REGISTRY = re.compile(
    r"(?P<host>localhost(:\d+)?|[\w.-]+:\d+|[\w-]+(\.[\w-]+)+|\[[0-9a-f:]+\](:\d+)?)/"
    r"(?P<name>[a-z0-9]+([._/-]+[a-z0-9]+)*)"
    r"(:(?P<tag>\w[\w.-]{0,127}))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """An ImageUri in its parts: `place` is a registry's host or a path."""

    kind: str  # registry, or one of KINDS
    place: str
    name: str = ""
    tag: str = ""
    digest: str = ""

    @property
    def path(self) -> Path:
        return Path(self.place)

    def resolved(self, digest: str) -> str:
        whole = f"{self.place}/{self.name}" if self.kind == "registry" else f"{self.kind}:{self.place}"
        return f"{whole}@{digest}"


def parse(uri: str) -> Reference:
    """Raises `InvalidParameter`."""
    if found := _ON_DISK.fullmatch(uri):
        return Reference(found["kind"], found["path"], tag=found["tag"] or "")
    if found := _IN_REGISTRY.fullmatch(uri):
        return Reference(
            "registry", found["host"], found["name"], found["tag"] or "latest", found["digest"] or ""
        )
    raise InvalidParameter(
        f"{uri} is no image: it must be written as HOST/NAME:TAG, HOST/NAME@sha256:..., oci:/FOLDER[:TAG], "
        "oci-archive:/FILE or docker-archive:/FILE"
    )
