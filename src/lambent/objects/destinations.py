"""Whether a bucket may tell a function or a queue: asked when a rule is put, and again at each event."""

from collections.abc import Sequence
from typing import Protocol

from lambent.events.queue_policy import allows_service
from lambent.model.function import Version
from lambent.model.names import Target, parse_target
from lambent.model.queue import Draft, MessageQueue, QueueKey, parse_queue_arn
from lambent.objects import records
from lambent.objects.buckets import Bucket
from lambent.objects.errors import S3Error
from lambent.objects.notifications import Rule

SERVICE = "s3.amazonaws.com"
ACTION = "lambda:InvokeFunction"
NO_PERMISSION = (
    "Permissions on the destination queue do not allow S3 to publish notifications from this bucket"
)


class Functions(Protocol):
    def find(self, target: Target) -> Version | None: ...


class Policies(Protocol):
    def allows(
        self, target: Target, *, service: str, action: str, source_arn: str, source_account: str
    ) -> bool: ...


class Queues(Protocol):
    def find(self, key: QueueKey | None) -> MessageQueue | None: ...


class Messages(Protocol):
    async def send(self, queue: MessageQueue, drafts: Sequence[Draft]) -> object: ...


class Destinations:
    """The functions and queues that rules name."""

    def __init__(self, functions: Functions, policies: Policies, queues: Queues, messages: Messages) -> None:
        self._functions = functions
        self._policies = policies
        self._queues = queues
        self._messages = messages

    def may_start(self, bucket: Bucket, function: str) -> Target | None:
        """The function, when it is there and its policy lets the bucket start it."""
        target = parse_target(function, "", "")
        if target is None or self._functions.find(target) is None:
            return None
        allowed = self._policies.allows(
            target,
            service=SERVICE,
            action=ACTION,
            source_arn=bucket.arn,
            source_account=bucket.account,
        )
        return target if allowed else None

    def may_send(self, bucket: Bucket, arn: str) -> MessageQueue | None:
        """The queue, when it is there and its policy lets the bucket send to it."""
        queue = self._queues.find(parse_queue_arn(arn))
        if queue is None or queue.fifo:
            return None
        allowed = allows_service(
            queue, SERVICE, "sqs:SendMessage", source_arn=bucket.arn, source_account=bucket.account
        )
        return queue if allowed else None

    def check(self, bucket: Bucket, rules: tuple[Rule, ...], *, skip_validation: bool) -> None:
        """Raises S3's errors for rules whose destination this bucket may not tell anything."""
        refused = [(rule, why) for rule in rules if (why := self._refusal(bucket, rule))]
        if refused and not skip_validation:
            fields: dict[str, str] = {}
            for number, (rule, why) in enumerate(refused, 1):
                fields[f"ArgumentName{number}"] = f"{rule.destination}, null"
                fields[f"ArgumentValue{number}"] = why
            message = "Unable to validate the following destination configurations"
            raise S3Error("InvalidArgument", message, 400, **fields)
        if any(rule.destination.split(":")[3] != bucket.region for rule in rules):
            raise S3Error(
                "InvalidArgument",
                "The notification destination service region is not valid for the bucket location constraint",
            )

    async def test(self, bucket: Bucket, rules: tuple[Rule, ...], request_id: str) -> None:
        """Send every queue of these rules S3's test event."""
        for arn in {rule.destination for rule in rules if rule.to_queue}:
            if queue := self.may_send(bucket, arn):
                draft = Draft(body=records.test_event(bucket, request_id).decode(), sender=SERVICE)
                await self._messages.send(queue, [draft])

    def _refusal(self, bucket: Bucket, rule: Rule) -> str:
        if not rule.to_queue:
            allowed = self.may_start(bucket, rule.destination)
            return "" if allowed else f"Not authorized to invoke function [{rule.destination}]"
        queue = self._queues.find(parse_queue_arn(rule.destination))
        if queue is None:
            return "The destination queue does not exist"
        if queue.fifo:
            return "FIFO SQS queues are not supported."
        return "" if self.may_send(bucket, rule.destination) else NO_PERMISSION
