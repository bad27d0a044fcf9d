"""The guard: which action on which resource an operation is, and whether its caller may do that."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from lambent.events.queue_policy import compiled
from lambent.faces.call import Call
from lambent.faces.errors import ServiceError
from lambent.model.errors import Forbidden
from lambent.model.identity import PrincipalKind
from lambent.model.names import Target, parse_target
from lambent.model.patterns import Values
from lambent.model.policy import NOTHING, Effect, Policy
from lambent.model.queue import MessageQueue, QueueKey, parse_queue_arn
from lambent.store.authority import Authority
from lambent.store.directory import Directory
from lambent.store.entities import Entities
from lambent.store.policies import DIRECTLY, Policies, resource_of

Members = dict[str, Any]

INVOKE = "lambda:InvokeFunction"
INVOKE_URL = "lambda:InvokeFunctionUrl"
VIA_URL = {"lambda:invokedviafunctionurl": ("true",)}


class Need(NamedTuple):
    """What an operation needs leave for. `resource` is an ARN, or * where the action has none."""

    action: str
    resource: str = "*"
    context: Values = DIRECTLY


_CODES = {
    "lambda": ("AccessDeniedException", 403),
    "logs": ("AccessDeniedException", 400),
    "sqs": ("AccessDeniedException", 403),
}
_FREE = frozenset({"GetCallerIdentity", "GetSessionToken", "AssumeRole"})  # AssumeRole asks the role's trust

# Operations that AWS counts as another one.
_LAMBDA_ACTIONS = {
    "GetLayerVersionByArn": "GetLayerVersion",
    "InvokeWithResponseStream": "InvokeFunction",
}
_MAPPINGS = frozenset({"CreateEventSourceMapping", "ListEventSourceMappings"})
_OWN_USER = frozenset(
    {
        "GetUser",
        "CreateAccessKey",
        "DeleteAccessKey",
        "ListAccessKeys",
        "UpdateAccessKey",
        "GetAccessKeyLastUsed",
    }
)
_LOGS_BY_ARN = frozenset({"TagResource", "UntagResource", "ListTagsForResource"})


class Guard:
    """Asked by the codec before each operation, and by the faces that go past the codec."""

    def __init__(
        self,
        authority: Authority,
        policies: Policies,
        directory: Directory,
        find_queue: Callable[[QueueKey], MessageQueue | None] = lambda _: None,
    ) -> None:
        self._authority = authority
        self._policies = policies
        self._directory = directory
        self._find_queue = find_queue
        self._needs: dict[str, Callable[[Call, str, Members], Iterator[Need]]] = {
            "lambda": _lambda_needs,
            "iam": self._iam_needs,
            "logs": _logs_needs,
            "sqs": _sqs_needs,
        }

    def check(self, call: Call, operation: str, given: Members) -> None:
        """Raises `ServiceError` in the service's own form."""
        if operation in _FREE:
            return
        needs = self._needs.get(call.service, _plain_needs)
        for need in needs(call, operation, given):
            try:
                self._ask(call, need)
            except Forbidden as error:
                code, status = _CODES.get(call.service, ("AccessDenied", 403))
                raise ServiceError(code, error.message, status) from None

    def allow_invoke(self, call: Call, target: Target, action: str = INVOKE) -> None:
        """Raises `Forbidden` for who may not call the function."""
        self._ask(call, Need(action, resource_of(target)))

    def allow_url(self, call: Call, target: Target, auth_type: str) -> None:
        """Raises `Forbidden` for who may not use a function URL, which since 2025 takes two permissions."""
        resource, policy = resource_of(target), self._policies.policy(target)
        context = {**VIA_URL, "lambda:functionurlauthtype": (auth_type,)}
        for action in (INVOKE_URL, INVOKE):
            if call.principal.kind is not PrincipalKind.ANONYMOUS:
                self._ask(call, Need(action, resource, context))
            elif self._authority.says(policy, call.principal, action, resource, context) is not Effect.ALLOW:
                raise Forbidden(f"The policy of {resource} does not allow {action} to everybody.")

    def _ask(self, call: Call, need: Need) -> None:
        principal = call.principal
        owner = _owner(need.resource) or principal.account
        if principal.kind is PrincipalKind.ROOT and owner == principal.account:
            return
        context = {**need.context, "aws:requestedregion": (call.region,), "aws:sourceip": (call.peer,)}
        policy = self._policy(need.resource)
        self._authority.check(
            principal, need.action, need.resource, owner=owner, policy=policy, context=context
        )

    def _policy(self, resource: str) -> Policy:
        """The resource's own, of those that have one."""
        if ":function:" in resource and (target := parse_target(resource, "", "")):
            return self._policies.policy(target)
        if (key := parse_queue_arn(resource)) and (queue := self._find_queue(key)):
            return compiled(queue.policy)
        return NOTHING

    def _iam_needs(self, call: Call, operation: str, given: Members) -> Iterator[Need]:
        directory, account = self._directory, call.account
        kinds: dict[str, Entities[Any]] = {
            "RoleName": directory.roles,
            "UserName": directory.users,
            "GroupName": directory.groups,
        }
        context = {"iam:policyarn": (given["PolicyArn"],)} if "PolicyArn" in given else {}
        for member, entities in kinds.items():
            name = given.get(member)
            if name is None and member == "UserName" and operation in _OWN_USER:
                name = call.principal.name
            if name is not None:
                found = entities.find(account, name)
                kind = member.removesuffix("Name").lower()
                plain = f"arn:aws:iam::{account}:{kind}{given.get('Path', '/')}{name}"
                yield Need(f"iam:{operation}", found.arn if found is not None else plain, context)
                return
        policy = given.get("PolicyArn")
        if "PolicyName" in given:
            policy = f"arn:aws:iam::{account}:policy{given.get('Path', '/')}{given['PolicyName']}"
        yield Need(f"iam:{operation}", policy or "*", context)


def _owner(resource: str) -> str:
    """The account of what has a policy for other accounts; empty where only the caller's own decides."""
    if ":function:" in resource or parse_queue_arn(resource):
        return resource.split(":", 5)[4]
    return ""


def _plain_needs(call: Call, operation: str, given: Members) -> Iterator[Need]:
    yield Need(f"{call.service}:{operation}")


def _lambda_needs(call: Call, operation: str, given: Members) -> Iterator[Need]:
    action = f"lambda:{_LAMBDA_ACTIONS.get(operation, operation)}"
    name = given.get("FunctionName")
    target = parse_target(name, call.account, call.region) if name else None
    if target is not None and given.get("Qualifier"):
        target = Target(target.key, given["Qualifier"])
    context = {**DIRECTLY, **_lambda_context(given)}
    if operation in _MAPPINGS or (target is None and "UUID" not in given):
        if target is not None:
            context["lambda:functionarn"] = (target.key.arn,)
        yield Need(action, _lambda_resource(call, given) if target is None else "*", context)
    elif "UUID" in given:
        yield Need(
            action,
            f"arn:aws:lambda:{call.region}:{call.account}:event-source-mapping:{given['UUID']}",
            context,
        )
    elif target is not None:
        yield Need(action, resource_of(target), context)
    if "Role" in given:
        yield Need("iam:PassRole", given["Role"], {"iam:passedtoservice": ("lambda.amazonaws.com",)})


def _lambda_resource(call: Call, given: Members) -> str:
    """What is meant when it is no function."""
    start = f"arn:aws:lambda:{call.region}:{call.account}"
    if "LayerName" in given:
        layer = given["LayerName"]
        arn = layer if layer.startswith("arn:") else f"{start}:layer:{layer}"
        return f"{arn}:{given['VersionNumber']}" if "VersionNumber" in given else arn
    if "CapacityProviderName" in given:
        name = given["CapacityProviderName"]
        return name if name.startswith("arn:") else f"{start}:capacity-provider:{name}"
    for member in ("Resource", "ResourceArn", "CodeSigningConfigArn", "Arn"):
        if member in given:
            return str(given[member])
    return "*"


def _lambda_context(given: Members) -> dict[str, tuple[str, ...]]:
    context: dict[str, tuple[str, ...]] = {}
    if layers := given.get("Layers"):
        context["lambda:layer"] = tuple(layers)
    if principal := given.get("Principal"):
        context["lambda:principal"] = (principal,)
    if auth := given.get("AuthType") or given.get("FunctionUrlAuthType"):
        context["lambda:functionurlauthtype"] = (auth,)
    if tags := given.get("Tags"):
        context["aws:tagkeys"] = tuple(tags)
        context |= {f"aws:requesttag/{name.lower()}": (value,) for name, value in tags.items()}
    return context


def _logs_needs(call: Call, operation: str, given: Members) -> Iterator[Need]:
    start = f"arn:aws:logs:{call.region}:{call.account}:log-group:"
    if operation in _LOGS_BY_ARN:
        yield Need(f"logs:{operation}", given["resourceArn"].removesuffix(":*"))
        return
    groups = given.get("logGroupIdentifiers") or [
        given.get("logGroupName") or given.get("logGroupIdentifier", "")
    ]
    for group in groups:
        arn = group.removesuffix(":*") if group.startswith("arn:") else start + group
        yield Need(f"logs:{operation}", f"{arn}:log-stream:{given.get('logStreamName', '')}")


def _sqs_needs(call: Call, operation: str, given: Members) -> Iterator[Need]:
    """AWS writes SQS's actions in lower case, and has none for batches."""
    name, account = given.get("QueueName", "*"), given.get("QueueOwnerAWSAccountId", call.account)
    if url := given.get("QueueUrl"):
        account, _, name = url.rpartition("/")
        account = account.rpartition("/")[2]
    action = operation.removesuffix("Batch").lower()
    yield Need(f"sqs:{action}", f"arn:aws:sqs:{call.region}:{account}:{name}")
