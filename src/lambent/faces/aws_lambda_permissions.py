"""Lambda's operations on resource policies, and the IAM document that they make."""

import re
from typing import Any

import orjson

from lambent.faces.aws_lambda_targets import resolve
from lambent.faces.call import Call
from lambent.faces.errors import ServiceError
from lambent.model.errors import InvalidParameter, NotFound
from lambent.model.names import LATEST, Target
from lambent.model.permission import Permission
from lambent.store.functions import Functions
from lambent.store.policies import Policies

Members = dict[str, Any]

POLICY_BYTES = 20_480
ON_LATEST = "We currently do not support adding policies for $LATEST."
BAD_PRINCIPAL = "The provided principal was invalid. Please check the principal and try again."
NO_RESOURCE = "The resource you requested does not exist."

_ACCOUNT = re.compile(r"\d{12}")
_SERVICE = re.compile(r"[a-z0-9.-]+\.(amazonaws\.com|amazon\.com|aws\.internal)")
_IAM_ARN = re.compile(r"arn:aws[a-zA-Z-]*:(iam|sts)::\d{12}:.+")
_VERSION_OR_ALIAS = re.compile(r"[a-zA-Z0-9-_]+")


class PermissionOperations:
    """One method an operation; keys are the service model's member names."""

    functions: Functions
    policies: Policies

    async def add_permission(self, call: Call, given: Members) -> Members:
        target = self._policy_target(call, given)
        self.functions.function(target.key)
        self._check_qualifier(target)
        permission = Permission(
            sid=given["StatementId"],
            action=given["Action"],
            principal=given["Principal"],
            source_arn=given.get("SourceArn"),
            source_account=given.get("SourceAccount"),
            organization=given.get("PrincipalOrgID"),
            event_source_token=given.get("EventSourceToken"),
            url_auth_type=given.get("FunctionUrlAuthType"),
            via_url=given.get("InvokedViaFunctionUrl"),
        )
        added = statement(permission, target)
        size = len(document(target, (*self.policies.find(target), permission)))
        if size > POLICY_BYTES:
            raise ServiceError(
                "PolicyLengthExceededException",
                f"The final policy size ({size}) is bigger than the limit ({POLICY_BYTES}).",
            )
        await self.policies.add(target, permission, given.get("RevisionId"))
        return {"Statement": orjson.dumps(added).decode()}

    async def get_policy(self, call: Call, given: Members) -> Members:
        target = self._policy_target(call, given)
        policy = self.policies.find(target)
        if not policy:
            self.functions.function(target.key)
            raise NotFound(NO_RESOURCE)
        return {
            "Policy": document(target, policy).decode(),
            "RevisionId": self.functions.revision(target),
        }

    async def remove_permission(self, call: Call, given: Members) -> Members:
        target = self._policy_target(call, given)
        if not self.functions.exists(target.key):
            raise NotFound(f"No policy found for: {target.key.arn}")
        self._check_qualifier(target)
        await self.policies.remove(target, given["StatementId"], given.get("RevisionId"))
        return {}

    def _policy_target(self, call: Call, given: Members) -> Target:
        target = resolve(call, given["FunctionName"], given.get("Qualifier"))
        if target.qualifier == LATEST:
            raise InvalidParameter(ON_LATEST)
        return target

    def _check_qualifier(self, target: Target) -> None:
        if target.qualifier is None or self.functions.find(target) is not None:
            return
        if target.qualifier.isdecimal():
            raise NotFound(f"Function not found: {target.arn}")
        if _VERSION_OR_ALIAS.fullmatch(target.qualifier):
            raise NotFound(f"Cannot find alias arn: {target.arn}")
        raise NotFound(NO_RESOURCE)


def document(target: Target, policy: tuple[Permission, ...]) -> bytes:
    """The whole policy as JSON; the order of the keys is AWS's."""
    statements = [statement(permission, target) for permission in policy]
    return orjson.dumps({"Version": "2012-10-17", "Id": "default", "Statement": statements})


def statement(permission: Permission, target: Target) -> Members:
    """One statement. Raises `InvalidParameter` for a principal that cannot be one."""
    shape: Members = {
        "Sid": permission.sid,
        "Effect": "Allow",
        "Principal": _principal(permission.principal),
        "Action": permission.action,
        "Resource": target.arn,
    }
    if condition := _condition(permission):
        shape["Condition"] = condition
    return shape


def _principal(principal: str) -> str | Members:
    if principal == "*":
        return principal
    if _ACCOUNT.fullmatch(principal):
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    if _IAM_ARN.fullmatch(principal):
        return {"AWS": principal}
    if _SERVICE.fullmatch(principal):
        return {"Service": principal}
    raise InvalidParameter(BAD_PRINCIPAL)


def _condition(permission: Permission) -> Members:
    equals = {
        "AWS:SourceAccount": permission.source_account,
        "lambda:FunctionUrlAuthType": permission.url_auth_type,
        "aws:PrincipalOrgID": permission.organization,
        "lambda:EventSourceToken": permission.event_source_token,
    }
    equals = {name: value for name, value in equals.items() if value is not None}
    condition: Members = {}
    if equals:
        condition["StringEquals"] = equals
    if permission.via_url is not None:
        condition["Bool"] = {"lambda:InvokedViaFunctionUrl": str(permission.via_url).lower()}
    if permission.source_arn is not None:
        condition["ArnLike"] = {"AWS:SourceArn": permission.source_arn}
    return condition
