"""The gateway: every S3 request that a verified caller sends, to its operation."""

from collections.abc import Awaitable, Callable

from lambent.events.messages import Messages
from lambent.objects.access import Access
from lambent.objects.bucket_operations import BucketOperations
from lambent.objects.buckets import Buckets
from lambent.objects.destinations import Destinations, Functions, Policies, Queues
from lambent.objects.firing import Firing
from lambent.objects.intents import Intents, Queue
from lambent.objects.object_operations import ObjectOperations
from lambent.objects.operations import operation_of
from lambent.objects.reader import Reader
from lambent.objects.request import Answer, S3Request
from lambent.objects.upstream import ObjectStore, Upstream
from lambent.objects.writes import Writes
from lambent.store.authority import Authority
from lambent.store.base import Store

Operation = Callable[[S3Request], Awaitable[Answer]]


class Gateway:
    """S3 in front of an object store. Buckets and their rules are ours, the objects are the store's."""

    def __init__(
        self,
        objects: ObjectStore,
        store: Store,
        queue: Queue,
        functions: Functions,
        policies: Policies,
        authority: Authority,
        queues: Queues,
        messages: Messages,
    ) -> None:
        self._upstream = Upstream(objects)
        self.buckets = Buckets(store)
        destinations = Destinations(functions, policies, queues, messages)
        self._writes = Writes(self._upstream, Intents(store, queue, messages, Firing(destinations)))
        access = Access(self.buckets, authority)
        objects_of = ObjectOperations(access, self._upstream, self._writes)
        self.post_object = objects_of.post_object  # a form's fields are needed to know the object
        buckets_of = BucketOperations(self.buckets, access, destinations, self._upstream)
        self._operations = _table(buckets_of, objects_of)
        self.reader = Reader(self.handle)

    async def handle(self, request: S3Request) -> Answer:
        """The answer. Raises `S3Error`, other `PlatformError`s, or what the request's body raises."""
        copies = "x-amz-copy-source" in request.headers
        name = operation_of(request.method, request.bucket, request.key, request.query, copies)
        return await self._operations[name](request)

    async def recover(self) -> None:
        """Settle what an earlier node left in doubt; before the first request."""
        await self._writes.recover()

    async def settled(self, timeout_s: float = 10.0) -> None:
        """Wait until every write that was answered has its events in the queue."""
        await self._writes.settled(timeout_s)

    async def close(self, grace_s: float = 10.0) -> None:
        await self._writes.close(grace_s)
        await self._upstream.close()


def _table(buckets: BucketOperations, objects: ObjectOperations) -> dict[str, Operation]:
    return {
        "list_buckets": buckets.list_buckets,
        "create_bucket": buckets.create_bucket,
        "delete_bucket": buckets.delete_bucket,
        "head_bucket": buckets.head_bucket,
        "get_bucket_location": buckets.get_bucket_location,
        "get_acl": buckets.get_acl,
        "put_acl": buckets.put_acl,
        "get_policy": buckets.get_policy,
        "put_policy": buckets.put_policy,
        "delete_policy": buckets.delete_policy,
        "get_policy_status": buckets.get_policy_status,
        "get_notification": buckets.get_notification,
        "put_notification": buckets.put_notification,
        "read": objects.read,
        "preflight": objects.preflight,
        "change": objects.change,
        "put_object": objects.put_object,
        "copy_object": objects.copy_object,
        "complete_multipart_upload": objects.complete_multipart_upload,
        "delete_object": objects.delete_object,
        "delete_objects": objects.delete_objects,
        "put_object_tagging": objects.put_object_tagging,
        "delete_object_tagging": objects.delete_object_tagging,
    }
