"""The sources of event source mappings: what each takes and defaults to, and what AWS says to the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lambent.faces.errors import ServiceError
from lambent.model.errors import InvalidParameter
from lambent.model.mapping import EventSourceMapping

Members = dict[str, Any]

UNRECOGNIZED = "Unrecognized event source."
NO_POLLER = "Lambent has no poller for {source}: the configuration is kept, no records are read."
POSITIONS = "[LATEST, AT_TIMESTAMP, TRIM_HORIZON]"
WINDOWLESS_BATCH = 10
BOOTSTRAP = "KAFKA_BOOTSTRAP_SERVERS"
# The blanks within the quotes are AWS's.
_DUPLICATE_QUEUE = (
    'An event source mapping with SQS arn (" {source} ") and function (" {function} ") already exists.'
)
_DUPLICATE_STREAM = (
    'The event source arn (" {source} ") and function (" {function} ") provided mapping already exists.'
)
_DUPLICATE_TOPICS = (
    'An event source mapping with event source ("{source}"), function ("{function}"), topics ("{topics}") '
    "already exists."
)
UNSUPPORTED = "Unsupported {name} parameter for given event source mapping type."
RECORD_AGE_S = 60  # the least, unless it is -1: for ever

_ALL = frozenset(
    {
        "FunctionName",
        "EventSourceArn",
        "Enabled",
        "BatchSize",
        "FilterCriteria",
        "KMSKeyArn",
        "MetricsConfig",
        "MaximumBatchingWindowInSeconds",
        "Tags",
        "UUID",
    }
)
_STREAM = frozenset(
    {
        "BisectBatchOnFunctionError",
        "DestinationConfig",
        "FunctionResponseTypes",
        "MaximumRecordAgeInSeconds",
        "MaximumRetryAttempts",
        "StartingPosition",
        "StartingPositionTimestamp",
    }
)
_SHARDS = _STREAM | {"ParallelizationFactor", "TumblingWindowInSeconds"}
_KAFKA = _STREAM | {"LoggingConfig", "ProvisionedPollerConfig", "SourceAccessConfigurations", "Topics"}
_STREAM_DEFAULTS: Mapping[str, Any] = {
    "BisectBatchOnFunctionError": False,
    "DestinationConfig": {"OnFailure": {}},
    "FunctionResponseTypes": [],
    "LastProcessingResult": "No records processed",
    "MaximumRecordAgeInSeconds": -1,
    "MaximumRetryAttempts": -1,
    "ParallelizationFactor": 1,
    "TumblingWindowInSeconds": 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One kind of source. `takes` are the members beyond those of all."""

    name: str
    takes: frozenset[str]
    batch_size: int = 100
    most: int = 10_000
    needs: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    window: bool = True
    reason: str = "USER_INITIATED"


SOURCES = {
    source.name: source
    for source in (
        Source(
            name="sqs",
            takes=frozenset({"FunctionResponseTypes", "ScalingConfig", "ProvisionedPollerConfig"}),
            batch_size=10,
            defaults={"FunctionResponseTypes": []},
        ),
        Source(
            name="sqs-fifo",
            takes=frozenset({"FunctionResponseTypes", "ScalingConfig"}),
            batch_size=10,
            most=10,
            defaults={"FunctionResponseTypes": []},
            window=False,
        ),
        Source(
            name="kinesis",
            takes=_SHARDS,
            needs=("StartingPosition",),
            defaults=_STREAM_DEFAULTS,
            reason="User action",
        ),
        Source(
            name="dynamodb",
            takes=_SHARDS,
            needs=("StartingPosition",),
            defaults=_STREAM_DEFAULTS,
            reason="User action",
        ),
        Source(
            name="msk",
            takes=_KAFKA | {"AmazonManagedKafkaEventSourceConfig"},
            needs=("Topics",),
            defaults={"LastProcessingResult": "No records processed"},
        ),
        Source(
            name="kafka",
            takes=_KAFKA | {"SelfManagedEventSource", "SelfManagedKafkaEventSourceConfig"},
            needs=("SourceAccessConfigurations", "Topics"),
            defaults={"LastProcessingResult": "No records processed"},
        ),
        Source(
            name="mq",
            takes=frozenset({"Queues", "SourceAccessConfigurations"}),
            needs=("Queues", "SourceAccessConfigurations"),
            defaults={"LastProcessingResult": "No records processed"},
        ),
        Source(
            name="documentdb",
            takes=frozenset(
                {
                    "DocumentDBEventSourceConfig",
                    "SourceAccessConfigurations",
                    "StartingPosition",
                    "StartingPositionTimestamp",
                }
            ),
            needs=("DocumentDBEventSourceConfig", "SourceAccessConfigurations"),
            defaults={"LastProcessingResult": "No records processed"},
        ),
    )
}
_BY_SERVICE = {"kinesis": "kinesis", "dynamodb": "dynamodb", "kafka": "msk", "mq": "mq", "rds": "documentdb"}


def source_of(given: Members) -> Source:
    """The kind of source that is meant. Raises `InvalidParameter`."""
    if "SelfManagedEventSource" in given:
        return SOURCES["kafka"]
    parts = given.get("EventSourceArn", "").split(":")
    if len(parts) < 6:
        raise InvalidParameter(UNRECOGNIZED)
    if parts[2] == "sqs":
        return SOURCES["sqs-fifo" if parts[5].endswith(".fifo") else "sqs"]
    if parts[2] not in _BY_SERVICE:
        raise InvalidParameter(UNRECOGNIZED)
    return SOURCES[_BY_SERVICE[parts[2]]]


def check(source: Source, given: Members) -> None:
    """Raises for the first member that this source does not take, lacks, or takes no such value of."""
    destinations = given.get("DestinationConfig", {})
    foreign = [name for name, value in given.items() if value and name not in _ALL | source.takes]
    if foreign or destinations.get("OnSuccess"):
        name = foreign[0] if foreign else "DestinationConfig"
        raise InvalidParameter(UNSUPPORTED.format(name=name))
    for name in source.needs:
        if not given.get(name):
            _refuse_missing(name)
    _check_position(source, given)
    size = given.get("BatchSize", source.batch_size)
    window_s = given.get("MaximumBatchingWindowInSeconds", 0)
    if size > source.most:
        raise InvalidParameter(f"Batch size must be between 1 and {source.most}, not {size}.")
    if window_s and not source.window:
        raise InvalidParameter(UNSUPPORTED.format(name="MaximumBatchingWindowInSeconds"))
    if source.name == "sqs" and size > WINDOWLESS_BATCH and not window_s:
        raise InvalidParameter(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
        )
    if -1 < given.get("MaximumRecordAgeInSeconds", -1) < RECORD_AGE_S:
        raise InvalidParameter(f"MaximumRecordAgeInSeconds must be -1 or at least {RECORD_AGE_S}.")


def _refuse_missing(name: str) -> None:
    member = name[0].lower() + name[1:]
    if name == "StartingPosition":
        raise InvalidParameter(
            f"1 validation error detected: Value null at '{member}' failed to satisfy constraint: "
            "Member must not be null."
        )
    raise InvalidParameter(f"Required '{member}' parameter is missing.")


def _check_position(source: Source, given: Members) -> None:
    position = given.get("StartingPosition")
    if position == "AT_TIMESTAMP" and source.name == "dynamodb":
        raise InvalidParameter(f"Unsupported starting position for arn type: {given.get('EventSourceArn')}")
    if position == "AT_TIMESTAMP" and "StartingPositionTimestamp" not in given:
        raise InvalidParameter("Timestamp must be specified when starting position is AT_TIMESTAMP.")


def brokers(kept: Mapping[str, Any]) -> list[str]:
    """The addresses of a cluster that has no ARN."""
    addresses: list[str] = kept.get("SelfManagedEventSource", {}).get("Endpoints", {}).get(BOOTSTRAP, [])
    return addresses


def duplicate(old: EventSourceMapping) -> ServiceError:
    """AWS's words for a second mapping of the same source to the same function."""
    key, qualifier = old.target
    source, function, topics = old.source_arn, old.target.arn, ""
    if old.source in ("kafka", "msk"):
        told, topics = _DUPLICATE_TOPICS, ",".join(old.kept.get("Topics", []))
        source = source or ",".join(brokers(old.kept))
    else:
        told = _DUPLICATE_QUEUE if old.source.startswith("sqs") else _DUPLICATE_STREAM
        function = f"{key.name}:{qualifier}" if qualifier else key.name
    text = told.format(source=source, function=function, topics=topics)
    text += f" Please update or delete the existing mapping with UUID {old.uuid}"
    return ServiceError("ResourceConflictException", text, 409)
