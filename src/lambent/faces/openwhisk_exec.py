"""What a client says of an action's code and limits, read and checked."""

import asyncio
from dataclasses import dataclass
from typing import Any

from lambent.faces.openwhisk_entity import read_version
from lambent.whisk import code as codes
from lambent.whisk import sequences
from lambent.whisk.entities import Action, Limits
from lambent.whisk.errors import Refusal, malformed
from lambent.whisk.kinds import BLACKBOX, SEQUENCE, Kinds, is_skeleton
from lambent.whisk.names import Name, parse
from lambent.whisk.namespaces import Identity, Namespace
from lambent.whisk.registry import Registry


@dataclass(slots=True)
class Exec:
    """An action's fields, and the zip that its code becomes."""

    fields: dict[str, Any]
    content: bytes | None = None


async def read_exec(
    body: dict[str, Any], name: Name, identity: Identity, registry: Registry, kinds: Kinds
) -> Exec:
    """Raises `Refusal`."""
    read_version(body)
    given = body.get("exec")
    if given is None:
        return Exec({})
    if not isinstance(given, dict) or not isinstance(given.get("kind"), str):
        raise malformed("'kind' must be a string defined in 'exec'")
    kind = given["kind"].strip().lower()
    if kind == SEQUENCE:
        return Exec(_sequence(given, name, identity, registry))
    if kind == BLACKBOX:
        if not is_skeleton(given.get("image")):
            raise malformed(
                "'image' must be openwhisk/dockerskeleton: executables run here without Docker, "
                "other images do not"
            )
    else:
        kind = kinds.resolve(kind)
    return await _code(given, kind)


async def _code(given: dict[str, Any], kind: str) -> Exec:
    text = given.get("code")
    if not isinstance(text, str) or not text.strip():
        raise malformed(
            f"'code' must be a string or attachment object defined in 'exec' for '{kind}' actions"
        )
    if len(text) > codes.CODE_BYTES:
        raise Refusal(413, f"exec larger than allowed: {len(text)} > {codes.CODE_BYTES} bytes.")
    main = given.get("main")
    if main is not None and not isinstance(main, str):
        raise malformed(f"if defined, 'main' be a string in 'exec' for '{kind}' actions")
    content, binary, archive = await asyncio.to_thread(codes.read, text)
    packed = content if archive else await asyncio.to_thread(codes.pack, kind, content, binary=binary)
    fields = {
        "kind": kind,
        "main": main or None,
        "image": given.get("image") if kind == BLACKBOX else None,
        "binary": binary,
        "archive": archive,
        "components": (),
    }
    return Exec(fields, packed)


def _sequence(given: dict[str, Any], name: Name, identity: Identity, registry: Registry) -> dict[str, Any]:
    listed = given.get("components")
    if not isinstance(listed, list):
        raise malformed(
            f"'components' must be {'defined for sequence kind' if listed is None else 'an array'}"
        )
    components = tuple(parse(one, identity.namespace.name) for one in listed)
    sequences.check(registry, name, components, identity)
    return {"kind": SEQUENCE, "components": components, "code": None, "binary": False, "archive": False}


def read_limits(given: Any, before: Action | None, namespace: Namespace) -> Limits:
    """What is not given stays as it was. Raises `Refusal`."""
    own = before.limits if before else Limits()
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise malformed("Object expected")
    values = {**own.document(), **{key: value for key, value in given.items() if value is not None}}
    for key, noun in {
        "timeout": "time",
        "memory": "memory",
        "logs": "log",
        "concurrency": "concurrency",
    }.items():
        if isinstance(values[key], bool) or not isinstance(values[key], int | float):
            raise malformed(f"{noun} limit malformed")
        if values[key] != int(values[key]):
            raise malformed(f"requirement failed: {noun} limit must be whole number")
        values[key] = int(values[key])
    limits = Limits(values["timeout"], values["memory"], values["logs"], values["concurrency"])
    for noun, unit, value, limit in (
        ("duration", " milliseconds", limits.timeout_ms, "ActionTimeout"),
        ("memory size", " MB", limits.memory_mb, "ActionMemory"),
        ("log size", " MB", limits.logs_mb, "ActionLogs"),
        ("concurrency", "", limits.concurrency, "ActionConcurrency"),
    ):
        least, most = namespace.limit(f"min{limit}"), namespace.limit(f"max{limit}")
        if not least <= value <= most:
            side, threshold = ("below", least) if value < least else ("exceeds", most)
            raise Refusal(400, f"{noun} {value}{unit} {side} allowed threshold of {threshold}{unit}")
    return limits
