"""Which face gets a request, who may come unsigned, and in whose words the others are refused."""

import asyncio
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys
from botocore.exceptions import ClientError
from tests.faces.edge import Edge, call

from lambent.faces.http import Request, Response
from lambent.faces.router import Router, is_invoke
from lambent.model.errors import NotFound
from lambent.model.identity import Principal, PrincipalKind

Answer = tuple[int, dict[str, str], bytes]


async def fetch(edge: Edge, path: str, method: str = "GET", data: bytes = b"", **headers: str) -> Answer:
    def get() -> Answer:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{edge.url}{path}", data or None, names, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, dict(answer.headers.items()), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers.items()), error.read()

    return await asyncio.to_thread(get)


async def signed(edge: Edge, service: str, path: str, method: str = "GET", data: bytes = b"") -> Answer:
    request = AWSRequest(method, f"{edge.url}{path}", data=data)
    SigV4Auth(Keys("AKIAROOT", "root/secret+x"), service, "eu-west-3").add_auth(request)
    return await fetch(edge, path, method, data, **dict(request.headers.items()))


async def test_health_is_for_everybody(edge: Edge) -> None:
    status, headers, body = await fetch(edge, "/_lambent/health")
    assert (status, body) == (200, b'{"status":"ok"}')
    assert headers["x-amzn-RequestId"]


async def test_the_rest_of_the_reserved_paths_wants_a_signature(edge: Edge) -> None:
    seen: list[tuple[str, Principal]] = []

    async def admin(request: Request, principal: Principal) -> Response:
        seen.append((request.path, principal))
        return Response(200)

    edge.router.add_admin(admin)
    status, headers, _ = await fetch(edge, "/_lambent/status")
    assert (status, headers["x-amzn-ErrorType"]) == (403, "MissingAuthenticationTokenException")
    assert seen == []
    assert (await signed(edge, "lambda", "/_lambent/status"))[0] == 200
    assert seen == [("/_lambent/status", Principal(PrincipalKind.ROOT, "000000000000"))]
    assert (await fetch(edge, "/_lambent/health"))[0] == 200
    assert seen[-1][1].kind is PrincipalKind.ANONYMOUS


async def test_public_paths_come_before_signatures(edge: Edge) -> None:
    async def download(request: Request) -> Response:
        return Response(200, [], request.path.encode())

    edge.router.add_public("/_lambent/code/", download)
    assert (await fetch(edge, "/_lambent/code/1?Signature=x"))[2] == b"/_lambent/code/1"


async def test_invocations_go_past_the_model(edge: Edge) -> None:
    path = "/2015-03-31/functions/f/invocations"
    status, headers, body = await signed(edge, "lambda", path, "POST", b"[1]")
    assert (status, headers["X-Region"], body) == (200, "eu-west-3", b"[1]")
    answer = await call(edge.client("lambda").invoke, FunctionName="f", Payload=b"{}")
    assert await call(answer["Payload"].read) == b"{}"
    assert (await fetch(edge, path, "POST", b"[1]"))[0] == 403


async def test_what_an_invocation_raises_is_lambdas_error(edge: Edge) -> None:
    async def invoke(request: Request, principal: Principal, region: str) -> Response:
        raise NotFound("Function not found: f")

    edge.router.add_invoke(invoke)
    client = edge.client("lambda")
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="Function not found: f"):
        await call(client.invoke, FunctionName="f")


async def test_every_service_finds_its_face(edge: Edge) -> None:
    region = "ap-southeast-2"
    groups = await call(edge.client("logs", region=region).describe_log_groups)
    assert groups["logGroups"] == [{"logGroupName": region}]
    assert (await call(edge.client("sts").get_caller_identity))["Account"] == "000000000000"
    with pytest.raises(ClientError, match="'dynamodb' is not served here; lambda, logs, s3, sts are"):
        await call(edge.client("dynamodb").list_tables)


UNSIGNED: list[tuple[str, str, dict[str, Any], int, str, bytes]] = [
    (
        "GET",
        "/2015-03-31/functions/f",
        {},
        403,
        "application/json",
        b'{"message":"Missing Authentication Token"}',
    ),
    (
        "POST",
        "/",
        {"X_Amz_Target": "Logs_20140328.DescribeLogGroups"},
        403,
        "application/x-amz-json-1.1",
        b'"__type":"MissingAuthenticationTokenException"',
    ),
    (
        "POST",
        "/",
        {"X_Amz_Target": "DynamoDB_20120810.ListTables"},
        403,
        "application/json",
        b'"__type":"MissingAuthenticationTokenException"',
    ),
    (
        "POST",
        "/",
        {"Content_Type": "application/x-www-form-urlencoded; charset=utf-8"},
        403,
        "text/xml",
        b"<Code>MissingAuthenticationToken</Code>",
    ),
]


@pytest.mark.parametrize(("method", "path", "headers", "status", "kind", "text"), UNSIGNED)
async def test_unsigned_requests_are_refused_in_their_services_form(
    edge: Edge, method: str, path: str, headers: dict[str, str], status: int, kind: str, text: bytes
) -> None:
    data = b"Action=GetCallerIdentity" if method == "POST" else b""
    found, answered, body = await fetch(edge, path, method, data, **headers)
    assert (found, answered["Content-Type"]) == (status, kind)
    assert text in body
    assert answered["x-amzn-RequestId"]


async def test_everything_else_that_is_unsigned_is_s3s(edge: Edge) -> None:
    status, headers, _ = await fetch(edge, "/bucket/key")
    assert (status, headers["x-amz-meta-told"]) == (200, '{"account":"","region":"","bytes":0}')
    status, headers, body = await fetch(edge, "/bucket", "POST", b"x", Content_Type="multipart/form-data")
    assert (status, headers["Content-Type"]) == (405, "application/xml")
    assert b"<Code>MethodNotAllowed</Code>" in body
    assert b"<Resource>/bucket</Resource>" in body


async def test_a_bad_signature_of_s3_is_told_in_xml(edge: Edge) -> None:
    with pytest.raises(ClientError) as caught:
        await call(edge.client("s3", secret="wrong").list_objects_v2, Bucket="bkt")
    answer = caught.value.response
    assert answer["Error"]["Code"] == "SignatureDoesNotMatch"
    assert answer["ResponseMetadata"]["RequestId"]


async def test_without_faces_nothing_breaks(edge: Edge) -> None:
    edge.router = Router(edge.verifier)
    assert edge.server is not None
    edge.server.handler = edge.router
    assert (await fetch(edge, "/_lambent/health"))[0] == 200
    assert (await fetch(edge, "/bucket"))[0] == 403
    assert (await signed(edge, "lambda", "/2015-03-31/functions"))[0] == 404
    assert (await signed(edge, "lambda", "/_lambent/status"))[0] == 404


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/2015-03-31/functions/f/invocations", True),
        ("/2015-03-31/functions/arn%3Aaws%3Alambda/invocations", True),
        ("/2015-03-31/functions/invocations", False),
        ("/2015-03-31/functions/f/g/invocations", False),
        ("/2015-03-31/functions/f/policy", False),
    ],
)
def test_what_is_an_invocation(path: str, expected: bool) -> None:
    assert is_invoke(path) is expected
