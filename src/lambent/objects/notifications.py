"""Notification rules: what they are, which writes they want, and which of them a bucket may have."""

import itertools
from dataclasses import dataclass

from lambent.objects.errors import S3Error, invalid_argument

# Events that this version sends. The rest of S3's list is refused: a rule that never fires is a trap.
EVENTS = (
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
)
RULES_PER_BUCKET = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `prefix` and `suffix` are None where the document has no such filter."""

    id: str
    destination: str  # ARN of a queue, or of a function, maybe with a version or an alias
    events: tuple[str, ...]  # as configured: s3:ObjectCreated:*
    prefix: str | None = None
    suffix: str | None = None

    @property
    def to_queue(self) -> bool:
        return self.destination.split(":")[2:3] == ["sqs"]

    def wants(self, event: str, key: str) -> bool:
        """Whether a write of this kind (`ObjectCreated:Put`) to this key is to be told."""
        return (
            any(_covers(configured, f"s3:{event}") for configured in self.events)
            and key.startswith(self.prefix or "")
            and key.endswith(self.suffix or "")
        )


def _covers(configured: str, event: str) -> bool:
    return configured == event or (configured.endswith("*") and event.startswith(configured[:-1]))


def check_events(events: tuple[str, ...]) -> None:
    for event in events:
        if event not in EVENTS:
            raise invalid_argument("The event is not supported for notifications", "Event", event)


def check_together(rules: tuple[Rule, ...]) -> None:
    """Rules of one bucket may not want the same write. Raises S3's errors."""
    if len(rules) > RULES_PER_BUCKET:
        raise S3Error(
            "TooManyConfigurations",
            f"You are attempting to create {len(rules)} configurations. The limit is {RULES_PER_BUCKET}.",
        )
    if len({rule.id for rule in rules}) < len(rules):
        raise S3Error("InvalidArgument", "Same ID used for multiple configurations. ID must be unique")
    for one, other in itertools.combinations(rules, 2):
        if _share_an_event(one, other) and _share_a_key(one, other):
            raise S3Error("InvalidArgument", _overlap(one, other))


def _share_an_event(one: Rule, other: Rule) -> bool:
    return any(_covers(a, b) or _covers(b, a) for a in one.events for b in other.events)


def _share_a_key(one: Rule, other: Rule) -> bool:
    starts = sorted((one.prefix or "", other.prefix or ""), key=len)
    ends = sorted((one.suffix or "", other.suffix or ""), key=len)
    return starts[1].startswith(starts[0]) and ends[1].endswith(ends[0])


def _overlap(one: Rule, other: Rule) -> str:
    if any((one.prefix, one.suffix, other.prefix, other.suffix)):
        return (
            "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the "
            "prefixes are overlapping for the same event type."
        )
    return "Configurations overlap. Configurations on the same bucket cannot share a common event type."
