"""What of a request goes on to the store, and what of the store's answer comes back."""

import re
from collections.abc import Mapping

from lambent.objects import xml
from lambent.objects.errors import S3Error
from lambent.objects.operations import PARAMETERS, SUBRESOURCES
from lambent.objects.request import Answer, S3Request, host_id
from lambent.objects.upstream import Call, Reply

_REQUEST_HEADERS = frozenset(
    {
        "access-control-request-headers",
        "access-control-request-method",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-md5",
        "content-type",
        "expires",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-unmodified-since",
        "origin",
        "range",
    }
)
# About the caller's own signature, its framing or its account: nothing for the store.
_STOPPED = frozenset(
    {
        "x-amz-acl",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-decoded-content-length",
        "x-amz-expected-bucket-owner",
        "x-amz-sdk-checksum-algorithm",
        "x-amz-security-token",
        "x-amz-source-expected-bucket-owner",
        "x-amz-te",
        "x-amz-trailer",
        "x-amz-user-agent",
    }
)
_ANSWER_HEADERS = frozenset(
    {
        "accept-ranges",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-range",
        "content-type",
        "etag",
        "expires",
        "last-modified",
        "vary",
    }
)
_REPLACED = frozenset({"x-amz-request-id", "x-amz-id-2"})
_LOCATION = re.compile(rb"<Location>[^<]*</Location>")


def request_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that mean something to a store; what authorizes the caller stays here."""
    passed = {
        name: value
        for name, value in headers.items()
        if name in _REQUEST_HEADERS or (name.startswith("x-amz-") and name not in _STOPPED)
    }
    if "content-encoding" in passed:
        codings = [coding.strip() for coding in passed.pop("content-encoding").split(",")]
        if kept := ",".join(coding for coding in codings if coding not in ("aws-chunked", "")):
            passed["content-encoding"] = kept
    return passed


def call_of(request: S3Request) -> Call:
    """The same request to the store; parameters that S3 does not know are dropped."""
    known = PARAMETERS | SUBRESOURCES
    trailer = request.headers.get("x-amz-trailer", "").strip().lower()
    return Call(
        method=request.method,
        bucket=request.bucket,
        key=request.key,
        query={name: value for name, value in request.query.items() if name in known},
        headers=request_headers(request.headers),
        length=request.body.length,
        trailer=trailer if trailer.startswith("x-amz-checksum-") else "",
        trailers=request.trailers,
    )


def answer_headers(headers: Mapping[str, str], request_id: str) -> list[tuple[str, str]]:
    passed = [
        (name, value)
        for name, value in headers.items()
        if name in _ANSWER_HEADERS
        or (name.startswith(("x-amz-", "access-control-")) and name not in _REPLACED)
    ]
    return [*passed, *identified(request_id)]


def identified(request_id: str) -> list[tuple[str, str]]:
    return [("x-amz-request-id", request_id), ("x-amz-id-2", host_id(request_id))]


def answer_of(reply: Reply, request: S3Request) -> Answer:
    """The store's answer as the client may see it: no address, no ids of the store."""
    headers = [(k, v) for k, v in answer_headers(reply.headers, request.id) if k != "content-length"]
    body = reply.body
    if reply.status >= 400 and body:
        body = _own_error(body, request)
    elif b"<Location>" in body[:1024]:
        location = xml.tag("Location", f"http://{request.headers.get('host', '')}{request.resource}")
        body = _LOCATION.sub(lambda _: location.encode(), body, count=1)
    if request.method == "HEAD":
        headers = answer_headers(reply.headers, request.id)
    return Answer(reply.status, headers, body)


def _own_error(body: bytes, request: S3Request) -> bytes:
    try:
        root = xml.parse(body)
    except S3Error:
        return xml.error("InternalError", "The object store answered with no S3 error.", _where(request))
    fields = [
        (child.tag, child.text or "")
        for child in root
        if child.tag not in ("Code", "Message", "Resource", "RequestId", "HostId")
    ]
    return xml.error(xml.text_of(root, "Code"), xml.text_of(root, "Message"), [*fields, *_where(request)])


def _where(request: S3Request) -> list[tuple[str, str]]:
    return [
        ("Resource", request.resource),
        ("RequestId", request.id),
        ("HostId", host_id(request.id)),
    ]


def document(body: bytes, request: S3Request, status: int = 200) -> Answer:
    """An XML answer of our own."""
    return Answer(status, [("content-type", "application/xml"), *identified(request.id)], body)


def empty(request: S3Request, status: int = 200, *headers: tuple[str, str]) -> Answer:
    return Answer(status, [*headers, *identified(request.id)])
