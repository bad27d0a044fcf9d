"""One request on its way through a connection: its head's rules, its limits, its state."""

from collections.abc import Mapping
from dataclasses import dataclass

from lambent.faces import answer
from lambent.faces.body import IncomingBody
from lambent.faces.http import Request, Response

METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")}
NAMES: dict[bytes, str] = {}  # header names as clients write them, to lower case
_NAMES_MAX = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client may take."""

    head_bytes: int = 64 * 1024  # request line and headers
    head_s: float = 10.0  # from a head's first byte to its last
    body_idle_s: float = 60.0  # without a byte of the body, or without taking one of the answer
    idle_s: float = 75.0  # between requests
    whole_body_bytes: int = 64 * 1024  # up to here a request waits until its body is there
    buffered_bytes: int = 256 * 1024  # of a body that nobody reads yet
    drained_bytes: int = 1024 * 1024  # of an unread body that are worth keeping the connection
    linger_s: float = 5.0  # for a refused client to stop sending and read its answer
    connections: int = 10_000


class BadRequest(Exception):
    """A request that is not answered by a handler, and the status that it gets."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.response = answer.plain(status, text)


class Exchange:
    """A request and what must be known to answer it."""

    __slots__ = (
        "answered",
        "body",
        "chunks",
        "close",
        "dispatched",
        "expects",
        "refusal",
        "request",
        "whole",
    )

    def __init__(self, request: Request, body: IncomingBody | None) -> None:
        self.request = request
        self.body = body  # None for a short one, which is gathered in `whole` before anybody sees it
        self.whole = b""
        self.refusal: Response | None = None
        self.close = False
        self.expects = False  # the client waits for 100 Continue
        self.chunks = True  # the client understands a chunked answer
        self.dispatched = False
        self.answered = False

    @property
    def is_read(self) -> bool:
        """Whether nothing of the request is still to come."""
        return self.body is None or self.body.complete


def head_too_large() -> BadRequest:
    return BadRequest(431, "the head of the request is too large")


def lower_name(name: bytes) -> str:
    text = name.decode("latin-1").lower()
    if len(NAMES) < _NAMES_MAX and len(name) < 64:
        NAMES[name] = text
    return text


def body_length(headers: Mapping[str, str]) -> int | None:
    """The body's length, None when it comes in chunks. Raises `BadRequest`."""
    length = headers.get("content-length")
    encoding = headers.get("transfer-encoding")
    if encoding is not None:
        if length is not None:
            raise BadRequest(400, "Content-Length and Transfer-Encoding exclude each other")
        if encoding.lower() != "chunked":
            raise BadRequest(400, f"the only Transfer-Encoding is chunked, not {encoding[:100]}")
        return None
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit()):
        raise BadRequest(400, f"Content-Length is no number: {length[:100]}")
    return int(length)


def split_target(target: bytes) -> tuple[str, str]:
    """Raw path and query of a request target in origin or absolute form. Raises `BadRequest`."""
    try:
        text = target.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest(400, "the path is not UTF-8") from None
    if not text.startswith("/") and "://" in text:
        text = "/" + text.partition("://")[2].partition("/")[2]
    path, _, query = text.partition("?")
    return path, query
