"""Events from JSON and answers to JSON, as AWS's Python runtime reads and writes them."""

from __future__ import annotations

import json
import os
import re
from decimal import Decimal
from typing import Any, Dict, NoReturn

from .errors import Error, Fault

ANSWER_BYTES = 6 * 1024 * 1024 + 100  # AWS's limit
TOO_LARGE: Error = {
    "errorMessage": "Response payload size exceeded maximum allowed payload size ({} bytes).".format(
        ANSWER_BYTES
    ),
    "errorType": "Function.ResponseSizeTooLarge",
}


def _refuse(constant: str) -> NoReturn:
    raise ValueError("{} is not JSON".format(constant))


_decoder: Any = json.JSONDecoder(parse_constant=_refuse)
_scan = _decoder.scan_once


def read(payload: bytes) -> Any:
    """The event. Raises ValueError or RecursionError for what is no JSON; no bytes mean `{}`, as on AWS."""
    if not payload:
        return {}
    text = payload.decode()
    try:
        event, end = _scan(text, 0)  # the decoder without its search for blanks at both ends
    except StopIteration:
        end = -1
    return event if end == len(text) else _decoder.decode(text)


def read_meta(meta: bytes) -> Any:
    """The node's own JSON object."""
    return _scan(meta.decode(), 0)[0]


class _Numbers:
    """Carries a Decimal through the C encoder, which writes no numbers of other types.

    It goes in as a marked string and its marks are cut off afterwards, so that no digit is lost.
    """

    def __init__(self) -> None:
        self.mark = "decimal" + os.urandom(8).hex() + ":"
        self.found = False
        self._marked = re.compile('"' + self.mark + '([^"]*)"')

    def pack(self, number: Decimal) -> Any:
        if not number.is_finite():
            return float(number)  # which the encoder then refuses, in its own words
        self.found = True
        return self.mark + str(number)

    def unpack(self, text: str) -> str:
        self.found = False
        return self._marked.sub(r"\1", text)


_numbers = _Numbers()


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return _numbers.pack(value)
    if isinstance(value, bytes):
        return value.decode()
    raise TypeError("Object of type {} is not JSON serializable".format(type(value).__name__))


_encoder: Any = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_default)
_around: Dict[int, Any] = {}  # what the encoder is inside of, so that it sees a circle
_make: Any = json.encoder.c_make_encoder  # type: ignore[attr-defined]
# The encoder's own method makes one like this for every call, which takes longer than most answers.
_parts: Any = _make and _make(
    _around, _default, json.encoder.encode_basestring, None, ": ", ", ", False, False, False
)


def _encode(value: Any) -> str:
    if _parts is None:
        return str(_encoder.encode(value))
    try:
        return "".join(_parts(value, 0))
    finally:
        _around.clear()


def write(value: Any) -> bytes:
    """The answer as JSON; bytes go out as they are. Raises `Fault` for what JSON cannot say."""
    if isinstance(value, bytes):
        return value
    try:
        text = _encode(value)
    except Exception as error:
        raise Fault("Runtime.MarshalError", "Unable to marshal response: {}".format(error)) from None
    if _numbers.found:
        text = _numbers.unpack(text)
    # Half a surrogate pair has no UTF-8, but its escape is JSON.
    return text.encode("utf-8", "backslashreplace")


def write_error(error: Error) -> bytes:
    """An error as JSON; one that is too large gives way to the error about that."""
    text = write(error)
    return text if len(text) <= ANSWER_BYTES else write(TOO_LARGE)
