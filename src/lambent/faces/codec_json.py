"""Values of a service model to and from JSON, and the json protocol."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from lambent.faces.codec_scalars import (
    decode_blob,
    encode_blob,
    format_timestamp,
    malformed,
    parse_timestamp,
    to_integer,
    unix_timestamp,
)
from lambent.faces.errors import ServiceError
from lambent.faces.http import Request, Response

_NUMBERS = frozenset(("integer", "long", "float", "double"))
_AS_THEY_ARE = frozenset(("string", "character", "boolean", *_NUMBERS))


def load_json(data: bytes) -> Any:
    """Raises `ServiceError`."""
    if not data:
        return {}
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        text = f"Could not parse request body into json: {error}"
        raise ServiceError("SerializationException", text, 400) from None


def from_json(shape: Shape, value: Any) -> Any:
    """A value as the model types it; what the model does not know is dropped. Raises `ServiceError`."""
    if isinstance(shape, StructureShape):
        return _structure_from_json(shape, value)
    if isinstance(shape, ListShape):
        if not isinstance(value, list):
            raise malformed(shape, value)
        return [from_json(shape.member, item) for item in value]
    if isinstance(shape, MapShape):
        if not isinstance(value, dict):
            raise malformed(shape, value)
        return {key: from_json(shape.value, item) for key, item in value.items() if item is not None}
    return _scalar_from_json(shape, value)


def _structure_from_json(shape: StructureShape, value: Any) -> Any:
    if shape.is_document_type:
        return value
    if not isinstance(value, dict):
        raise malformed(shape, value)
    found = {}
    for name, wire, member in body_members(shape):
        item = value.get(wire)
        if item is not None:
            found[name] = from_json(member, item)
    return found


def _scalar_from_json(shape: Shape, value: Any) -> Any:
    kind = shape.type_name
    if kind == "blob":
        return decode_blob(shape, value)
    if kind == "timestamp":
        try:
            return parse_timestamp(value)
        except (ValueError, TypeError, OverflowError):
            raise malformed(shape, value) from None
    if kind in _NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise malformed(shape, value)
        try:
            return to_integer(shape, value) if kind in ("integer", "long") else float(value)
        except (ValueError, OverflowError):
            raise malformed(shape, value) from None
    expected = bool if kind == "boolean" else str
    if not isinstance(value, expected):
        raise malformed(shape, value)
    return value


def to_json(shape: Shape, value: Any) -> Any:
    """The JSON form of a value; members that are None are left out. Raises `KeyError` for strangers."""
    if shape.type_name in _AS_THEY_ARE:
        return value
    if isinstance(shape, StructureShape):
        if shape.is_document_type:
            return value
        members = shape.members
        return {
            wire_name(members[name], name): to_json(members[name], item)
            for name, item in value.items()
            if item is not None
        }
    if isinstance(shape, ListShape):
        return [to_json(shape.member, item) for item in value]
    if isinstance(shape, MapShape):
        return {str(key): to_json(shape.value, item) for key, item in value.items()}
    if shape.type_name == "blob":
        return encode_blob(value)
    if shape.type_name == "timestamp":
        form = shape.serialization.get("timestampFormat", "unixTimestamp")
        return unix_timestamp(value) if form == "unixTimestamp" else format_timestamp(value, form)
    return value


@cache
def body_members(shape: StructureShape) -> tuple[tuple[str, str, Shape], ...]:
    """Name, name on the wire and shape of the members that stand in a body; a model's shapes are for ever."""
    return tuple(
        (name, wire_name(member, name), member)
        for name, member in shape.members.items()
        if "location" not in member.serialization
    )


def wire_name(shape: Shape, member: str) -> str:
    name: str = shape.serialization.get("name", member)
    return name


def error_body(shape: StructureShape | None, error: ServiceError) -> dict[str, Any]:
    """An error's members as its shape spells them; `message` for what the model does not know."""
    if shape is None:
        key = "Message" if error.code == "AccessDeniedException" else "message"
        return {key: error.message} | error.fields
    body: dict[str, Any] = {}
    for name, member in shape.members.items():
        if "location" in member.serialization:
            continue
        if name.lower() == "message":
            body[wire_name(member, name)] = error.message
        elif name == "Type":
            kind = error.fields.get("Type", "User" if error.status < 500 else "Server")
            body |= {name: kind} if kind else {}  # a few errors of AWS's come without
        elif name in error.fields:
            body[wire_name(member, name)] = error.fields[name]
    if not any(name.lower() == "message" for name in shape.members):  # all of CloudWatch Logs' errors
        body["message"] = error.message
    return body


class Json:
    """The json protocol: the operation in X-Amz-Target, everything else in a JSON body."""

    invalid_code = "InvalidParameterException"
    missing_code = "NotImplementedException"

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._type = f"application/x-amz-json-{model.metadata['jsonVersion']}"

    def match(self, request: Request, body: bytes) -> tuple[OperationModel, Mapping[str, str]]:
        _, _, name = request.headers.get("x-amz-target", "").rpartition(".")
        if name not in self._model.operation_names:
            raise ServiceError("UnknownOperationException", f"Unknown operation {name}", 400)
        return self._model.operation_model(name), {}

    def read(
        self, operation: OperationModel, labels: Mapping[str, str], request: Request, body: bytes
    ) -> dict[str, Any]:
        shape = operation.input_shape
        found: dict[str, Any] = {} if shape is None else from_json(shape, load_json(body))
        return found

    def write(self, operation: OperationModel, output: dict[str, Any], request_id: str) -> Response:
        shape = operation.output_shape
        body = b"" if shape is None else orjson.dumps(to_json(shape, output))
        return Response(200, [("Content-Type", self._type)], body)

    def write_error(self, error: ServiceError, shape: StructureShape | None, request_id: str) -> Response:
        body = orjson.dumps({"__type": error.code} | error_body(shape, error))
        return Response(error.status, [("Content-Type", self._type)], body)
