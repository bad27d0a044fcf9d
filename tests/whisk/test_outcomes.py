"""What a run's end means in OpenWhisk's words."""

import pytest

from lambent.model.invocation import NO_RUN, TIMED_OUT, Outcome
from lambent.whisk.activation import Status
from lambent.whisk.entities import Action, Limits
from lambent.whisk.names import Name
from lambent.whisk.outcomes import response_of

ACTION = Action(name=Name("guest", "hello"), kind="python:3.11", limits=Limits(timeout_ms=500))
ERROR = b'{"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 0.50 seconds"}'


@pytest.mark.parametrize(
    ("init_ms", "text"),
    [
        (None, "The action exceeded its time limits of 500 milliseconds."),
        (30.0, "The action exceeded its time limits of 500 milliseconds."),
        (10_000.2, "The action exceeded its time limits of 500 milliseconds during initialization."),
    ],
)
def test_a_timeout_says_what_took_so_long(init_ms: float | None, text: str) -> None:
    run = NO_RUN._replace(init_ms=init_ms, status="timeout", error_type=TIMED_OUT)
    response = response_of(ACTION, Outcome(ERROR, "0.0.1", "Unhandled", b"", run))
    assert (response.status, response.document()["success"]) == (Status.DEVELOPER_ERROR, False)
    assert text in response.result.decode()
