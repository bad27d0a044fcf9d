"""Operations on buckets that are answered here: ownership, place and notification are ours."""

import time
from collections.abc import Mapping

from lambent.model.names import DEFAULT_REGION
from lambent.model.policy import BadPolicy, parse
from lambent.objects import notification_xml, xml
from lambent.objects.access import Access, compiled
from lambent.objects.acl import acl_not_supported, check_acl, owner_only
from lambent.objects.actions import LIST_ALL, action_of
from lambent.objects.buckets import Bucket, Buckets
from lambent.objects.destinations import Destinations
from lambent.objects.errors import S3Error, unavailable
from lambent.objects.names import check_bucket_name
from lambent.objects.passing import answer_of, call_of, document, empty
from lambent.objects.request import Answer, S3Request
from lambent.objects.upstream import Broken, Call, NotSent, Reply, Upstream
from lambent.objects.xml import around, tag

DOCUMENT_BYTES = 1024 * 1024
POLICY_BYTES = 20 * 1024
LISTED = 10_000


class BucketOperations:
    """One method an operation."""

    def __init__(
        self, buckets: Buckets, access: Access, destinations: Destinations, upstream: Upstream
    ) -> None:
        self._buckets = buckets
        self._access = access
        self._destinations = destinations
        self._upstream = upstream

    async def list_buckets(self, request: S3Request) -> Answer:
        self._access.check(request, LIST_ALL)
        query = request.query
        limit = _limit(query)
        found = [
            bucket
            for bucket in self._buckets.owned_by(request.principal.account)
            if bucket.name.startswith(query.get("prefix", ""))
            and bucket.name > query.get("continuation-token", "")
            and query.get("bucket-region", bucket.region) == bucket.region
        ]
        parts = [
            around("Owner", [tag("ID", request.principal.account)]),
            around("Buckets", [_listed(bucket) for bucket in found[:limit]]),
        ]
        if len(found) > limit:
            parts.append(tag("ContinuationToken", found[limit - 1].name))
        if "prefix" in query:
            parts.append(tag("Prefix", query["prefix"]))
        return document(xml.document("ListAllMyBucketsResult", parts), request)

    async def create_bucket(self, request: S3Request) -> Answer:
        """Made at the store first and then owned; a bucket that the store has already is taken over."""
        principal = request.principal
        self._access.check(request, action_of(request))
        check_bucket_name(request.bucket)
        check_acl(request.headers)
        region = await _location(request)
        known = self._buckets.find(request.bucket)
        if known is None:
            await self._make(request)
            known = await self._buckets.add(request.bucket, principal.account, region)
            if known.account == principal.account:
                return empty(request, 200, ("location", f"/{request.bucket}"))
        if known.account != principal.account:
            raise S3Error(
                "BucketAlreadyExists",
                "The requested bucket name is not available. The bucket namespace is shared by all users of "
                "the system. Please select a different name and try again.",
                409,
                BucketName=request.bucket,
            )
        if known.region == region == DEFAULT_REGION:
            await self._make(request)
            return empty(request, 200, ("location", f"/{request.bucket}"))
        raise S3Error(
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
            409,
            BucketName=request.bucket,
        )

    async def _make(self, request: S3Request) -> None:
        """An answer that the node's key owns it already is as good as a new one."""
        lock = request.headers.get("x-amz-bucket-object-lock-enabled")
        headers = {"x-amz-bucket-object-lock-enabled": lock} if lock else {}
        reply = await self._ask(Call(method="PUT", bucket=request.bucket, headers=headers))
        if reply.status >= 300 and b"BucketAlreadyOwnedByYou" not in reply.body:
            raise _refusal(reply)

    async def delete_bucket(self, request: S3Request) -> Answer:
        self._access.bucket(request)
        reply = await self._ask(call_of(request))
        if reply.status < 300 or reply.status == 404:
            await self._buckets.remove(request.bucket)
            return empty(request, 204)
        return answer_of(reply, request)

    async def head_bucket(self, request: S3Request) -> Answer:
        bucket = self._access.bucket(request)
        region = ("x-amz-bucket-region", bucket.region)
        return empty(request, 200, region, ("x-amz-access-point-alias", "false"))

    async def get_bucket_location(self, request: S3Request) -> Answer:
        bucket = self._access.bucket(request)
        place = "" if bucket.region == DEFAULT_REGION else bucket.region
        body = xml.document("LocationConstraint", [place])
        return document(body, request)

    async def get_acl(self, request: S3Request) -> Answer:
        """Access control lists are off, as in every new bucket at AWS: the owner has full control."""
        bucket = self._access.bucket(request)
        if request.key:
            reply = await self._ask(Call(method="HEAD", bucket=request.bucket, key=request.key))
            if reply.status >= 400:
                raise S3Error("NoSuchKey", "The specified key does not exist.", 404, Key=request.key)
        return document(owner_only(bucket.account), request)

    async def put_acl(self, request: S3Request) -> Answer:
        self._access.bucket(request)
        if not request.headers.get("x-amz-acl"):
            raise acl_not_supported()
        check_acl(request.headers)
        return empty(request)

    async def get_policy(self, request: S3Request) -> Answer:
        bucket = _with_policy(self._access.bucket(request))
        return Answer(200, [("content-type", "application/json")], bucket.policy.encode())

    async def get_policy_status(self, request: S3Request) -> Answer:
        bucket = _with_policy(self._access.bucket(request))
        public = str(compiled(bucket.policy).is_public).lower()
        return document(xml.document("PolicyStatus", [tag("IsPublic", public)]), request)

    async def put_policy(self, request: S3Request) -> Answer:
        bucket = self._access.bucket(request)
        text = (await request.body.read(DOCUMENT_BYTES)).decode(errors="replace")
        if len(text) > POLICY_BYTES:
            raise S3Error(
                "PolicyTooLarge", f"Policy exceeds the maximum allowed document size {POLICY_BYTES}"
            )
        try:
            parse(text, names_principals=True)
        except BadPolicy as error:
            raise S3Error("MalformedPolicy", str(error)) from None
        await self._buckets.set_policy(bucket.name, text)
        return empty(request, 204)

    async def delete_policy(self, request: S3Request) -> Answer:
        bucket = self._access.bucket(request)
        await self._buckets.set_policy(bucket.name, "")
        return empty(request, 204)

    async def get_notification(self, request: S3Request) -> Answer:
        bucket = self._access.bucket(request)
        return document(notification_xml.write(bucket.rules), request)

    async def put_notification(self, request: S3Request) -> Answer:
        bucket = self._access.bucket(request)
        rules = notification_xml.read(await request.body.read(DOCUMENT_BYTES))
        skip = request.headers.get("x-amz-skip-destination-validation", "").lower() == "true"
        self._destinations.check(bucket, rules, skip_validation=skip)
        if not skip:
            await self._destinations.test(bucket, rules, request.id)
        await self._buckets.set_rules(bucket.name, rules)
        return empty(request)

    async def _ask(self, call: Call) -> Reply:
        try:
            return await self._upstream.ask(call)
        except (NotSent, Broken) as error:
            raise unavailable(f"The object store does not answer: {error}.") from None


def _with_policy(bucket: Bucket) -> Bucket:
    if not bucket.policy:
        text = "The bucket policy does not exist"
        raise S3Error("NoSuchBucketPolicy", text, 404, BucketName=bucket.name)
    return bucket


def _listed(bucket: Bucket) -> str:
    created = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(bucket.created_at))
    parts = [tag("Name", bucket.name), tag("CreationDate", created), tag("BucketRegion", bucket.region)]
    return around("Bucket", parts)


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("max-buckets", str(LISTED))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= LISTED:
        raise S3Error("InvalidArgument", f"max-buckets must be between 1 and {LISTED}.")
    return int(text)


async def _location(request: S3Request) -> str:
    """The region that the document names; without one it is the request's."""
    body = await request.body.read(DOCUMENT_BYTES)
    if not body.strip():
        return request.region
    return xml.text_of(xml.parse(body), "LocationConstraint") or request.region


def _refusal(reply: Reply) -> S3Error:
    root = xml.parse(reply.body)
    return S3Error(xml.text_of(root, "Code"), xml.text_of(root, "Message"), reply.status)
