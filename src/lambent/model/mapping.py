"""An event source mapping: what is polled, for which function, and how far its own changes have come."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from lambent.model.names import Target


class State(StrEnum):
    CREATING = "Creating"
    ENABLING = "Enabling"
    ENABLED = "Enabled"
    UPDATING = "Updating"
    DISABLING = "Disabling"
    DISABLED = "Disabled"
    DELETING = "Deleting"


SETTLED = frozenset({State.ENABLED, State.DISABLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSourceMapping:
    """One mapping. `kept` is what sources have beyond the settings of all."""

    uuid: str
    account: str
    region: str
    source: str  # sqs, sqs-fifo, kinesis, dynamodb, msk, kafka, mq, documentdb
    source_arn: str  # "" for brokers that only have addresses
    target: Target
    enabled: bool = True  # what its owner wants
    polled: bool = True  # whether this platform has a poller for such a source
    state: State = State.CREATING
    batch_size: int = 10
    window_s: int = 0
    filters: tuple[str, ...] = ()  # event patterns, JSON text
    reports_failures: bool = False
    max_concurrency: int | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    modified_at: float = 0.0

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:event-source-mapping:{self.uuid}"

    @property
    def is_settled(self) -> bool:
        return self.state in SETTLED

    @property
    def runs(self) -> bool:
        return self.state is State.ENABLED

    def settled(self) -> "EventSourceMapping":
        """As it is once the change that is under way is complete."""
        wanted = self.enabled and self.polled
        return replace(self, state=State.ENABLED if wanted else State.DISABLED)


def changing(before: EventSourceMapping, after: EventSourceMapping) -> State:
    """The state of an update on its way."""
    if before.enabled == after.enabled:
        return State.UPDATING
    return State.ENABLING if after.enabled else State.DISABLING
