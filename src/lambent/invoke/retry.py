"""What becomes of an asynchronous invocation after a run: ended, or once more."""

import logging
import time
from dataclasses import dataclass
from enum import StrEnum

from lambent.model.errors import NotFound, PlatformError, RecursiveInvocation, Throttled
from lambent.model.event_invoke import Terms
from lambent.model.invocation import Invocation, Outcome
from lambent.model.limits import ASYNC_RETRY_DELAYS_S

log = logging.getLogger(__name__)

REFUSAL_DELAY_MAX_S = 300.0


class End(StrEnum):
    """How an invocation ended: AWS's conditions in what a destination gets."""

    SUCCESS = "Success"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"
    ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"
    RECURSION = "RecursiveInvocation"
    FUNCTION_GONE = "FunctionGone"  # nobody is told: what it wanted has gone with it


@dataclass(frozen=True, slots=True)
class Done:
    """It ended, well or for good, after so many runs."""

    end: End
    runs: int


@dataclass(frozen=True, slots=True)
class Again:
    """It runs once more after `delay_s`, as this attempt."""

    delay_s: float
    attempt: int


Verdict = Done | Again


def verdict_of_outcome(invocation: Invocation, outcome: Outcome, terms: Terms) -> Verdict:
    """A function error is tried again after one minute, then after two, as AWS does."""
    if outcome.ok:
        return Done(End.SUCCESS, invocation.attempt)
    if invocation.attempt > terms.retries:
        return _give_up(invocation, End.RETRIES_EXHAUSTED, invocation.attempt)
    delay_s = ASYNC_RETRY_DELAYS_S[invocation.attempt - 1]
    if time.time() + delay_s > invocation.accepted_at + terms.age_s:
        return _give_up(invocation, End.EVENT_AGE_EXCEEDED, invocation.attempt)
    return Again(delay_s, invocation.attempt + 1)


def verdict_of_error(invocation: Invocation, error: PlatformError, refusals: int, terms: Terms) -> Verdict:
    """Throttles and the platform's own troubles back off until the event is too old; they are no attempts."""
    runs = invocation.attempt - 1
    if isinstance(error, NotFound):
        return _give_up(invocation, End.FUNCTION_GONE, runs)
    if isinstance(error, RecursiveInvocation):
        return _give_up(invocation, End.RECURSION, runs)
    if isinstance(error, Throttled) and error.for_ever:
        return _give_up(invocation, End.ZERO_RESERVED_CONCURRENCY, runs)
    delay_s = min(2.0 ** min(refusals - 1, 10), REFUSAL_DELAY_MAX_S)
    if time.time() + delay_s > invocation.accepted_at + terms.age_s:
        return _give_up(invocation, End.EVENT_AGE_EXCEEDED, runs)
    return Again(delay_s, invocation.attempt)


def _give_up(invocation: Invocation, end: End, runs: int) -> Done:
    log.warning(
        "invocation %s of %s is given up: %s after %d runs",
        invocation.request_id,
        invocation.target.arn,
        end,
        runs,
    )
    return Done(end, runs)
