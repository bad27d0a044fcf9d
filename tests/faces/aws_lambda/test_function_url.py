"""Function URLs as browsers and curl see them: who may call, what handlers get, what their answers become."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.faces.aws_lambda.bench import ACCOUNT, OTHER_ACCOUNT, Bench, Client

from lambent.invoke.stream import Stream
from lambent.model.errors import Throttled

HTTP_RESPONSE = "application/vnd.awslambda.http-integration-response"
FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)
pool = urllib3.PoolManager(maxsize=10, retries=False)


@dataclass
class Site:
    """A function's URL and the node behind it."""

    bench: Bench
    client: Client
    url: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    async def ask(
        self, path: str = "/", method: str = "GET", body: bytes | None = None, **headers: str
    ) -> Any:
        given = {"Host": self.host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await asyncio.to_thread(
            pool.request, method, self.bench.url + path, body=body, headers=given, redirect=False
        )

    def event(self) -> dict[str, Any]:
        """What the handler got."""
        event: dict[str, Any] = json.loads(self.bench.echo.seen[-1].payload)
        return event

    def answers(self, value: Any) -> None:
        payload = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.bench.echo.outcome = {"payload": payload}


Open = Callable[..., Awaitable[Site]]


@pytest.fixture
def start(bench: Bench, client: Client) -> Open:
    async def start(auth_type: str = "NONE", *, allowed: bool = True, **config: Any) -> Site:
        await client.create("f")
        made = await client.create_function_url_config(FunctionName="f", AuthType=auth_type, **config)
        if allowed and auth_type == "NONE":
            await allow(client, "*", auth_type)
        return Site(bench, client, made["FunctionUrl"])

    return start


async def allow(client: Client, principal: str, auth_type: str) -> None:
    """Both permissions, as it takes since 2025."""
    await client.add_permission(
        FunctionName="f",
        StatementId="url",
        Action="lambda:InvokeFunctionUrl",
        Principal=principal,
        FunctionUrlAuthType=auth_type,
    )
    await client.add_permission(
        FunctionName="f",
        StatementId="function",
        Action="lambda:InvokeFunction",
        Principal=principal,
        InvokedViaFunctionUrl=True,
    )


async def test_a_request_is_an_event_of_payload_format_two(start: Open) -> None:
    site = await start()
    answer = await site.ask(
        "/some%20where/x?a=1&b=%C3%BC&a=2&c",
        "POST",
        b'{"k": "v"}',
        Content_Type="application/json",
        Cookie="one=1; two=2",
        User_Agent="test",
        X_Mixed="Case",
    )
    assert answer.status == 200
    event = site.event()
    context = event.pop("requestContext")
    headers = event.pop("headers")
    assert event == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/some%20where/x",
        "rawQueryString": "a=1&b=%C3%BC&a=2&c",
        "cookies": ["one=1", "two=2"],
        "queryStringParameters": {"a": "1,2", "b": "ü", "c": ""},
        "body": '{"k": "v"}',
        "isBase64Encoded": False,
    }
    url_id = site.host.partition(".")[0]
    assert context.pop("time").endswith(" +0000")
    assert abs(context.pop("timeEpoch") / 1000 - asyncio.get_running_loop().time()) > 1000
    assert context.pop("requestId") == answer.headers["x-amzn-requestid"] == seen_id(site)
    assert context == {
        "accountId": "anonymous",
        "apiId": url_id,
        "domainName": f"{url_id}.lambda-url.us-east-1.localhost",
        "domainPrefix": url_id,
        "http": {
            "method": "POST",
            "path": "/some%20where/x",
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "test",
        },
        "routeKey": "$default",
        "stage": "$default",
    }
    assert (headers["x-mixed"], headers["x-forwarded-for"]) == ("Case", "127.0.0.1")
    assert (headers["host"], headers["x-forwarded-proto"]) == (site.host, "http")
    assert headers["x-forwarded-port"] == site.host.partition(":")[2]
    assert headers["x-amzn-trace-id"] == answer.headers["x-amzn-trace-id"]
    assert "cookie" not in headers


def seen_id(site: Site) -> str:
    return site.bench.echo.seen[-1].request_id


async def test_what_a_request_has_not_the_event_has_not(start: Open) -> None:
    site = await start()
    await site.ask()
    assert not {"body", "cookies", "queryStringParameters"} & set(site.event())


async def test_bodies_that_are_no_text_go_as_base64(start: Open) -> None:
    site = await start()
    for data, kind, plain in (
        (b"a=1", "application/x-www-form-urlencoded", False),
        (b"\xff\x00", "text/plain", False),
        ("grüße".encode(), "text/plain; charset=utf-8", True),
        (b"x" * 100_000, "image/png", False),
    ):
        await site.ask("/", "PUT", data, Content_Type=kind)
        event = site.event()
        assert event["isBase64Encoded"] is not plain
        assert (event["body"].encode() if plain else base64.b64decode(event["body"])) == data


async def test_a_path_does_where_names_do_not(start: Open) -> None:
    site = await start()
    url_id = site.host.partition(".")[0]
    for path, raw in (("", "/"), ("/", "/"), ("/a/b", "/a/b")):
        answer = await site.ask(f"/_lambent/url/{url_id}{path}?q=1", Host="127.0.0.1:1")
        assert answer.status == 200
        assert (site.event()["rawPath"], site.event()["rawQueryString"]) == (raw, "q=1")


@pytest.mark.parametrize(
    ("given", "status", "kind", "body"),
    [
        ({"message": "hi"}, 200, "application/json", b'{"message": "hi"}'),
        ("just text", 200, "application/json", b'"just text"'),
        ([1, 2], 200, "application/json", b"[1, 2]"),
        (None, 200, "application/json", b"null"),
        ({"statusCode": 204}, 204, "application/json", b""),
        ({"statusCode": "201", "body": {"a": 1}}, 201, "application/json", b'{"a":1}'),
        (
            {"statusCode": 404, "headers": {"content-type": "text/html", "X-N": 5}, "body": "<p>ü"},
            404,
            "text/html",
            "<p>ü".encode(),
        ),
        (
            {"statusCode": 200, "body": "/w8=", "isBase64Encoded": True},
            200,
            "application/json",
            b"\xff\x0f",
        ),
        (
            b'{"statusCode": 202, "headers": {"content-type": "a/b"}}' + bytes(8) + b"rest",
            202,
            "a/b",
            b"rest",
        ),
    ],
)
async def test_an_answer_is_a_response(start: Open, given: Any, status: int, kind: str, body: bytes) -> None:
    site = await start()
    site.answers(given)
    answer = await site.ask()
    assert (answer.status, answer.headers["content-type"], answer.data) == (status, kind, body)


async def test_cookies_and_headers_of_an_answer(start: Open) -> None:
    site = await start()
    site.answers(
        {
            "statusCode": 200,
            "headers": {"Content-Length": "9", "Date": "x"},
            "cookies": ["a=1", "b=2; Secure"],
        }
    )
    answer = await site.ask()
    assert answer.headers.getlist("set-cookie") == ["a=1", "b=2; Secure"]
    assert answer.headers["x-amzn-remapped-content-length"] == "9"
    assert answer.headers["content-length"] == "0"


@pytest.mark.parametrize(
    "given",
    [
        {"statusCode": "soon"},
        {"statusCode": 99},
        {"statusCode": 200, "headers": {"a": "one\r\nb: two"}},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "headers": "none"},
        {"statusCode": 200, "body": "abc", "isBase64Encoded": True},
    ],
)
async def test_what_is_no_response_is_a_bad_gateway(start: Open, given: Any) -> None:
    site = await start()
    site.answers(given)
    answer = await site.ask()
    assert (answer.status, answer.data) == (502, b"Internal Server Error")


async def test_errors_and_throttles(start: Open) -> None:
    site = await start()
    site.bench.echo.outcome = {"function_error": "Unhandled", "payload": b'{"errorType":"E"}'}
    answer = await site.ask()
    assert (answer.status, answer.data) == (502, b"Internal Server Error")
    assert answer.headers["content-type"] == "application/json"
    site.bench.echo.error = Throttled()
    assert (await site.ask()).status == 429
    assert (await site.ask("/", "POST", bytes(6 * 1024 * 1024))).status == 413
    unknown = await site.ask(Host=f"{'x' * 32}.lambda-url.us-east-1.localhost")
    assert (unknown.status, unknown.data) == (403, b'{"Message":null}')


async def test_the_public_needs_both_permissions(start: Open) -> None:
    site = await start(allowed=False)
    answer = await site.ask()
    assert (answer.status, json.loads(answer.data)) == (403, {"Message": FORBIDDEN})
    await allow(site.client, "*", "NONE")
    assert (await site.ask()).status == 200
    await site.client.remove_permission(FunctionName="f", StatementId="function")
    assert (await site.ask()).status == 403
    assert len(site.bench.echo.seen) == 1


def signed(site: Site, account: str, service: str = "lambda", path: str = "/") -> dict[str, str]:
    request = AWSRequest("POST", site.bench.url + path, data=b"body", headers={"Host": site.host})
    SigV4Auth(Credentials(account, "secret"), service, "us-east-1").add_auth(request)
    return {name.replace("-", "_"): value for name, value in request.headers.items() if name != "Host"}


async def test_a_signature_is_wanted_with_aws_iam(start: Open) -> None:
    site = await start("AWS_IAM")
    answer = await site.ask("/", "POST", b"body")
    assert (answer.status, json.loads(answer.data)) == (403, {"Message": FORBIDDEN})
    assert (await site.ask("/", "POST", b"body", **signed(site, ACCOUNT))).status == 200
    context = site.event()["requestContext"]
    assert context["accountId"] == ACCOUNT
    assert context["authorizer"]["iam"] == {
        "accessKey": ACCOUNT,
        "accountId": ACCOUNT,
        "callerId": ACCOUNT,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": f"arn:aws:iam::{ACCOUNT}:root",
        "userId": ACCOUNT,
    }
    assert "authorization" not in site.event()["headers"]
    assert (await site.ask("/", "POST", b"other", **signed(site, ACCOUNT))).status == 403
    assert (await site.ask("/", "POST", b"body", **signed(site, ACCOUNT, "s3"))).status == 403
    path = f"/_lambent/url/{site.host.partition('.')[0]}/p"
    assert (await site.ask(path, "POST", b"body", **signed(site, ACCOUNT, path=path))).status == 200


async def test_another_account_needs_the_policy(start: Open) -> None:
    site = await start("AWS_IAM")
    assert (await site.ask("/", "POST", b"body", **signed(site, OTHER_ACCOUNT))).status == 403
    await allow(site.client, OTHER_ACCOUNT, "AWS_IAM")
    assert (await site.ask("/", "POST", b"body", **signed(site, OTHER_ACCOUNT))).status == 200
    assert (await site.ask("/", "POST", b"body")).status == 403


CORS = {
    "AllowOrigins": ["https://a.example"],
    "AllowMethods": ["GET", "PUT"],
    "AllowHeaders": ["x-one", "x-two"],
    "ExposeHeaders": ["x-three"],
    "MaxAge": 60,
}


async def test_a_preflight_is_answered_for_the_function(start: Open) -> None:
    site = await start(Cors=CORS)
    wanted = {"Access_Control_Request_Method": "PUT", "Access_Control_Request_Headers": "x-one"}
    answer = await site.ask("/", "OPTIONS", None, Origin="https://a.example", **wanted)
    allowed = {name: value for name, value in answer.headers.items() if name.startswith("Access-Control")}
    assert (answer.status, answer.data, site.bench.echo.seen) == (200, b"", [])
    assert allowed == {
        "Access-Control-Allow-Origin": "https://a.example",
        "Access-Control-Allow-Methods": "GET,PUT",
        "Access-Control-Allow-Headers": "x-one,x-two",
        "Access-Control-Max-Age": "60",
    }
    answer = await site.ask("/", "OPTIONS", None, Origin="https://b.example", **wanted)
    assert not [name for name in answer.headers if name.startswith("Access-Control")]


async def test_cors_headers_take_the_place_of_the_functions(start: Open) -> None:
    site = await start(Cors=CORS)
    site.answers({"statusCode": 200, "headers": {"access-control-allow-origin": "*"}})
    answer = await site.ask(Origin="https://a.example")
    assert answer.headers.getlist("access-control-allow-origin") == ["https://a.example"]
    assert answer.headers["access-control-expose-headers"] == "x-three"
    assert "access-control-allow-origin" not in (await site.ask(Origin="https://b.example")).headers
    everybody = {"AllowOrigins": ["*"], "AllowHeaders": ["*"], "AllowMethods": ["*"]}
    await site.client.update_function_url_config(FunctionName="f", Cors=everybody)
    answer = await site.ask(Origin="https://b.example")
    assert answer.headers["access-control-allow-origin"] == "*"
    await site.client.update_function_url_config(
        FunctionName="f", Cors={**everybody, "AllowCredentials": True}
    )
    answer = await site.ask("/", "OPTIONS", Origin="https://b.example", Access_Control_Request_Method="PUT")
    assert answer.headers["access-control-allow-origin"] == "https://b.example"
    assert answer.headers["access-control-allow-methods"] == "PUT"


async def test_without_cors_options_are_the_functions(start: Open) -> None:
    site = await start()
    await site.ask("/", "OPTIONS", Origin="https://a.example", Access_Control_Request_Method="PUT")
    assert site.event()["requestContext"]["http"]["method"] == "OPTIONS"


def streams(*pieces: bytes, kind: str = HTTP_RESPONSE) -> Callable[[Stream], Awaitable[None]]:
    async def stream(stream: Stream) -> None:
        stream.content_type = kind
        for piece in pieces:
            stream.feed(piece, lambda: None, lambda: None)
            await asyncio.sleep(0)

    return stream


async def test_a_stream_begins_with_status_and_headers(start: Open) -> None:
    site = await start(InvokeMode="RESPONSE_STREAM", Cors=CORS)
    site.answers(b"")
    head = b'{"statusCode": 201, "headers": {"Content-Type": "text/x"}, "cookies": ["a=1"]}'
    site.bench.echo.streams = streams(head[:9], head[9:] + bytes(3), bytes(5) + b"one ", b"two")
    answer = await site.ask(Origin="https://a.example")
    assert (answer.status, answer.headers["content-type"], answer.data) == (201, "text/x", b"one two")
    assert answer.headers["set-cookie"] == "a=1"
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert answer.headers["transfer-encoding"] == "chunked"
    site.bench.echo.streams = streams(b"plain", kind="text/event-stream")
    answer = await site.ask()
    assert (answer.status, answer.headers["content-type"], answer.data) == (
        200,
        "text/event-stream",
        b"plain",
    )
    site.bench.echo.streams = streams(b"plain", kind="a\nb")
    assert (await site.ask(method="HEAD")).headers["content-type"] == "application/octet-stream"


async def test_an_answer_that_is_not_streamed_comes_as_it_is(start: Open) -> None:
    site = await start(InvokeMode="RESPONSE_STREAM")
    site.answers({"statusCode": 201})
    answer = await site.ask()
    assert (answer.status, answer.data) == (200, b'{"statusCode": 201}')


async def test_streams_that_fail(start: Open) -> None:
    site = await start(InvokeMode="RESPONSE_STREAM")
    for pieces in ((b'{"statusCode": 200}',), (b"no json" + bytes(8),), (b"x" * 100_000,)):
        site.bench.echo.streams = streams(*pieces)
        assert (await site.ask()).status == 502
    site.bench.echo.outcome = {"function_error": "Unhandled", "payload": b'{"errorType":"E"}'}
    site.bench.echo.streams = streams()
    assert (await site.ask()).status == 502
    site.bench.echo.streams = streams(b"begun", kind="text/plain")
    with pytest.raises(urllib3.exceptions.ProtocolError):  # the connection ends before the body does
        await site.ask()


async def test_several_hundred_connections_at_once(start: Open) -> None:
    site = await start()
    together = asyncio.Barrier(301)

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(site.bench.url).port)
        await asyncio.wait_for(together.wait(), 60)
        writer.write(f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n".encode())
        status = await asyncio.wait_for(reader.readline(), 60)
        writer.close()
        return int(status.split()[1])

    tasks = [asyncio.create_task(one()) for _ in range(300)]
    await asyncio.wait_for(together.wait(), 60)
    assert await asyncio.gather(*tasks) == [200] * 300
