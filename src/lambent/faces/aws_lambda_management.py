"""Lambda's operations on when a runtime is updated, how a function scales, and whether it may loop."""

from typing import Any

from lambent.faces.aws_lambda_targets import resolve, resolve_function
from lambent.faces.call import Call
from lambent.model.errors import InvalidParameter
from lambent.model.names import Target
from lambent.store.function_settings import FunctionSettings, Kind
from lambent.store.functions import Functions

Members = dict[str, Any]

NO_ARN = "You must specify RuntimeVersionArn when UpdateRuntimeOn is Manual."
ARN_UNWANTED = "RuntimeVersionArn can only be specified when UpdateRuntimeOn is Manual."
MIN_ABOVE_MAX = "MinExecutionEnvironments cannot be greater than MaxExecutionEnvironments."


class ManagementOperations:
    """One method an operation; keys are the service model's member names."""

    functions: Functions
    settings: FunctionSettings

    async def put_runtime_management_config(self, call: Call, given: Members) -> Members:
        target = resolve(call, given["FunctionName"], given.get("Qualifier"))
        self.functions.described(target)
        manual = given["UpdateRuntimeOn"] == "Manual"
        if manual != ("RuntimeVersionArn" in given):
            raise InvalidParameter(NO_ARN if manual else ARN_UNWANTED)
        document: Members = {"UpdateRuntimeOn": given["UpdateRuntimeOn"]}
        if manual:
            document["RuntimeVersionArn"] = given["RuntimeVersionArn"]
        await self.settings.put(Kind.RUNTIME, target, document)
        return {**document, "FunctionArn": target.arn}

    async def get_runtime_management_config(self, call: Call, given: Members) -> Members:
        target = resolve(call, given["FunctionName"], given.get("Qualifier"))
        self.functions.described(target)
        document = self.settings.get(Kind.RUNTIME, target) or {"UpdateRuntimeOn": "Auto"}
        return {**document, "FunctionArn": target.arn}

    async def put_function_recursion_config(self, call: Call, given: Members) -> Members:
        target = Target(resolve_function(call, given["FunctionName"]))
        self.functions.function(target.key)
        await self.settings.put(Kind.RECURSION, target, {"RecursiveLoop": given["RecursiveLoop"]})
        return {"RecursiveLoop": given["RecursiveLoop"]}

    async def get_function_recursion_config(self, call: Call, given: Members) -> Members:
        target = Target(resolve_function(call, given["FunctionName"]))
        self.functions.function(target.key)
        return dict(self.settings.get(Kind.RECURSION, target) or {"RecursiveLoop": "Terminate"})

    async def put_function_scaling_config(self, call: Call, given: Members) -> Members:
        target = resolve(call, given["FunctionName"], given["Qualifier"])
        version = self.functions.described(target)
        document = given.get("FunctionScalingConfig", {})
        least, most = document.get("MinExecutionEnvironments"), document.get("MaxExecutionEnvironments")
        if least is not None and most is not None and least > most:
            raise InvalidParameter(MIN_ABOVE_MAX)
        await self.settings.put(Kind.SCALING, target, document)
        return {"FunctionState": version.state.value}

    async def get_function_scaling_config(self, call: Call, given: Members) -> Members:
        target = resolve(call, given["FunctionName"], given["Qualifier"])
        self.functions.described(target)
        document = self.settings.get(Kind.SCALING, target)
        if document is None:
            return {"FunctionArn": target.arn}
        return {
            "FunctionArn": target.arn,
            "AppliedFunctionScalingConfig": dict(document),
            "RequestedFunctionScalingConfig": dict(document),
        }
