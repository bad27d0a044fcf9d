"""Event source mappings as boto3 makes, changes and reads them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.faces.aws_lambda.bench import ACCOUNT, Bench, Client, Refusal, arn

from lambent.model.queue import QueueKey

QUEUE = QueueKey(ACCOUNT, "us-east-1", "q")
STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]


@pytest.fixture
async def client(bench: Bench) -> Client:
    client = bench.client()
    await client.create("f")
    await bench.face.queues.create(QUEUE, {"visibility_timeout_s": 30})
    await bench.face.queues.create(QUEUE._replace(name="q.fifo"), {"fifo": True})
    return client


async def settled(client: Client, uuid: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            mapping: dict[str, Any] = await client.get_event_source_mapping(UUID=uuid)
            if mapping["State"] in ("Enabled", "Disabled"):
                return mapping


async def test_a_queue_is_mapped_with_aws_defaults(client: Client, refused: Refused) -> None:
    made = await client.create_event_source_mapping(FunctionName="f", EventSourceArn=QUEUE.arn)
    assert made.pop("ResponseMetadata")["HTTPStatusCode"] == 202
    uuid = made["UUID"]
    assert made.pop("LastModified")
    assert made == {
        "UUID": uuid,
        "EventSourceMappingArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:event-source-mapping:{uuid}",
        "EventSourceArn": QUEUE.arn,
        "FunctionArn": arn("f"),
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
    }
    assert (await settled(client, uuid))["State"] == "Enabled"
    gone = await client.delete_event_source_mapping(UUID=uuid)
    assert (gone["ResponseMetadata"]["HTTPStatusCode"], gone["State"]) == (202, "Deleting")
    refusal = await refused(gone_at_last(client, uuid))
    assert (refusal.status, refusal.message) == (404, "The resource you requested does not exist.")


async def gone_at_last(client: Client, uuid: str) -> None:
    async with asyncio.timeout(10):
        while True:
            await client.get_event_source_mapping(UUID=uuid)


async def test_everything_can_be_given_and_changed(client: Client) -> None:
    await client.publish_version(FunctionName="f")
    made = await client.create_event_source_mapping(
        FunctionName=arn("f", "1"),
        EventSourceArn=QUEUE.arn,
        Enabled=False,
        BatchSize=50,
        MaximumBatchingWindowInSeconds=5,
        FilterCriteria={"Filters": [{"Pattern": '{"body": {"a": [1]}}'}]},
        ScalingConfig={"MaximumConcurrency": 7},
        FunctionResponseTypes=["ReportBatchItemFailures"],
        MetricsConfig={"Metrics": ["EventCount"]},
        Tags={"k": "v"},
    )
    uuid = made["UUID"]
    assert made["FunctionArn"] == arn("f", "1")
    assert (await settled(client, uuid))["State"] == "Disabled"
    listed = await client.list_tags(Resource=made["EventSourceMappingArn"])
    assert listed["Tags"] == {"k": "v"}
    await client.tag_resource(Resource=made["EventSourceMappingArn"], Tags={"l": "w"})
    await client.untag_resource(Resource=made["EventSourceMappingArn"], TagKeys=["k"])
    assert (await client.list_tags(Resource=made["EventSourceMappingArn"]))["Tags"] == {"l": "w"}
    changed = await client.update_event_source_mapping(
        UUID=uuid, FunctionName="f", Enabled=True, BatchSize=20, FilterCriteria={}, ScalingConfig={}
    )
    assert (changed["State"], changed["BatchSize"], changed["FunctionArn"]) == ("Enabling", 20, arn("f"))
    shown = await settled(client, uuid)
    assert shown["State"] == "Enabled"
    assert {"FilterCriteria", "ScalingConfig"}.isdisjoint(shown)
    assert shown["MaximumBatchingWindowInSeconds"] == 5
    assert shown["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    updating = await client.update_event_source_mapping(UUID=uuid, BatchSize=21)
    assert updating["State"] == "Updating"


async def test_a_stream_is_kept_and_says_that_nobody_polls_it(client: Client) -> None:
    made = await client.create_event_source_mapping(
        FunctionName="f", EventSourceArn=STREAM, StartingPosition="LATEST"
    )
    expected = {
        "BatchSize": 100,
        "BisectBatchOnFunctionError": False,
        "DestinationConfig": {"OnFailure": {}},
        "EventSourceArn": STREAM,
        "FunctionArn": arn("f"),
        "FunctionResponseTypes": [],
        "LastProcessingResult": "No records processed",
        "MaximumBatchingWindowInSeconds": 0,
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "ParallelizationFactor": 1,
        "StartingPosition": "LATEST",
        "State": "Creating",
        "StateTransitionReason": "User action",
        "TumblingWindowInSeconds": 0,
    }
    assert expected.items() <= made.items()
    shown = await settled(client, made["UUID"])
    assert shown["State"] == "Disabled"
    assert "no poller for kinesis" in shown["StateTransitionReason"]


@pytest.mark.parametrize(
    "given",
    [
        {
            "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["kafka:9092"]}},
            "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": "arn:aws:secretsmanager:x"}],
            "Topics": ["topic"],
            "StartingPosition": "TRIM_HORIZON",
        },
        {
            "EventSourceArn": "arn:aws:kafka:us-east-1:000000000000:cluster/c/1",
            "Topics": ["topic"],
            "StartingPosition": "AT_TIMESTAMP",
            "StartingPositionTimestamp": 1_700_000_000,
        },
        {
            "EventSourceArn": "arn:aws:mq:us-east-1:000000000000:broker:b:1",
            "Queues": ["q"],
            "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": "arn:aws:secretsmanager:x"}],
        },
        {
            "EventSourceArn": "arn:aws:rds:us-east-1:000000000000:cluster:c",
            "DocumentDBEventSourceConfig": {"DatabaseName": "d"},
            "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": "arn:aws:secretsmanager:x"}],
            "StartingPosition": "LATEST",
        },
        {
            "EventSourceArn": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2025-01-01",
            "StartingPosition": "LATEST",
        },
    ],
    ids=["kafka", "msk", "mq", "documentdb", "dynamodb"],
)
async def test_every_source_is_kept_whole(client: Client, given: dict[str, Any]) -> None:
    made = await client.create_event_source_mapping(FunctionName="f", **given)
    shown = await settled(client, made["UUID"])
    kept = {name: value for name, value in given.items() if name != "StartingPositionTimestamp"}
    assert kept.items() <= shown.items()
    assert ("StartingPositionTimestamp" in given) == ("StartingPositionTimestamp" in shown)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"EventSourceArn": None}, "Unrecognized event source."),
        ({"EventSourceArn": "arn:aws:sns:us-east-1:000000000000:t"}, "Unrecognized event source."),
        ({"FunctionName": "none"}, "Function does not exist"),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}, "Invalid filter pattern definition."),
        (
            {"BatchSize": 11},
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ),
        (
            {"StartingPosition": "LATEST"},
            "Unsupported StartingPosition parameter for given event source mapping type.",
        ),
        (
            {"DestinationConfig": {"OnSuccess": {"Destination": STREAM}}},
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ),
        (
            {"EventSourceArn": f"{QUEUE.arn}.fifo", "MaximumBatchingWindowInSeconds": 1},
            "Unsupported MaximumBatchingWindowInSeconds parameter for given event source mapping type.",
        ),
        (
            {"EventSourceArn": f"{QUEUE.arn}-not-there"},
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
            "SQS Error Message: The specified queue does not exist.",
        ),
        (
            {"EventSourceArn": STREAM},
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: "
            "Member must not be null.",
        ),
    ],
)
async def test_what_cannot_be_is_refused(
    client: Client, refused: Refused, given: dict[str, Any], message: str
) -> None:
    asked = {"FunctionName": "f", "EventSourceArn": QUEUE.arn, **given}
    asked = {name: value for name, value in asked.items() if value is not None}
    refusal = await refused(client.create_event_source_mapping(**asked))
    assert (refusal.code, refusal.message) == ("InvalidParameterValueException", message)
    assert (await client.list_event_source_mappings())["EventSourceMappings"] == []


async def test_a_queue_must_wait_as_long_as_its_function(client: Client, refused: Refused) -> None:
    await client.create("slow", Timeout=60)
    refusal = await refused(client.create_event_source_mapping(FunctionName="slow", EventSourceArn=QUEUE.arn))
    assert "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds" in refusal.message


async def test_one_source_is_mapped_to_one_function_once(client: Client, refused: Refused) -> None:
    made = await client.create_event_source_mapping(FunctionName="f", EventSourceArn=QUEUE.arn)
    refusal = await refused(client.create_event_source_mapping(FunctionName="f", EventSourceArn=QUEUE.arn))
    assert (refusal.status, refusal.message) == (
        409,
        f'An event source mapping with SQS arn (" {QUEUE.arn} ") and function (" f ") already exists. '
        f"Please update or delete the existing mapping with UUID {made['UUID']}",
    )


async def test_a_cluster_without_an_arn_is_mapped_once_for_its_topics(
    client: Client, refused: Refused
) -> None:
    given = {
        "FunctionName": "f",
        "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["kafka:1000", "kafka:1001"]}},
        "SourceAccessConfigurations": [{"Type": "VPC_SUBNET", "URI": "subnet:s"}],
        "StartingPosition": "LATEST",
    }
    made = await client.create_event_source_mapping(**given, Topics=["first"])
    await client.create_event_source_mapping(**given, Topics=["second"])
    refusal = await refused(client.create_event_source_mapping(**given, Topics=["first"]))
    assert (refusal.status, refusal.message) == (
        409,
        'An event source mapping with event source ("kafka:1000,kafka:1001"), '
        f'function ("{arn("f")}"), topics ("first") already exists. '
        f"Please update or delete the existing mapping with UUID {made['UUID']}",
    )


async def test_lists_come_in_pages_and_by_function_or_source(client: Client) -> None:
    await client.create("g")
    for name in ("f", "g"):
        await client.create_event_source_mapping(FunctionName=name, EventSourceArn=QUEUE.arn)
    first = await client.list_event_source_mappings(MaxItems=1)
    rest = await client.list_event_source_mappings(Marker=first["NextMarker"])
    both = first["EventSourceMappings"] + rest["EventSourceMappings"]
    assert {mapping["FunctionArn"] for mapping in both} == {arn("f"), arn("g")}
    assert "NextMarker" not in rest
    by_function = await client.list_event_source_mappings(FunctionName="g")
    assert [m["FunctionArn"] for m in by_function["EventSourceMappings"]] == [arn("g")]
    assert (await client.list_event_source_mappings(EventSourceArn=STREAM))["EventSourceMappings"] == []


async def test_a_mapping_survives_its_function(client: Client) -> None:
    made = await client.create_event_source_mapping(FunctionName="f", EventSourceArn=QUEUE.arn)
    await client.delete_function(FunctionName="f")
    assert (await settled(client, made["UUID"]))["State"] == "Enabled"
