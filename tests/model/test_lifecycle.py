"""The state machine of a version: every step from every state."""

from dataclasses import replace

import pytest

from lambent.model.errors import Conflict
from lambent.model.function import CREATING, Code, Reason, State, UpdateStatus, Version
from lambent.model.lifecycle import (
    BROKEN,
    CREATED,
    READY,
    STALE,
    TRANSITIONS,
    UPDATING,
    Standing,
    Step,
    advance,
    check_invocable,
    in_transit,
    standing,
)
from lambent.model.names import FunctionKey

NEW = Version(
    key=FunctionKey("000000000000", "us-east-1", "f"),
    code=Code("d", 1, "s"),
    runtime="python3.11",
    handler="h.f",
    role="arn:aws:iam::000000000000:role/r",
    revision_id="first",
)
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
STANDINGS = [CREATED, READY, UPDATING, STALE, BROKEN]


def at(where: Standing) -> Version:
    return replace(NEW, state=where[0], update_status=where[1])


def test_a_new_version_becomes_active_and_loses_its_reasons() -> None:
    ready = advance(NEW, Step.COMPLETE)
    assert (ready.state, ready.update_status) == (State.ACTIVE, UpdateStatus.SUCCESSFUL)
    assert (ready.state_reason, ready.update_reason) == (None, None)
    assert ready.revision_id not in ("", "first")


def test_an_update_stays_active_and_says_why_with_the_words_of_a_creation() -> None:
    updating = advance(at(READY), Step.UPDATE)
    assert (updating.state, updating.update_status) == (State.ACTIVE, UpdateStatus.IN_PROGRESS)
    assert (updating.state_reason, updating.update_reason) == (None, CREATING)


def test_a_failure_tells_its_reason_and_only_a_new_version_becomes_unusable() -> None:
    reason = Reason("The disk is gone.", "InternalError")
    stale = advance(at(UPDATING), Step.FAIL, reason)
    assert (stale.state, stale.state_reason, stale.update_reason) == (State.ACTIVE, None, reason)
    broken = advance(NEW, Step.FAIL, reason)
    assert (broken.state, broken.state_reason, broken.update_reason) == (State.FAILED, reason, reason)
    assert standing(advance(broken, Step.UPDATE)) == CREATED


def test_a_published_version_keeps_its_revision() -> None:
    published = replace(NEW, version="1")
    assert advance(published, Step.COMPLETE).revision_id == "first"


@pytest.mark.parametrize("where", STANDINGS)
@pytest.mark.parametrize("step", Step)
def test_what_the_table_does_not_name_is_refused(where: Standing, step: Step) -> None:
    if (where, step) in TRANSITIONS:
        assert standing(advance(at(where), step)) == TRANSITIONS[where, step]
    else:
        with pytest.raises(Conflict, match="The operation cannot be performed at this time"):
            advance(at(where), step)


def test_every_state_that_is_passed_through_has_a_way_out() -> None:
    for where in STANDINGS:
        ends = (where, Step.COMPLETE) in TRANSITIONS and (where, Step.FAIL) in TRANSITIONS
        assert in_transit(at(where)) is ends


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (UPDATING, f"An update is in progress for resource: {ARN}"),
        (CREATED, "The function is currently in the following state: Pending"),
    ],
)
def test_a_second_update_hears_what_stands_in_its_way(where: Standing, words: str) -> None:
    with pytest.raises(Conflict) as caught:
        advance(at(where), Step.UPDATE)
    assert caught.value.message == f"The operation cannot be performed at this time. {words}"


def test_only_an_active_version_runs_and_one_that_is_updated_is_active() -> None:
    for where in (READY, UPDATING, STALE):
        check_invocable(at(where))
    for where in (CREATED, BROKEN):
        with pytest.raises(Conflict):
            check_invocable(at(where))
