"""Parameters and annotations: lists of keys and values, and what is made of them."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from lambent.whisk.entities import Entity, Pair, Pairs
from lambent.whisk.errors import Refusal, malformed

PARAMETER_BYTES = 1024 * 1024
UNREADABLE = "parameters malformed could not read directly: {}"


def read_pairs(given: object, what: str) -> Pairs:
    """A list of {"key", "value"} as clients send it; of one key the last wins. Raises `Refusal`."""
    if given is None:
        return ()
    if isinstance(given, Mapping):  # some clients send an object
        given = [{"key": key, "value": value} for key, value in given.items()]
    if not isinstance(given, list):
        raise malformed(UNREADABLE.format(orjson.dumps(given).decode()))
    pairs: dict[str, Pair] = {}
    for pair in given:
        if not isinstance(pair, dict) or not isinstance(pair.get("key"), str) or "value" not in pair:
            raise malformed(UNREADABLE.format(orjson.dumps(given).decode()))
        pairs.pop(pair["key"], None)
        pairs[pair["key"]] = pair
    size = len(orjson.dumps(list(pairs.values())))
    if size > PARAMETER_BYTES:
        raise Refusal(413, f"{what} larger than allowed: {size} > {PARAMETER_BYTES} bytes.")
    return tuple(pairs.values())


def merge(*layers: Pairs) -> Pairs:
    """Pairs of several lists; what comes later wins."""
    return tuple({pair["key"]: pair for layer in layers for pair in layer}.values())


def arguments(pairs: Iterable[Pair]) -> dict[str, Any]:
    """What an action gets as arguments."""
    return {pair["key"]: pair["value"] for pair in pairs if not pair.get("init")}


def variables(pairs: Iterable[Pair]) -> dict[str, str]:
    """What it finds in its environment instead."""
    return {pair["key"]: _text(pair["value"]) for pair in pairs if pair.get("init")}


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def truthy(value: object) -> bool:
    """As OpenWhisk reads an annotation that switches something on."""
    return value not in (None, False, 0, "")


def gets_key(action: Entity) -> bool:
    """Whether it may act with a key; an action from before the annotation may."""
    said = [pair["value"] for pair in action.annotations if pair["key"] == "provide-api-key"]
    return not said or truthy(said[-1])
