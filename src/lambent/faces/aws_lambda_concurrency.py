"""Lambda's operations on concurrency: what a function has for itself, and what is kept warm for it."""

import asyncio
from collections.abc import Callable
from typing import Any

from lambent.faces.aws_lambda_pages import page
from lambent.faces.aws_lambda_targets import FUNCTIONS_ONLY, resolve, resolve_function
from lambent.faces.call import Call
from lambent.faces.errors import ServiceError
from lambent.invoke.provisioned import IN_PROGRESS, Supply
from lambent.model.alias import Alias
from lambent.model.errors import Conflict, InvalidParameter, NotFound
from lambent.model.limits import (
    ACCOUNT_CODE_BYTES,
    ACCOUNT_CONCURRENCY,
    UNRESERVED_CONCURRENCY,
    UNZIPPED_BYTES,
    ZIP_BYTES,
)
from lambent.model.names import LATEST, FunctionKey, Target
from lambent.model.timestamps import later_stamp
from lambent.store.function_settings import FunctionSettings, Kind
from lambent.store.functions import Functions
from lambent.store.layers import Layers

Members = dict[str, Any]

PROVISIONED = "ProvisionedConcurrentExecutions"
BELOW_MINIMUM = (
    "Specified {} for function decreases account's UnreservedConcurrentExecution below its minimum value of "
    f"[{UNRESERVED_CONCURRENCY}]."
)
BELOW_PROVISIONED = (
    "ReservedConcurrentExecutions  {} should not be lower than function's total provisioned concurrency [{}]."
)
ABOVE_RESERVED = (
    "Requested Provisioned Concurrency should not be greater than the "
    "reservedConcurrentExecution for function"
)
ON_LATEST = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
DECODED_AT_ONCE = 200
PER_TENANT = "Provisioned concurrency is not supported for functions with tenancy configuration."
UNPUBLISHED = "The function resource provided must be an alias or a published version."
OF_SNAPSTART = "SnapStart does not support provisioned concurrency."
NONE_FOUND = "No Provisioned Concurrency Config found for this function"
ALIAS_PROVISIONED = "Version is pointed by a Provisioned Concurrency alias"
VERSION_PROVISIONED = (
    "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
)


class ConcurrencyOperations:
    """One method an operation; keys are the service model's member names."""

    functions: Functions
    layers: Layers
    settings: FunctionSettings
    supply: Callable[[Target], Supply]

    async def get_account_settings(self, call: Call, given: Members) -> Members:
        functions = []
        for number, key in enumerate(self._keys(call)):
            if number % DECODED_AT_ONCE == 0:  # the first to ask has all decoded; others go on meanwhile
                await asyncio.sleep(0)
            if function := self.functions.peek(key):
                functions.append(function)
        versions = [v for function in functions for v in (function.latest, *function.published.values())]
        layers = [v for key in self.layers.keys(call.account, call.region) for v in self.layers.versions(key)]
        sizes = [v.code.size for v in versions] + [v.code.size for v in layers]
        return {
            "AccountLimit": {
                "TotalCodeSize": ACCOUNT_CODE_BYTES,
                "CodeSizeUnzipped": UNZIPPED_BYTES,
                "CodeSizeZipped": ZIP_BYTES,
                "ConcurrentExecutions": ACCOUNT_CONCURRENCY,
                "UnreservedConcurrentExecutions": self._unreserved(call),
            },
            "AccountUsage": {
                "TotalCodeSize": sum(sizes),
                "FunctionCount": len(functions),
            },
        }

    async def put_function_concurrency(self, call: Call, given: Members) -> Members:
        target, count = self._unqualified(call, given), given["ReservedConcurrentExecutions"]
        others = self._unreserved(call) + self._taken(target.key)
        if others - count < UNRESERVED_CONCURRENCY:
            raise InvalidParameter(BELOW_MINIMUM.format("ReservedConcurrentExecutions"))
        if count < (provisioned := self._provisioned(target.key)):
            raise InvalidParameter(BELOW_PROVISIONED.format(count, provisioned))
        await self.settings.put(Kind.RESERVED, target, {"count": count})
        return {"ReservedConcurrentExecutions": count}

    async def get_function_concurrency(self, call: Call, given: Members) -> Members:
        document = self.settings.get(Kind.RESERVED, self._unqualified(call, given))
        return {"ReservedConcurrentExecutions": document["count"]} if document else {}

    async def delete_function_concurrency(self, call: Call, given: Members) -> Members:
        await self.settings.delete(Kind.RESERVED, self._unqualified(call, given))
        return {}

    async def put_provisioned_concurrency_config(self, call: Call, given: Members) -> Members:
        target, count = resolve(call, given["FunctionName"], given["Qualifier"]), given[PROVISIONED]
        self._check_published(target, ON_LATEST)
        self._check_provisionable(target)
        self._check_clash(target)
        others = self._provisioned(target.key) - self._count(target)
        reserved = self.settings.get(Kind.RESERVED, Target(target.key))
        if reserved and others + count > reserved["count"]:
            raise InvalidParameter(ABOVE_RESERVED)
        if not reserved and self._unreserved(call) + self._count(target) - count < UNRESERVED_CONCURRENCY:
            raise InvalidParameter(BELOW_MINIMUM.format("ConcurrentExecutions"))
        document = {"count": count, "last_modified": later_stamp("")}
        await self.settings.put(Kind.PROVISIONED, target, document)
        return _shown(document, Supply(0, IN_PROGRESS))

    async def get_provisioned_concurrency_config(self, call: Call, given: Members) -> Members:
        target = resolve(call, given["FunctionName"], given["Qualifier"])
        self._check_published(target, UNPUBLISHED)
        document = self.settings.get(Kind.PROVISIONED, target)
        if document is None:
            raise ServiceError("ProvisionedConcurrencyConfigNotFoundException", NONE_FOUND, 404)
        return _shown(document, self.supply(target))

    async def delete_provisioned_concurrency_config(self, call: Call, given: Members) -> Members:
        target = resolve(call, given["FunctionName"], given["Qualifier"])
        self._check_published(target, UNPUBLISHED)
        await self.settings.delete(Kind.PROVISIONED, target)
        return {}

    async def list_provisioned_concurrency_configs(self, call: Call, given: Members) -> Members:
        key = resolve_function(call, given["FunctionName"])
        self.functions.function(key)
        targets = [Target(key, qualifier) for qualifier in self.settings.of(Kind.PROVISIONED, key)]

        def show(target: Target) -> Members:
            document = self.settings.get(Kind.PROVISIONED, target) or {}
            return {"FunctionArn": target.arn, **_shown(document, self.supply(target))}

        name = "ProvisionedConcurrencyConfigs"
        return page(name, targets, given, position=lambda target: target.qualifier or "", show=show)

    def check_leads(self, alias: Alias) -> None:
        """Raises for an alias with instances of its own that would lead to what cannot have any."""
        provisioned = self.settings.of(Kind.PROVISIONED, alias.key)
        if alias.name not in provisioned:
            return
        for version in (alias.version, *alias.weights):
            if version == LATEST:
                raise InvalidParameter(ON_LATEST)
            if version in provisioned:
                raise Conflict(VERSION_PROVISIONED)
            self._check_provisionable(Target(alias.key, version))

    def _check_provisionable(self, target: Target) -> None:
        version = self.functions.described(target)
        if version.per_tenant:
            raise InvalidParameter(PER_TENANT)
        if version.snapstart:
            raise InvalidParameter(OF_SNAPSTART)

    def _unqualified(self, call: Call, given: Members) -> Target:
        target = resolve(call, given["FunctionName"])
        if target.qualifier is not None:
            raise InvalidParameter(FUNCTIONS_ONLY)
        self.functions.function(target.key)
        return target

    def _check_published(self, target: Target, refusal: str) -> None:
        """Raises for what is neither a number nor an alias, and for one that is not there."""
        qualifier = target.qualifier or LATEST
        if qualifier == LATEST:
            raise InvalidParameter(refusal)
        function = self.functions.peek(target.key)
        if qualifier.isdecimal():
            if function is None or qualifier not in function.published:
                raise NotFound(f"Function not found: {target.arn}")
        elif function is None or qualifier not in function.aliases:
            raise NotFound(f"Cannot find alias arn: {target.arn}")
        elif function.aliases[qualifier].version == LATEST:
            raise InvalidParameter(refusal)

    def _check_clash(self, target: Target) -> None:
        """A version and an alias of it cannot both have instances of their own."""
        aliases = self.functions.function(target.key).aliases
        there = self.settings.of(Kind.PROVISIONED, target.key).keys() - {target.qualifier}
        qualifier = target.qualifier or ""
        if qualifier in aliases:
            if any(aliases[qualifier].names(other) for other in there):
                raise Conflict(VERSION_PROVISIONED)
        elif any(aliases[other].names(qualifier) for other in there if other in aliases):
            raise Conflict(ALIAS_PROVISIONED)

    def _keys(self, call: Call) -> list[FunctionKey]:
        names = self.functions.names(call.account, call.region)
        return [FunctionKey(call.account, call.region, name) for name in names]

    def _unreserved(self, call: Call) -> int:
        """What is left of the account's concurrency for functions that have nothing set."""
        keys = [key for key in self.settings.functions() if key[:2] == (call.account, call.region)]
        return ACCOUNT_CONCURRENCY - sum(map(self._taken, keys))

    def _taken(self, key: FunctionKey) -> int:
        """What a function takes of its account: its reserved concurrency, or else what is kept warm."""
        reserved = self.settings.get(Kind.RESERVED, Target(key))
        return reserved["count"] if reserved else self._provisioned(key)

    def _provisioned(self, key: FunctionKey) -> int:
        return sum(document["count"] for document in self.settings.of(Kind.PROVISIONED, key).values())

    def _count(self, target: Target) -> int:
        document = self.settings.get(Kind.PROVISIONED, target)
        return document["count"] if document else 0


def _shown(document: Any, supply: Supply) -> Members:
    shape = {
        f"Requested{PROVISIONED}": document["count"],
        f"Available{PROVISIONED}": supply.allocated,
        f"Allocated{PROVISIONED}": supply.allocated,
        "Status": supply.status,
        "LastModified": document["last_modified"],
    }
    return {**shape, "StatusReason": supply.reason} if supply.reason else shape
