"""Lambda's operations on who besides its account may use a layer's version."""

from dataclasses import replace
from typing import Any

import orjson

from lambent.faces.aws_lambda_layers import ABSENT, checked, forbidden, layer_key
from lambent.faces.call import Call
from lambent.model.errors import Conflict, NotFound, Precondition
from lambent.model.layer import LayerKey, LayerVersion
from lambent.store.functions import STALE_REVISION
from lambent.store.layers import Layers

Members = dict[str, Any]


class LayerPolicyOperations:
    """One method an operation; keys are the service model's member names."""

    layers: Layers

    async def add_layer_version_permission(self, call: Call, given: Members) -> Members:
        key, number = self._own(call, given)
        added = _statement(given, f"{key.arn}:{number}")

        def change(before: LayerVersion) -> LayerVersion:
            if any(statement["Sid"] == added["Sid"] for statement in before.statements):
                raise Conflict(
                    f"The statement id ({added['Sid']}) provided already exists. "
                    "Please provide a new statement id, or remove the existing statement."
                )
            _check_revision(before, given)
            return replace(before, statements=(*before.statements, added))

        after = await self.layers.change(key, number, change)
        return {"Statement": orjson.dumps(added).decode(), "RevisionId": after.policy_revision}

    async def remove_layer_version_permission(self, call: Call, given: Members) -> Members:
        key, number = self._own(call, given)
        sid = given["StatementId"]

        def change(before: LayerVersion) -> LayerVersion:
            left = tuple(statement for statement in before.statements if statement["Sid"] != sid)
            if left == before.statements:
                raise NotFound(f"Statement {sid} is not found in resource policy.")
            _check_revision(before, given)
            return replace(before, statements=left)

        await self.layers.change(key, number, change)
        return {}

    async def get_layer_version_policy(self, call: Call, given: Members) -> Members:
        key, number = self._own(call, given)
        version = self.layers.find(key, number)
        if version is None:
            raise NotFound(ABSENT.format(f"{key.arn}:{number}"))
        if not version.statements:
            raise NotFound("No policy is associated with the given resource.")
        document = {"Version": "2012-10-17", "Id": "default", "Statement": list(version.statements)}
        return {"Policy": orjson.dumps(document).decode(), "RevisionId": version.policy_revision}

    def _own(self, call: Call, given: Members) -> tuple[LayerKey, int]:
        key, number = layer_key(call, given["LayerName"]), checked(given["VersionNumber"])
        if key.account != call.account:
            raise forbidden(call, f"{key.arn}:{number}", "lambda:GetLayerVersionPolicy")
        return key, number


def _statement(given: Members, arn: str) -> Members:
    principal = given["Principal"]
    if principal.isdecimal():
        principal = f"arn:aws:iam::{principal}:root"
    statement = {
        "Sid": given["StatementId"],
        "Effect": "Allow",
        "Principal": principal if principal == "*" else {"AWS": principal},
        "Action": given["Action"],
        "Resource": arn,
    }
    if "OrganizationId" in given:
        statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": given["OrganizationId"]}}
    return statement


def _check_revision(version: LayerVersion, given: Members) -> None:
    if given.get("RevisionId", version.policy_revision) != version.policy_revision:
        raise Precondition(STALE_REVISION.format(api="GetLayerPolicy"))
