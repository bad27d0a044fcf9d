"""Signatures as botocore makes them, right and wrong, over a socket."""

import asyncio
import base64
import contextlib
import io
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from tests.faces.edge import KEYS, SECRET, Edge, call

from lambent.faces.authorization import date_header, parse_timestamp
from lambent.faces.canonical import service_paths, sort_query
from lambent.faces.errors import ServiceError
from lambent.faces.http import Request, WholeBody
from lambent.faces.signature import Verifier
from lambent.store.credentials import Credentials, parse

ROOT = Keys("AKIAROOT", "root/secret+x")


async def failure(function: Any, **arguments: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        await call(function, **arguments)
    error = caught.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"], error["Error"]["Message"]


async def fetch(
    url: str, method: str = "GET", data: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    def get() -> tuple[int, bytes]:
        request = urllib.request.Request(url, data, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    return await asyncio.to_thread(get)


def signed(
    edge: Edge,
    service: str,
    path: str,
    method: str = "GET",
    data: bytes = b"",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Request:
    """A request signed by botocore, as the server would hand it over."""
    request = AWSRequest(method, f"{edge.url}{path}", data=data, headers={"Host": "h", **headers})
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(ROOT, service, "us-east-1").add_auth(request)
    found = {name.lower(): value for name, value in request.headers.items()}
    path, _, query = path.partition("?")
    return Request(method, path, query, found, WholeBody(data))


async def test_the_principal_is_the_keys_account(edge: Edge) -> None:
    assert (await call(edge.client("sts").get_caller_identity))["Account"] == "000000000000"
    other = edge.client("sts", "111122223333", "other")
    answer = await call(other.get_caller_identity)
    assert (answer["Account"], answer["Arn"]) == ("111122223333", "arn:aws:iam::111122223333:root")


async def test_a_session_speaks_for_its_role_until_it_expires(edge: Edge) -> None:
    issued = edge.credentials.issue("123456789012", "etl", "etl-1", 60)
    client = edge.client("sts", issued.access_key, issued.secret_key, issued.token)
    assert (await call(client.get_caller_identity))["Arn"] == issued.principal.arn
    edge.now_offset_s = 61
    assert (await failure(client.get_caller_identity))[:2] == (403, "ExpiredToken")
    lambdas = edge.client("lambda", issued.access_key, issued.secret_key, issued.token)
    assert (await failure(lambdas.get_function, FunctionName="f"))[:2] == (403, "ExpiredTokenException")
    s3 = edge.client("s3", issued.access_key, issued.secret_key, issued.token)
    assert (await failure(s3.list_objects_v2, Bucket="bkt"))[:2] == (400, "ExpiredToken")


@pytest.mark.parametrize("name", ["f", "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST"])
async def test_paths_and_queries_of_lambda(edge: Edge, name: str) -> None:
    await call(edge.client("lambda").get_function, FunctionName=name, Qualifier="$LATEST")
    made, given = edge.face.calls[-1]
    assert given == {"FunctionName": name, "Qualifier": "$LATEST"}
    assert (made.account, made.region, made.service) == ("000000000000", "us-east-1", "lambda")


@pytest.mark.parametrize("key", ["plain", "a b+c", "ü/~x*'()!", "..", "a//b/./c", "%41&=?#"])
async def test_keys_of_s3(edge: Edge, key: str) -> None:
    client = edge.client("s3")
    answer = await call(client.put_object, Bucket="bkt", Key=key, Body=b"12345", Metadata={"a": "b  c"})
    assert orjson.loads(answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-meta-told"])["bytes"] == 5


WRONG: list[tuple[dict[str, str], str, str, str, str]] = [
    (
        {"key": "AKIANONE"},
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "security token included in the request is invalid",
    ),
    (
        {"secret": "wrong"},
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided.",
    ),
    (
        {"token": "bogus"},
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidToken",
        "security token included in the request is invalid",
    ),
]


@pytest.mark.parametrize(("wrong", "json_code", "query_code", "s3_code", "text"), WRONG)
async def test_each_service_has_its_own_words(
    edge: Edge, wrong: dict[str, str], json_code: str, query_code: str, s3_code: str, text: str
) -> None:
    status, code, message = await failure(edge.client("lambda", **wrong).get_function, FunctionName="f")
    assert (status, code) == (403, json_code)
    assert text in message
    status, code, message = await failure(edge.client("logs", **wrong).describe_log_groups)
    assert (status, code) == (403, json_code)
    status, code, _ = await failure(edge.client("sts", **wrong).get_caller_identity)
    assert (status, code) == (403, query_code)
    _, code, _ = await failure(edge.client("s3", **wrong).put_object, Bucket="bkt", Key="k", Body=b"x")
    assert code == s3_code
    assert edge.face.calls == []


@pytest.mark.parametrize(("offset_s", "word"), [(301, "expired"), (-301, "not yet current")])
async def test_a_clock_that_is_off(edge: Edge, offset_s: int, word: str) -> None:
    edge.now_offset_s = offset_s
    status, code, message = await failure(edge.client("lambda").get_function, FunctionName="f")
    assert (status, code) == (403, "InvalidSignatureException")
    assert message.startswith(f"Signature {word}: ")
    assert "5 min." in message
    put = {"Bucket": "bkt", "Key": "k", "Body": b"x"}
    await call(edge.client("s3").put_object, **put)
    edge.now_offset_s *= 3
    status, code, _ = await failure(edge.client("s3").put_object, **put)
    assert (status, code) == (403, "RequestTimeTooSkewed")


async def test_a_tampered_request_is_refused(edge: Edge) -> None:
    path = "/2015-03-31/functions/f/invocations"
    assert await edge.verifier.verify(signed(edge, "lambda", path, "POST", b"{}")) is not None
    path += "?Qualifier=1"
    tampered = [signed(edge, "lambda", path, "POST", b"{}", {"X-Amz-A": "1"}) for _ in range(6)]
    tampered[0].body = WholeBody(b"{ }")
    tampered[1].path = path.replace("/f/", "/g/")
    tampered[2].query = "Qualifier=2"
    tampered[3].method = "PUT"
    tampered[4].headers = {**tampered[4].headers, "x-amz-a": "2"}
    tampered[5].headers = {k: v for k, v in tampered[5].headers.items() if k != "x-amz-a"}
    for request in tampered:
        with pytest.raises(ServiceError, match="InvalidSignatureException"):
            await edge.verifier.verify(request)
    added = signed(edge, "lambda", path, "POST", b"{}")
    added.headers = {**added.headers, "x-amz-invocation-type": "Event"}
    with pytest.raises(ServiceError, match="'x-amz-invocation-type' must be a 'SignedHeader'"):
        await edge.verifier.verify(added)


async def test_a_signature_is_for_one_service_region_and_day(edge: Edge) -> None:
    for old, new in (
        ("us-east-1", "eu-west-1"),
        ("/lambda/", "/logs/"),
        (time.strftime("%Y%m%d"), "20200101"),
    ):
        request = signed(edge, "lambda", "/2015-03-31/functions")
        request.headers = {
            **request.headers,
            "authorization": request.headers["authorization"].replace(old, new, 1),
        }
        with pytest.raises(ServiceError, match="InvalidSignatureException"):
            await edge.verifier.verify(request)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("AWS4-HMAC-SHA256", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 Credential=a, Signature=b", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=b", "IncompleteSignatureException"),
        (
            "AWS4-HMAC-SHA256 Credential=a/20250101/../lambda/aws4_request, SignedHeaders=host, Signature=b",
            "IncompleteSignatureException",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/20250101/r/lambda/aws4_request, SignedHeaders=host, Signature=b",
            "IncompleteSignatureException",
        ),
        ("AWS4-HMAC-SHA512 Credential=a", "IncompleteSignatureException"),
        ("AWS AKIAROOT:c2ln", "InvalidRequest"),
    ],
)
async def test_half_a_signature(edge: Edge, header: str, code: str) -> None:
    request = Request("GET", "/", "", {"host": "h", "authorization": header}, WholeBody(b""))
    with pytest.raises(ServiceError) as caught:
        await edge.verifier.verify(request)
    assert caught.value.code == code
    assert header not in caught.value.message


STARTS = [
    "",
    "X-Amz-Signature=&X-Amz-Credential=",
    "aX-Amz-Signature=",
    "Signature=&AWSAccessKeyId=AKIAROOT&",
    "Signature=&bAWSAccessKeyId=",
]


VERIFIER = Verifier(Credentials(parse(KEYS, "test"), SECRET))


@given(st.text(max_size=100), st.text(max_size=100), st.sampled_from(STARTS))
async def test_no_signature_breaks_it(credential: str, query: str, start: str) -> None:
    header = f"AWS4-HMAC-SHA256 Credential={credential}"
    for headers in ({"host": "h"}, {"host": "h", "authorization": header}):
        request = Request("GET", "/x", f"{start}{query}", headers, WholeBody(b""))
        with contextlib.suppress(ServiceError):
            assert await VERIFIER.verify(request) is None


async def test_other_schemes_are_no_signature(edge: Edge) -> None:
    for header in ("Basic dTpw", "Bearer x"):
        request = Request("GET", "/", "", {"host": "h", "authorization": header}, WholeBody(b""))
        assert await edge.verifier.verify(request) is None


async def test_the_body_stays_readable_and_the_path_is_normal(edge: Edge) -> None:
    request = signed(edge, "lambda", "/2015-03-31/./functions//f", "POST", b"payload")
    assert await edge.verifier.verify(request) is not None
    assert await request.body.read(100) == b"payload"
    assert request.path == "/2015-03-31/functions/f"


async def test_a_large_body_is_hashed_off_the_loop(edge: Edge) -> None:
    assert await edge.verifier.verify(signed(edge, "lambda", "/x", "POST", b"x" * 1_000_000)) is not None


async def test_a_client_that_signs_what_it_does_not_send(edge: Edge) -> None:
    """Some clients sign the tidy form of a URL and send another."""
    request = signed(edge, "s3", "/bkt/a%20b%2Bc?prefix=x%20y%2Fz&delimiter=%2F")
    tidy = await edge.verifier.verify(request)
    request.path, request.query = "/bkt/a%20b+c", "delimiter=/&prefix=x+y/z"
    assert tidy is not None
    assert await edge.verifier.verify(request) == tidy


@pytest.mark.parametrize("version", ["s3", "s3v4"])
async def test_presigned_urls_of_s3(edge: Edge, version: str) -> None:
    client = edge.client("s3", signature_version=version)
    parameters = {"Bucket": "bkt", "Key": "a b/ü+", "ResponseContentType": "text/x y"}
    get = client.generate_presigned_url("get_object", parameters, ExpiresIn=60)
    assert ("AWSAccessKeyId=" in get) == (version == "s3")
    assert (await fetch(get))[0] == 200
    status, body = await fetch(get.replace("bkt", "bkt2"))
    assert (status, b"<Code>SignatureDoesNotMatch</Code>" in body) == (403, True)
    assert (await fetch(get, "PUT", b"x"))[0] == 403
    put = client.generate_presigned_url("put_object", {"Bucket": "bkt", "Key": "k", "ContentType": "a/b"})
    assert (await fetch(put, "PUT", b"x", {"Content-Type": "a/b"}))[0] == 200
    assert (await fetch(put, "PUT", b"x", {"Content-Type": "a/b", "x-amz-acl": "public-read"}))[0] == 403
    edge.now_offset_s = 62
    status, body = await fetch(get)
    assert (status, b"Request has expired" in body) == (403, True)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
async def test_presigned_urls_of_a_session(edge: Edge, version: str) -> None:
    issued = edge.credentials.issue("123456789012", "etl", "etl-1", 600)
    client = edge.client("s3", issued.access_key, issued.secret_key, issued.token, signature_version=version)
    url = client.generate_presigned_url("get_object", {"Bucket": "bkt", "Key": "k"}, ExpiresIn=1000)
    assert (await fetch(url))[0] == 200
    edge.now_offset_s = 601
    assert b"<Code>ExpiredToken</Code>" in (await fetch(url))[1]


@pytest.mark.parametrize(("expires_s", "text"), [(604_801, b"less than a week"), (0, b"less than a week")])
async def test_a_url_lives_at_most_a_week(edge: Edge, expires_s: int, text: bytes) -> None:
    client = edge.client("s3", signature_version="s3v4")
    url = client.generate_presigned_url("get_object", {"Bucket": "bkt", "Key": "k"}, ExpiresIn=expires_s)
    status, body = await fetch(url)
    assert (status, text in body) == (400, True)


async def test_presigned_calls_of_other_services(edge: Edge) -> None:
    """As EKS's tokens are: GetCallerIdentity in a URL, with a header that is signed too."""
    request = AWSRequest(
        "GET",
        f"{edge.url}/?Action=GetCallerIdentity&Version=2011-06-15",
        headers={"x-k8s-aws-id": "cluster"},
    )
    SigV4QueryAuth(ROOT, "sts", "us-east-1", expires=60).add_auth(request)
    status, body = await fetch(request.url, headers={"x-k8s-aws-id": "cluster"})
    assert (status, b"<Account>000000000000</Account>" in body) == (200, True)
    assert (await fetch(request.url, headers={"x-k8s-aws-id": "other"}))[0] == 403


async def test_two_signatures_are_one_too_many(edge: Edge) -> None:
    request = signed(edge, "s3", "/bkt?X-Amz-Signature=00")
    with pytest.raises(ServiceError, match="Only one auth mechanism allowed"):
        await edge.verifier.verify(request)


@pytest.mark.parametrize("hash", ["", "abc", "A" * 64])
async def test_the_payload_hash_of_s3_must_be_one(edge: Edge, hash: str) -> None:
    request = signed(edge, "s3", "/bkt")
    request.headers = {**request.headers, "x-amz-content-sha256": hash}
    with pytest.raises(ServiceError, match="x-amz-content-sha256"):
        await edge.verifier.verify(request)


def form(edge: Edge, version: str, conditions: list[Any], seconds: int = 60) -> dict[str, str]:
    client = edge.client("s3", signature_version=version)
    fields: dict[str, str] = client.generate_presigned_post(
        "bkt", "in/${filename}", {"acl": "private"}, [{"acl": "private"}, *conditions], seconds
    )["fields"]
    return fields


@pytest.mark.parametrize("version", ["s3", "s3v4"])
async def test_form_uploads(edge: Edge, version: str) -> None:
    fields = form(edge, version, [["content-length-range", 1, 10]])
    post = edge.verifier.verify_post(fields, "bkt")
    assert (post.verified.principal.account, post.least_bytes, post.most_bytes) == ("000000000000", 1, 10)
    refused = [
        (fields | {"acl": "public-read"}, "bkt", "Policy Condition failed"),
        (fields | {"key": "out/x"}, "bkt", "Policy Condition failed"),
        (fields, "other", "Policy Condition failed"),
        (fields | {"x-amz-meta-a": "b"}, "bkt", "Extra input fields: x-amz-meta-a"),
        (fields | {"policy": base64.b64encode(b"{}").decode()}, "bkt", "SignatureDoesNotMatch"),
        ({k: v for k, v in fields.items() if k != "policy"}, "bkt", "AccessDenied"),
    ]
    for changed, bucket, text in refused:
        with pytest.raises(ServiceError, match=text):
            edge.verifier.verify_post(changed, bucket)
    assert edge.verifier.verify_post(fields | {"x-ignore-a": "b"}, "bkt")
    edge.now_offset_s = 62
    with pytest.raises(ServiceError, match=r"Policy expired\."):
        edge.verifier.verify_post(fields, "bkt")


async def test_a_signed_policy_that_says_nothing(edge: Edge) -> None:
    client = edge.client("s3", signature_version="s3")
    fields = client.generate_presigned_post("bkt", "k", Conditions=[["matches", "$key", "x"]])["fields"]
    with pytest.raises(ServiceError, match="InvalidPolicyDocument"):
        edge.verifier.verify_post(fields, "bkt")


def test_parts() -> None:
    assert parse_timestamp("20251123T140249Z") == 1763906569
    assert parse_timestamp("20251323T140249Z") is None
    assert parse_timestamp("2025-11-23") is None
    assert date_header("Sun, 23 Nov 2025 14:02:49 GMT") == "20251123T140249Z"
    assert date_header("yesterday") == ""
    assert sort_query("b=2&a-b=1&a=2&a=1&c") == "a=1&a=2&a-b=1&b=2&c="
    assert service_paths("/a/./b//../c/") == ("/a/c/", "/a/c/")
    assert service_paths("/functions/a%3Ab") == ("/functions/a%3Ab", "/functions/a%253Ab")
    assert service_paths("/" + "x" * 300) == ("/" + "x" * 300, "/" + "x" * 300)


async def test_a_stream_of_a_body_is_signed_by_its_hash(edge: Edge) -> None:
    put = edge.client("s3").put_object
    answer = await call(put, Bucket="bkt", Key="k", Body=io.BytesIO(b"x" * 300_000))
    assert orjson.loads(answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-meta-told"])["bytes"] == 300_000


async def test_keys_are_kept_and_verdicts_are_not() -> None:
    credentials = Credentials(parse(KEYS, "test"), SECRET)
    verifier = Verifier(credentials)
    request = signed(Edge(), "lambda", "/x")
    assert await verifier.verify(request) is not None
    credentials._static.clear()
    with pytest.raises(ServiceError, match="UnrecognizedClientException"):
        await verifier.verify(request)
