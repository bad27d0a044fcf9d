"""Lambda's operations on capacity providers: kept; this node is what every function runs on."""

from dataclasses import replace
from typing import Any

from lambent.faces.aws_lambda_pages import page
from lambent.faces.aws_lambda_tags import check_tags
from lambent.faces.call import Call
from lambent.model.errors import Conflict, NotFound
from lambent.model.function import Version
from lambent.model.names import FunctionKey
from lambent.model.timestamps import later_stamp
from lambent.store.functions import Functions
from lambent.store.resources import Kind, Resource, ResourceKey, Resources, parse

Members = dict[str, Any]

CREATED = (
    "VpcConfig",
    "PermissionsConfig",
    "InstanceRequirements",
    "CapacityProviderScalingConfig",
    "KmsKeyArn",
    "PropagateTags",
    "TelemetryConfig",
)
CHANGEABLE = ("CapacityProviderScalingConfig", "PropagateTags", "TelemetryConfig")
DEFAULT_SCALING = {"MaxVCpuCount": 400, "ScalingMode": "Auto"}


class CapacityOperations:
    """One method an operation; keys are the service model's member names."""

    functions: Functions
    resources: Resources

    async def create_capacity_provider(self, call: Call, given: Members) -> Members:
        check_tags(given.get("Tags", {}))
        key = _key(call, given["CapacityProviderName"])
        if self.resources.find(key) is not None:
            raise Conflict(f"Capacity provider already exists: {key.arn}")
        scaling = {**DEFAULT_SCALING, **given.get("CapacityProviderScalingConfig", {})}
        document = {member: given[member] for member in CREATED if member in given}
        document |= {"CapacityProviderScalingConfig": scaling, "LastModified": later_stamp("")}
        new = Resource(key, document, given.get("Tags", {}))
        await self.resources.create(new)
        return {"CapacityProvider": _shown(new, "Pending")}

    async def get_capacity_provider(self, call: Call, given: Members) -> Members:
        return {"CapacityProvider": _shown(self._provider(call, given))}

    async def update_capacity_provider(self, call: Call, given: Members) -> Members:
        changes = {member: given[member] for member in CHANGEABLE if member in given}

        def change(before: Resource) -> Resource:
            modified = later_stamp(before.document["LastModified"])
            return replace(before, document={**before.document, **changes, "LastModified": modified})

        before = self._provider(call, given)
        return {"CapacityProvider": _shown(await self.resources.change(before.key, change))}

    async def delete_capacity_provider(self, call: Call, given: Members) -> Members:
        provider = self._provider(call, given)
        if self._users(provider.key):
            raise Conflict(f"Capacity provider is used by functions: {provider.key.arn}")
        await self.resources.delete(provider.key)
        return {"CapacityProvider": _shown(provider, "Deleting")}

    async def list_capacity_providers(self, call: Call, given: Members) -> Members:
        state = given.get("State", "Active")
        providers = self.resources.list(call.account, call.region, Kind.CAPACITY_PROVIDER)
        fitting = providers if state == "Active" else []
        return page("CapacityProviders", fitting, given, position=lambda one: one.key.name, show=_shown)

    async def list_function_versions_by_capacity_provider(self, call: Call, given: Members) -> Members:
        key = self._provider(call, given).key
        answer = page(
            "FunctionVersions",
            self._users(key),
            given,
            position=lambda version: version.qualified_arn,
            show=lambda version: {"FunctionArn": version.qualified_arn, "State": version.state.value},
        )
        return {"CapacityProviderArn": key.arn, **answer}

    def check_capacity_provider(self, call: Call, config: Members) -> None:
        """Raises `NotFound` for a provider that a function names and that is not there."""
        arn = _named(config)
        key = parse(arn)
        if arn and (key is None or key.account != call.account or self.resources.find(key) is None):
            raise NotFound(f"Capacity provider not found: {arn}")

    def _provider(self, call: Call, given: Members) -> Resource:
        key = _key(call, given["CapacityProviderName"])
        found = self.resources.find(key) if key.account == call.account else None
        if found is None:
            raise NotFound(f"Capacity provider not found: {key.arn}")
        return found

    def _users(self, provider: ResourceKey) -> list[Version]:
        functions = (
            self.functions.function(FunctionKey(provider.account, provider.region, name))
            for name in self.functions.names(provider.account, provider.region)
        )
        versions = (v for function in functions for v in (function.latest, *function.published.values()))
        users = [v for v in versions if _named(v.kept.get("CapacityProviderConfig", {})) == provider.arn]
        return sorted(users, key=lambda version: version.qualified_arn)


def _key(call: Call, name: str) -> ResourceKey:
    named = parse(name)
    return named or ResourceKey(call.account, call.region, Kind.CAPACITY_PROVIDER, name)


def _named(config: Any) -> str:
    """The ARN of the provider in a function's configuration."""
    arn: str = config.get("LambdaManagedInstancesCapacityProviderConfig", {}).get("CapacityProviderArn", "")
    return arn


def _shown(provider: Resource, state: str = "Active") -> Members:
    return {"CapacityProviderArn": provider.key.arn, "State": state, **provider.document}
