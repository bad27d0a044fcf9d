"""Lambda's operations on tags."""

from collections.abc import Mapping
from typing import Any

from lambent.faces.aws_lambda_targets import resolve
from lambent.faces.call import Call
from lambent.model.errors import InvalidParameter, NotFound
from lambent.model.names import FunctionKey
from lambent.store.functions import Functions

Members = dict[str, Any]

TAGS = 50
QUALIFIED = "Tags on function aliases and versions are not supported. Please specify a function ARN."
TOO_MANY = "Number of tags exceeds resource tag limit."
NONE_GIVEN = "An error occurred and the request cannot be processed."


class TagOperations:
    """One method an operation; keys are the service model's member names."""

    functions: Functions

    async def list_tags(self, call: Call, given: Members) -> Members:
        return {"Tags": dict(self.functions.function(_function(call, given["Resource"])).tags)}

    async def tag_resource(self, call: Call, given: Members) -> Members:
        key = _function(call, given["Resource"])
        self.functions.function(key)
        if not given["Tags"]:
            raise InvalidParameter(NONE_GIVEN)

        def change(before: Mapping[str, str]) -> Mapping[str, str]:
            after = {**before, **given["Tags"]}
            check_tags(after)
            return after

        await self.functions.retag(key, change)
        return {}

    async def untag_resource(self, call: Call, given: Members) -> Members:
        key = _function(call, given["Resource"])
        gone = set(given["TagKeys"])
        await self.functions.retag(key, lambda tags: {k: v for k, v in tags.items() if k not in gone})
        return {}


def check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > TAGS:
        raise InvalidParameter(TOO_MANY)


def _function(call: Call, resource: str) -> FunctionKey:
    if ":function:" not in resource:  # mappings and the like, of which there are none yet
        raise NotFound("The resource you requested does not exist.")
    target = resolve(call, resource)
    if target.qualifier is not None:
        raise InvalidParameter(QUALIFIED)
    return target.key
