"""The life of a function's version: which step leads from which state to which."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from lambent.model.errors import Conflict, SnapStartNotReady
from lambent.model.function import CREATING, Reason, State, UpdateStatus, Version
from lambent.model.names import LATEST


class Step(StrEnum):
    UPDATE = "update"  # a caller asks for new code or configuration
    PUBLISH = "publish"  # a caller asks for a numbered copy
    COMPLETE = "complete"  # what was asked for is in place
    FAIL = "fail"  # it could not be put in place


Standing = tuple[State, UpdateStatus | None]

CREATED: Standing = (State.PENDING, None)
READY: Standing = (State.ACTIVE, UpdateStatus.SUCCESSFUL)
UPDATING: Standing = (State.ACTIVE, UpdateStatus.IN_PROGRESS)
STALE: Standing = (State.ACTIVE, UpdateStatus.FAILED)  # the code before the failed update goes on serving
BROKEN: Standing = (State.FAILED, UpdateStatus.FAILED)

TRANSITIONS: Mapping[tuple[Standing, Step], Standing] = {
    (CREATED, Step.COMPLETE): READY,
    (CREATED, Step.FAIL): BROKEN,
    (READY, Step.UPDATE): UPDATING,
    (READY, Step.PUBLISH): READY,
    (UPDATING, Step.COMPLETE): READY,
    (UPDATING, Step.FAIL): STALE,
    (STALE, Step.UPDATE): UPDATING,
    (STALE, Step.PUBLISH): STALE,
    (BROKEN, Step.UPDATE): CREATED,
}


def standing(version: Version) -> Standing:
    return version.state, version.update_status


def in_transit(version: Version) -> bool:
    """Whether a step that was begun has to be ended, now or at the next start."""
    return standing(version) in (CREATED, UPDATING)


def advance(version: Version, step: Step, reason: Reason | None = None) -> Version:
    """The version after `step`. Raises `Conflict` with AWS's words when its state does not allow that.

    Every step of $LATEST gives a new RevisionId; a published version keeps the one it was born with.
    """
    after = TRANSITIONS.get((standing(version), step))
    if after is None:
        raise Conflict(refusal(version))
    state, update_status = after
    return replace(
        version,
        state=state,
        state_reason=CREATING if after == CREATED else reason if after == BROKEN else None,
        update_status=update_status,
        update_reason=CREATING if after == UPDATING else reason if after in (STALE, BROKEN) else None,
        revision_id=new_revision() if version.version == LATEST else version.revision_id,
    )


def refusal(version: Version) -> str:
    if standing(version) == UPDATING:
        return (
            "The operation cannot be performed at this time. "
            f"An update is in progress for resource: {version.key.arn}"
        )
    return (
        "The operation cannot be performed at this time. "
        f"The function is currently in the following state: {version.state}"
    )


def check_invocable(version: Version) -> None:
    """Raises `Conflict` unless the version can run; one that is being updated can."""
    if version.state is State.PENDING and version.snapstart:
        raise SnapStartNotReady(
            "Lambda is initializing your function. You can invoke the function when the function state "
            "becomes Active."
        )
    if version.state is not State.ACTIVE:
        raise Conflict(refusal(version))


def new_revision() -> str:
    return str(uuid.uuid4())
