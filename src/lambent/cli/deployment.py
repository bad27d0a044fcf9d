"""Puts a bundle under a function's name: the role it runs with, its code, its configuration."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lambent.cli.output import Steps, size

DEFAULT_ROLE = "lambent-default"
ROLE_POLICY = "arn:aws:iam::aws:policy/PowerUserAccess"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
WAIT = {"Delay": 0.1, "MaxAttempts": 600}  # a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a function shall be. What is None stays as it is, or is AWS's default for a new one."""

    name: str
    code: Mapping[str, Any] = field(default_factory=dict)  # ZipFile or ImageUri
    runtime: str | None = None  # an image has none, and no handler
    handler: str | None = None
    memory_mb: int | None = None
    timeout_s: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    layers: tuple[str, ...] = ()  # ARNs of versions

    def configuration(self) -> dict[str, Any]:
        """As the API's members, without those that were not given."""
        members = {
            "Runtime": self.runtime,
            "Handler": self.handler,
            "MemorySize": self.memory_mb,
            "Timeout": self.timeout_s,
            "Environment": {"Variables": self.environment} if self.environment else None,
            "Layers": list(self.layers) or None,
        }
        return {name: value for name, value in members.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Deployed:
    """What the node holds now, and what had to be changed for it."""

    configuration: dict[str, Any]
    changed: tuple[str, ...]


def ensure_role(iam: Any, name: str = DEFAULT_ROLE) -> str:
    """The ARN of the role that deployed functions run with, made when it is missing.

    A script that is pushed shall just work: it may do all but change who may do what.
    """
    try:
        answer = iam.get_role(RoleName=name)
    except iam.exceptions.NoSuchEntityException:
        answer = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        iam.attach_role_policy(RoleName=name, PolicyArn=ROLE_POLICY)
    arn: str = answer["Role"]["Arn"]
    return arn


def present(functions: Any, name: str) -> dict[str, Any] | None:
    """The function's configuration, None when there is no such function."""
    try:
        answer: dict[str, Any] = functions.get_function_configuration(FunctionName=name)
    except functions.exceptions.ResourceNotFoundException:
        return None
    return answer


def create(functions: Any, wish: Wish, role: str, steps: Steps) -> Deployed:
    kind = "Image" if "ImageUri" in wish.code else "Zip"
    functions.create_function(
        FunctionName=wish.name, Role=role, Code=wish.code, PackageType=kind, **wish.configuration()
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=wish.name, WaiterConfig=WAIT)
    now = functions.get_function_configuration(FunctionName=wish.name)
    steps.done("function", f"{wish.name} created: {describe(now)}")
    return Deployed(now, ("created",))


def update(functions: Any, wish: Wish, old: dict[str, Any], steps: Steps) -> Deployed:
    changed = []
    if old["CodeSha256"] != _digest(functions, wish):
        functions.update_function_code(FunctionName=wish.name, **wish.code)
        _await_update(functions, wish.name)
        changed.append("code")
    had = {**old, "Layers": [layer["Arn"] for layer in old.get("Layers", [])]}
    different = {k: v for k, v in wish.configuration().items() if had.get(k) != v}
    if different:
        functions.update_function_configuration(FunctionName=wish.name, **different)
        _await_update(functions, wish.name)
        changed += sorted(different)
    now = functions.get_function_configuration(FunctionName=wish.name)
    what = f"updated ({', '.join(changed)})" if changed else "unchanged"
    steps.done("function", f"{wish.name} {what}: {describe(now)}")
    return Deployed(now, tuple(changed))


def _digest(functions: Any, wish: Wish) -> str:
    """What the node would show for this code; of an image only the node knows it."""
    if "ZipFile" in wish.code:
        return base64.b64encode(hashlib.sha256(wish.code["ZipFile"]).digest()).decode()
    tried = functions.update_function_code(FunctionName=wish.name, DryRun=True, **wish.code)
    return str(tried["CodeSha256"])


def _await_update(functions: Any, name: str) -> None:
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=WAIT)


def describe(configuration: dict[str, Any]) -> str:
    resources = f"{configuration['MemorySize']} MB, {configuration['Timeout']} s"
    if configuration["PackageType"] == "Image":
        return f"image {configuration['CodeSha256'][:12]}, {resources}"
    what = f"{configuration['Runtime']}, {configuration['Handler']}"
    return f"{what}, {resources}, {size(configuration['CodeSize'])}"
