"""Lambda's operations on asynchronous invocation: what is tried again, and who is told of the end."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson

from lambent.events.roles import Roles
from lambent.faces.aws_lambda_pages import page
from lambent.faces.aws_lambda_targets import resolve, resolve_function
from lambent.faces.call import Call
from lambent.faces.errors import ServiceError
from lambent.model.errors import InvalidContent, InvalidParameter, NotFound
from lambent.model.event_invoke import EventInvokeConfig
from lambent.model.invocation import Invocation
from lambent.model.names import LATEST, Target, parse_target
from lambent.model.queue import parse_queue_arn
from lambent.store.event_invoke_configs import EventInvokeConfigs
from lambent.store.functions import Functions

Members = dict[str, Any]
Accept = Callable[[Invocation], Awaitable[None]]

OLD_ASYNC_BYTES = 262_144  # InvokeAsync has kept the limit of its time
NOTHING_GIVEN = "You must specify at least one of error handling or destination setting."
NO_FUNCTION = "The function doesn't exist."
ITSELF = "You can't specify the function as a destination for itself."
SETTINGS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
NOT_HERE = {"sns": "SNS topics", "events": "Event buses", "s3": "Buckets that take letters"}


class EventInvokeOperations:
    """One method an operation; keys are the service model's member names."""

    functions: Functions
    event_invoke_configs: EventInvokeConfigs
    accept: Accept
    roles: Roles

    async def put_function_event_invoke_config(self, call: Call, given: Members) -> Members:
        target = self._configured(call, given)
        return _shape(await self._save(EventInvokeConfig(target=target), given))

    async def update_function_event_invoke_config(self, call: Call, given: Members) -> Members:
        target = self._configured(call, given)
        return _shape(await self._save(self._find(target), given))

    async def get_function_event_invoke_config(self, call: Call, given: Members) -> Members:
        return _shape(self._find(resolve(call, given["FunctionName"], given.get("Qualifier"))))

    async def delete_function_event_invoke_config(self, call: Call, given: Members) -> Members:
        target = resolve(call, given["FunctionName"], given.get("Qualifier"))
        self._find(target)
        await self.event_invoke_configs.remove(target)
        return {}

    async def list_function_event_invoke_configs(self, call: Call, given: Members) -> Members:
        key = resolve_function(call, given["FunctionName"])
        if not self.functions.exists(key):
            raise NotFound(NO_FUNCTION)
        return page(
            "FunctionEventInvokeConfigs",
            self.event_invoke_configs.all_of(key),
            given,
            position=lambda config: config.target.qualifier or " ",
            show=_shape,
        )

    async def invoke_async(self, call: Call, given: Members) -> Members:
        """The operation from before Invoke; AWS keeps it, so do we."""
        target = resolve(call, given["FunctionName"])
        payload: bytes = given["InvokeArgs"]
        if len(payload) > OLD_ASYNC_BYTES:
            text = f"{len(payload)} byte payload is too large (limit {OLD_ASYNC_BYTES} bytes)"
            raise ServiceError("RequestEntityTooLargeException", text, 413)
        self.functions.get(target)
        try:
            orjson.loads(payload or b"{}")
        except orjson.JSONDecodeError as error:
            raise InvalidContent(
                f"Could not parse request body into json: Could not parse payload into json: {error}"
            ) from None
        await self.accept(
            Invocation(
                request_id=call.request_id,
                target=target,
                payload=payload or b"{}",
                source="async",
                trace_id=call.trace,
                accepted_at=time.time(),
            )
        )
        return {"Status": 202}

    def _configured(self, call: Call, given: Members) -> Target:
        """What a configuration is for. Raises AWS's errors, in AWS's order."""
        if not any(name in given for name in SETTINGS):
            raise InvalidParameter(NOTHING_GIVEN)
        target = resolve(call, given["FunctionName"], given.get("Qualifier"))
        version = self.functions.find(target)
        if version is None:
            raise NotFound(NO_FUNCTION)
        self._check_destinations(target, given.get("DestinationConfig", {}))
        for name in ("OnFailure", "OnSuccess"):
            if arn := given.get("DestinationConfig", {}).get(name, {}).get("Destination"):
                self.roles.check_destination(version, arn)
        return target

    def _find(self, target: Target) -> EventInvokeConfig:
        config = self.event_invoke_configs.find(target)
        if config is None:
            arn = f"{target.key.arn}:{target.qualifier or LATEST}"
            raise NotFound(f"The function {arn} doesn't have an EventInvokeConfig")
        return config

    async def _save(self, before: EventInvokeConfig, given: Members) -> EventInvokeConfig:
        destinations = given.get("DestinationConfig", {})
        changes: Members = {"modified_at": round(time.time(), 3)}
        for name, setting in (("MaximumRetryAttempts", "retries"), ("MaximumEventAgeInSeconds", "age_s")):
            if name in given:
                changes[setting] = given[name]
        for name, setting in (("OnSuccess", "on_success"), ("OnFailure", "on_failure")):
            if name in destinations:
                changes[setting] = destinations[name].get("Destination", "")
        return await self.event_invoke_configs.put(replace(before, **changes))

    def _check_destinations(self, target: Target, given: Members) -> None:
        success, failure = (given.get(name, {}).get("Destination", "") for name in ("OnSuccess", "OnFailure"))
        if not all(self._is_destination(target, arn) for arn in (failure, success) if arn):
            on_success = f"OnSuccess(destination={success})" if success else "null"
            on_failure = f"OnFailure(destination={failure})" if failure else "null"
            raise InvalidParameter(
                f"The provided destination config DestinationConfig(onSuccess={on_success}, "
                f"onFailure={on_failure}) is invalid."
            )

    def _is_destination(self, target: Target, arn: str) -> bool:
        """Whether an ended invocation can be told there. Raises for what AWS has words of its own for."""
        service = arn.split(":")[2] if arn.startswith("arn:") else ""
        if service in NOT_HERE:
            raise InvalidParameter(
                f"The destination ARN {arn} is invalid. {NOT_HERE[service]} are not part of Lambent: "
                "use an SQS queue or a Lambda function."
            )
        if service == "sqs":
            queue = parse_queue_arn(arn)
            return queue is not None and not queue.name.endswith(".fifo")
        if service != "lambda":
            return False
        found = parse_target(arn, "", "")
        if found is None or self.functions.find(found) is None:
            raise InvalidParameter(f"The destination ARN {arn} is invalid.")
        if found.key == target.key:
            raise InvalidParameter(ITSELF)
        return True


def _shape(config: EventInvokeConfig) -> Members:
    return {
        "LastModified": config.modified_at,
        "FunctionArn": config.arn,
        "MaximumRetryAttempts": config.retries,
        "MaximumEventAgeInSeconds": config.age_s,
        "DestinationConfig": {
            "OnSuccess": {"Destination": config.on_success} if config.on_success else {},
            "OnFailure": {"Destination": config.on_failure} if config.on_failure else {},
        },
    }
