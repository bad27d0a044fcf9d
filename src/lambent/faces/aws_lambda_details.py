"""Lambda's operations on what no function has here yet; clients read it all the same."""

from typing import Any

from lambent.faces.aws_lambda_targets import resolve, resolve_function
from lambent.faces.call import Call
from lambent.model.errors import NotFound
from lambent.store.functions import Functions

Members = dict[str, Any]


class DetailOperations:
    """One method an operation; keys are the service model's member names."""

    functions: Functions

    async def get_function_code_signing_config(self, call: Call, given: Members) -> Members:
        self.functions.function(resolve_function(call, given["FunctionName"]))
        return {}

    async def get_function_url_config(self, call: Call, given: Members) -> Members:
        resolve(call, given["FunctionName"], given.get("Qualifier"))
        raise NotFound("The resource you requested does not exist.")

    async def get_runtime_management_config(self, call: Call, given: Members) -> Members:
        target = resolve(call, given["FunctionName"], given.get("Qualifier"))
        self.functions.described(target)
        return {"UpdateRuntimeOn": "Auto", "FunctionArn": target.arn}
