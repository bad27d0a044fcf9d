"""Lambda's operations on event source mappings."""

import time
import uuid
from dataclasses import replace
from datetime import datetime
from typing import Any

from lambent.events.mappings import Mappings
from lambent.events.patterns import BadPattern, Pattern
from lambent.events.queues import NO_QUEUE, Queues
from lambent.events.roles import Roles
from lambent.faces.aws_lambda_mapping_sources import (
    NO_POLLER,
    SOURCES,
    UNRECOGNIZED,
    UNSUPPORTED,
    Source,
    brokers,
    check,
    duplicate,
    source_of,
)
from lambent.faces.aws_lambda_pages import pack, unpack
from lambent.faces.aws_lambda_targets import resolve
from lambent.faces.call import Call
from lambent.model.errors import InvalidParameter
from lambent.model.mapping import EventSourceMapping, changing
from lambent.model.names import Target
from lambent.model.queue import parse_queue_arn
from lambent.store.functions import Functions

Members = dict[str, Any]

PAGE = 100
FILTERS = 10
BAD_FILTER = "Invalid filter pattern definition."
NO_FUNCTION = "Function does not exist"
PER_TENANT = "Event source mappings are not supported for functions with tenancy configuration."
_OWN = ("FunctionName", "EventSourceArn", "Enabled", "BatchSize", "FilterCriteria", "Tags", "UUID")
_GONE_WHEN_EMPTY = ("ScalingConfig", "MetricsConfig", "ProvisionedPollerConfig", "LoggingConfig", "KMSKeyArn")


class MappingOperations:
    """One method an operation; keys are the service model's member names."""

    functions: Functions
    mappings: Mappings
    queues: Queues
    roles: Roles

    async def create_event_source_mapping(self, call: Call, given: Members) -> Members:
        if given.get("DestinationConfig", {}).get("OnSuccess"):
            raise InvalidParameter(UNSUPPORTED.format(name="DestinationConfig"))
        source = source_of(given)
        check(source, given)
        new = EventSourceMapping(
            uuid=str(uuid.uuid4()),
            account=call.account,
            region=call.region,
            source=source.name,
            source_arn=given.get("EventSourceArn", ""),
            target=self._target(call, given["FunctionName"], given),
            polled=source.name.startswith("sqs"),
            batch_size=source.batch_size,
            kept=_initial(source),
            tags=given.get("Tags", {}),
        )
        mapping = _changed(new, given)
        self._check_queue(mapping)
        self._check_new(mapping)
        return _shape(await self.mappings.create(mapping))

    async def get_event_source_mapping(self, call: Call, given: Members) -> Members:
        return _shape(self.mappings.get(call.account, call.region, given["UUID"]))

    async def update_event_source_mapping(self, call: Call, given: Members) -> Members:
        before = self.mappings.get(call.account, call.region, given["UUID"])
        target = before.target
        if "FunctionName" in given:
            target = self._target(call, given["FunctionName"], given)
        check(SOURCES[before.source], {**_given(before), **given})
        _check_filters(given)
        after = _changed(replace(before, target=target), given)
        after = replace(after, state=changing(before, after))
        return _shape(await self.mappings.update(before, after))

    async def delete_event_source_mapping(self, call: Call, given: Members) -> Members:
        mapping = self.mappings.get(call.account, call.region, given["UUID"])
        return _shape(await self.mappings.delete(mapping))

    async def list_event_source_mappings(self, call: Call, given: Members) -> Members:
        found = self.mappings.owned_by(call.account, call.region)
        if "EventSourceArn" in given:
            if len(given["EventSourceArn"].split(":")) < 6:
                raise InvalidParameter(UNRECOGNIZED)
            found = [mapping for mapping in found if mapping.source_arn == given["EventSourceArn"]]
        if "FunctionName" in given:
            target = resolve(call, given["FunctionName"])
            found = [mapping for mapping in found if mapping.target == target]
        begin, limit = unpack(given.get("Marker")), min(given.get("MaxItems", PAGE), PAGE)
        rest = [mapping for mapping in found if mapping.uuid > begin]
        answer: Members = {"EventSourceMappings": [_shape(mapping) for mapping in rest[:limit]]}
        if len(rest) > limit:
            answer["NextMarker"] = pack(rest[limit - 1].uuid)
        return answer

    def _target(self, call: Call, name: str, given: Members) -> Target:
        """Filters are looked at before the function, as at AWS. Raises `InvalidParameter`."""
        _check_filters(given)
        target = resolve(call, name)
        version = self.functions.find(target)
        if version is None:
            raise InvalidParameter(NO_FUNCTION)
        if version.per_tenant:  # a record names no tenant
            raise InvalidParameter(PER_TENANT)
        return target

    def _check_queue(self, mapping: EventSourceMapping) -> None:
        if not mapping.polled:
            return
        queue = self.queues.find(parse_queue_arn(mapping.source_arn))
        if queue is None:
            raise InvalidParameter(
                "Error occurred while ReceiveMessage. SQS Error Code: "
                f"AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: {NO_QUEUE}"
            )
        version = self.functions.get(mapping.target)
        self.roles.check_receiving(version, mapping.source_arn)
        timeout_s = version.timeout_s
        if queue.visibility_timeout_s < timeout_s:
            raise InvalidParameter(
                f"Invalid request provided: Queue visibility timeout: {queue.visibility_timeout_s} seconds "
                f"is less than Function timeout: {timeout_s} seconds"
            )

    def _check_new(self, mapping: EventSourceMapping) -> None:
        for other in self.mappings.owned_by(mapping.account, mapping.region):
            if other.target == mapping.target and _reads(other) == _reads(mapping):
                raise duplicate(other)


def _reads(mapping: EventSourceMapping) -> tuple[str, list[str], list[str]]:
    """What a mapping takes its records from."""
    return mapping.source_arn, brokers(mapping.kept), mapping.kept.get("Topics", [])


def _initial(source: Source) -> Members:
    kept = dict(source.defaults)
    if source.name == "msk":
        kept["AmazonManagedKafkaEventSourceConfig"] = {"ConsumerGroupId": str(uuid.uuid4())}
    if source.name == "kafka":
        kept["SelfManagedKafkaEventSourceConfig"] = {"ConsumerGroupId": str(uuid.uuid4())}
    return kept


def _check_filters(given: Members) -> None:
    filters = given.get("FilterCriteria", {}).get("Filters", [])
    if len(filters) > FILTERS:
        raise InvalidParameter(f"A mapping has at most {FILTERS} filters, not {len(filters)}.")
    for one in filters:
        try:
            Pattern(one.get("Pattern") or "")
        except BadPattern:
            raise InvalidParameter(BAD_FILTER) from None


def _changed(mapping: EventSourceMapping, given: Members) -> EventSourceMapping:
    """The mapping with everything that is given in it; what is not given stays."""
    kept = dict(mapping.kept)
    for name, value in given.items():
        if name in _GONE_WHEN_EMPTY and not value:
            kept.pop(name, None)
        elif name not in _OWN:
            kept[name] = _plain(value)
    filters = given.get("FilterCriteria", {}).get("Filters", [])
    patterns = tuple(one["Pattern"] for one in filters) if "FilterCriteria" in given else mapping.filters
    return replace(
        mapping,
        enabled=given.get("Enabled", mapping.enabled),
        batch_size=given.get("BatchSize", mapping.batch_size),
        window_s=kept.pop("MaximumBatchingWindowInSeconds", mapping.window_s),
        filters=patterns,
        reports_failures="ReportBatchItemFailures" in kept.get("FunctionResponseTypes", []),
        max_concurrency=kept.get("ScalingConfig", {}).get("MaximumConcurrency"),
        kept=kept,
        modified_at=round(time.time(), 3),
    )


def _plain(value: Any) -> Any:
    """A value as JSON keeps it."""
    return value.timestamp() if isinstance(value, datetime) else value


def _given(mapping: EventSourceMapping) -> Members:
    """What had been given for a mapping as it is."""
    known = {name: value for name, value in mapping.kept.items() if name != "LastProcessingResult"}
    arn = {"EventSourceArn": mapping.source_arn} if mapping.source_arn else {}
    return {
        **known,
        **arn,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.window_s,
    }


def _shape(mapping: EventSourceMapping) -> Members:
    source = SOURCES[mapping.source]
    idle = mapping.is_settled and not mapping.polled  # a change on its way is told in AWS's words
    reason = NO_POLLER.format(source=source.name) if idle else source.reason
    filters = [{"Pattern": pattern} for pattern in mapping.filters]
    return {
        "UUID": mapping.uuid,
        "EventSourceMappingArn": mapping.arn,
        "EventSourceArn": mapping.source_arn or None,
        "FunctionArn": mapping.target.arn,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.window_s,
        "FilterCriteria": {"Filters": filters} if filters else None,
        **mapping.kept,
        "State": mapping.state.value,
        "StateTransitionReason": reason,
        "LastModified": mapping.modified_at,
    }
