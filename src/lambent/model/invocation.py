"""An invocation and its outcome."""

from typing import NamedTuple

from lambent.model.names import Target


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


class Outcome(NamedTuple):
    """What a run gave: the handler's answer or its error, which is an outcome too and no exception."""

    payload: bytes
    version: str  # the version that ran
    function_error: str | None = None  # None, or AWS's word: Unhandled
    error_type: str | None = None  # such as Sandbox.Timedout
    log_tail: bytes = b""  # last 4 KiB of this invocation's log, when it asked for it
    started_at: float = 0.0  # seconds since the epoch
    duration_ms: float = 0.0
    billed_ms: int = 0
    init_ms: float | None = None  # set on a cold start only
    memory_peak_mb: int = 0

    @property
    def ok(self) -> bool:
        return self.function_error is None
