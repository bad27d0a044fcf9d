"""An invocation and its outcome."""

from collections.abc import Callable
from typing import NamedTuple

from lambent.model.names import Target

TIMED_OUT = "Sandbox.Timedout"

Hear = Callable[[list[tuple[int, str]]], None]  # (milliseconds since the epoch, line)


class Invocation(NamedTuple):  # made for every call: a frozen dataclass takes three times as long
    """One call of a function. `request_id` stays the same over the attempts of an asynchronous call."""

    request_id: str
    target: Target
    payload: bytes  # JSON text
    source: str = "api"  # api, async, s3
    attempt: int = 1
    client_context: str | None = None  # JSON text
    tenant: str | None = None
    trace_id: str = ""
    wants_tail: bool = False  # whether its caller reads the log's end
    accepted_at: float = 0.0  # seconds since the epoch
    hear: Hear | None = None  # gets what the process prints, besides the log


class Run(NamedTuple):
    """What a run took: what its lines in the log say and its row in the meter."""

    request_id: str
    version: str  # the version that ran
    started_at: float  # seconds since the epoch
    ended_at: float
    duration_ms: float
    billed_ms: int
    memory_mb: int
    memory_peak_mb: int
    init_ms: float | None = None  # set on a cold start only
    status: str = ""  # as in REPORT: timeout or error when the platform ended the run
    error_type: str | None = None  # such as Sandbox.Timedout or ValueError
    restore_ms: float | None = None  # in place of init_ms where it began with a snapshot


NO_RUN = Run("", "", 0.0, 0.0, 0.0, 0, 0, 0)


class Outcome(NamedTuple):
    """What a run gave: the handler's answer or its error, which is an outcome too and no exception."""

    payload: bytes
    version: str
    function_error: str | None = None  # None, or AWS's word: Unhandled
    log_tail: bytes = b""  # last 4 KiB of this invocation's log, when it asked for it
    run: Run = NO_RUN

    @property
    def ok(self) -> bool:
        return self.function_error is None


class TooLong(Exception):
    """A streamed answer over its limit."""
