"""What a PUT may say of a package, a trigger or a rule alike."""

import re
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import orjson

from lambent.whisk.entities import Entity, Pairs, next_version
from lambent.whisk.errors import malformed
from lambent.whisk.parameters import read_pairs

E = TypeVar("E", bound=Entity)

VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Given:
    """What is None was not given, and stays as it was."""

    publish: bool | None
    version: str | None
    annotations: Pairs | None
    parameters: Pairs | None

    def apply(self, entity: E, before: Entity | None) -> E:
        """Every change has a version of its own."""
        version = self.version or (next_version(before.version) if before else entity.version)
        return replace(
            entity,
            version=version,
            publish=entity.publish if self.publish is None else self.publish,
            annotations=entity.annotations if self.annotations is None else self.annotations,
            parameters=entity.parameters if self.parameters is None else self.parameters,
        )


def read_given(body: dict[str, Any]) -> Given:
    """Raises `Refusal`."""
    publish = read_publish(body)
    return Given(publish, read_version(body), _pairs(body, "annotations"), _pairs(body, "parameters"))


def read_publish(body: dict[str, Any]) -> bool | None:
    publish = body.get("publish")
    if publish is not None and not isinstance(publish, bool):
        raise malformed(f"Expected JsBoolean, but got {orjson.dumps(publish).decode()}")
    return publish


def read_version(body: dict[str, Any]) -> str | None:
    version = body.get("version")
    if version is not None and not (isinstance(version, str) and VERSION.fullmatch(version)):
        raise malformed("semantic version malformed")
    return version


def _pairs(body: dict[str, Any], what: str) -> Pairs | None:
    return None if body.get(what) is None else read_pairs(body[what], what)
