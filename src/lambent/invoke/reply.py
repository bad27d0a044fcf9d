"""What a process gave to a question, in the invocation's terms."""

from typing import NamedTuple

import orjson

from lambent.invoke.frames import Frame
from lambent.model.errors import InitFailed
from lambent.records import report
from lambent.sandbox.base import Exit

ERROR_TYPE_CHARACTERS = 256


class Reply(NamedTuple):
    """What a process gave to a question, in the invocation's terms."""

    payload: bytes
    error_type: str | None = None
    status: str = (
        ""  # as in REPORT: timeout or error when the platform ended the run, which costs the process
    )
    lines: tuple[str, ...] = ()  # what the platform says about it in the log


def error_body(error_type: str, message: str) -> bytes:
    return orjson.dumps({"errorType": error_type, "errorMessage": message})


def error(frame: Frame, status: str) -> Reply:
    """An error as the runtime describes it."""
    try:
        described = orjson.loads(frame.payload)
        error_type = _word(str(described["errorType"]))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return broken("")
    return Reply(frame.payload, error_type, status)


def init_failed(reply: Reply) -> InitFailed:
    """Why a version has no template, with AWS's code."""
    if reply.status == "timeout":
        return InitFailed("The function's init took longer than it may.", "FunctionError.InitTimeout")
    told = orjson.loads(reply.payload)
    text = f"{told['errorType']}: {told.get('errorMessage', '')}"
    return InitFailed(f"The function's init failed: {text}", "FunctionError.RuntimeInitError")


def _word(text: str) -> str:
    """An error's type goes into lines of the log and into the meter, and the process may be hostile."""
    return "".join(character for character in text[:ERROR_TYPE_CHARACTERS] if character.isprintable())


def exited(ended: Exit, request_id: str) -> Reply:
    signal = 9 if ended.out_of_memory else ended.signal
    message = report.exit_message(request_id, ended.status, signal)
    line = report.exit_line(request_id, ended.status, signal)
    return Reply(error_body("Runtime.ExitError", message), "Runtime.ExitError", "error", (line,))


def broken(request_id: str) -> Reply:
    """The process spoke out of turn; it is stopped like one that crashed."""
    return exited(Exit(None, 9), request_id)
