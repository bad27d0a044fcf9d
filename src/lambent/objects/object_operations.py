"""Operations on objects: reads pass through, writes to watched keys go by way of their intents."""

import uuid
from collections.abc import Iterable
from dataclasses import replace

from lambent.objects import batch, verdicts
from lambent.objects.access import Access
from lambent.objects.acl import check_acl
from lambent.objects.buckets import Bucket
from lambent.objects.errors import access_denied, unavailable
from lambent.objects.intents import Caller, Intent
from lambent.objects.names import check_bucket_name, check_key
from lambent.objects.passing import answer_headers, answer_of, call_of
from lambent.objects.records import principal_id
from lambent.objects.request import Answer, Body, S3Request, WholeBody
from lambent.objects.upstream import Broken, Call, NotSent, Reply, Stream, Upstream, lower
from lambent.objects.verdicts import Verdict
from lambent.objects.writes import Writes

DOCUMENT_BYTES = 2 * 1024 * 1024

_REMOVALS = ("ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated")

_OF_THE_BODY = ("ObjectCreated:Put", "ObjectCreated:Post")  # the object is the request's body


class ObjectOperations:
    """One method an operation."""

    def __init__(self, access: Access, upstream: Upstream, writes: Writes) -> None:
        self._access = access
        self._upstream = upstream
        self._writes = writes

    async def read(self, request: S3Request) -> Answer:
        """Whatever only reads: the store's answer, streamed."""
        self._access.bucket(request)
        answer = await self._streamed(request)
        if answer.status == 404 and request.key and not self._access.may_list(request):
            raise access_denied()
        return answer

    async def preflight(self, request: S3Request) -> Answer:
        """A browser asks without a signature; the bucket's CORS rules, which the store keeps, answer."""
        check_bucket_name(request.bucket)
        check_key(request.key)
        return await self._streamed(request)

    async def _streamed(self, request: S3Request) -> Answer:
        try:
            response = await self._upstream.send(call_of(request), None)
            if response.status < 300 and request.method != "HEAD":
                headers = answer_headers(lower(response), request.id)
                return Answer(response.status, headers, Stream(response))
            reply = Reply(response.status, lower(response), await _all(Stream(response)))
        except (NotSent, Broken) as error:
            raise unavailable(f"The object store does not answer: {error}.") from None
        return answer_of(reply, request)

    async def change(self, request: S3Request) -> Answer:
        """Whatever changes something that no event tells of, such as a part of an upload."""
        self._access.bucket(request)
        check_acl(request.headers)
        return answer_of(await self._sent(self._call(request), request.body), request)

    async def put_object(self, request: S3Request) -> Answer:
        check_acl(request.headers)
        return await self._written(request, "ObjectCreated:Put", verdicts.of_put)

    async def post_object(self, request: S3Request) -> Answer:
        """A form's file, whose length only its end tells; the form's fields are the headers here."""
        check_acl(request.headers)
        return await self._written(replace(request, method="PUT"), "ObjectCreated:Post", verdicts.of_put)

    async def copy_object(self, request: S3Request) -> Answer:
        check_acl(request.headers)
        return await self._written(request, "ObjectCreated:Copy", verdicts.of_document)

    async def complete_multipart_upload(self, request: S3Request) -> Answer:
        whole = replace(request, body=WholeBody(await request.body.read(DOCUMENT_BYTES)))
        return await self._written(whole, "ObjectCreated:CompleteMultipartUpload", verdicts.of_document)

    async def delete_object(self, request: S3Request) -> Answer:
        return await self._written(request, "ObjectRemoved:Delete", verdicts.of_delete)

    async def put_object_tagging(self, request: S3Request) -> Answer:
        return await self._written(request, "ObjectTagging:Put", verdicts.of_put)

    async def delete_object_tagging(self, request: S3Request) -> Answer:
        return await self._written(request, "ObjectTagging:Delete", verdicts.of_put)

    async def delete_objects(self, request: S3Request) -> Answer:
        wanted = batch.read(await request.body.read(DOCUMENT_BYTES))
        bucket = self._access.bucket(request, keys=[key for key, _ in wanted.entries])
        headers = {"content-type": "application/xml"}  # checksums were of the client's own document
        call = replace(self._call(request), headers=headers, length=len(wanted.body))
        intents = _intents(bucket, request, wanted.entries, "ObjectRemoved:Delete")
        reply = await self._sent(call, WholeBody(wanted.body), intents, verdicts.of_delete_objects)
        if wanted.quiet and reply.status == 200:
            reply = replace(reply, body=batch.hushed(reply.body))
        return answer_of(reply, request)

    async def _written(self, request: S3Request, event: str, verdict: Verdict) -> Answer:
        bucket = self._access.bucket(request)
        entries = [(request.key, request.query.get("versionId", ""))]
        size = request.body.length if event in _OF_THE_BODY else None
        intents = _intents(bucket, request, entries, event, size)
        reply = await self._sent(self._call(request), request.body, intents, verdict)
        return answer_of(reply, request)

    def _call(self, request: S3Request) -> Call:
        call = call_of(request)
        if (source := self._access.source(request)) is not None:
            return replace(call, headers={**call.headers, "x-amz-copy-source": source})
        return call

    async def _sent(
        self,
        call: Call,
        body: Body,
        intents: list[Intent] | None = None,
        verdict: Verdict = verdicts.of_put,
    ) -> Reply:
        feed = aiter(body) if call.length != 0 else None
        if intents:
            return await self._writes.run(call, feed, intents, verdict)
        try:
            return await self._upstream.ask(call, feed)
        except (NotSent, Broken) as error:
            raise unavailable(f"The object store does not answer: {error}.") from None


def _intents(
    bucket: Bucket,
    request: S3Request,
    entries: Iterable[tuple[str, str]],
    event: str,
    size: int | None = None,
) -> list[Intent]:
    """One for each entry whose write may start something."""
    trace = request.headers.get("x-amzn-trace-id", "")
    caller = Caller(principal_id(request.principal), request.peer, request.id, trace)
    possible = _REMOVALS if event in _REMOVALS else (event,)
    found = []
    for key, version_id in entries:
        rules = tuple(rule for rule in bucket.rules if any(rule.wants(e, key) for e in possible))
        if rules:
            watched = replace(bucket, rules=rules, policy="")
            found.append(Intent(uuid.uuid4().hex, watched, key, event, caller, size, version_id))
    return found


async def _all(stream: Stream) -> bytes:
    parts = bytearray()
    async for piece in stream:
        parts += piece
    return bytes(parts)
