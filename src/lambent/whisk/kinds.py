"""The kinds of actions: OpenWhisk's names for what this machine has."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lambent.whisk.errors import malformed

SEQUENCE, BLACKBOX = "sequence", "blackbox"
BUILT_IN = "builtin"  # the node's own, such as feeds
LAMBDA = "lambda"  # a function of the account
SKELETON = "openwhisk/dockerskeleton"  # the one image that needs no Docker: it runs an executable
FAMILIES = ("python", "nodejs")
PREFERRED_NODE = "nodejs:20"  # what OpenWhisk itself means by nodejs:default


@dataclass(frozen=True, slots=True)
class Kinds:
    """Runtimes by kind, and the default of each family."""

    runtimes: Mapping[str, str]  # python:3.11 -> python3.11
    defaults: Mapping[str, str]

    @classmethod
    def of(cls, runtimes: Sequence[str]) -> "Kinds":
        found = {kind: runtime for runtime in runtimes if (kind := _kind(runtime))}
        defaults = {family: _default(family, list(found)) for family in FAMILIES}
        return cls(found, {family: kind for family, kind in defaults.items() if kind})

    def resolve(self, given: object) -> str:
        """The kind that is stored for the one that was asked for; a version that is not here becomes the
        default of its family. Raises `Refusal`."""
        family, _, version = str(given).partition(":")
        if given in self.runtimes:
            return str(given)
        default = self.defaults.get(family)
        if default is None or not version or (family == "python" and version.startswith("2")):
            known = ", ".join(f"'{kind}'" for kind in self.runtimes)
            raise malformed(
                f"The specified runtime '{given}' is not supported by this platform. "
                f"Valid values are: {known}"
            )
        return default

    def runtime(self, kind: str) -> str:
        """The Lambda runtime that a stored kind runs on; executables are started by a Python."""
        if kind == BLACKBOX:
            return self.runtimes[self.defaults["python"]]
        return self.runtimes[self.resolve(kind)]


def is_skeleton(image: object) -> bool:
    return isinstance(image, str) and image.partition(":")[0] == SKELETON


def _kind(runtime: str) -> str:
    if runtime.startswith("python"):
        return f"python:{runtime.removeprefix('python')}"
    if runtime.startswith("nodejs"):
        return f"nodejs:{runtime.removeprefix('nodejs').removesuffix('.x')}"
    return ""


def _default(family: str, kinds: Sequence[str]) -> str:
    own = PREFERRED_NODE if family == "nodejs" else f"python:3.{sys.version_info.minor}"
    return own if own in kinds else next((k for k in reversed(kinds) if k.startswith(f"{family}:")), "")
