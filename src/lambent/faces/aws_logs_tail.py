"""StartLiveTail: the lines of log groups, sent as they are written."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import orjson

from lambent.faces import event_stream
from lambent.faces.aws_logs_groups import group_of
from lambent.faces.call import Call
from lambent.faces.errors import ServiceError
from lambent.faces.http import Response
from lambent.model.errors import InvalidParameter
from lambent.records import pattern
from lambent.records.chunks import GroupKey
from lambent.records.logs import Logs
from lambent.records.tails import Tail, TailLine

Members = dict[str, Any]

UPDATE_S = 1.0
SESSION_S = 3 * 3600.0
SESSIONS = 15  # of an account
OVER = "The Live Tail session has timed out."
_ECHOED = ("logGroupIdentifiers", "logStreamNames", "logStreamNamePrefixes", "logEventFilterPattern")


class TailOperations:
    """One method an operation; keys are the service model's member names."""

    logs: Logs

    def __init__(self) -> None:
        self._sessions: Counter[str] = Counter()  # by account

    async def start_live_tail(self, call: Call, input: Members) -> Response:
        groups = [group_of(call, {"logGroupIdentifier": one}) for one in input["logGroupIdentifiers"]]
        streams, prefixes = input.get("logStreamNames", ()), input.get("logStreamNamePrefixes", ())
        if streams and prefixes:
            raise InvalidParameter("Both logStreamNames and logStreamNamePrefixes are specified.")
        if (streams or prefixes) and len(groups) > 1:
            raise InvalidParameter("Log streams can be named for a single log group only.")
        try:
            wanted = pattern.parse(input.get("logEventFilterPattern", ""))
        except pattern.BadPattern as error:
            raise InvalidParameter(str(error)) from None
        for group in groups:
            await self.logs.require_group(group)
        if self._sessions[call.account] >= SESSIONS:
            raise ServiceError("LimitExceededException", f"There are {SESSIONS} Live Tail sessions already.")
        tail = Tail(groups, wanted, streams=streams, prefixes=prefixes)
        begun = {
            "requestId": call.request_id,
            "sessionId": str(uuid.uuid4()),
            **{name: input[name] for name in _ECHOED if name in input},
        }
        return Response(
            200, [("Content-Type", event_stream.CONTENT_TYPE)], self._session(call.account, tail, begun)
        )

    async def _session(self, account: str, tail: Tail, begun: Members) -> AsyncIterator[bytes]:
        """Until the client goes, the node stops, or AWS's time is over."""
        self._sessions[account] += 1
        try:
            with self.logs.followed(tail) as closed:
                yield event_stream.event("initial-response", "application/json", b"{}")
                yield _event("sessionStart", begun)
                end = time.monotonic() + SESSION_S
                while time.monotonic() < end and not closed.is_set():
                    await _wait(closed)
                    yield _event("sessionUpdate", _update(*tail.take()))
                if not closed.is_set():
                    yield event_stream.refusal("SessionTimeoutException", orjson.dumps({"message": OVER}))
        finally:
            self._sessions[account] -= 1


async def _wait(closed: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(closed.wait(), UPDATE_S)
    except TimeoutError:
        return


def _event(name: str, members: Members) -> bytes:
    return event_stream.event(name, "application/json", orjson.dumps(members))


def _update(lines: list[TailLine], sampled: bool) -> Members:
    now_ms = int(time.time() * 1000)
    return {
        "sessionMetadata": {"sampled": sampled},
        "sessionResults": [
            {
                "logStreamName": line.stream,
                "logGroupIdentifier": _identifier(line.group),
                "message": line.message,
                "timestamp": line.at_ms,
                "ingestionTime": now_ms,
            }
            for line in lines
        ],
    }


def _identifier(group: GroupKey) -> str:
    """As AWS has it: the account, then the group's name."""
    return f"{group.account}:{group.name}"
