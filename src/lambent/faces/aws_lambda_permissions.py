"""Lambda's operations on resource policies, and the IAM document that they make."""

import re
from typing import Any

import orjson

from lambent.faces.aws_lambda_targets import resolve
from lambent.faces.call import Call
from lambent.faces.errors import ServiceError
from lambent.model.errors import InvalidParameter, NotFound
from lambent.model.names import LATEST, Target
from lambent.model.policy import BadPolicy, parse
from lambent.store.functions import Functions
from lambent.store.policies import Policies, document_of

Members = dict[str, Any]

POLICY_BYTES = 20_480
ON_LATEST = "We currently do not support adding policies for $LATEST."
BAD_PRINCIPAL = "The provided principal was invalid. Please check the principal and try again."
NO_RESOURCE = "The resource you requested does not exist."

PUBLIC = (
    "The resource-based policy you tried to add to the Lambda resource would grant public access to it, "
    "which isn't allowed."
)

_EQUALS = {  # condition keys by the members that give them, in the order that AWS writes them
    "AWS:SourceAccount": "SourceAccount",
    "lambda:FunctionUrlAuthType": "FunctionUrlAuthType",
    "aws:PrincipalOrgID": "PrincipalOrgID",
    "lambda:EventSourceToken": "EventSourceToken",
}
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
        added = statement(given, target)
        policy = self.policies.find(target)
        size = len(document_of([*(policy.statements if policy else ()), added]))
        if size > POLICY_BYTES:
            raise ServiceError(
                "PolicyLengthExceededException",
                f"The final policy size ({size}) is bigger than the limit ({POLICY_BYTES}).",
            )
        await self.policies.add(target, added, given.get("RevisionId"))
        return {"Statement": orjson.dumps(added).decode()}

    async def get_policy(self, call: Call, given: Members) -> Members:
        return self._shown(self._with_policy(call, given))

    async def remove_permission(self, call: Call, given: Members) -> Members:
        target = self._with_policy(call, given)
        self._check_qualifier(target)
        await self.policies.remove(target, given["StatementId"], given.get("RevisionId"))
        return {}

    async def put_resource_policy(self, call: Call, given: Members) -> Members:
        target = self._resource(call, given)
        self.functions.function(target.key)
        self._check_qualifier(target)
        try:
            policy = parse(given["Policy"], names_principals=True)
        except BadPolicy as error:
            raise InvalidParameter(f"The provided policy is invalid: {error}") from None
        if policy.is_public:
            raise ServiceError("PublicPolicyException", PUBLIC)
        await self.policies.put(target, given["Policy"], given.get("RevisionId"))
        return self._shown(target)

    async def get_resource_policy(self, call: Call, given: Members) -> Members:
        return self._shown(self._resource(call, given))

    async def delete_resource_policy(self, call: Call, given: Members) -> Members:
        target = self._resource(call, given)
        self.functions.function(target.key)
        self._check_qualifier(target)
        await self.policies.delete(target, given.get("RevisionId"))
        return {}

    def _shown(self, target: Target) -> Members:
        policy = self.policies.find(target)
        if policy is None:
            self.functions.function(target.key)
            raise NotFound(NO_RESOURCE)
        return {"Policy": policy.document, "RevisionId": self.functions.revision(target)}

    def _policy_target(self, call: Call, given: Members) -> Target:
        target = resolve(call, given["FunctionName"], given.get("Qualifier"))
        if target.qualifier == LATEST:
            raise InvalidParameter(ON_LATEST)
        return target

    def _with_policy(self, call: Call, given: Members) -> Target:
        target = self._policy_target(call, given)
        if not self.functions.exists(target.key):
            raise NotFound(f"No policy found for: {target.key.arn}")
        return target

    def _resource(self, call: Call, given: Members) -> Target:
        """The whole document is put on an ARN, and functions are the only resources that have one here."""
        if ":function:" not in given["ResourceArn"]:
            raise NotFound(NO_RESOURCE)
        return self._policy_target(call, {"FunctionName": given["ResourceArn"]})

    def _check_qualifier(self, target: Target) -> None:
        if target.qualifier is None or self.functions.find(target) is not None:
            return
        if target.qualifier.isdecimal():
            raise NotFound(f"Function not found: {target.arn}")
        if _VERSION_OR_ALIAS.fullmatch(target.qualifier):
            raise NotFound(f"Cannot find alias arn: {target.arn}")
        raise NotFound(NO_RESOURCE)


def statement(given: Members, target: Target) -> Members:
    """The statement that AddPermission makes; the order of the keys is AWS's.

    Raises `InvalidParameter` for a principal that cannot be one.
    """
    shape: Members = {
        "Sid": given["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(given["Principal"]),
        "Action": given["Action"],
        "Resource": target.arn,
    }
    if condition := _condition(given):
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


def _condition(given: Members) -> Members:
    equals = {key: given[member] for key, member in _EQUALS.items() if member in given}
    condition: Members = {}
    if equals:
        condition["StringEquals"] = equals
    if "InvokedViaFunctionUrl" in given:
        condition["Bool"] = {"lambda:InvokedViaFunctionUrl": str(given["InvokedViaFunctionUrl"]).lower()}
    if "SourceArn" in given:
        condition["ArnLike"] = {"AWS:SourceArn": given["SourceArn"]}
    return condition
