"""The entities that a namespace holds: actions, packages, triggers and rules, as they are stored."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

import orjson

from lambent.model.function import Code
from lambent.whisk.names import Name

Pair = Mapping[str, Any]  # {"key", "value"} and what else the client gave
Pairs = tuple[Pair, ...]

FIRST_VERSION = "0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """What all of them have. `updated` is in milliseconds since the epoch."""

    collection: ClassVar[str] = ""

    name: Name
    version: str = FIRST_VERSION
    publish: bool = False
    annotations: Pairs = ()
    parameters: Pairs = ()
    updated: int = 0

    def annotation(self, key: str) -> Any:
        return next((pair["value"] for pair in self.annotations if pair["key"] == key), None)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an action may take."""

    timeout_ms: int = 60_000
    memory_mb: int = 256
    logs_mb: int = 10
    concurrency: int = 1

    def document(self) -> dict[str, int]:
        """As clients see them."""
        return {
            "concurrency": self.concurrency,
            "logs": self.logs_mb,
            "memory": self.memory_mb,
            "timeout": self.timeout_ms,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Entity):
    """Code of a kind, or a sequence of other actions."""

    collection = "actions"

    kind: str  # python:3.11, nodejs:20, blackbox, sequence
    code: Code | None = None  # None for a sequence
    binary: bool = False  # the code came as base64
    archive: bool = False  # it is the client's own zip
    main: str | None = None
    image: str | None = None  # of a blackbox
    components: tuple[Name, ...] = ()
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package(Entity):
    """A folder of actions with parameters of their own, or a binding to another one's."""

    collection = "packages"

    binding: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger(Entity):
    """A channel of events."""

    collection = "triggers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Entity):
    """Connects a trigger with an action."""

    collection = "rules"

    trigger: Name
    action: Name
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Api(Entity):
    """A base path, and which web actions are behind what is below it."""

    collection = "apis"

    document: Mapping[str, Any]  # OpenAPI 2


KINDS: Mapping[str, type[Entity]] = {kind.collection: kind for kind in (Action, Api, Package, Trigger, Rule)}


def encode(entity: Entity) -> str:
    return orjson.dumps(asdict(entity), default=list).decode()


def decode(collection: str, text: str) -> Entity:
    """The entity that `encode` wrote; fields that came later have their defaults."""
    kind = KINDS[collection]
    known = {field.name for field in fields(kind)}
    values: dict[str, Any] = {key: value for key, value in orjson.loads(text).items() if key in known}
    for key in ("name", "binding", "trigger", "action"):
        if values.get(key) is not None:
            values[key] = Name(*values[key])
    for key in ("annotations", "parameters"):
        values[key] = tuple(values[key])
    if kind is Action:
        values["components"] = tuple(Name(*name) for name in values["components"])
        values["code"] = values["code"] and Code(**values["code"])
        values["limits"] = Limits(**values["limits"])
    return kind(**values)


def next_version(version: str) -> str:
    head, _, patch = version.rpartition(".")
    return f"{head}.{int(patch) + 1}"
