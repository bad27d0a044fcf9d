"""Which of Lambda's operations work, which keep what they are given, which are refused and why."""

from collections.abc import Iterator

from lambent.faces.aws_lambda import UNCHECKED, LambdaFace
from lambent.faces.aws_lambda_configuration import NOT_HERE
from lambent.faces.codec import Codec

PAST_THE_CODEC = frozenset({"Invoke", "InvokeWithResponseStream"})  # answered by faces of their own

# Stored, checked and shown again; the text says what becomes of it here.
_SIGNING = "the signatures of packages are not verified"
_CAPACITY = "every function runs on this node"
_RUNTIME = "functions run on the machine's own interpreters"
_SCALING = "the pool makes as many instances as are called"
KEPT = {
    **dict.fromkeys(
        (
            "CreateCodeSigningConfig",
            "DeleteCodeSigningConfig",
            "DeleteFunctionCodeSigningConfig",
            "GetCodeSigningConfig",
            "GetFunctionCodeSigningConfig",
            "ListCodeSigningConfigs",
            "ListFunctionsByCodeSigningConfig",
            "PutFunctionCodeSigningConfig",
            "UpdateCodeSigningConfig",
        ),
        _SIGNING,
    ),
    **dict.fromkeys(
        (
            "CreateCapacityProvider",
            "DeleteCapacityProvider",
            "GetCapacityProvider",
            "ListCapacityProviders",
            "ListFunctionVersionsByCapacityProvider",
            "UpdateCapacityProvider",
        ),
        _CAPACITY,
    ),
    **dict.fromkeys(("GetRuntimeManagementConfig", "PutRuntimeManagementConfig"), _RUNTIME),
    **dict.fromkeys(("GetFunctionScalingConfig", "PutFunctionScalingConfig"), _SCALING),
}
PAGE = """# Lambda's operations

What each operation of AWS Lambda's API does here. Made by `scripts/operations` from the faces and from AWS's
own service model; a test fails when it is stale.

- **works**: does what it does at AWS.
- **kept**: what is given is checked, stored and shown again; it has no effect beyond what is said.
- **refused**: answered 501 `NotImplementedException`, with the reason.

| operation | state | |
|---|---|---|
{rows}

Members of CreateFunction, UpdateFunctionCode, UpdateFunctionConfiguration and PublishVersion that would
change how a function runs and cannot do so here are answered 400 `InvalidParameterValueException`:

| member | because |
|---|---|
{members}

So is `DurableExecutionName` of Invoke.

Of what has no meaning on one's own machines the rest is kept: `CapacityProviderConfig`, `FileSystemConfigs`,
`KMSKeyArn`, `SourceKMSKeyArn`, `TracingConfig`, `VpcConfig`. `Architectures` has to be the machine's own, and
`S3ObjectStorageMode` is COPY: packages are copied, never read again from their bucket.
"""


def table() -> str:
    """The page in the docs."""
    lines = [f"| {name} | {state} | {text} |".replace("|  |", "| |") for name, state, text in _rows()]
    members = [f"| `{name}` | {reason} |" for name, reason in NOT_HERE.items()]
    return PAGE.format(rows="\n".join(lines), members="\n".join(members))


def _rows() -> Iterator[tuple[str, str, str]]:
    for name, there in sorted(Codec("lambda", unchecked=UNCHECKED).operations(LambdaFace).items()):
        if name in KEPT:
            yield name, "kept", KEPT[name]
        elif there or name in PAST_THE_CODEC:
            yield name, "works", ""
        else:
            yield name, "refused", LambdaFace.refused.get(name, "not in this version")


if __name__ == "__main__":
    print(table(), end="")
