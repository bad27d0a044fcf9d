"""Which function a request means: names, partial and full ARNs, qualifiers."""

from lambent.faces.call import Call
from lambent.model.errors import InvalidParameter, NotFound
from lambent.model.names import LATEST, FunctionKey, Target, parse_target

FUNCTIONS_ONLY = (
    "This operation is permitted on Lambda functions only. Aliases and versions do not support this "
    "operation. Please specify either a function name or an unqualified function ARN."
)
MISMATCH = "The derived qualifier from the function name does not match the specified qualifier."


def resolve(call: Call, name: str, qualifier: str | None = None) -> Target:
    """The function or version that is meant, whether it exists or not.

    Raises `NotFound` for another region, `InvalidParameter` for two qualifiers that differ. Whether the
    caller may, also in another account, is the guard's.
    """
    target = parse_target(name, call.account, call.region)
    if target is None:  # the model allows a dot in a name, the service has never had one
        raise NotFound(f"Function not found: {FunctionKey(call.account, call.region, name).arn}")
    key = target.key
    if key.region != call.region:
        raise NotFound(f"Functions from '{key.region}' are not reachable in this region ('{call.region}')")
    if qualifier and target.qualifier and qualifier != target.qualifier:
        raise InvalidParameter(MISMATCH)
    return Target(key, qualifier or target.qualifier)


def resolve_function(call: Call, name: str) -> FunctionKey:
    """The function that is meant, for what is done to functions as a whole."""
    target = resolve(call, name)
    if target.qualifier not in (None, LATEST):
        raise InvalidParameter(FUNCTIONS_ONLY)
    return target.key
