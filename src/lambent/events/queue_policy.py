"""Whether a queue's policy lets a service or another account do something to it."""

from functools import lru_cache

from lambent.model.policy import NOTHING, BadPolicy, Caller, Effect, Policy, Request, decide, parse
from lambent.model.queue import MessageQueue


def allows_service(
    queue: MessageQueue, service: str, action: str, *, source_arn: str, source_account: str
) -> bool:
    """Whether a service may do `action` on behalf of that resource of that account."""
    context = {
        "aws:sourcearn": (source_arn,),
        "aws:sourceaccount": (source_account,),
        "aws:securetransport": ("true",),  # a service's delivery leaves the node nowhere
    }
    request = Request(Caller(service=service), action, queue.key.arn, context)
    return decide([compiled(queue.policy)], request) is Effect.ALLOW


def allows_account(queue: MessageQueue, account: str, principal_arn: str, action: str) -> bool:
    """Whether callers of another account may do `action`."""
    context = {"aws:principalaccount": (account,), "aws:principalarn": (principal_arn,)}
    request = Request(Caller(account, frozenset({principal_arn})), action, queue.key.arn, context)
    return decide([compiled(queue.policy)], request) in (Effect.ALLOW, Effect.DELEGATED)


@lru_cache(maxsize=256)
def compiled(document: str) -> Policy:
    """What a policy says; one that is not understood lets nobody in."""
    try:
        return parse(document, names_principals=True) if document else NOTHING
    except BadPolicy:
        return NOTHING
