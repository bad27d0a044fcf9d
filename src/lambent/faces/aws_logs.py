"""CloudWatch Logs: what functions printed, for boto3, `aws logs tail` and other readers of it."""

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from lambent.faces.aws_logs_groups import TagOperations, group_of
from lambent.faces.aws_logs_tail import TailOperations
from lambent.faces.call import Call
from lambent.model.errors import Conflict, InvalidParameter, NotFound, PlatformError, Unavailable
from lambent.records import pattern
from lambent.records.chunks import GroupKey, LogEvent, Position, StreamKey
from lambent.records.logs import LogGroup, Logs, LogStream
from lambent.records.pages import EVENT_OVERHEAD_BYTES, FOR_EVER_MS, PAGE_EVENTS, Window

Members = dict[str, Any]

NAMES_PER_PAGE = 50
BATCH_BYTES = 1_048_576
BATCH_SPAN_MS = 24 * 3600 * 1000
OLDEST_MS = 14 * 24 * 3600 * 1000
NEWEST_MS = 2 * 3600 * 1000
RETENTION_DAYS = frozenset(
    (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
)
BAD_TOKEN = "The specified nextToken is invalid."
BEGINNING = Position(0, 0, 0)


class LogsFace(TagOperations, TailOperations):
    """One method an operation; keys are the service model's member names."""

    errors: Mapping[type[PlatformError], str] = {
        NotFound: "ResourceNotFoundException",
        Conflict: "ResourceAlreadyExistsException",
        InvalidParameter: "InvalidParameterException",
        Unavailable: "ServiceUnavailableException",
    }

    def __init__(self, logs: Logs) -> None:
        super().__init__()
        self.logs = logs

    async def describe_log_groups(self, call: Call, input: Members) -> Members:
        prefix, part = input.get("logGroupNamePrefix", ""), input.get("logGroupNamePattern", "")
        if prefix and part:
            raise InvalidParameter(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
            )
        limit = input.get("limit", NAMES_PER_PAGE)
        found: list[LogGroup] = []
        after = input.get("nextToken", "")
        while len(found) <= limit:
            groups = await self.logs.groups(call.account, call.region, prefix, after, limit + 1)
            found += [group for group in groups if part.lower() in group.name.lower()]
            if len(groups) <= limit:
                break
            after = groups[-1].name
        page = found[:limit]
        return {
            "logGroups": [_group_members(call, group) for group in page],
            **({"nextToken": page[-1].name} if len(found) > limit else {}),
        }

    async def describe_log_streams(self, call: Call, input: Members) -> Members:
        prefix = input.get("logStreamNamePrefix", "")
        by_time = input.get("orderBy") == "LastEventTime"
        if by_time and prefix:
            raise InvalidParameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
        group = group_of(call, input)
        streams = await self.logs.streams(group, prefix)
        streams.sort(key=lambda s: _stream_rank(s, by_time), reverse=input.get("descending", False))
        begin = _place(streams, input["nextToken"]) if "nextToken" in input else 0
        end = begin + input.get("limit", NAMES_PER_PAGE)
        return {
            "logStreams": [_stream_members(group, stream) for stream in streams[begin:end]],
            **({"nextToken": streams[end - 1].name} if end < len(streams) else {}),
        }

    async def get_log_events(self, call: Call, input: Members) -> Members:
        stream = StreamKey(group_of(call, input), input["logStreamName"])
        direction, position = _parse_token(input["nextToken"]) if "nextToken" in input else ("", None)
        forward = direction == "f" or (not direction and input.get("startFromHead", False))
        window = Window(
            since=input.get("startTime", 0),
            until=input.get("endTime", FOR_EVER_MS),
            after=position if forward else None,
            before=None if forward else position,
            limit=input.get("limit", PAGE_EVENTS),
        )
        events = await (self.logs.head if forward else self.logs.tail)(stream, window)
        if events:
            first, last = events[0].position, events[-1].position
        elif position:  # the same place again, from which turning round skips nothing
            first, last = (position.next, position) if forward else (position, position.previous)
        else:
            first = last = BEGINNING
        return {
            "events": [_event_members(event) for event in events],
            "nextForwardToken": f"f/{last}/s",
            "nextBackwardToken": f"b/{first}/s",
        }

    async def filter_log_events(self, call: Call, input: Members) -> Members:
        names, prefix = input.get("logStreamNames", []), input.get("logStreamNamePrefix", "")
        if names and prefix:
            raise InvalidParameter("Both logStreamNames and logStreamNamePrefix are specified.")
        direction, position = _parse_token(input["nextToken"]) if "nextToken" in input else ("", None)
        backward = direction == "b" or (not direction and not input.get("startFromHead", True))
        try:
            wanted = pattern.parse(input.get("filterPattern", ""))
        except pattern.BadPattern as error:
            raise InvalidParameter(str(error)) from None
        window = Window(
            since=input.get("startTime", 0),
            until=input["endTime"] + 1 if "endTime" in input else FOR_EVER_MS,
            after=None if backward else position,
            before=position if backward else None,
            limit=input.get("limit", PAGE_EVENTS),
        )
        page = await self.logs.search(
            group_of(call, input), window, wanted, prefix=prefix, streams=names, newest_first=backward
        )
        found = [
            {"logStreamName": event.stream, **_event_members(event), "eventId": str(event.position)}
            for event in page.events
        ]
        token = {"nextToken": f"{'b' if backward else 'f'}/{page.resume}/s"} if page.resume else {}
        return {"events": found, "searchedLogStreams": [], **token}

    async def create_log_group(self, call: Call, input: Members) -> Members:
        await self.logs.create_group(group_of(call, input), input.get("tags", {}))
        return {}

    async def delete_log_group(self, call: Call, input: Members) -> Members:
        await self.logs.delete_group(group_of(call, input))
        return {}

    async def create_log_stream(self, call: Call, input: Members) -> Members:
        await self.logs.create_stream(StreamKey(group_of(call, input), input["logStreamName"]))
        return {}

    async def delete_log_stream(self, call: Call, input: Members) -> Members:
        await self.logs.delete_stream(StreamKey(group_of(call, input), input["logStreamName"]))
        return {}

    async def put_retention_policy(self, call: Call, input: Members) -> Members:
        days = input["retentionInDays"]
        if days not in RETENTION_DAYS:
            allowed = ", ".join(map(str, sorted(RETENTION_DAYS)))
            raise InvalidParameter(f"retentionInDays must be one of {allowed}, not {days}")
        await self.logs.retain(group_of(call, input), days)
        return {}

    async def delete_retention_policy(self, call: Call, input: Members) -> Members:
        await self.logs.retain(group_of(call, input), None)
        return {}

    async def put_log_events(self, call: Call, input: Members) -> Members:
        stream = StreamKey(group_of(call, input), input["logStreamName"])
        await self.logs.require_stream(stream)
        lines = [(event["timestamp"], event["message"]) for event in input["logEvents"]]
        _check_batch(lines)
        now_ms = int(time.time() * 1000)
        old = sum(at < now_ms - OLDEST_MS for at, _ in lines)
        new = sum(at > now_ms + NEWEST_MS for at, _ in lines)
        kept = lines[old : len(lines) - new]
        if kept and kept[-1][0] - kept[0][0] > BATCH_SPAN_MS:
            raise InvalidParameter(
                "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
            )
        self.logs.write(*stream.group, stream.name, kept)
        rejected = {"tooOldLogEventEndIndex": old} if old else {}
        rejected |= {"tooNewLogEventStartIndex": len(lines) - new} if new else {}
        return {"rejectedLogEventsInfo": rejected} if rejected else {}


def _check_batch(lines: Sequence[tuple[int, str]]) -> None:
    size = sum(len(message.encode(errors="replace")) + EVENT_OVERHEAD_BYTES for _, message in lines)
    if size > BATCH_BYTES:
        raise InvalidParameter(f"Upload too large: {size} bytes exceeds limit of {BATCH_BYTES}")
    if any(later[0] < earlier[0] for earlier, later in pairwise(lines)):
        raise InvalidParameter("Log events in a single PutLogEvents request must be in chronological order.")


def _parse_token(token: str) -> tuple[str, Position]:
    direction, _, rest = token.partition("/")
    try:
        if direction not in ("f", "b"):
            raise ValueError(direction)
        return direction, Position.parse(rest.removesuffix("/s"))
    except ValueError:
        raise InvalidParameter(BAD_TOKEN) from None


def _place(streams: Sequence[LogStream], token: str) -> int:
    """Where the page after the stream that the token names begins."""
    for index, stream in enumerate(streams):
        if stream.name == token:
            return index + 1
    raise InvalidParameter(BAD_TOKEN)


def _stream_rank(stream: LogStream, by_time: bool) -> tuple[int, str]:
    return (stream.last_at or 0 if by_time else 0, stream.name)


def _event_members(event: LogEvent) -> Members:
    return {"timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingested_at}


def _group_members(call: Call, group: LogGroup) -> Members:
    arn = f"arn:aws:logs:{call.region}:{call.account}:log-group:{group.name}"
    retention = {} if group.retention_days is None else {"retentionInDays": group.retention_days}
    return {
        "logGroupName": group.name,
        "creationTime": group.created_at,
        **retention,
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "storedBytes": group.stored_bytes,
        "logGroupClass": "STANDARD",
        "logGroupArn": arn,
    }


def _stream_members(group: GroupKey, stream: LogStream) -> Members:
    members = {
        "logStreamName": stream.name,
        "creationTime": stream.created_at,
        "firstEventTimestamp": stream.first_at,
        "lastEventTimestamp": stream.last_at,
        "lastIngestionTime": stream.ingested_at,
        "arn": f"arn:aws:logs:{group.region}:{group.account}:log-group:{group.name}:log-stream:{stream.name}",
        "storedBytes": 0,  # AWS itself says 0 for every stream since 2019
    }
    return {name: value for name, value in members.items() if value is not None}
