"""Lambda's operations on aliases."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lambent.faces.aws_lambda_concurrency import ConcurrencyOperations
from lambent.faces.aws_lambda_pages import page
from lambent.faces.aws_lambda_targets import resolve_function
from lambent.faces.call import Call
from lambent.faces.errors import ServiceError
from lambent.model.alias import Alias
from lambent.model.errors import InvalidParameter
from lambent.model.names import LATEST, Target
from lambent.store.aliases import Aliases

Members = dict[str, Any]

ADDITIONAL_VERSIONS = 1
TOO_MANY = f"Number of items in AdditionalVersionWeights cannot be greater than {ADDITIONAL_VERSIONS}"
TWICE = "Invalid function version {0}. Function version {0} is already included in routing configuration."
WEIGHTED_LATEST = "$LATEST is not supported for an alias pointing to more than 1 version"


class AliasOperations(ConcurrencyOperations):
    """One method an operation; keys are the service model's member names."""

    aliases: Aliases

    async def create_alias(self, call: Call, given: Members) -> Members:
        alias = Alias(
            key=resolve_function(call, given["FunctionName"]),
            name=given["Name"],
            version=given["FunctionVersion"],
            description=given.get("Description", ""),
            weights=_weights(given),
        )
        _check_weights(alias)
        return shown(await self.aliases.create(alias))

    async def get_alias(self, call: Call, given: Members) -> Members:
        key = resolve_function(call, given["FunctionName"])
        return shown(self.aliases.get(Target(key, given["Name"])))

    async def update_alias(self, call: Call, given: Members) -> Members:
        def change(before: Alias) -> Alias:
            after = replace(
                before,
                version=given.get("FunctionVersion", before.version),
                description=given.get("Description", before.description),
                weights=_weights(given) if "RoutingConfig" in given else before.weights,
            )
            _check_weights(after)
            return after

        key = resolve_function(call, given["FunctionName"])
        if (function := self.functions.peek(key)) and (alias := function.aliases.get(given["Name"])):
            self.check_leads(change(alias))
        return shown(await self.aliases.update(key, given["Name"], change, given.get("RevisionId")))

    async def delete_alias(self, call: Call, given: Members) -> Members:
        await self.aliases.delete(resolve_function(call, given["FunctionName"]), given["Name"])
        return {}

    async def list_aliases(self, call: Call, given: Members) -> Members:
        key = resolve_function(call, given["FunctionName"])
        aliases = self.aliases.list(key, given.get("FunctionVersion"))
        return page("Aliases", aliases, given, position=lambda alias: alias.name, show=shown)


def shown(alias: Alias) -> Members:
    """An alias as AWS shows it."""
    shape: Members = {
        "AliasArn": alias.arn,
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.weights:
        shape["RoutingConfig"] = {"AdditionalVersionWeights": dict(alias.weights)}
    return shape


def _weights(given: Members) -> Mapping[str, float]:
    weights: Mapping[str, float] = given.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    return weights


def _check_weights(alias: Alias) -> None:
    if len(alias.weights) > ADDITIONAL_VERSIONS:
        raise InvalidParameter(TOO_MANY)
    if alias.version in alias.weights:
        raise InvalidParameter(TWICE.format(alias.version))
    if alias.weights and alias.version == LATEST:
        raise ServiceError("InvalidParameterValueException", WEIGHTED_LATEST, Type="")
