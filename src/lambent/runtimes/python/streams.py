"""Answers that come in pieces: what generators yield, gathered, or sent on as it comes."""

from __future__ import annotations

import json
from types import AsyncGeneratorType, GeneratorType
from typing import Any, AsyncGenerator, Callable, Generator, Union

from .errors import Fault
from .marshal import ANSWER_BYTES, TOO_LARGE

STREAM_BYTES = 200 * 1024 * 1024  # AWS's limit
PIECE_BYTES = 256 * 1024  # what is yielded at once is sent in no larger parts

BYTES = "application/octet-stream"
# Begins with the status and the headers of an HTTP response, as JSON, and eight zero bytes.
HTTP_RESPONSE = "application/vnd.awslambda.http-integration-response"
_HEAD_END = bytes(8)

KINDS = (GeneratorType, AsyncGeneratorType)
Stream = Union[Generator[Any, None, Any], AsyncGenerator[Any, None]]


def join(stream: Stream) -> bytes:
    """All of a stream, or so much that it is too large: it may have no end. Raises `Fault`."""
    whole = bytearray()
    pieces = _steps(stream)
    for piece in pieces:
        whole += _encoded(piece, first=not whole)
        if len(whole) > ANSWER_BYTES:
            pieces.close()
    return bytes(whole)


def send(stream: Stream, emit: Callable[[str, bytes], None]) -> None:
    """Give a stream piece by piece to `emit`, with its content type. Raises `Fault`."""
    content_type, sent = "", 0
    pieces = _steps(stream)
    for piece in pieces:
        data = _encoded(piece, first=not content_type)
        content_type = content_type or (HTTP_RESPONSE if isinstance(piece, dict) else BYTES)
        sent += len(data)
        if sent > STREAM_BYTES:
            pieces.close()
            message = "Response payload size exceeded maximum allowed payload size ({} bytes)."
            raise Fault(TOO_LARGE["errorType"], message.format(STREAM_BYTES))
        for start in range(0, len(data), PIECE_BYTES):
            emit(content_type, data[start : start + PIECE_BYTES])


def _steps(stream: Stream) -> Generator[Any, None, None]:
    if isinstance(stream, GeneratorType):
        yield from stream
        return
    import asyncio  # most functions do without it

    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        following: Any = stream
        while True:
            try:
                piece = loop.run_until_complete(following.__anext__())
            except StopAsyncIteration:
                return
            yield piece
    finally:
        loop.run_until_complete(following.aclose())
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


def _encoded(piece: Any, *, first: bool) -> bytes:
    """A piece as bytes; a dictionary may come first and is the head of an HTTP response."""
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return bytes(piece)
    if isinstance(piece, dict) and first:
        return json.dumps(piece).encode() + _HEAD_END
    kind = type(piece).__name__
    raise Fault("Runtime.MarshalError", "A generator must yield bytes or str, not {}".format(kind))
