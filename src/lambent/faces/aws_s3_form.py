"""Form uploads: a browser's form with a policy that the bucket's owner signed and, last, a file."""

import time
from collections.abc import AsyncIterator, Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from lambent.faces.http import Request, Response
from lambent.faces.multipart import Form
from lambent.faces.signature import Verifier
from lambent.faces.signature_post import Post, verify_post
from lambent.model.names import DEFAULT_REGION
from lambent.objects import xml
from lambent.objects.errors import S3Error, malformed_xml
from lambent.objects.gateway import Gateway
from lambent.objects.request import S3Request
from lambent.objects.xml import tag

_HEADERS = frozenset({"cache-control", "content-disposition", "content-encoding", "content-type", "expires"})
_OF_THE_POLICY = frozenset(
    {"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token", "x-amz-signature"}
)


class FormUploads:
    """Takes forms; the policy's signature stands in for the request's."""

    def __init__(self, gateway: Gateway, verifier: Verifier) -> None:
        self._gateway = gateway
        self._verifier = verifier

    async def __call__(self, request: Request, bucket: str) -> Response:
        form = Form(request.headers["content-type"], aiter(request.body))
        await form.read_fields()
        post = verify_post(form.fields, bucket, self._verifier.credential, time.time())
        key = form.fields.get("key", "").replace("${filename}", form.filename)
        if not key:
            raise S3Error(
                "InvalidArgument", "Bucket POST must contain a field named 'key'.", ArgumentName="key"
            )
        answer = await self._gateway.post_object(
            S3Request(
                method="POST",
                bucket=bucket,
                key=key,
                query={},
                headers={"host": request.headers.get("host", ""), **_headers(form)},
                body=_File(form, post),
                principal=post.verified.principal,
                region=post.verified.region or DEFAULT_REGION,
                id=request.id,
                peer=request.peer,
            )
        )
        if answer.status >= 300:
            return Response(answer.status, answer.headers, answer.body)
        return _succeeded(form.fields, bucket, key, request, answer.headers)


class _File:
    """The file as a body: of unknown length, within what the policy allows."""

    def __init__(self, form: Form, post: Post) -> None:
        self._form = form
        self._post = post
        self.length: int | None = None

    async def read(self, limit: int) -> bytes:
        raise NotImplementedError("a form's file is only streamed")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        most = self._post.most_bytes
        async for piece in self._form:
            size += len(piece)
            if most is not None and size > most:
                raise S3Error(
                    "EntityTooLarge",
                    "Your proposed upload exceeds the maximum allowed size",
                    ProposedSize=str(size),
                    MaxSizeAllowed=str(most),
                )
            yield piece
        if size < self._post.least_bytes:
            raise S3Error(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                ProposedSize=str(size),
                MinSizeAllowed=str(self._post.least_bytes),
            )


def _headers(form: Form) -> dict[str, str]:
    """What a PutObject would say in its headers."""
    fields = form.fields
    headers = {
        name: value
        for name, value in fields.items()
        if name in _HEADERS or (name.startswith("x-amz-") and name not in _OF_THE_POLICY)
    }
    if "acl" in fields:
        headers["x-amz-acl"] = fields["acl"]
    if "tagging" in fields:
        headers["x-amz-tagging"] = _tagging(fields["tagging"])
    if any("\n" in value or "\r" in value for value in headers.values()):
        raise S3Error("InvalidArgument", "A form's field may not have a line break.")
    return headers


def _tagging(text: str) -> str:
    root = xml.parse(text.encode())
    if root.tag != "Tagging":
        raise malformed_xml()
    return urlencode([(xml.text_of(t, "Key"), xml.text_of(t, "Value")) for t in root.iter("Tag")])


def _succeeded(
    fields: Mapping[str, str], bucket: str, key: str, request: Request, headers: list[tuple[str, str]]
) -> Response:
    """The answer that the form asked for; 204 unless it did."""
    etag = dict(headers).get("etag", "")
    location = f"http://{request.headers.get('host', '')}/{bucket}/{quote(key)}"
    if redirect := fields.get("success_action_redirect") or fields.get("redirect"):
        parts = urlsplit(redirect)
        query = [*parse_qsl(parts.query), ("bucket", bucket), ("key", key), ("etag", etag)]
        target = urlunsplit(parts._replace(query=urlencode(query)))
        return Response(303, [*headers, ("Location", target)])
    headers = [*headers, ("Location", location)]
    status = fields.get("success_action_status", "204")
    if status != "201":
        return Response(200 if status == "200" else 204, headers)
    told = [tag("Location", location), tag("Bucket", bucket), tag("Key", key), tag("ETag", etag)]
    return Response(201, [*headers, ("Content-Type", "application/xml")], xml.document("PostResponse", told))
