"""An invocation and its outcome."""

from dataclasses import dataclass, field

from lambent.model.names import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One call of a function. `request_id` stays the same over the attempts of an asynchronous call."""

    request_id: str
    target: Target
    payload: bytes  # JSON text
    source: str = "api"  # api, async, s3
    attempt: int = 1
    client_context: str | None = None  # JSON text
    tenant: str | None = None
    trace_id: str = ""
    accepted_at: float = 0.0  # seconds since the epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run gave: the handler's answer or its error, which is an outcome too and no exception."""

    payload: bytes
    function_error: str | None = None  # None, or AWS's word: Unhandled
    error_type: str | None = None  # such as Sandbox.Timedout
    version: str  # the version that ran
    log_tail: bytes = b""  # last 4 KiB of this invocation's log
    started_at: float = 0.0  # seconds since the epoch
    duration_ms: float = 0.0
    billed_ms: int = 0
    init_ms: float | None = None  # set on a cold start only
    memory_peak_mb: int = 0
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.function_error is None
