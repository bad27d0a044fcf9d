"""Execution roles: what a function's role lets Lambda do, asked where AWS asks it."""

from collections.abc import Callable

from lambent.events.queue_policy import compiled
from lambent.model.errors import InvalidParameter
from lambent.model.function import Version
from lambent.model.identity import Principal, PrincipalKind
from lambent.model.names import FunctionKey, parse_target
from lambent.model.policy import NOTHING, Caller, Effect, Request, decide, parse
from lambent.model.queue import MessageQueue, QueueKey, parse_queue_arn
from lambent.store.authority import Authority
from lambent.store.directory import Directory
from lambent.store.policies import resource_of

NOT_ASSUMABLE = "The role defined for the function cannot be assumed by Lambda."  # Terraform looks for this
NO_LEAVE = "The provided execution role does not have permissions to call {} on SQS"
NO_DESTINATION = "The function's execution role does not have permissions to call {} on {}"
LAMBDA = Caller(service="lambda.amazonaws.com")
RECEIVING = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")


class Roles:
    """A role that IAM never had is its account's own and may do all that the account may."""

    def __init__(
        self,
        directory: Directory,
        authority: Authority,
        find_queue: Callable[[QueueKey | None], MessageQueue | None],
    ) -> None:
        self._roles = directory.roles
        self._authority = authority
        self._find_queue = find_queue

    def check_trust(self, key: FunctionKey, arn: str) -> None:
        """Raises `InvalidParameter` for a role that does not let Lambda act as it."""
        if not self._trusts(key, arn.rpartition("/")[2]):
            raise InvalidParameter(NOT_ASSUMABLE)

    def _trusts(self, key: FunctionKey, name: str) -> bool:
        role = self._roles.find(key.account, name)
        if role is None:
            return not self._roles.was_deleted(key.account, name)
        trust = parse(role.trust_policy, names_principals=True, has_resources=False)
        context = {"aws:sourcearn": (key.arn,), "aws:sourceaccount": (key.account,)}
        return decide([trust], Request(LAMBDA, "sts:AssumeRole", role.arn, context)) is Effect.ALLOW

    def check_receiving(self, version: Version, queue_arn: str) -> None:
        """Raises `InvalidParameter` unless the role may take messages from the queue."""
        for action in RECEIVING:
            if not self._may(version, f"sqs:{action}", queue_arn):
                raise InvalidParameter(NO_LEAVE.format(action))

    def check_dead_letters(self, version: Version, queue_arn: str) -> None:
        """Raises `InvalidParameter` unless the role may send to the queue."""
        if not self._may(version, "sqs:SendMessage", queue_arn):
            raise InvalidParameter(NO_LEAVE.format("SendMessage"))

    def check_destination(self, version: Version, arn: str) -> None:
        """Raises `InvalidParameter` unless the role may tell this queue or function of an end."""
        if not self.may_tell(version, arn):
            raise InvalidParameter(NO_DESTINATION.format(_telling(arn).partition(":")[2], arn))

    def may_receive(self, version: Version, queue_arn: str) -> bool:
        return all(self._may(version, f"sqs:{action}", queue_arn) for action in RECEIVING)

    def may_tell(self, version: Version, arn: str) -> bool:
        """Whether the role may tell this queue or function of an end."""
        return self._may(version, _telling(arn), arn)

    def _may(self, version: Version, action: str, arn: str) -> bool:
        account = version.key.account
        who = Principal(PrincipalKind.ROLE, account, version.role.rpartition("/")[2], version.key.name)
        queue, target = self._find_queue(parse_queue_arn(arn)), parse_target(arn, "", "")
        policy = compiled(queue.policy) if queue is not None else NOTHING
        resource = resource_of(target) if target is not None and queue is None else arn
        return not self._authority.refusal(who, action, resource, arn.split(":")[4], policy)


def _telling(arn: str) -> str:
    """The action by which somebody is told."""
    return "sqs:SendMessage" if parse_queue_arn(arn) else "lambda:InvokeFunction"
