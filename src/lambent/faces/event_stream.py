"""Messages of `application/vnd.amazon.eventstream`, AWS's framing of a stream of events."""

import struct
from collections.abc import Mapping
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_PRELUDE = struct.Struct("!II")  # length of the message, length of its headers
_CRC = struct.Struct("!I")
_STRING = 7  # the type of a header's value


def event(name: str, content_type: str, payload: bytes) -> bytes:
    """One event as a message, with its two checksums."""
    told = {":event-type": name, ":content-type": content_type, ":message-type": "event"}
    return _message(told, payload)


def refusal(name: str, payload: bytes) -> bytes:
    """An exception that ends a stream as a message; the payload is JSON."""
    told = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return _message(told, payload)


def _message(told: Mapping[str, str], payload: bytes) -> bytes:
    headers = b"".join(_header(key, value) for key, value in told.items())
    length = _PRELUDE.size + len(headers) + len(payload) + 2 * _CRC.size
    prelude = _PRELUDE.pack(length, len(headers))
    message = b"".join((prelude, _CRC.pack(crc32(prelude)), headers, payload))
    return message + _CRC.pack(crc32(message))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack(f"!B{len(key)}sBH{len(text)}s", len(key), key, _STRING, len(text), text)
