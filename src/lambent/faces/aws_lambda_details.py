"""Lambda's operations on what no function has here yet; clients read it all the same."""

from typing import Any

from lambent.faces.aws_lambda_targets import FUNCTIONS_ONLY, resolve, resolve_function
from lambent.faces.call import Call
from lambent.model.errors import InvalidParameter, NotFound
from lambent.model.limits import ACCOUNT_CONCURRENCY, UNZIPPED_BYTES, ZIP_BYTES
from lambent.model.names import FunctionKey
from lambent.store.functions import Functions

Members = dict[str, Any]

TOTAL_CODE_BYTES = 80_530_636_800  # AWS's default; the disk is the limit here


class DetailOperations:
    """One method an operation; keys are the service model's member names."""

    functions: Functions

    async def get_account_settings(self, call: Call, given: Members) -> Members:
        names = self.functions.names(call.account, call.region)
        functions = [self.functions.function(FunctionKey(call.account, call.region, name)) for name in names]
        versions = [v for function in functions for v in (function.latest, *function.published.values())]
        return {
            "AccountLimit": {
                "TotalCodeSize": TOTAL_CODE_BYTES,
                "CodeSizeUnzipped": UNZIPPED_BYTES,
                "CodeSizeZipped": ZIP_BYTES,
                "ConcurrentExecutions": ACCOUNT_CONCURRENCY,
                "UnreservedConcurrentExecutions": ACCOUNT_CONCURRENCY,
            },
            "AccountUsage": {
                "TotalCodeSize": sum(version.code.size for version in versions),
                "FunctionCount": len(functions),
            },
        }

    async def get_function_code_signing_config(self, call: Call, given: Members) -> Members:
        self.functions.function(resolve_function(call, given["FunctionName"]))
        return {}

    async def get_function_concurrency(self, call: Call, given: Members) -> Members:
        self._check_whole(call, given)
        return {}

    async def delete_function_concurrency(self, call: Call, given: Members) -> Members:
        """Deleting what is not there is no error, at AWS neither."""
        self._check_whole(call, given)
        return {}

    async def get_function_url_config(self, call: Call, given: Members) -> Members:
        resolve(call, given["FunctionName"], given.get("Qualifier"))
        raise NotFound("The resource you requested does not exist.")

    async def get_runtime_management_config(self, call: Call, given: Members) -> Members:
        target = resolve(call, given["FunctionName"], given.get("Qualifier"))
        self.functions.described(target)
        return {"UpdateRuntimeOn": "Auto", "FunctionArn": target.arn}

    def _check_whole(self, call: Call, given: Members) -> None:
        target = resolve(call, given["FunctionName"])
        if target.qualifier is not None:
            raise InvalidParameter(FUNCTIONS_ONLY)
        self.functions.function(target.key)
