"""SQS's API: queues, their attributes, tags and permissions; their messages are next door."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import orjson

from lambent.events.messages import Messages
from lambent.events.queue_policy import allows_account
from lambent.events.queues import Queues
from lambent.faces.aws_sqs_attributes import ATTRIBUTES, attributes_of, settings_of
from lambent.faces.aws_sqs_messages import MessageOperations
from lambent.faces.aws_sqs_wire import failure, invalid
from lambent.faces.call import Call
from lambent.model.errors import InvalidParameter, NotFound, PlatformError, Unavailable
from lambent.model.queue import MessageQueue, QueueKey

Members = dict[str, Any]

PAGE = 1000
TAGS = 50
COUNTED = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
COUNTED_DELAYED = "ApproximateNumberOfMessagesDelayed"
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,80}")
_PLAIN_NAME = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
_FIFO_NAME = (
    "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end "
    "with .fifo suffix and be 1 to 80 in length."
)


class SqsFace(MessageOperations):
    """One method an operation; keys are the service model's member names. `url` is this platform's."""

    errors: Mapping[type[PlatformError], str] = {
        NotFound: "QueueDoesNotExist",
        InvalidParameter: "InvalidParameterValueException",
        Unavailable: "RequestThrottled",
    }

    def __init__(self, queues: Queues, messages: Messages, url: str) -> None:
        self.queues = queues
        self.messages = messages
        self._url = url

    def queue(self, call: Call, given: Members, action: str) -> MessageQueue:
        """The queue of a QueueUrl, which the caller may do `action` to. Raises SQS's errors."""
        account, _, name = urlsplit(given["QueueUrl"]).path.strip("/").rpartition("/")
        if not name or not re.fullmatch(r"(?:.*/)?\d{12}", account or call.account):
            raise failure(
                "InvalidAddress", f"The address {given['QueueUrl']} is not valid for this endpoint."
            )
        return self._owned(call, QueueKey(account[-12:] or call.account, call.region, name), action)

    def _owned(self, call: Call, key: QueueKey, action: str) -> MessageQueue:
        queue = self.queues.find(key)
        if key.account == call.account:
            return queue or self.queues.get(key)
        if queue is None or not allows_account(queue, call.account, call.principal.arn, f"sqs:{action}"):
            raise failure(
                "AccessDeniedException",
                f"User: {call.principal.arn} is not authorized to perform: sqs:{action.lower()} on resource: "
                f"{key.arn} because no resource-based policy allows the sqs:{action.lower()} action",
            )
        return queue

    def _address(self, key: QueueKey) -> str:
        return f"{self._url}/{key.account}/{key.name}"

    async def create_queue(self, call: Call, given: Members) -> Members:
        name, attributes = given["QueueName"], dict(given.get("Attributes", {}))
        fifo = attributes.get("FifoQueue", "").lower() == "true"
        if not _NAME.fullmatch(name.removesuffix(".fifo") if fifo else name) or len(name) > 80:
            raise invalid(_FIFO_NAME if fifo else _PLAIN_NAME)
        if fifo and not name.endswith(".fifo"):
            raise invalid(_FIFO_NAME)
        settings = settings_of(attributes, fifo=fifo)
        key = QueueKey(call.account, call.region, name)
        _check_tags(given.get("tags", {}))
        before = self.queues.find(key)
        queue = before or await self.queues.create(key, {**settings, "tags": given.get("tags", {})})
        for attribute in attributes:
            if attributes_of(queue).get(attribute, "") != _shown(queue, settings, attribute):
                raise failure(
                    "QueueNameExists",
                    "A queue already exists with the same name and a different value for attribute "
                    f"{attribute}",
                )
        return {"QueueUrl": self._address(key)}

    async def get_queue_url(self, call: Call, given: Members) -> Members:
        account = given.get("QueueOwnerAWSAccountId") or call.account
        key = QueueKey(account, call.region, given["QueueName"])
        return {"QueueUrl": self._address(self._owned(call, key, "GetQueueUrl").key)}

    async def list_queues(self, call: Call, given: Members) -> Members:
        prefix, after = given.get("QueueNamePrefix", ""), given.get("NextToken", "")
        found = self.queues.listed(call.account, call.region, prefix, after)
        return self._page("QueueUrls", found, given)

    async def list_dead_letter_source_queues(self, call: Call, given: Members) -> Members:
        queue = self.queue(call, given, "ListDeadLetterSourceQueues")
        found = [q for q in self.queues.sources_of(queue) if q.key.name > given.get("NextToken", "")]
        return {"queueUrls": [], **self._page("queueUrls", found, given)}

    def _page(self, member: str, found: list[MessageQueue], given: Members) -> Members:
        limit = given.get("MaxResults", PAGE)
        if not 1 <= limit <= PAGE:
            raise invalid(
                f"Value {limit} for parameter MaxResults is invalid. Reason: MaxResults must be an integer "
                f"between 1 and {PAGE}"
            )
        page = found[:limit]
        more = len(found) > limit and "MaxResults" in given
        return {
            member: [self._address(queue.key) for queue in page] or None,
            "NextToken": page[-1].key.name if more else None,
        }

    async def delete_queue(self, call: Call, given: Members) -> Members:
        queue = self.queue(call, given, "DeleteQueue")
        await self.queues.delete(queue.key)
        self.messages.gone(queue)
        return {}

    async def purge_queue(self, call: Call, given: Members) -> Members:
        await self.queues.purge(self.queue(call, given, "PurgeQueue").key)
        return {}

    async def get_queue_attributes(self, call: Call, given: Members) -> Members:
        queue = self.queue(call, given, "GetQueueAttributes")
        shown = attributes_of(queue)
        asked = given.get("AttributeNames", [])
        wanted = [*shown, *COUNTED, COUNTED_DELAYED] if "All" in asked else asked
        if any(name in wanted for name in (*COUNTED, COUNTED_DELAYED)):
            depth = self.messages.depth(queue)
            shown |= dict(zip((*COUNTED, COUNTED_DELAYED), map(str, depth), strict=True))
        _check_names(asked)
        attributes = {name: shown[name] for name in wanted if name in shown}
        return {"Attributes": attributes or None}

    async def set_queue_attributes(self, call: Call, given: Members) -> Members:
        queue = self.queue(call, given, "SetQueueAttributes")
        settings = settings_of(given["Attributes"], fifo=queue.fifo)
        if settings.get("fifo", queue.fifo) != queue.fifo:
            raise failure("InvalidAttributeValue", "Invalid value for the parameter FifoQueue.")
        await self.queues.change(queue.key, lambda before: replace(before, **settings))
        return {}

    async def list_queue_tags(self, call: Call, given: Members) -> Members:
        return {"Tags": dict(self.queue(call, given, "ListQueueTags").tags) or None}

    async def tag_queue(self, call: Call, given: Members) -> Members:
        key = self.queue(call, given, "TagQueue").key

        def change(before: MessageQueue) -> MessageQueue:
            tags = {**before.tags, **given["Tags"]}
            _check_tags(tags)
            return replace(before, tags=tags)

        await self.queues.change(key, change)
        return {}

    async def untag_queue(self, call: Call, given: Members) -> Members:
        key, gone = self.queue(call, given, "UntagQueue").key, set(given["TagKeys"])
        await self.queues.change(
            key, lambda q: replace(q, tags={k: v for k, v in q.tags.items() if k not in gone})
        )
        return {}

    async def add_permission(self, call: Call, given: Members) -> Members:
        key, label = self.queue(call, given, "AddPermission").key, given["Label"]
        statement = {
            "Sid": label,
            "Effect": "Allow",
            "Principal": {"AWS": [f"arn:aws:iam::{account}:root" for account in given["AWSAccountIds"]]},
            "Action": [f"SQS:{action}" for action in given["Actions"]],
            "Resource": key.arn,
        }

        def change(before: MessageQueue) -> MessageQueue:
            policy = _policy(before)
            if any(one.get("Sid") == label for one in policy["Statement"]):
                raise InvalidParameter(
                    f"Value {label} for parameter Label is invalid. Reason: Already exists."
                )
            policy["Statement"].append(statement)
            return replace(before, policy=orjson.dumps(policy).decode())

        await self.queues.change(key, change)
        return {}

    async def remove_permission(self, call: Call, given: Members) -> Members:
        key, label = self.queue(call, given, "RemovePermission").key, given["Label"]

        def change(before: MessageQueue) -> MessageQueue:
            policy = _policy(before)
            left = [one for one in policy["Statement"] if one.get("Sid") != label]
            if len(left) == len(policy["Statement"]):
                raise InvalidParameter(
                    f"Value {label} for parameter Label is invalid. Reason: can't find label on existing "
                    "policy."
                )
            policy["Statement"] = left
            return replace(before, policy=orjson.dumps(policy).decode() if left else "")

        await self.queues.change(key, change)
        return {}


def _policy(queue: MessageQueue) -> dict[str, Any]:
    new = {"Version": "2012-10-17", "Id": f"{queue.key.arn}/SQSDefaultPolicy", "Statement": []}
    policy: dict[str, Any] = orjson.loads(queue.policy) if queue.policy else new
    told = policy.get("Statement", [])
    return {**policy, "Statement": list(told) if isinstance(told, list) else [told]}


def _shown(queue: MessageQueue, settings: Mapping[str, Any], attribute: str) -> str:
    """An attribute as it would be shown with these settings."""
    return attributes_of(replace(queue, **settings)).get(attribute, "")


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if name not in ATTRIBUTES and name not in (*COUNTED, COUNTED_DELAYED, "All"):
            raise failure("InvalidAttributeName", f"Unknown Attribute {name}.")


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > TAGS:
        raise InvalidParameter(f"Too many tags added for queue: {len(tags)}. The limit is {TAGS}.")
