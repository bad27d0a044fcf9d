"""What the store's answer says about a watched write: it happened, it did not, or nobody knows."""

from collections.abc import Callable, Sequence
from xml.etree.ElementTree import Element

from lambent.objects import xml
from lambent.objects.errors import S3Error
from lambent.objects.intents import Intent, Written
from lambent.objects.upstream import Reply

Outcome = tuple[Intent, Written | None]
Verdict = Callable[[Reply, Sequence[Intent]], list[Outcome]]

# Codes under which a write may have happened all the same.
_UNCLEAR = ("InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout")


class Doubt(Exception):
    """The answer does not tell."""


def _succeeded(reply: Reply) -> bool:
    if reply.status >= 500:
        raise Doubt
    return 200 <= reply.status < 300


def of_put(reply: Reply, intents: Sequence[Intent]) -> list[Outcome]:
    """PutObject, a form upload, and the tagging of an object: the headers tell."""
    if not _succeeded(reply):
        return [(intent, None) for intent in intents]
    etag, version_id = reply.headers.get("etag", ""), reply.headers.get("x-amz-version-id", "")
    return [(intent, Written(intent.event, intent.size, etag, version_id)) for intent in intents]


def of_document(reply: Reply, intents: Sequence[Intent]) -> list[Outcome]:
    """CopyObject and CompleteMultipartUpload, whose 200 may have an error inside."""
    if not _succeeded(reply):
        return [(intent, None) for intent in intents]
    root = _root(reply)
    if root.tag == "Error":
        if xml.text_of(root, "Code") in _UNCLEAR:
            raise Doubt
        return [(intent, None) for intent in intents]
    etag, version_id = xml.text_of(root, "ETag"), reply.headers.get("x-amz-version-id", "")
    return [(intent, Written(intent.event, None, etag, version_id)) for intent in intents]


def of_delete(reply: Reply, intents: Sequence[Intent]) -> list[Outcome]:
    if not _succeeded(reply):
        return [(intent, None) for intent in intents]
    marker = reply.headers.get("x-amz-delete-marker") == "true"
    version_id = reply.headers.get("x-amz-version-id", "")
    return [(intent, _removed(intent, marker, version_id)) for intent in intents]


def of_delete_objects(reply: Reply, intents: Sequence[Intent]) -> list[Outcome]:
    """The answer to a request that was not quiet: one element for each key."""
    if not _succeeded(reply):
        return [(intent, None) for intent in intents]
    deleted: dict[tuple[str, str], Written] = {}
    refused: set[tuple[str, str]] = set()
    by_name = {(intent.key, intent.version_id): intent for intent in intents}
    for element in _root(reply):
        name = (xml.text_of(element, "Key"), xml.text_of(element, "VersionId"))
        intent = by_name.get(name)
        if intent is not None and element.tag == "Deleted":
            marker = xml.text_of(element, "DeleteMarker") == "true"
            deleted[name] = _removed(intent, marker, xml.text_of(element, "DeleteMarkerVersionId"))
        elif element.tag == "Error" and xml.text_of(element, "Code") not in _UNCLEAR:
            refused.add(name)
    if by_name.keys() - deleted.keys() - refused:
        raise Doubt
    return [(intent, deleted.get(name)) for name, intent in by_name.items()]


EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def _removed(intent: Intent, marker: bool, version_id: str) -> Written:
    """Deleting a marker by its version is a plain delete; only a delete without a version makes one."""
    if marker and not intent.version_id:
        return Written("ObjectRemoved:DeleteMarkerCreated", None, EMPTY_MD5, version_id)
    return Written("ObjectRemoved:Delete", None, "", intent.version_id)


def _root(reply: Reply) -> Element:
    try:
        return xml.parse(reply.body.strip())
    except S3Error:
        raise Doubt from None


def of_head(reply: Reply, intent: Intent) -> Written | None:
    """What a look at the key says about a write in doubt, while no other write to it can begin.

    After an overwrite, or a delete that was followed by nothing, a look cannot tell whether the write
    happened: then it counts as happened. A new object that is not there was not created.
    Raises `Doubt` when the look itself failed.
    """
    if reply.status >= 500:
        raise Doubt
    etag, version_id = reply.headers.get("etag", ""), reply.headers.get("x-amz-version-id", "")
    if intent.event.startswith("ObjectRemoved:"):
        return _removed(intent, reply.headers.get("x-amz-delete-marker") == "true", version_id)
    if reply.status in (404, 405):
        return None
    # Other refusals: it is there, but encrypted with a key that only its owner has.
    size = int(reply.headers.get("content-length", 0)) if reply.status == 200 else intent.size
    return Written(intent.event, size, etag, version_id)
