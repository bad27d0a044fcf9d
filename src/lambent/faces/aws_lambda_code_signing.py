"""Lambda's operations on code signing configurations: kept, while no package's signature is verified."""

import secrets
from dataclasses import replace
from typing import Any

from lambent.faces.aws_lambda_pages import page
from lambent.faces.aws_lambda_tags import check_tags
from lambent.faces.aws_lambda_targets import resolve_function
from lambent.faces.call import Call
from lambent.faces.errors import ServiceError
from lambent.model.errors import Conflict
from lambent.model.names import FunctionKey, Target
from lambent.model.timestamps import later_stamp
from lambent.store.function_settings import FunctionSettings
from lambent.store.function_settings import Kind as Setting
from lambent.store.functions import Functions
from lambent.store.resources import Kind, Resource, ResourceKey, Resources, parse

Members = dict[str, Any]

DEFAULT_POLICIES = {"UntrustedArtifactOnDeployment": "Warn"}
CHANGEABLE = ("Description", "AllowedPublishers", "CodeSigningPolicies")
IN_USE = "Code signing configuration {} cannot be deleted because it is used by at least one function."


class CodeSigningOperations:
    """One method an operation; keys are the service model's member names."""

    functions: Functions
    settings: FunctionSettings
    resources: Resources

    async def create_code_signing_config(self, call: Call, given: Members) -> Members:
        check_tags(given.get("Tags", {}))
        name = f"csc-{secrets.token_hex(9)[:17]}"
        document = {
            "CodeSigningPolicies": DEFAULT_POLICIES,
            **{member: given[member] for member in CHANGEABLE if member in given},
            "LastModified": later_stamp(""),
        }
        key = ResourceKey(call.account, call.region, Kind.CODE_SIGNING_CONFIG, name)
        new = Resource(key, document, given.get("Tags", {}))
        await self.resources.create(new)
        return {"CodeSigningConfig": _shown(new)}

    async def get_code_signing_config(self, call: Call, given: Members) -> Members:
        return {"CodeSigningConfig": _shown(self._signing_config(call, given))}

    async def update_code_signing_config(self, call: Call, given: Members) -> Members:
        changes = {member: given[member] for member in CHANGEABLE if member in given}

        def change(before: Resource) -> Resource:
            modified = later_stamp(before.document["LastModified"])
            return replace(before, document={**before.document, **changes, "LastModified": modified})

        before = self._signing_config(call, given)
        return {"CodeSigningConfig": _shown(await self.resources.change(before.key, change))}

    async def delete_code_signing_config(self, call: Call, given: Members) -> Members:
        config = self._signing_config(call, given)
        if self._signed(config):
            raise Conflict(IN_USE.format(config.key.arn))
        await self.resources.delete(config.key)
        return {}

    async def list_code_signing_configs(self, call: Call, given: Members) -> Members:
        configs = self.resources.list(call.account, call.region, Kind.CODE_SIGNING_CONFIG)
        return page("CodeSigningConfigs", configs, given, position=lambda one: one.key.name, show=_shown)

    async def list_functions_by_code_signing_config(self, call: Call, given: Members) -> Members:
        keys = self._signed(self._signing_config(call, given))
        return page("FunctionArns", keys, given, position=lambda key: key.name, show=lambda key: key.arn)

    async def put_function_code_signing_config(self, call: Call, given: Members) -> Members:
        self.check_signing_config(given["CodeSigningConfigArn"])
        key = resolve_function(call, given["FunctionName"])
        self.functions.function(key)
        await self.sign(key, given["CodeSigningConfigArn"])
        return {"CodeSigningConfigArn": given["CodeSigningConfigArn"], "FunctionName": key.name}

    async def get_function_code_signing_config(self, call: Call, given: Members) -> Members:
        key = resolve_function(call, given["FunctionName"])
        self.functions.function(key)
        document = self.settings.get(Setting.CODE_SIGNING, Target(key))
        return {"CodeSigningConfigArn": document["arn"], "FunctionName": key.name} if document else {}

    async def delete_function_code_signing_config(self, call: Call, given: Members) -> Members:
        key = resolve_function(call, given["FunctionName"])
        self.functions.function(key)
        await self.settings.delete(Setting.CODE_SIGNING, Target(key))
        return {}

    async def sign(self, key: FunctionKey, arn: str) -> None:
        """Bind a function to a configuration."""
        await self.settings.put(Setting.CODE_SIGNING, Target(key), {"arn": arn})

    def check_signing_config(self, arn: str) -> None:
        """Raises what is raised for a function whose configuration is not there."""
        key = parse(arn)
        if key is None or self.resources.find(key) is None:
            raise ServiceError(
                "CodeSigningConfigNotFoundException",
                "The code signing configuration cannot be found. "
                f"Check that the provided configuration is not deleted: {arn}.",
                404,
            )

    def _signing_config(self, call: Call, given: Members) -> Resource:
        arn = given["CodeSigningConfigArn"]
        key = parse(arn)
        found = self.resources.find(key) if key and key.account == call.account else None
        if found is None:
            text = f"The Lambda code signing configuration {arn} can not be found."
            raise ServiceError("ResourceNotFoundException", text, 404, Type="")
        return found

    def _signed(self, config: Resource) -> list[FunctionKey]:
        """The functions that are bound to a configuration."""
        arn = config.key.arn
        settings = (
            (key, self.settings.get(Setting.CODE_SIGNING, Target(key))) for key in self.settings.functions()
        )
        return sorted(key for key, document in settings if document and document["arn"] == arn)


def _shown(config: Resource) -> Members:
    identity = {"CodeSigningConfigId": config.key.name, "CodeSigningConfigArn": config.key.arn}
    return {**identity, **config.document}
