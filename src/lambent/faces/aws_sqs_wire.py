"""SQS's two protocols: JSON with the codes of its past in a header, and the query protocol of that past."""

from collections.abc import Mapping
from typing import Any

from botocore.model import OperationModel, ServiceModel, StructureShape

from lambent.faces.codec import Check, Codec, describe, everybody
from lambent.faces.codec_json import Json
from lambent.faces.codec_query import Query
from lambent.faces.errors import ServiceError
from lambent.faces.http import Request, Response
from lambent.faces.verified import Verified

NAMESPACE = "http://queue.amazonaws.com/doc/2012-11-05/"
# Names of attributes, in maps by their shape and in lists by their member.
UNCHECKED = frozenset(
    {"QueueAttributeName", "MessageSystemAttributeName", "attributeNames", "messageSystemAttributeNames"}
)
_SQS = "AWS.SimpleQueueService."

# Today's code: the one before it, where it differs, and its status.
_LEGACY = {
    "BatchEntryIdsNotDistinct": (f"{_SQS}BatchEntryIdsNotDistinct", 400),
    "BatchRequestTooLong": (f"{_SQS}BatchRequestTooLong", 400),
    "EmptyBatchRequest": (f"{_SQS}EmptyBatchRequest", 400),
    "InvalidBatchEntryId": (f"{_SQS}InvalidBatchEntryId", 400),
    "InvalidParameterValueException": ("InvalidParameterValue", 400),
    "MessageNotInflight": (f"{_SQS}MessageNotInflight", 400),
    "MissingParameterException": ("MissingParameter", 400),
    "OverLimit": ("OverLimit", 403),
    "QueueDoesNotExist": (f"{_SQS}NonExistentQueue", 400),
    "QueueNameExists": ("QueueAlreadyExists", 400),
    "ReceiptHandleIsInvalid": ("ReceiptHandleIsInvalid", 404),
    "AccessDeniedException": ("AccessDenied", 403),
    "ResourceNotFoundException": ("ResourceNotFoundException", 404),
    "TooManyEntriesInBatchRequest": (f"{_SQS}TooManyEntriesInBatchRequest", 400),
    "UnsupportedOperation": (f"{_SQS}UnsupportedOperation", 400),
}
_COMMON = frozenset({"InvalidParameterValueException", "MissingParameterException", "AccessDeniedException"})

# How the query protocol calls lists and maps; botocore's model has forgotten it.
_FLAT = {
    "AWSAccountIdList": "AWSAccountId",
    "ActionNameList": "ActionName",
    "AttributeNameList": "AttributeName",
    "BatchResultErrorEntryList": "BatchResultErrorEntry",
    "BinaryList": "BinaryListValue",
    "ChangeMessageVisibilityBatchRequestEntryList": "ChangeMessageVisibilityBatchRequestEntry",
    "ChangeMessageVisibilityBatchResultEntryList": "ChangeMessageVisibilityBatchResultEntry",
    "DeleteMessageBatchRequestEntryList": "DeleteMessageBatchRequestEntry",
    "DeleteMessageBatchResultEntryList": "DeleteMessageBatchResultEntry",
    "ListMessageMoveTasksResultEntryList": "ListMessageMoveTasksResultEntry",
    "MessageAttributeNameList": "MessageAttributeName",
    "MessageBodyAttributeMap": "MessageAttribute",
    "MessageBodySystemAttributeMap": "MessageSystemAttribute",
    "MessageList": "Message",
    "MessageSystemAttributeList": "MessageSystemAttributeName",
    "MessageSystemAttributeMap": "Attribute",
    "QueueAttributeMap": "Attribute",
    "QueueUrlList": "QueueUrl",
    "SendMessageBatchRequestEntryList": "SendMessageBatchRequestEntry",
    "SendMessageBatchResultEntryList": "SendMessageBatchResultEntry",
    "StringList": "StringListValue",
    "TagKeyList": "TagKey",
    "TagMap": "Tag",
}


def failure(code: str, message: str) -> ServiceError:
    """An error of SQS by today's code."""
    return ServiceError(code, message, _LEGACY.get(code, (code, 400))[1])


def legacy_code(code: str) -> str:
    """What clients know an error by, boto3 among them."""
    return _LEGACY.get(code, (code, 400))[0]


def invalid(message: str) -> ServiceError:
    return failure("InvalidParameterValueException", message)


def missing(parameter: str) -> ServiceError:
    return failure("MissingParameterException", f"The request must contain the parameter {parameter}.")


class SqsJson(Json):
    """Today's protocol."""

    missing_code = "UnsupportedOperation"
    invalid_code = "InvalidParameterValueException"

    def read(
        self, operation: OperationModel, labels: Mapping[str, str], request: Request, body: bytes
    ) -> dict[str, Any]:
        return _complete(operation, super().read(operation, labels, request, body))

    def write_error(self, error: ServiceError, shape: StructureShape | None, request_id: str) -> Response:
        space = "com.amazon.coral.service" if error.code in _COMMON else "com.amazonaws.sqs"
        told = ServiceError(f"{space}#{error.code}", error.message, error.status)
        response = super().write_error(told, shape, request_id)
        fault = "Sender" if error.status < 500 else "Receiver"
        response.headers.append(("x-amzn-query-error", f"{legacy_code(error.code)};{fault}"))
        return response


class SqsQuery(Query):
    """The protocol of clients from before 2023."""

    missing_code = "UnsupportedOperation"
    invalid_code = "InvalidParameterValueException"

    def read(
        self, operation: OperationModel, labels: Mapping[str, str], request: Request, body: bytes
    ) -> dict[str, Any]:
        given = super().read(operation, labels, request, body)
        if operation.input_shape and "QueueUrl" in operation.input_shape.members and request.path != "/":
            given.setdefault("QueueUrl", request.path)  # in those days requests went to the queue itself
        return _complete(operation, given)

    def write_error(self, error: ServiceError, shape: StructureShape | None, request_id: str) -> Response:
        told = ServiceError(legacy_code(error.code), error.message, error.status)
        return super().write_error(told, shape, request_id)


def _complete(operation: OperationModel, given: dict[str, Any]) -> dict[str, Any]:
    for name in operation.input_shape.required_members if operation.input_shape else ():
        if name not in given and name != "Entries":  # without entries it is an empty batch
            raise missing(name)
    return given


def legacy_model() -> ServiceModel:
    """botocore's model with the names that it had when it was one of the query protocol."""
    told = describe("sqs")
    shapes = {name: dict(shape) for name, shape in told["shapes"].items()}
    for shape in shapes.values():
        members = shape.get("members", {})
        shape["members"] = {name: _renamed(ref) for name, ref in members.items()}
        if shape["type"] == "map":
            names = ("Key", "Value") if shape["key"]["shape"] == "TagKey" else ("Name", "Value")
            shape["key"] = {**shape["key"], "locationName": names[0]}
            shape["value"] = {**shape["value"], "locationName": names[1]}
    operations = {
        name: {**operation, "output": {**operation["output"], "resultWrapper": f"{name}Result"}}
        if "output" in operation
        else operation
        for name, operation in told["operations"].items()
    }
    metadata = {**told["metadata"], "xmlNamespace": NAMESPACE}
    return ServiceModel({**told, "metadata": metadata, "shapes": shapes, "operations": operations}, "sqs")


def _renamed(reference: Mapping[str, Any]) -> dict[str, Any]:
    name = _FLAT.get(reference["shape"])
    return {**reference, "locationName": name} if name else dict(reference)


class SqsWires:
    """One face behind both protocols: the one with X-Amz-Target is today's. `check` guards it."""

    def __init__(self, face: object, check: Check = everybody) -> None:
        self._face = face
        self._check = check
        self._today = Codec("sqs", unchecked=UNCHECKED, wire=SqsJson)
        self._past = Codec("sqs", unchecked=UNCHECKED, wire=SqsQuery, model=legacy_model())

    async def __call__(self, request: Request, verified: Verified) -> Response:
        return await self._codec(request).serve(request, verified, self._face, self._check)

    def render(self, error: Exception, request: Request) -> Response:
        return self._codec(request).render_error(error, getattr(self._face, "errors", {}), request)

    def _codec(self, request: Request) -> Codec:
        return self._today if "x-amz-target" in request.headers else self._past
