"""Which log group a request means, and the operations on its tags, old and new."""

import re
from collections.abc import Mapping
from typing import Any

from lambent.faces.call import Call
from lambent.model.errors import InvalidParameter, NotFound
from lambent.records.chunks import GroupKey
from lambent.records.logs import Logs

Members = dict[str, Any]

TAGS = 50
MANY_TAGS = f"The number of tags exceeds the limit of {TAGS} for a log group."

_ARN = re.compile(
    r"arn:aws[a-z-]*:logs:(?P<region>[^:]+):(?P<account>\d{12}):log-group:(?P<name>[^:]+)(:\*)?"
)


class TagOperations:
    """One method an operation; keys are the service model's member names."""

    logs: Logs

    async def list_tags_log_group(self, call: Call, input: Members) -> Members:
        return {"tags": await self.logs.tags(group_of(call, input))}

    async def tag_log_group(self, call: Call, input: Members) -> Members:
        return await self._tag(group_of(call, input), input["tags"])

    async def untag_log_group(self, call: Call, input: Members) -> Members:
        return await self._untag(group_of(call, input), input["tags"])

    async def list_tags_for_resource(self, call: Call, input: Members) -> Members:
        return {"tags": await self.logs.tags(_tagged(call, input))}

    async def tag_resource(self, call: Call, input: Members) -> Members:
        return await self._tag(_tagged(call, input), input["tags"])

    async def untag_resource(self, call: Call, input: Members) -> Members:
        return await self._untag(_tagged(call, input), input["tagKeys"])

    async def _tag(self, group: GroupKey, added: Mapping[str, str]) -> Members:
        tags = {**await self.logs.tags(group), **added}
        if len(tags) > TAGS:
            raise InvalidParameter(MANY_TAGS)
        await self.logs.retag(group, tags)
        return {}

    async def _untag(self, group: GroupKey, gone: list[str]) -> Members:
        tags = await self.logs.tags(group)
        await self.logs.retag(group, {key: value for key, value in tags.items() if key not in gone})
        return {}


def group_of(call: Call, input: Members) -> GroupKey:
    """The group meant by a name, or by an identifier that is a name or an ARN."""
    name, identifier = input.get("logGroupName"), input.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise InvalidParameter("Exactly one of logGroupName and logGroupIdentifier must be given.")
    if name is not None:
        return GroupKey(call.account, call.region, name)
    found = _ARN.fullmatch(str(identifier))
    if found is None:
        return GroupKey(call.account, call.region, str(identifier))
    if found["account"] != call.account or found["region"] != call.region:
        raise NotFound("The specified log group does not exist.")
    return GroupKey(call.account, call.region, found["name"])


def _tagged(call: Call, input: Members) -> GroupKey:
    return group_of(call, {"logGroupIdentifier": input["resourceArn"]})
