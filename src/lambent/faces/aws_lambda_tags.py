"""Lambda's operations on tags."""

from collections.abc import Callable, Mapping
from typing import Any

from lambent.events.mappings import Mappings
from lambent.faces.aws_lambda_targets import resolve
from lambent.faces.call import Call
from lambent.model.errors import InvalidParameter, NotFound
from lambent.model.mapping import EventSourceMapping
from lambent.model.names import FunctionKey
from lambent.store.functions import Functions
from lambent.store.resources import ResourceKey, Resources, parse

Members = dict[str, Any]
Tags = Mapping[str, str]
Holder = FunctionKey | ResourceKey | EventSourceMapping

TAGS = 50
QUALIFIED = "Tags on function aliases and versions are not supported. Please specify a function ARN."
TOO_MANY = "Number of tags exceeds resource tag limit."
NONE_GIVEN = "An error occurred and the request cannot be processed."


class TagOperations:
    """One method an operation; keys are the service model's member names."""

    functions: Functions
    resources: Resources
    mappings: Mappings

    async def list_tags(self, call: Call, given: Members) -> Members:
        holder = self._holder(call, given["Resource"])
        if isinstance(holder, ResourceKey):
            return {"Tags": dict(self.resources.get(holder).tags)}
        if isinstance(holder, EventSourceMapping):
            return {"Tags": dict(holder.tags)}
        return {"Tags": dict(self.functions.function(holder).tags)}

    async def tag_resource(self, call: Call, given: Members) -> Members:
        holder = self._holder(call, given["Resource"])
        if not given["Tags"]:
            raise InvalidParameter(NONE_GIVEN)

        def change(before: Tags) -> Tags:
            after = {**before, **given["Tags"]}
            check_tags(after)
            return after

        await self._retag(holder, change)
        return {}

    async def untag_resource(self, call: Call, given: Members) -> Members:
        gone = set(given["TagKeys"])
        holder = self._holder(call, given["Resource"])
        await self._retag(holder, lambda tags: {k: v for k, v in tags.items() if k not in gone})
        return {}

    async def _retag(self, holder: Holder, change: Callable[[Tags], Tags]) -> None:
        if isinstance(holder, ResourceKey):
            await self.resources.retag(holder, change)
        elif isinstance(holder, EventSourceMapping):
            await self.mappings.retag(holder, change(holder.tags))
        else:
            await self.functions.retag(holder, change)

    def _holder(self, call: Call, arn: str) -> Holder:
        """What has the tags. Raises `NotFound` when it is not there, or not the caller's."""
        if (key := parse(arn)) is not None and key.account == call.account:
            return self.resources.get(key).key
        if ":event-source-mapping:" in arn:
            mapping = self.mappings.get(call.account, call.region, arn.rpartition(":")[2])
            if mapping.arn == arn:
                return mapping
        if ":function:" not in arn:
            raise NotFound("The resource you requested does not exist.")
        target = resolve(call, arn)
        if target.qualifier is not None:
            raise InvalidParameter(QUALIFIED)
        self.functions.function(target.key)
        return target.key


def check_tags(tags: Tags) -> None:
    if len(tags) > TAGS:
        raise InvalidParameter(TOO_MANY)
