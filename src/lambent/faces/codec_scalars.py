"""Scalars on the wire: timestamps in their formats, blobs, numbers and booleans as text."""

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from botocore.model import Shape

from lambent.faces.errors import ServiceError

_ARTICLES = {"integer": "an Integer", "boolean": "a Boolean", "double": "a Double", "long": "a Long"}
_MOST = {"integer": 2**31, "long": 2**63}


def malformed(shape: Shape, value: object) -> ServiceError:
    """The service's words for a value of the wrong kind."""
    kind = {str: "STRING_VALUE", bool: "BOOLEAN_VALUE", int: "NUMBER_VALUE", float: "DECIMAL_VALUE"}.get(
        type(value), "START_OF_STRUCTURE_OR_COLLECTION"
    )
    target = _ARTICLES.get(shape.type_name, f"a {shape.type_name.capitalize()}")
    return ServiceError("SerializationException", f"{kind} can not be converted to {target}", 400)


def from_text(shape: Shape, text: str, timestamp_format: str = "iso8601") -> Any:
    """A scalar in a path, a query, a header or an element. Raises `ServiceError`."""
    try:
        return _FROM_TEXT[shape.type_name](text, shape)
    except (ValueError, KeyError, OverflowError, TypeError):
        raise malformed(shape, text) from None


def to_integer(shape: Shape, value: str | float) -> int:
    """A whole number that the model's type holds. Raises `ValueError`, and `OverflowError` for no number."""
    number, most = int(value), _MOST[shape.type_name]
    if not -most <= number < most:
        raise ValueError(number)
    return number


def to_text(shape: Shape, value: Any, timestamp_format: str) -> str:
    """A scalar for a header or an element."""
    kind = shape.type_name
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "timestamp":
        return format_timestamp(value, shape.serialization.get("timestampFormat", timestamp_format))
    if kind == "blob":
        return encode_blob(value)
    return str(value)


def encode_blob(value: bytes | str) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def decode_blob(shape: Shape, text: Any) -> bytes:
    if not isinstance(text, str):
        raise malformed(shape, text)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ServiceError("SerializationException", "a blob is not valid base64", 400) from None


def format_timestamp(value: datetime | float, form: str) -> str:
    """A moment as `iso8601`, `rfc822` or `unixTimestamp`; a number is seconds since the epoch."""
    if form == "unixTimestamp":
        return str(unix_timestamp(value))
    moment = value if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
    moment = moment.astimezone(UTC)
    if form == "rfc822":
        return format_datetime(moment, usegmt=True)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def unix_timestamp(value: datetime | float) -> int | float:
    seconds = value.timestamp() if isinstance(value, datetime) else value
    return int(seconds) if seconds == int(seconds) else round(seconds, 3)


def parse_timestamp(value: str | float) -> datetime:
    """Whichever of the formats the client chose. Raises `ValueError`."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = parsedate_to_datetime(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _boolean(text: str, shape: Shape) -> bool:
    return {"true": True, "false": False}[text.lower()]


_FROM_TEXT: dict[str, Callable[[str, Shape], Any]] = {
    "string": lambda text, shape: text,
    "character": lambda text, shape: text,
    "integer": lambda text, shape: to_integer(shape, text),
    "long": lambda text, shape: to_integer(shape, text),
    "float": lambda text, shape: float(text),
    "double": lambda text, shape: float(text),
    "boolean": _boolean,
    "blob": lambda text, shape: decode_blob(shape, text),
    "timestamp": lambda text, shape: parse_timestamp(text),
}
