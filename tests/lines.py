"""A log as tests read it: the lines of what transcripts write, quiet runs included."""

from collections.abc import Callable

from lambent.invoke.transcript import Events
from lambent.model.invocation import Run
from lambent.records.report import quiet_run


def lines_of(events: Events | Run) -> Events:
    return quiet_run(events) if isinstance(events, Run) else events


def into(log: list[str]) -> Callable[[Events | Run], None]:
    """What a transcript writes with, so that its messages end up in `log`."""
    return lambda events: log.extend(message for _, message in lines_of(events))
