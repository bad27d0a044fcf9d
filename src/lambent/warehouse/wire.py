"""Messages of PostgreSQL's protocol 3: how they are cut, built and read."""

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

VERSION = 3 << 16
SSL_REQUEST = (1234 << 16) + 5679
GSS_REQUEST = (1234 << 16) + 5680
CANCEL_REQUEST = (1234 << 16) + 5678

STARTUP_BYTES = 10_000  # PostgreSQL's own bound
CLIENT_BYTES = 16 * 1024 * 1024 + 4096  # Redshift's limit for a statement, and its frame
SERVER_BYTES = 64 * 1024 * 1024  # a row; Redshift's largest value is 16 MB

_HEADER = struct.Struct("!ci")


class ProtocolViolation(Exception):
    """The other side sent what the protocol does not allow; the connection cannot go on."""


class Message(NamedTuple):
    """One message as it travels: its kind's letter and all its bytes."""

    kind: str
    raw: bytes

    @property
    def body(self) -> bytes:
        return self.raw[5:]


def cut(buffer: bytearray, limit_bytes: int) -> Message | None:
    """Take the first whole message off `buffer`; None while it is not all there."""
    if len(buffer) < 5:
        return None
    kind, size = _HEADER.unpack_from(buffer)
    if not 4 <= size <= limit_bytes:
        raise ProtocolViolation(f"a message of {size} bytes; the limit is {limit_bytes}")
    if len(buffer) <= size:
        return None
    raw = bytes(buffer[: size + 1])
    del buffer[: size + 1]
    return Message(kind.decode("latin-1"), raw)


def build(kind: str, body: bytes = b"") -> bytes:
    return _HEADER.pack(kind.encode(), len(body) + 4) + body


def text(*values: str) -> bytes:
    return b"".join(value.encode() + b"\0" for value in values)


def split_text(data: bytes, count: int) -> tuple[list[str], bytes]:
    """The first `count` zero-terminated strings of `data`, and what follows them."""
    *parts, rest = data.split(b"\0", count)
    if len(parts) != count:
        raise ProtocolViolation("a string without its end")
    return [part.decode("utf-8", "surrogateescape") for part in parts], rest


def startup(code: int, parameters: Mapping[str, str]) -> bytes:
    body = struct.pack("!i", code) + text(*(x for pair in parameters.items() for x in pair)) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def cancel(key: bytes) -> bytes:
    """`key` is the eight bytes of BackendKeyData."""
    return struct.pack("!ii", 16, CANCEL_REQUEST) + key


def parameters(body: bytes) -> dict[str, str]:
    """The pairs of a startup message, which an empty name ends."""
    words = body.split(b"\0")
    pairs = zip(words[::2], words[1::2], strict=False)
    return {k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in pairs if k}


def parse(name: str, sql: str) -> bytes:
    return build("P", text(name, sql) + b"\0\0")


def bind(portal: str, statement: str, values: Iterable[str | None] = ()) -> bytes:
    """Parameters and results in text format."""
    sent = [b"\xff\xff\xff\xff" if v is None else _sized(v.encode()) for v in values]
    head = text(portal, statement) + b"\0\0" + struct.pack("!h", len(sent))
    return build("B", head + b"".join(sent) + b"\0\0")


def _sized(data: bytes) -> bytes:
    return struct.pack("!i", len(data)) + data


def describe_portal(portal: str) -> bytes:
    return build("D", b"P" + text(portal))


def execute(portal: str) -> bytes:
    return build("E", text(portal) + b"\0\0\0\0")


def close_portal(name: str) -> bytes:
    return build("C", b"P" + text(name))


def close_statement(name: str) -> bytes:
    return build("C", b"S" + text(name))


FLUSH = build("H")
SYNC = build("S")
TERMINATE = build("X")
COPY_DONE = build("c")


def row(body: bytes) -> list[str | None]:
    """The values of a DataRow in text format."""
    (count,) = struct.unpack_from("!h", body)
    values: list[str | None] = []
    at = 2
    for _ in range(count):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        values.append(None if size < 0 else body[at : at + size].decode())
        at += max(size, 0)
    return values


def report(kind: str, severity: str, code: str, words: str, detail: str = "", hint: str = "") -> bytes:
    """An ErrorResponse (`E`) or a NoticeResponse (`N`)."""
    parts = {"S": severity, "V": severity, "C": code, "M": words, "D": detail, "H": hint}
    body = b"".join(key.encode() + text(value.replace("\0", " ")) for key, value in parts.items() if value)
    return build(kind, body + b"\0")


def fields(body: bytes) -> dict[str, str]:
    """What an ErrorResponse or a NoticeResponse says, by PostgreSQL's field letters."""
    words = (part.decode("utf-8", "replace") for part in body.split(b"\0") if part)
    return {word[0]: word[1:] for word in words}
