"""What went wrong, in the words and the shape of AWS's Python runtime."""

from __future__ import annotations

import os
import traceback
from types import TracebackType
from typing import Any, Dict, Optional, Sequence

# Files below a handler in a trace: the runtime's, and those of the loop that runs asynchronous generators.
_BELOW = (
    os.path.dirname(os.path.abspath(__file__)) + os.sep,
    os.path.join(os.path.dirname(os.__file__), "asyncio", ""),
)

Error = Dict[str, Any]


class Fault(Exception):
    """An error that the runtime finds, with AWS's name for it."""

    def __init__(self, kind: str, message: str, trace: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.trace = list(trace)


def describe(error: BaseException, request_id: str = "") -> Error:
    """The error as the caller gets it."""
    if isinstance(error, Fault):
        return _shape(str(error), error.kind, request_id, error.trace)
    return _shape(_text(error), type(error).__name__, request_id, _trace(error.__traceback__))


def _shape(message: str, kind: str, request_id: str, trace: list[str]) -> Error:
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a handler's own __str__
        return "<{} without a text>".format(type(error).__name__)


def _trace(tb: Optional[TracebackType]) -> list[str]:
    """The frames from the handler's first on, without the marks below the lines that 3.11 added."""
    frames = [(f.filename, f.lineno or 0, f.name, f.line) for f in traceback.extract_tb(tb)]
    while frames and frames[0][0].startswith(_BELOW):
        del frames[0]
    return traceback.format_list(frames)
