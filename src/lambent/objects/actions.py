"""What policies call the things that S3's requests do."""

from collections.abc import Mapping

from lambent.objects.operations import SUBRESOURCES
from lambent.objects.request import S3Request

# (method, subresource): action, without its s3:
_OBJECT = {
    ("GET", ""): "GetObject",
    ("HEAD", ""): "GetObject",
    ("GET", "acl"): "GetObjectAcl",
    ("PUT", "acl"): "PutObjectAcl",
    ("GET", "attributes"): "GetObjectAttributes",
    ("GET", "legal-hold"): "GetObjectLegalHold",
    ("PUT", "legal-hold"): "PutObjectLegalHold",
    ("GET", "retention"): "GetObjectRetention",
    ("PUT", "retention"): "PutObjectRetention",
    ("GET", "tagging"): "GetObjectTagging",
    ("PUT", "tagging"): "PutObjectTagging",
    ("DELETE", "tagging"): "DeleteObjectTagging",
    ("GET", "uploadId"): "ListMultipartUploadParts",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("DELETE", ""): "DeleteObject",
}
_VERSIONED = {  # with a versionId
    "GetObject": "GetObjectVersion",
    "GetObjectAcl": "GetObjectVersionAcl",
    "GetObjectAttributes": "GetObjectVersionAttributes",
    "GetObjectTagging": "GetObjectVersionTagging",
    "PutObjectAcl": "PutObjectVersionAcl",
    "PutObjectTagging": "PutObjectVersionTagging",
    "DeleteObject": "DeleteObjectVersion",
    "DeleteObjectTagging": "DeleteObjectVersionTagging",
}
_BUCKET = {
    ("GET", ""): "ListBucket",
    ("HEAD", ""): "ListBucket",
    ("PUT", ""): "CreateBucket",
    ("DELETE", ""): "DeleteBucket",
    ("GET", "versions"): "ListBucketVersions",
    ("GET", "uploads"): "ListBucketMultipartUploads",
    ("GET", "policyStatus"): "GetBucketPolicyStatus",
    ("DELETE", "policy"): "DeleteBucketPolicy",
    ("POST", "delete"): "DeleteObject",
}
# Get… to read, Put… to change and to remove.
_SETTINGS = {
    "accelerate": "AccelerateConfiguration",
    "acl": "BucketAcl",
    "analytics": "AnalyticsConfiguration",
    "cors": "BucketCORS",
    "encryption": "EncryptionConfiguration",
    "intelligent-tiering": "IntelligentTieringConfiguration",
    "inventory": "InventoryConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "metrics": "MetricsConfiguration",
    "notification": "BucketNotification",
    "object-lock": "BucketObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "replication": "ReplicationConfiguration",
    "requestPayment": "BucketRequestPayment",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}
LIST, LIST_ALL = "s3:ListBucket", "s3:ListAllMyBuckets"
_CONTEXT = {
    "prefix": "s3:prefix",
    "delimiter": "s3:delimiter",
    "max-keys": "s3:max-keys",
    "versionId": "s3:versionid",
}
_HEADERS = ("x-amz-acl", "x-amz-copy-source", "x-amz-storage-class", "x-amz-server-side-encryption")


def action_of(request: S3Request) -> str:
    """The action of a request that the gateway serves; s3:PutObject where nothing else is named."""
    subresource = next(iter(SUBRESOURCES & request.query.keys()), "")
    if not request.key:
        known = _BUCKET.get((request.method, subresource))
        change = "Get" if request.method == "GET" else "Put"
        return f"s3:{known or change + _SETTINGS.get(subresource, 'Object')}"
    if not subresource and "uploadId" in request.query:
        subresource = "uploadId"
    action = _OBJECT.get((request.method, subresource), "PutObject")
    return f"s3:{_VERSIONED.get(action, action) if request.query.get('versionId') else action}"


def context_of(request: S3Request) -> Mapping[str, tuple[str, ...]]:
    """The condition keys of a request."""
    context = {"aws:sourceip": (request.peer,), "aws:requestedregion": (request.region,)}
    context |= {key: (request.query[name],) for name, key in _CONTEXT.items() if name in request.query}
    return context | {f"s3:{name}": (request.headers[name],) for name in _HEADERS if name in request.headers}
