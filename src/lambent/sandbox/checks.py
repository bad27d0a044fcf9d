"""Checks of what the node asks for: it reads what strangers send, so the launcher trusts no value."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
NUMBERS = (1, 2**53)
ACCOUNT = re.compile(r"(\d{12})?")
ENVIRONMENT_BYTES = 32768


class BadRequest(Exception):
    """A frame that no node of ours sends."""


def number(message: Mapping[str, Any], name: str, bounds: tuple[int, int] = NUMBERS) -> int:
    value = message.get(name)
    if type(value) is not int or not bounds[0] <= value <= bounds[1]:
        raise BadRequest(f"{name} must be a number from {bounds[0]} to {bounds[1]}, not {value!r:.80}")
    return value


def account(message: Mapping[str, Any]) -> str:
    """An account's number, or the empty text for all of them."""
    value = message.get("account")
    if not isinstance(value, str) or not ACCOUNT.fullmatch(value):
        raise BadRequest(f"account must be a number of 12 digits, not {value!r:.80}")
    return value


def flag(message: Mapping[str, Any], name: str) -> bool:
    value = message.get(name)
    if type(value) is not bool:
        raise BadRequest(f"{name} must be true or false, not {value!r:.80}")
    return value


def name(message: Mapping[str, Any], key: str) -> str:
    """A single file or program name: no path, nothing hidden."""
    value = message.get(key)
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise BadRequest(f"{key} must be a plain name, not {value!r:.80}")
    return value


def names(message: Mapping[str, Any], key: str, most: int) -> list[str]:
    values = message.get(key)
    if not isinstance(values, list) or len(values) > most:
        raise BadRequest(f"{key} must be a list of at most {most} names")
    return [name({key: value}, key) for value in values]


def environment(message: Mapping[str, Any]) -> dict[str, str]:
    values = message.get("environment")
    if not isinstance(values, dict):
        raise BadRequest("environment must be an object")
    size = 0
    for key, value in values.items():
        if not isinstance(value, str) or "\0" in key + value or not key or "=" in key:
            raise BadRequest(f"the environment variable {key!r:.80} cannot be set")
        size += len(key) + len(value) + 2
    if size > ENVIRONMENT_BYTES:
        raise BadRequest(f"the environment has {size} bytes, more than {ENVIRONMENT_BYTES}")
    return values


def descriptors(given: list[int], *kinds: Callable[[int], bool]) -> list[int]:
    """Descriptors of exactly these kinds."""
    if len(given) != len(kinds) or not all(
        kind(os.fstat(fd).st_mode) for kind, fd in zip(kinds, given, strict=True)
    ):
        raise BadRequest("these are not the descriptors that belong to the request")
    return given
