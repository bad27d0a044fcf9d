"""What a function wants done with its asynchronous invocations."""

from dataclasses import dataclass

from lambent.model.limits import ASYNC_AGE_S, ASYNC_RETRIES
from lambent.model.names import LATEST, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class EventInvokeConfig:
    """A function's own wishes, for one of its qualifiers; None where it has none. Destinations are ARNs."""

    target: Target
    retries: int | None = None
    age_s: int | None = None
    on_success: str = ""
    on_failure: str = ""
    modified_at: float = 0.0

    @property
    def arn(self) -> str:
        return f"{self.target.key.arn}:{self.target.qualifier or LATEST}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for an invocation: the function's wishes over the defaults."""

    retries: int = ASYNC_RETRIES
    age_s: float = ASYNC_AGE_S
    on_success: str = ""
    on_failure: str = ""
    dead_letter: str = ""
    may_loop: bool = False  # RecursiveLoop: Allow
