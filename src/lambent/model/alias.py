"""An alias: a name for one of a function's versions, or for two of them in a proportion."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from lambent.model.names import FunctionKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """`weights` has at most one version besides the alias's own: the fraction of the calls that it gets."""

    key: FunctionKey
    name: str
    version: str
    description: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    revision_id: str = ""

    @property
    def arn(self) -> str:
        return f"{self.key.arn}:{self.name}"

    def pick(self) -> str:
        """The version that the next call runs."""
        for version, weight in self.weights.items():
            if random.random() < weight:
                return version
        return self.version

    def names(self, version: str) -> bool:
        return version == self.version or version in self.weights
