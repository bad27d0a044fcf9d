"""Every operation, with botocore at the other end of the wire."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.awsrequest import HeadersDict
from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from lambent.faces.codec import Codec, load_model
from lambent.faces.codec_xml import parse_xml, render_xml
from lambent.faces.http import Request, Response, WholeBody

SERVICES = ("lambda", "sts", "logs", "iam")
DEPTH = 7
MOMENT = datetime(2025, 11, 23, 14, 2, 49, tzinfo=UTC)
TEXT = "a b/c:ü+&<%41>$'\"?#=~"


def sample(shape: Shape, depth: int = 0) -> Any:
    """A value with everything in it that the wire could get wrong."""
    if isinstance(shape, StructureShape):
        return sample_structure(shape, depth)
    if isinstance(shape, ListShape):
        return [] if depth > DEPTH else [sample(shape.member, depth + 1) for _ in range(2)]
    if isinstance(shape, MapShape):
        key = sample(shape.key)
        return {} if depth > DEPTH else {k: sample(shape.value, depth + 1) for k in (key, f"{key}.2")}
    if isinstance(shape, StringShape) and shape.enum:
        return shape.enum[0]
    location = shape.serialization.get("location")
    return {
        "string": "header text" if location in ("header", "headers") else TEXT,
        "integer": 42,
        "long": 2**40,
        "float": 0.5,
        "double": 0.25,
        "boolean": True,
        "blob": b"\x00\xffblob",
        "timestamp": MOMENT,
    }[shape.type_name]


def sample_structure(shape: StructureShape, depth: int) -> dict[str, Any]:
    if depth > DEPTH:
        return {}
    members = list(shape.members.items())
    if shape.is_tagged_union:
        members = members[:1]
    return {name: sample(member, depth + 1) for name, member in members}


def operations() -> list[Any]:
    found = []
    for service in SERVICES:
        model = load_model(service)
        for name in model.operation_names:
            operation = model.operation_model(name)
            if not operation.has_event_stream_output and not operation.has_event_stream_input:
                found.append(pytest.param(service, name, id=f"{service}.{name}"))
    return found


@pytest.fixture(scope="module")
def codecs() -> dict[str, Codec]:
    return {service: Codec(service) for service in SERVICES}


def request_of(operation: OperationModel, given: dict[str, Any]) -> tuple[Request, bytes]:
    protocol = operation.service_model.resolved_protocol
    made = create_serializer(protocol, include_validation=False).serialize_to_request(given, operation)
    body = made["body"]
    data = urlencode(body, doseq=True).encode() if isinstance(body, dict) else body
    data = data.encode() if isinstance(data, str) else data
    path, _, fixed = made["url_path"].partition("?")
    pairs = made["query_string"]
    query = urlencode(pairs, doseq=True)
    headers = {name.lower(): str(value) for name, value in made["headers"].items()}
    joined = "&".join(part for part in (fixed, query) if part)
    return Request(made["method"], path, joined, headers, WholeBody(data)), data


def parsed(operation: OperationModel, response: Response) -> Any:
    assert isinstance(response.body, bytes)
    parser = create_parser(operation.service_model.resolved_protocol)
    headers = HeadersDict(response.headers)
    body = BytesIO(response.body) if operation.has_streaming_output else response.body
    answer = {"status_code": response.status, "headers": headers, "body": body}
    found = parser.parse(answer, operation.output_shape)
    found.pop("ResponseMetadata")
    return found


@pytest.mark.parametrize(("service", "name"), operations())
def test_operation(codecs: dict[str, Codec], service: str, name: str) -> None:
    codec = codecs[service]
    operation = codec.model.operation_model(name)
    given = {} if operation.input_shape is None else sample(operation.input_shape)
    request, body = request_of(operation, given)
    matched, labels = codec._wire.match(request, body)
    assert matched.name == name
    assert codec._wire.read(matched, labels, request, body) == given

    if operation.output_shape is None:
        answer = codec._wire.write(operation, {}, "id")
        assert answer.status == operation.http.get("responseCode", 200)
        return
    output = sample(operation.output_shape)
    answer = codec._wire.write(operation, output, "id")
    found = parsed(operation, answer)
    for member, shape in operation.output_shape.members.items():
        if shape.serialization.get("location") == "statusCode":
            assert answer.status == output[member]
        elif answer.status != 204:
            payload = member == operation.output_shape.serialization.get("payload")
            got = found[member].read() if payload and hasattr(found[member], "read") else found[member]
            assert got == output[member]


S3_PARTS = [
    ("PutBucketNotificationConfiguration", "NotificationConfiguration"),
    ("PutBucketTagging", "Tagging"),
    ("PutBucketVersioning", "VersioningConfiguration"),
    ("DeleteObjects", "Delete"),
    ("CompleteMultipartUpload", "MultipartUpload"),
    ("PutBucketAcl", "AccessControlPolicy"),
    ("PutBucketCors", "CORSConfiguration"),
    ("PutBucketLifecycleConfiguration", "LifecycleConfiguration"),
]


@pytest.mark.parametrize(("name", "member"), S3_PARTS)
def test_documents_of_s3(name: str, member: str) -> None:
    operation = load_model("s3").operation_model(name)
    shape = operation.input_shape.members[member]
    given = sample(shape)
    made = create_serializer("rest-xml", include_validation=False).serialize_to_request(
        dict.fromkeys(operation.input_shape.required_members, "x") | {member: given}, operation
    )
    assert parse_xml(shape, made["body"]) == given
    rendered = render_xml(shape, given)
    assert parse_xml(shape, rendered) == given
    assert b"http://s3.amazonaws.com/doc/2006-03-01/" in rendered
