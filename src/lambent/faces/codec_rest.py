"""The rest-json protocol: operations by method and path, members all over the request."""

import base64
import binascii
from collections.abc import AsyncIterable, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from lambent.faces.codec_json import body_members, error_body, from_json, load_json, to_json, wire_name
from lambent.faces.codec_routes import Routes
from lambent.faces.codec_scalars import from_text, malformed, to_text
from lambent.faces.errors import ServiceError
from lambent.faces.http import Request, Response

JSON_TYPE = ("Content-Type", "application/json")


class RestJson:
    """Reads and writes the messages of one rest-json service."""

    invalid_code = "ValidationException"
    missing_code = "NotImplementedException"

    def __init__(self, model: ServiceModel) -> None:
        self._routes = Routes(model)

    def match(self, request: Request, body: bytes) -> tuple[OperationModel, Mapping[str, str]]:
        return self._routes.match(request.method, request.path, request.query)

    def read(
        self, operation: OperationModel, labels: Mapping[str, str], request: Request, body: bytes
    ) -> dict[str, Any]:
        shape = operation.input_shape
        if shape is None:
            return {}
        payload = shape.serialization.get("payload")
        query = parse_qs(request.query, keep_blank_values=True)
        found: dict[str, Any] = {}
        if payload is not None:
            found[payload] = _payload(shape.members[payload], body)
        elif body_members(shape):
            found = from_json(shape, load_json(body))
        for name, member in _located_members(shape):
            found[name] = _located(member, name, labels, query, request.headers)
        return {name: value for name, value in found.items() if value is not None}

    def write(self, operation: OperationModel, output: dict[str, Any], request_id: str) -> Response:
        response = Response(operation.http.get("responseCode", 200), [JSON_TYPE])
        shape = operation.output_shape
        if shape is None:
            return response
        payload = shape.serialization.get("payload")
        tree: dict[str, Any] = {}
        for name, value in output.items():
            member = shape.members[name]
            location = member.serialization.get("location")
            if value is None:
                continue
            if name == payload:
                response.body = _payload_body(member, value)
            elif location == "statusCode":
                response.status = value
            elif location is not None:
                response.headers += _headers(member, name, value)
            else:
                tree[wire_name(member, name)] = to_json(member, value)
        if payload is None and response.status != 204:
            response.body = orjson.dumps(tree)
        return response

    def write_error(self, error: ServiceError, shape: StructureShape | None, request_id: str) -> Response:
        headers = [JSON_TYPE, ("x-amzn-ErrorType", error.code)]
        if error.code == "UnknownOperationException":
            return Response(error.status, headers[1:], b"<UnknownOperationException/>\n")
        for name, member in shape.members.items() if shape is not None else ():
            if "location" in member.serialization and name in error.fields:
                headers += _headers(member, name, error.fields[name])
        return Response(error.status, headers, orjson.dumps(error_body(shape, error)))


@cache
def _located_members(shape: StructureShape) -> tuple[tuple[str, Shape], ...]:
    """Those that stand in the path, the query or a header."""
    return tuple(item for item in shape.members.items() if "location" in item[1].serialization)


def _payload(shape: Shape, body: bytes) -> Any:
    if shape.type_name == "blob":
        return body
    if shape.type_name == "string":
        return body.decode("utf-8", "replace")
    return from_json(shape, load_json(body)) if body else None


def _payload_body(shape: Shape, value: Any) -> bytes | AsyncIterable[bytes]:
    if isinstance(value, bytes | AsyncIterable):
        return value
    if isinstance(value, str):
        return value.encode()
    return orjson.dumps(to_json(shape, value))


def _located(
    shape: Shape,
    member: str,
    labels: Mapping[str, str],
    query: Mapping[str, list[str]],
    headers: Mapping[str, str],
) -> Any:
    """A member that stands in the path, the query or a header; None when it is not given."""
    name = wire_name(shape, member)
    location = shape.serialization["location"]
    if location == "uri":
        return from_text(shape, unquote(labels[name])) if name in labels else None
    if location == "querystring":
        return _from_query(shape, name, query)
    if location == "headers":
        prefix = name.lower()
        return {k[len(prefix) :]: v for k, v in headers.items() if k.startswith(prefix)} or None
    text = headers.get(name.lower())
    if text is None:
        return None
    if shape.serialization.get("jsonvalue"):
        try:
            return load_json(base64.b64decode(text))
        except binascii.Error:
            raise malformed(shape, text) from None
    if isinstance(shape, ListShape):
        return [from_text(shape.member, part.strip()) for part in text.split(",")]
    return from_text(shape, text)


def _from_query(shape: Shape, name: str, query: Mapping[str, list[str]]) -> Any:
    if isinstance(shape, MapShape):
        many = isinstance(shape.value, ListShape)
        return {key: values if many else values[0] for key, values in query.items()} or None
    values = query.get(name)
    if values is None:
        return None
    if isinstance(shape, ListShape):
        return [from_text(shape.member, value) for value in values]
    return from_text(shape, values[0])


def _headers(shape: Shape, member: str, value: Any) -> list[tuple[str, str]]:
    name = wire_name(shape, member)
    if shape.serialization["location"] == "headers":
        return [(f"{name}{key}", str(item)) for key, item in value.items()]
    if shape.serialization.get("jsonvalue"):
        return [(name, base64.b64encode(orjson.dumps(value)).decode())]
    if isinstance(shape, ListShape):
        return [(name, ",".join(to_text(shape.member, item, "rfc822") for item in value))]
    return [(name, to_text(shape, value, "rfc822"))]
