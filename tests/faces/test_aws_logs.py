"""CloudWatch Logs as boto3 sees it: real requests, signed, over a socket."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lambent.faces.aws_logs import LogsFace
from lambent.faces.codec import Codec
from lambent.faces.http import Request, Response
from lambent.faces.server import Server
from lambent.faces.signature import Verifier
from lambent.model.identity import Credential, Principal, PrincipalKind
from lambent.records.records import Records
from lambent.store.credentials import Credentials

ACCOUNT = "000000000000"
GROUP = "/aws/lambda/f"
A, B = "2025/11/25/[$LATEST]a", "2025/11/25/[$LATEST]b"
KEY = Credential("AKIAEXAMPLE", "secret", Principal(PrincipalKind.ROOT, ACCOUNT))
NOW = int(time.time() * 1000)


class Logs:
    """A boto3 client, off the loop, and the records behind it."""

    def __init__(self, records: Records, client: Any) -> None:
        self.records = records
        self.client = client

    async def ask(self, operation: str, **given: Any) -> Any:
        return await asyncio.to_thread(getattr(self.client, operation), **given)

    async def refused(self, operation: str, **given: Any) -> tuple[str, str, int]:
        with pytest.raises(ClientError) as caught:
            await self.ask(operation, **given)
        answer = caught.value.response
        return (
            answer["Error"]["Code"],
            answer["Error"]["Message"],
            answer["ResponseMetadata"]["HTTPStatusCode"],
        )

    async def paginate(self, operation: str, **given: Any) -> list[Any]:
        return await asyncio.to_thread(lambda: list(self.client.get_paginator(operation).paginate(**given)))

    def print(self, stream: str, *lines: tuple[int, str], group: str = GROUP) -> None:
        """What a function's instance printed, so many milliseconds from now."""
        self.records.logs.write(ACCOUNT, "us-east-1", group, stream, [(NOW + at, text) for at, text in lines])


@pytest.fixture
async def logs(tmp_path: Path) -> AsyncIterator[Logs]:
    records = await Records.open(tmp_path / "records.db")
    answer = Codec("logs").bind(LogsFace(records.logs))
    verifier = Verifier(Credentials([KEY], b"x" * 32))

    async def handler(request: Request) -> Response:
        verified = await verifier.verify(request)
        assert verified is not None
        return await answer(request, verified)

    server = Server(handler)
    host, port = await server.listen(("127.0.0.1", 0))
    client = boto3.client(
        "logs",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id=KEY.access_key,
        aws_secret_access_key=KEY.secret_key,
        config=Config(inject_host_prefix=False, retries={"total_max_attempts": 1}, proxies={}),
    )
    yield Logs(records, client)
    client.close()
    await server.close(1.0)
    await records.close()


def texts(events: list[dict[str, Any]]) -> list[str]:
    return [event["message"] for event in events]


async def test_groups_are_described(logs: Logs) -> None:
    logs.print(A, (0, "hello\n"))
    logs.print(A, (0, "x"), group="/aws/lambda/g")
    logs.print(A, (0, "x"), group="other")
    answer = await logs.ask("describe_log_groups", logGroupNamePrefix="/aws/lambda/")
    first, second = answer["logGroups"]
    assert first["logGroupName"] == GROUP
    assert first["arn"] == f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}:*"
    assert first["logGroupArn"] == f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}"
    assert first["storedBytes"] == 6
    assert NOW - 1000 <= first["creationTime"] <= time.time() * 1000 + 1000
    assert "retentionInDays" not in first
    assert second["logGroupName"] == "/aws/lambda/g"
    assert "nextToken" not in answer
    matched = await logs.ask("describe_log_groups", logGroupNamePattern="LAMBDA/G")
    assert [g["logGroupName"] for g in matched["logGroups"]] == ["/aws/lambda/g"]


async def test_groups_page(logs: Logs) -> None:
    for number in range(5):
        logs.print(A, (0, "x"), group=f"group-{number}")
    pages = await logs.paginate("describe_log_groups", PaginationConfig={"PageSize": 2})
    assert [len(page["logGroups"]) for page in pages] == [2, 2, 1]
    assert [g["logGroupName"] for p in pages for g in p["logGroups"]] == [f"group-{n}" for n in range(5)]
    found = await logs.paginate(
        "describe_log_groups", logGroupNamePattern="-4", PaginationConfig={"PageSize": 1}
    )
    assert [g["logGroupName"] for p in found for g in p["logGroups"]] == ["group-4"]


async def test_streams_by_name_and_by_time(logs: Logs) -> None:
    logs.print(A, (0, "x"), (5, "y"))
    logs.print(B, (3, "x"))
    answer = await logs.ask("describe_log_streams", logGroupName=GROUP)
    first, second = answer["logStreams"]
    assert (first["logStreamName"], second["logStreamName"]) == (A, B)
    assert (first["firstEventTimestamp"], first["lastEventTimestamp"]) == (NOW, NOW + 5)
    assert first["arn"] == f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}:log-stream:{A}"
    assert NOW - 1000 <= first["lastIngestionTime"] <= time.time() * 1000 + 1000
    newest = await logs.ask(
        "describe_log_streams", logGroupName=GROUP, orderBy="LastEventTime", descending=True, limit=1
    )
    assert [s["logStreamName"] for s in newest["logStreams"]] == [A]
    older = await logs.ask(
        "describe_log_streams",
        logGroupName=GROUP,
        orderBy="LastEventTime",
        descending=True,
        nextToken=newest["nextToken"],
    )
    assert [s["logStreamName"] for s in older["logStreams"]] == [B]
    by_prefix = await logs.ask("describe_log_streams", logGroupName=GROUP, logStreamNamePrefix=B)
    assert [s["logStreamName"] for s in by_prefix["logStreams"]] == [B]


async def test_events_of_a_stream(logs: Logs) -> None:
    logs.print(A, (0, "START RequestId: 1\n"), (1, "héllo ☃\n"), (2, "END RequestId: 1\n"))
    answer = await logs.ask("get_log_events", logGroupName=GROUP, logStreamName=A)
    assert texts(answer["events"]) == ["START RequestId: 1\n", "héllo ☃\n", "END RequestId: 1\n"]
    assert [e["timestamp"] for e in answer["events"]] == [NOW, NOW + 1, NOW + 2]
    assert NOW - 1000 <= answer["events"][0]["ingestionTime"] <= time.time() * 1000 + 1000


async def test_following_a_stream_forward(logs: Logs) -> None:
    logs.print(A, *((n, str(n)) for n in range(5)))
    given = {"logGroupName": GROUP, "logStreamName": A, "startFromHead": True, "limit": 2}
    seen: list[str] = []
    token: dict[str, str] = {}
    while True:
        answer = await logs.ask("get_log_events", **given, **token)
        seen += texts(answer["events"])
        if token == {"nextToken": answer["nextForwardToken"]}:
            break  # the same token again is AWS's sign of the end
        token = {"nextToken": answer["nextForwardToken"]}
    assert seen == ["0", "1", "2", "3", "4"]
    logs.print(A, (9, "later"))
    answer = await logs.ask("get_log_events", **given, **token)
    assert texts(answer["events"]) == ["later"]


async def test_reading_a_stream_backward(logs: Logs) -> None:
    logs.print(A, *((n, str(n)) for n in range(5)))
    given = {"logGroupName": GROUP, "logStreamName": A, "limit": 2}
    newest = await logs.ask("get_log_events", **given)
    assert texts(newest["events"]) == ["3", "4"]
    older = await logs.ask("get_log_events", **given, nextToken=newest["nextBackwardToken"])
    assert texts(older["events"]) == ["1", "2"]
    oldest = await logs.ask("get_log_events", **given, nextToken=older["nextBackwardToken"])
    assert texts(oldest["events"]) == ["0"]
    none = await logs.ask("get_log_events", **given, nextToken=oldest["nextBackwardToken"])
    assert none["events"] == []
    assert none["nextBackwardToken"] == oldest["nextBackwardToken"]
    forward = await logs.ask("get_log_events", **given, nextToken=oldest["nextForwardToken"])
    assert texts(forward["events"]) == ["1", "2"]


async def test_turning_round_at_an_end_skips_nothing(logs: Logs) -> None:
    logs.print(A, *((n, str(n)) for n in range(3)))
    given = {"logGroupName": GROUP, "logStreamName": A}
    whole = await logs.ask("get_log_events", **given)
    beyond = await logs.ask("get_log_events", **given, nextToken=whole["nextForwardToken"])
    assert beyond["events"] == []
    back = await logs.ask("get_log_events", **given, nextToken=beyond["nextBackwardToken"])
    assert texts(back["events"]) == ["0", "1", "2"]
    before = await logs.ask("get_log_events", **given, nextToken=whole["nextBackwardToken"])
    assert before["events"] == []
    forth = await logs.ask("get_log_events", **given, nextToken=before["nextForwardToken"])
    assert texts(forth["events"]) == ["0", "1", "2"]


async def test_an_empty_stream_can_be_followed(logs: Logs) -> None:
    await logs.ask("create_log_group", logGroupName="mine")
    await logs.ask("create_log_stream", logGroupName="mine", logStreamName="s")
    answer = await logs.ask("get_log_events", logGroupName="mine", logStreamName="s")
    assert answer["events"] == []
    logs.print("s", (0, "first"), group="mine")
    later = await logs.ask(
        "get_log_events", logGroupName="mine", logStreamName="s", nextToken=answer["nextForwardToken"]
    )
    assert texts(later["events"]) == ["first"]


async def test_times_narrow_as_each_operation_says(logs: Logs) -> None:
    logs.print(A, *((n, str(n)) for n in range(5)))
    times = {"startTime": NOW + 1, "endTime": NOW + 3}
    one = await logs.ask("get_log_events", logGroupName=GROUP, logStreamName=A, **times)
    assert texts(one["events"]) == ["1", "2"], "GetLogEvents leaves the end out"
    all_of = await logs.ask("filter_log_events", logGroupName=GROUP, **times)
    assert texts(all_of["events"]) == ["1", "2", "3"], "FilterLogEvents takes it in"


async def test_filter_interleaves_and_names_the_streams(logs: Logs) -> None:
    logs.print(A, (0, "a0"), (2, "a2"))
    logs.print(B, (1, "b1"))
    answer = await logs.ask("filter_log_events", logGroupName=GROUP)
    assert [(e["logStreamName"], e["message"]) for e in answer["events"]] == [
        (A, "a0"),
        (B, "b1"),
        (A, "a2"),
    ]
    identities = {e["eventId"] for e in answer["events"]}
    assert len(identities) == 3
    assert all(len(identity) == 56 and identity.isdigit() for identity in identities)
    assert "nextToken" not in answer


async def test_filter_pages(logs: Logs) -> None:
    for number in range(25):
        logs.print(A if number % 2 else B, (number, str(number)))
    pages = await logs.paginate("filter_log_events", logGroupName=GROUP, PaginationConfig={"PageSize": 10})
    assert [len(page["events"]) for page in pages] == [10, 10, 5]
    assert [m for page in pages for m in texts(page["events"])] == [str(n) for n in range(25)]


async def test_filter_newest_first(logs: Logs) -> None:
    logs.print(A, *((n, str(n)) for n in range(5)))
    pages = await logs.paginate(
        "filter_log_events",
        logGroupName=GROUP,
        startTime=NOW,
        startFromHead=False,
        PaginationConfig={"PageSize": 2},
    )
    assert [m for page in pages for m in texts(page["events"])] == ["4", "3", "2", "1", "0"]


async def test_filter_by_pattern_and_stream(logs: Logs) -> None:
    logs.print(A, (0, "[ERROR] boom"), (1, "fine"))
    logs.print(B, (2, "[ERROR] bang"))

    async def found(**given: Any) -> list[str]:
        return texts((await logs.ask("filter_log_events", logGroupName=GROUP, **given))["events"])

    assert await found(filterPattern="ERROR") == ["[ERROR] boom", "[ERROR] bang"]
    assert await found(filterPattern='"[ERROR] boom"') == ["[ERROR] boom"]
    assert await found(filterPattern="?boom ?fine") == ["[ERROR] boom", "fine"]
    assert await found(logStreamNames=[B]) == ["[ERROR] bang"]
    assert await found(logStreamNamePrefix=A, filterPattern="") == ["[ERROR] boom", "fine"]


async def test_a_group_by_its_arn(logs: Logs) -> None:
    logs.print(A, (0, "x"))
    for arn in (f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}", GROUP):
        answer = await logs.ask("filter_log_events", logGroupIdentifier=arn)
        assert texts(answer["events"]) == ["x"]
    other = f"arn:aws:logs:us-east-1:111111111111:log-group:{GROUP}"
    assert (await logs.refused("filter_log_events", logGroupIdentifier=other))[0] == (
        "ResourceNotFoundException"
    )


async def test_what_is_not_there(logs: Logs) -> None:
    no_group = ("ResourceNotFoundException", "The specified log group does not exist.", 400)
    no_stream = ("ResourceNotFoundException", "The specified log stream does not exist.", 400)
    assert await logs.refused("filter_log_events", logGroupName="none") == no_group
    assert await logs.refused("describe_log_streams", logGroupName="none") == no_group
    assert await logs.refused("get_log_events", logGroupName="none", logStreamName="s") == no_group
    assert await logs.refused("delete_log_group", logGroupName="none") == no_group
    logs.print(A, (0, "x"))
    assert await logs.refused("get_log_events", logGroupName=GROUP, logStreamName="s") == no_stream
    assert (await logs.ask("describe_log_groups", logGroupNamePrefix="none"))["logGroups"] == []


@pytest.mark.parametrize(
    ("operation", "given", "says"),
    [
        ("filter_log_events", {"filterPattern": '{ $.a = "b" }'}, "JSON filter patterns are not supported"),
        ("filter_log_events", {"logStreamNames": ["a"], "logStreamNamePrefix": "a"}, "Both logStreamNames"),
        ("filter_log_events", {"nextToken": "nonsense"}, "The specified nextToken is invalid."),
        (
            "get_log_events",
            {"logStreamName": A, "nextToken": "f/12/s"},
            "The specified nextToken is invalid.",
        ),
        ("describe_log_streams", {"nextToken": "no-such-stream"}, "The specified nextToken is invalid."),
        (
            "describe_log_streams",
            {"orderBy": "LastEventTime", "logStreamNamePrefix": "x"},
            "Cannot order by LastEventTime",
        ),
        ("get_log_events", {"logStreamName": A, "limit": 10_001}, "less than or equal to 10000"),
        ("put_retention_policy", {"retentionInDays": 2}, "retentionInDays must be one of 1, 3, 5"),
    ],
)
async def test_what_is_refused(logs: Logs, operation: str, given: dict[str, Any], says: str) -> None:
    logs.print(A, (0, "x"))
    code, message, status = await logs.refused(operation, logGroupName=GROUP, **given)
    assert (code, status) == ("InvalidParameterException", 400)
    assert says in message


async def test_a_users_own_group(logs: Logs) -> None:
    await logs.ask("create_log_group", logGroupName="mine")
    assert await logs.refused("create_log_group", logGroupName="mine") == (
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
        400,
    )
    await logs.ask("create_log_stream", logGroupName="mine", logStreamName="s")
    assert (await logs.refused("create_log_stream", logGroupName="mine", logStreamName="s"))[0] == (
        "ResourceAlreadyExistsException"
    )
    await logs.ask("put_retention_policy", logGroupName="mine", retentionInDays=7)
    (group,) = (await logs.ask("describe_log_groups"))["logGroups"]
    assert group["retentionInDays"] == 7
    await logs.ask("delete_retention_policy", logGroupName="mine")
    (group,) = (await logs.ask("describe_log_groups"))["logGroups"]
    assert "retentionInDays" not in group
    await logs.ask("delete_log_group", logGroupName="mine")
    assert (await logs.ask("describe_log_groups"))["logGroups"] == []


async def put(logs: Logs, *lines: tuple[int, str]) -> Any:
    events = [{"timestamp": NOW + at, "message": text} for at, text in lines]
    return await logs.ask("put_log_events", logGroupName="mine", logStreamName="s", logEvents=events)


async def make_stream(logs: Logs) -> None:
    await logs.ask("create_log_group", logGroupName="mine")
    await logs.ask("create_log_stream", logGroupName="mine", logStreamName="s")


async def test_events_are_put(logs: Logs) -> None:
    await make_stream(logs)
    await put(logs, (5, "b"), (6, "c"))
    await put(logs, (1, "a"))
    answer = await logs.ask("get_log_events", logGroupName="mine", logStreamName="s")
    assert texts(answer["events"]) == ["a", "b", "c"]


async def test_events_too_old_or_too_new_are_left_out(logs: Logs) -> None:
    await make_stream(logs)
    day = 24 * 3600 * 1000
    answer = await put(logs, (-20 * day, "old"), (0, "now"), (day, "new"))
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2}
    found = await logs.ask("filter_log_events", logGroupName="mine")
    assert texts(found["events"]) == ["now"]


async def test_a_bad_batch_is_refused_whole(logs: Logs) -> None:
    await make_stream(logs)
    for lines, says in (
        ([(5, "b"), (1, "a")], "chronological"),
        ([(0, "x" * 600_000), (0, "x" * 600_000)], "Upload too large"),
        ([(-25 * 3600 * 1000, "a"), (0, "b")], "24 hours"),
    ):
        with pytest.raises(ClientError, match=says):
            await put(logs, *lines)
    assert (await logs.ask("filter_log_events", logGroupName="mine"))["events"] == []
    code, *_ = await logs.refused(
        "put_log_events",
        logGroupName="mine",
        logStreamName="other",
        logEvents=[{"timestamp": NOW, "message": "x"}],
    )
    assert code == "ResourceNotFoundException"


async def test_groups_have_tags_by_both_names(logs: Logs) -> None:
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:mine"
    await logs.ask("create_log_group", logGroupName="mine", tags={"a": "1"})
    await logs.ask("tag_log_group", logGroupName="mine", tags={"b": "2"})
    await logs.ask("tag_resource", resourceArn=arn, tags={"c": "3", "a": "0"})
    assert (await logs.ask("list_tags_log_group", logGroupName="mine"))["tags"] == {
        "a": "0",
        "b": "2",
        "c": "3",
    }
    await logs.ask("untag_log_group", logGroupName="mine", tags=["b"])
    await logs.ask("untag_resource", resourceArn=arn, tagKeys=["c"])
    assert (await logs.ask("list_tags_for_resource", resourceArn=arn))["tags"] == {"a": "0"}
    many = {f"k{number}": "v" for number in range(50)}
    assert (await logs.refused("tag_resource", resourceArn=arn, tags=many))[0] == "InvalidParameterException"
    assert (await logs.refused("list_tags_log_group", logGroupName="none"))[0] == "ResourceNotFoundException"


async def test_a_stream_is_deleted_with_its_events(logs: Logs) -> None:
    logs.print(A, (0, "kept\n"))
    logs.print(B, (0, "gone\n"))
    await logs.ask("delete_log_stream", logGroupName=GROUP, logStreamName=B)
    assert texts((await logs.ask("filter_log_events", logGroupName=GROUP))["events"]) == ["kept\n"]
    refused = await logs.refused("delete_log_stream", logGroupName=GROUP, logStreamName=B)
    assert refused[0] == "ResourceNotFoundException"


async def test_live_tail_sends_lines_as_they_are_written(logs: Logs) -> None:
    logs.print(A, (0, "before"))
    stream_client = boto3.client(
        "logs",
        endpoint_url=logs.client.meta.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=KEY.access_key,
        aws_secret_access_key=KEY.secret_key,
        config=Config(inject_host_prefix=False, retries={"total_max_attempts": 1}),
    )
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}"
    answer = await asyncio.to_thread(
        stream_client.start_live_tail, logGroupIdentifiers=[arn], logEventFilterPattern="-secret"
    )
    events = iter(answer["responseStream"])
    started = (await asyncio.to_thread(next, events))["sessionStart"]
    assert started["logGroupIdentifiers"] == [arn]
    assert started["logEventFilterPattern"] == "-secret"
    assert started["requestId"]
    assert started["sessionId"]
    logs.print(A, (5, "seen"), (6, "secret"))
    while not (update := (await asyncio.to_thread(next, events))["sessionUpdate"])["sessionResults"]:
        assert update["sessionMetadata"] == {"sampled": False}
    (event,) = update["sessionResults"]
    assert event.pop("ingestionTime") >= NOW
    assert event == {
        "logStreamName": A,
        "logGroupIdentifier": f"{ACCOUNT}:{GROUP}",
        "message": "seen",
        "timestamp": NOW + 5,
    }
    logs.records.logs.close()
    assert [name for rest in await asyncio.to_thread(list, events) for name in rest] in (
        [],
        ["sessionUpdate"],
    )
    stream_client.close()


async def test_live_tail_refuses_what_is_not_there(logs: Logs) -> None:
    code, message, status = await logs.refused("start_live_tail", logGroupIdentifiers=["nothing"])
    assert (code, message, status) == (
        "ResourceNotFoundException",
        "The specified log group does not exist.",
        400,
    )
