"""The bytes of an answer: status line, headers, chunks."""

import time
from email.utils import formatdate
from http import HTTPStatus

from lambent.faces.http import Response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n" for s in HTTPStatus}
_BODILESS = frozenset({204, 304})


class _Clock:
    """The Date header, made once a second."""

    second = -1
    line = ""

    def date(self) -> str:
        now = int(time.time())
        if now != self.second:
            self.second, self.line = now, f"Date: {formatdate(now, usegmt=True)}\r\n"
        return self.line


_clock = _Clock()


class BadHeader(Exception):
    """A header that would break the answer apart, or that HTTP cannot say."""


def head(response: Response, request_id: str = "", *, chunked: bool, close: bool) -> bytes:
    """Status line and headers, with those that every answer has.

    Content-Length is added unless the response brings one or is chunked. Raises `BadHeader`.
    """
    status = response.status
    lines = [_STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n", _clock.date()]
    if request_id:
        lines.append(f"x-amzn-RequestId: {request_id}\r\n")
    lines += [f"{name}: {value}\r\n" for name, value in response.headers]
    if isinstance(response.body, bytes) and status not in _BODILESS and content_length(response) is None:
        lines.append(f"Content-Length: {len(response.body)}\r\n")
    if chunked:
        lines.append("Transfer-Encoding: chunked\r\n")
    lines.append("Connection: close\r\n\r\n" if close else "Connection: keep-alive\r\n\r\n")
    text = "".join(lines)
    if text.count("\n") != len(lines) + 1 or text.count("\r") != len(lines) + 1:
        raise BadHeader("a header holds a line break")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise BadHeader("a header holds characters beyond latin-1") from None


def content_length(response: Response) -> int | None:
    """The Content-Length that the response brings."""
    for name, value in response.headers:
        if len(name) == 14 and name.lower() == "content-length":
            return int(value)
    return None


def is_bodiless(status: int) -> bool:
    return status in _BODILESS


def chunk(data: bytes) -> list[bytes]:
    return [f"{len(data):x}\r\n".encode(), data, b"\r\n"]


def plain(status: int, text: str) -> Response:
    """A short answer of the server's own, before any face is known."""
    return Response(status, [("Content-Type", "text/plain")], f"{text}\n".encode())
