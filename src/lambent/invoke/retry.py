"""What becomes of an asynchronous invocation after a run: done, once more, or given up."""

import logging
import time
from dataclasses import dataclass

from lambent.model.errors import NotFound, PlatformError
from lambent.model.invocation import Invocation, Outcome
from lambent.model.limits import ASYNC_AGE_S, ASYNC_RETRIES, ASYNC_RETRY_DELAYS_S

log = logging.getLogger(__name__)

REFUSAL_DELAY_MAX_S = 300.0


@dataclass(frozen=True, slots=True)
class Done:
    """It ended, well or for good."""


@dataclass(frozen=True, slots=True)
class Again:
    """It runs once more after `delay_s`, as this attempt."""

    delay_s: float
    attempt: int


Verdict = Done | Again


def verdict_of_outcome(invocation: Invocation, outcome: Outcome) -> Verdict:
    """A function error is tried again after one minute, then after two, as AWS does."""
    if outcome.ok:
        return Done()
    if invocation.attempt > ASYNC_RETRIES:
        log.warning("%s: given up after %d attempts", _name(invocation), invocation.attempt)
        return Done()
    return Again(ASYNC_RETRY_DELAYS_S[invocation.attempt - 1], invocation.attempt + 1)


def verdict_of_error(invocation: Invocation, error: PlatformError, refusals: int) -> Verdict:
    """Throttles and the platform's own troubles back off until the event is too old; they are no attempts."""
    if isinstance(error, NotFound):
        log.warning("%s: dropped, the function is gone", _name(invocation))
        return Done()
    if time.time() - invocation.accepted_at > ASYNC_AGE_S:
        log.warning("%s: dropped after %d s: %s", _name(invocation), ASYNC_AGE_S, error.message)
        return Done()
    return Again(min(2.0 ** (refusals - 1), REFUSAL_DELAY_MAX_S), invocation.attempt)


def _name(invocation: Invocation) -> str:
    return f"invocation {invocation.request_id} of {invocation.target.arn}"
