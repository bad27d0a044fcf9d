"""The codec's own words: constraints, errors, unknown operations, malformed input."""

import asyncio
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.faces.edge import Edge, call

from lambent.faces.codec import Codec, load_model
from lambent.faces.codec_check import compiled
from lambent.faces.codec_query import read_form
from lambent.faces.codec_scalars import format_timestamp, parse_timestamp
from lambent.faces.codec_xml import parse_xml
from lambent.faces.errors import ServiceError
from lambent.faces.http import BodyTooLarge, Request, Response, WholeBody
from lambent.faces.verified import Verified
from lambent.model.errors import Conflict, NotFound, Throttled, Unavailable
from lambent.model.identity import Principal, PrincipalKind

ROOT = Verified(Principal(PrincipalKind.ROOT, "000000000000"), "us-east-1", "lambda", "AKIAROOT")
ARN = "arn:aws:iam::000000000000:role/r"
NAME = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?"


class Face:
    """Fails as it was told to, or answers with nothing."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.errors = {NotFound: "ResourceNotFoundException", Throttled: "TooManyRequestsException"}
        self.given: dict[str, Any] = {}

    async def create_function(self, call: Any, input: dict[str, Any]) -> dict[str, Any]:
        self.given = input
        if self.error is not None:
            raise self.error
        return {}

    get_function = create_role = tag_log_group = list_functions = create_function

    async def get_policy(self, call: Any, input: dict[str, Any]) -> dict[str, Any]:
        return {"NoSuchMember": 1}


@cache
def lambda_codec() -> Codec:
    return Codec("lambda")


@pytest.fixture(scope="module")
def codec() -> Codec:
    return lambda_codec()


@pytest.fixture(scope="module")
def logs() -> Codec:
    return Codec("logs")


@pytest.fixture(scope="module")
def iam() -> Codec:
    return Codec("iam")


def request(method: str, path: str, body: Any = b"", headers: dict[str, str] | None = None) -> Request:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    path, _, query = path.partition("?")
    return Request(method, path, query, headers or {}, WholeBody(data), "", "req-1")


async def told(codec: Codec, made: Request, face: Any = None) -> tuple[Response, Any]:
    response = await codec.serve(made, ROOT, face or Face())
    assert isinstance(response.body, bytes)
    kind = dict(response.headers).get("Content-Type", "")
    return response, orjson.loads(response.body) if "json" in kind and response.body else response.body


async def violation(codec: Codec, body: dict[str, Any]) -> str:
    response, answer = await told(codec, request("POST", "/2015-03-31/functions", body))
    assert response.status == 400
    assert dict(response.headers)["x-amzn-ErrorType"] == "ValidationException"
    assert list(answer) == ["message"]
    text: str = answer["message"]
    return text


def function(**members: Any) -> dict[str, Any]:
    return {"FunctionName": "f", "Role": ARN, "Code": {}} | members


CONSTRAINTS = [
    ({"MemorySize": 64}, "Value '64' at 'memorySize'", "Member must have value greater than or equal to 128"),
    ({"Timeout": 0}, "Value '0' at 'timeout'", "Member must have value greater than or equal to 1"),
    (
        {"Architectures": ["x86"]},
        "Value '[x86]' at 'architectures'",
        "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64],"
        " Member must not be null]",
    ),
    (
        {"PackageType": "Tar"},
        "Value 'Tar' at 'packageType'",
        "Member must satisfy enum value set: [Zip, Image]",
    ),
    (
        {"Environment": {"Variables": {"1 a": "x"}}},
        "Value at 'environment.variables'",  # it is sensitive, so it is not shown
        "Map keys must satisfy constraint: [Member must satisfy regular expression pattern:"
        " [a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]",
    ),
    (
        {"TracingConfig": {"Mode": "On"}},
        "Value 'On' at 'tracingConfig.mode'",
        "Member must satisfy enum value set: [Active, PassThrough]",
    ),
    (
        {"FileSystemConfigs": [{"Arn": "arn:aws:elasticfilesystem:x", "LocalMountPath": "/mnt/a"}]},
        "Value 'arn:aws:elasticfilesystem:x' at 'fileSystemConfigs.1.member.arn'",
        "Member must satisfy regular expression pattern: ",
    ),
]


@pytest.mark.parametrize(("members", "value", "constraint"), CONSTRAINTS)
async def test_a_broken_constraint(codec: Codec, members: Any, value: str, constraint: str) -> None:
    text = await violation(codec, function(**members))
    assert text.startswith(f"1 validation error detected: {value} failed to satisfy constraint: {constraint}")


async def test_several_come_in_the_members_order(codec: Codec) -> None:
    text = await violation(codec, {"Timeout": 0, "MemorySize": 1, "Code": {}, "FunctionName": "f!"})
    assert text.startswith("4 validation errors detected: Value 'f!' at 'functionName' failed")
    assert f"Member must satisfy regular expression pattern: {NAME}" in text
    assert "; Value null at 'role' failed to satisfy constraint: Member must not be null; " in text
    assert text.index("'timeout'") < text.index("'memorySize'")


async def test_layers_as_aws_says_it(codec: Codec) -> None:
    text = await violation(codec, function(Layers=["a", "b"]))
    assert (
        "Value '[a, b]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [" in text
    )
    assert "Member must have length less than or equal to 2048, " in text
    assert text.endswith(", Member must not be null]")


async def test_shapes_that_the_face_checks_itself() -> None:
    face = Face()
    codec = Codec("lambda", unchecked=frozenset({"runtime"}))
    made = request("POST", "/2015-03-31/functions", function(Runtime="cobol"))
    assert (await told(codec, made, face))[0].status == 201
    assert face.given["Runtime"] == "cobol"


async def test_other_services_have_other_codes(logs: Codec, iam: Codec) -> None:
    target = {"x-amz-target": "Logs_20140328.TagLogGroup"}
    made = request("POST", "/", {"logGroupName": "a b", "tags": {"k": "v"}}, target)
    response, answer = await told(logs, made)
    assert (response.status, answer["__type"]) == (400, "InvalidParameterException")
    assert answer["message"].startswith("1 validation error detected: Value 'a b' at 'logGroupName'")
    assert dict(response.headers)["Content-Type"] == "application/x-amz-json-1.1"
    form = b"Action=CreateRole&Version=2010-05-08&RoleName=a%20b&AssumeRolePolicyDocument=x"
    response, answer = await told(iam, request("POST", "/", form))
    assert response.status == 400
    assert b"<Type>Sender</Type><Code>ValidationError</Code>" in answer
    assert b"<RequestId>req-1</RequestId>" in answer


MISTYPED = [
    ({"FunctionName": 5}, "NUMBER_VALUE can not be converted to a String"),
    ({"Timeout": "3"}, "STRING_VALUE can not be converted to an Integer"),
    ({"Timeout": True}, "BOOLEAN_VALUE can not be converted to an Integer"),
    ({"Timeout": 2**31}, "NUMBER_VALUE can not be converted to an Integer"),
    ({"Timeout": -(2**31) - 1}, "NUMBER_VALUE can not be converted to an Integer"),
    ({"Publish": "yes"}, "STRING_VALUE can not be converted to a Boolean"),
    ({"Layers": "x"}, "STRING_VALUE can not be converted to a List"),
    ({"Environment": {"Variables": []}}, "START_OF_STRUCTURE_OR_COLLECTION can not be converted to a Map"),
    ({"Environment": 1}, "NUMBER_VALUE can not be converted to a Structure"),
    ({"Code": {"ZipFile": "%%"}}, "a blob is not valid base64"),
]


@pytest.mark.parametrize(("members", "text"), MISTYPED)
async def test_a_value_of_the_wrong_kind(codec: Codec, members: Any, text: str) -> None:
    response, answer = await told(codec, request("POST", "/2015-03-31/functions", function(**members)))
    assert (response.status, dict(response.headers)["x-amzn-ErrorType"]) == (400, "SerializationException")
    assert answer == {"message": text}


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"nul"])
async def test_what_is_no_json_object(codec: Codec, body: bytes) -> None:
    response, _ = await told(codec, request("POST", "/2015-03-31/functions", body))
    assert (response.status, dict(response.headers)["x-amzn-ErrorType"]) == (400, "SerializationException")


@settings(deadline=None)  # the first example loads the model
@given(body=st.binary(max_size=200))
async def test_no_body_breaks_it(body: bytes) -> None:
    codec = lambda_codec()
    response, _ = await told(codec, request("POST", "/2015-03-31/functions", body))
    assert response.status == 400


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=st.text(max_size=60),
    query=st.text(max_size=30),
)
async def test_no_path_breaks_it(method: str, path: str, query: str) -> None:
    codec = lambda_codec()
    for start in ("/", "/2015-03-31/functions/"):
        response = await codec.serve(Request(method, start + path, query, {}, WholeBody(b"")), ROOT, Face())
        assert response.status in (200, 201, 400, 404, 501)


async def test_unknown_operations(codec: Codec, logs: Codec, iam: Codec) -> None:
    for method, path in (("GET", "/nothing"), ("PATCH", "/2015-03-31/functions/f"), ("GET", "/")):
        response, answer = await told(codec, request(method, path))
        assert (response.status, answer) == (404, b"<UnknownOperationException/>\n")
        assert ("x-amzn-ErrorType", "UnknownOperationException") in response.headers
    response, answer = await told(logs, request("POST", "/", {}, {"x-amz-target": "Logs_20140328.Nothing"}))
    assert (response.status, answer["__type"]) == (400, "UnknownOperationException")
    response, answer = await told(iam, request("POST", "/", b"Action=Nothing"))
    assert response.status == 400
    assert b"<Code>InvalidAction</Code>" in answer


async def test_what_the_face_lacks_is_501(codec: Codec, logs: Codec, iam: Codec) -> None:
    response, answer = await told(codec, request("GET", "/2018-10-31/layers"))
    assert (response.status, answer["message"]) == (
        501,
        "ListLayers of lambda is not supported here: not in this version.",
    )
    target = {"x-amz-target": "Logs_20140328.CreateExportTask"}
    assert (await told(logs, request("POST", "/", {}, target)))[0].status == 501
    response, answer = await told(iam, request("POST", "/", b"Action=ListUsers"))
    assert (response.status, b"<Code>NotImplemented</Code>" in answer) == (501, True)
    assert codec.operations(Face())["CreateFunction"]
    assert not codec.operations(Face())["ListLayers"]


ERRORS: list[tuple[Exception, int, str, dict[str, str]]] = [
    (NotFound("no f"), 404, "ResourceNotFoundException", {"Type": "User", "Message": "no f"}),
    (
        Throttled(),
        429,
        "TooManyRequestsException",
        {"Type": "User", "message": "Rate Exceeded.", "Reason": "ConcurrentInvocationLimitExceeded"},
    ),
    (
        ServiceError("InvalidParameterValueException", "bad"),
        400,
        "InvalidParameterValueException",
        {"Type": "User", "message": "bad"},
    ),
    (ServiceError("AccessDeniedException", "no", 403), 403, "AccessDeniedException", {"Message": "no"}),
    (Unavailable("stopping"), 500, "ServiceException", {"Type": "Server", "Message": "stopping"}),
    (Conflict("?"), 500, "ServiceException", {"Type": "Server", "Message": "An internal error occurred."}),
    (
        RuntimeError("!"),
        500,
        "ServiceException",
        {"Type": "Server", "Message": "An internal error occurred."},
    ),
]


@pytest.mark.parametrize(("error", "status", "code", "body"), ERRORS)
async def test_errors_take_the_form_of_their_shape(
    codec: Codec, error: Exception, status: int, code: str, body: dict[str, str]
) -> None:
    made = request("GET", "/2015-03-31/functions/f")
    response, answer = await told(codec, made, Face(error))
    assert (response.status, dict(response.headers)["x-amzn-ErrorType"], answer) == (status, code, body)
    if isinstance(error, Throttled):
        assert ("Retry-After", "1") in response.headers


async def test_an_answer_with_a_stranger_in_it_is_a_fault(
    codec: Codec, caplog: pytest.LogCaptureFixture
) -> None:
    response, _ = await told(codec, request("GET", "/2015-03-31/functions/f/policy"))
    assert response.status == 500
    assert "NoSuchMember" in caplog.text


async def test_labels_are_decoded_after_the_path_is_split(codec: Codec) -> None:
    face = Face()
    name = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af"
    await told(codec, request("GET", f"/2015-03-31/functions/{name}?Qualifier=%24LATEST"), face)
    assert face.given == {
        "FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "Qualifier": "$LATEST",
    }
    slash = "/2025-12-01/durable-executions/a%2Fb/pause"
    operation, labels = codec._wire.match(request("POST", slash), b"")
    assert (operation.name, labels) == ("PauseDurableExecution", {"DurableExecutionArn": "a%2Fb"})
    by_query = "/2019-09-30/functions/f/provisioned-concurrency"
    assert codec._wire.match(request("GET", by_query), b"")[0].name == "GetProvisionedConcurrencyConfig"
    listed = codec._wire.match(request("GET", f"{by_query}?List=ALL"), b"")[0]
    assert listed.name == "ListProvisionedConcurrencyConfigs"


async def test_what_botocore_makes_of_it(edge: Edge) -> None:
    client = edge.client("lambda")
    edge.face.error = NotFound("Function not found: f")
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="Function not found: f") as caught:
        await call(client.get_function, FunctionName="f")
    assert caught.value.response["ResponseMetadata"]["RequestId"]
    edge.face.error = Throttled("CallerRateLimitExceeded", 7)
    with pytest.raises(client.exceptions.TooManyRequestsException) as throttled:
        await call(client.get_function, FunctionName="f")
    assert throttled.value.response["Reason"] == "CallerRateLimitExceeded"
    assert throttled.value.response["retryAfterSeconds"] == "7"
    with pytest.raises(ClientError, match="ListLayers of lambda is not supported here"):
        await call(client.list_layers)
    code = {"ZipFile": b"\x00" * 3_000_000}
    answer = await call(client.create_function, FunctionName="f", Role=ARN, Code=code)
    assert answer["CodeSize"] == 3_000_000


@pytest.mark.parametrize("service", ["lambda", "logs", "iam", "sts"])
def test_every_pattern_of_the_models_compiles(service: str) -> None:
    model = load_model(service)
    patterns = {model.shape_for(name).metadata.get("pattern") for name in model.shape_names} - {None}
    assert patterns
    for pattern in patterns:
        compiled(pattern)


def test_timestamps() -> None:
    moment = datetime(2025, 11, 23, 14, 2, 49, 500_000, UTC)
    assert format_timestamp(moment, "iso8601") == "2025-11-23T14:02:49.500Z"
    assert format_timestamp(moment.timestamp(), "iso8601") == "2025-11-23T14:02:49.500Z"
    assert format_timestamp(moment, "unixTimestamp") == "1763906569.5"
    assert format_timestamp(1763906569, "rfc822") == "Sun, 23 Nov 2025 14:02:49 GMT"
    for text in ("2025-11-23T14:02:49.5Z", "1763906569.5", 1763906569.5, "2025-11-23T15:02:49.500+01:00"):
        assert parse_timestamp(text) == moment


def test_xml_that_is_not_what_it_should_be() -> None:
    shape = load_model("s3").shape_for("Tagging")
    bomb = b'<!DOCTYPE a [<!ENTITY b "c">]><Tagging><TagSet/></Tagging>'
    for data in (b"", b"<Tagging>", b"\xff", bomb):
        with pytest.raises(ServiceError, match="MalformedXML"):
            parse_xml(shape, data)


def test_forms_are_bounded(iam: Codec) -> None:
    with pytest.raises(ServiceError, match="MalformedQueryString"):
        read_form(request("POST", "/"), b"a=1&" * 20_000)
    deep = b"Action=ListUsers&" + b"a." * 100_000 + b"=1"
    operation, labels = iam._wire.match(request("POST", "/"), deep)
    assert iam._wire.read(operation, labels, request("POST", "/"), deep) == {}


async def test_a_body_over_the_limit(codec: Codec) -> None:
    class Endless:
        length: int | None = None

        async def read(self, limit: int) -> bytes:
            await asyncio.sleep(0)
            raise BodyTooLarge

        def __aiter__(self) -> Any:
            raise NotImplementedError

    made = request("POST", "/2015-03-31/functions")
    made.body = Endless()
    response, answer = await told(codec, made)
    text = "Request must be smaller than 70167211 bytes for the CreateFunction operation"
    assert (response.status, answer["message"]) == (413, text)
