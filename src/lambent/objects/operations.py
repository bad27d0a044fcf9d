"""Which S3 operation a request is, and which of them are let through to the store.

The list is of what is allowed. SeaweedFS takes a request whose subresource it does not know for the plain
one (`DELETE /bucket/key?annotation` deletes the object), so nothing unknown may reach it.
"""

from collections.abc import Mapping

from lambent.objects.errors import S3Error, not_implemented


def _words(text: str) -> list[str]:
    return text.split()


# Subresource names of S3's model. Any other parameter without meaning is dropped, as S3 ignores it.
SUBRESOURCES = frozenset(
    _words("""abac accelerate acl analytics annotation append attributes cors delete encryption
    intelligent-tiering inventory legal-hold lifecycle location logging metadataAnnotationTable
    metadataConfiguration metadataInventoryTable metadataJournalTable metadataTable metrics notification
    object-lock ownershipControls policy policyStatus publicAccessBlock renameObject replication
    requestPayment restore retention select session tagging torrent uploads versioning versions website""")
)
PARAMETERS = frozenset(
    _words("""continuation-token delimiter encoding-type fetch-owner id key-marker list-type marker max-keys
    max-parts max-uploads part-number-marker partNumber prefix response-cache-control
    response-content-disposition response-content-encoding response-content-language
    response-content-type response-expires start-after upload-id-marker uploadId version-id-marker
    versionId""")
)

_READ_BY_STORE = _words("""accelerate analytics cors encryption intelligent-tiering inventory lifecycle
    logging metrics object-lock ownershipControls replication requestPayment tagging
    uploads versioning versions website""")
_PUT_AT_STORE = _words("cors encryption lifecycle object-lock requestPayment tagging versioning")
_DELETED_AT_STORE = _words("cors encryption lifecycle tagging")
_READ_OF_OBJECT = _words("attributes legal-hold retention tagging uploadId")

# (method, subresource): operation
_BUCKET = {
    **{("GET", name): "read" for name in _READ_BY_STORE},
    **{("PUT", name): "change" for name in _PUT_AT_STORE},
    **{("DELETE", name): "change" for name in _DELETED_AT_STORE},
    ("GET", ""): "read",
    ("GET", "acl"): "get_acl",
    ("PUT", "acl"): "put_acl",
    ("GET", "location"): "get_bucket_location",
    ("GET", "policy"): "get_policy",
    ("PUT", "policy"): "put_policy",
    ("DELETE", "policy"): "delete_policy",
    ("GET", "policyStatus"): "get_policy_status",
    ("GET", "notification"): "get_notification",
    ("PUT", "notification"): "put_notification",
    ("PUT", ""): "create_bucket",
    ("DELETE", ""): "delete_bucket",
    ("HEAD", ""): "head_bucket",
    ("POST", "delete"): "delete_objects",
    ("OPTIONS", ""): "preflight",
}
_OBJECT = {
    ("GET", ""): "read",
    ("HEAD", ""): "read",
    ("GET", "acl"): "get_acl",
    ("PUT", "acl"): "put_acl",
    **{("GET", name): "read" for name in _READ_OF_OBJECT},
    ("PUT", ""): "put_object",
    ("PUT", "copy"): "copy_object",
    ("PUT", "uploadId"): "change",
    ("PUT", "tagging"): "put_object_tagging",
    ("PUT", "legal-hold"): "change",
    ("PUT", "retention"): "change",
    ("DELETE", ""): "delete_object",
    ("DELETE", "uploadId"): "change",
    ("DELETE", "tagging"): "delete_object_tagging",
    ("POST", "uploads"): "change",
    ("POST", "uploadId"): "complete_multipart_upload",
    ("OPTIONS", ""): "preflight",
}


def operation_of(method: str, bucket: str, key: str, query: Mapping[str, str], copies: bool) -> str:
    """The operation's name. Raises NotImplemented or MethodNotAllowed."""
    if not bucket:
        if method == "GET":
            return "list_buckets"
        raise _not_allowed(method)
    named = sorted(SUBRESOURCES & query.keys())
    if len(named) > 1:
        raise S3Error("InvalidRequest", f"Conflicting query string parameters: {', '.join(named)}")
    subresource = named[0] if named else ""
    if key and not subresource and "uploadId" in query:
        subresource = "uploadId"
    if key and method == "PUT" and not subresource and copies:
        subresource = "copy"
    operation = (_OBJECT if key else _BUCKET).get((method, subresource))
    if operation is None:
        raise not_implemented(f"{method} ?{subresource}") if named else _not_allowed(method)
    return operation


def _not_allowed(method: str) -> S3Error:
    message = "The specified method is not allowed against this resource."
    return S3Error("MethodNotAllowed", message, 405, Method=method)
