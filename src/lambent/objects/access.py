"""Who may do what with a bucket: its owner everything, nobody else anything, until there are policies."""

import re
from urllib.parse import unquote

from lambent.model.identity import Principal, PrincipalKind
from lambent.objects.buckets import Bucket, Buckets
from lambent.objects.errors import S3Error, access_denied, no_such_bucket
from lambent.objects.names import check_bucket_name, check_key
from lambent.objects.request import S3Request
from lambent.objects.signing import encode_path

# Ids become names of files at the store, so they may not name a way out of the bucket.
_ID = re.compile(r"(?!.*\.\.)[A-Za-z0-9._~+=-]*")
EXPECTED_OWNER = "x-amz-expected-bucket-owner"
EXPECTED_SOURCE_OWNER = "x-amz-source-expected-bucket-owner"


class Access:
    """Finds buckets on behalf of a caller."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def open(self, principal: Principal, name: str, expected_owner: str = "") -> Bucket:
        """The bucket. Raises NoSuchBucket or AccessDenied; the anonymous do not learn which exist."""
        if principal.kind is PrincipalKind.ANONYMOUS:
            raise access_denied()
        check_bucket_name(name)
        bucket = self._buckets.find(name)
        if bucket is None:
            raise no_such_bucket(name)
        if bucket.account != principal.account or expected_owner not in ("", bucket.account):
            raise access_denied()
        return bucket

    def bucket(self, request: S3Request) -> Bucket:
        """The bucket of a request; its key, if any, is checked too."""
        bucket = self.open(request.principal, request.bucket, request.headers.get(EXPECTED_OWNER, ""))
        check_key(request.key)
        for name in ("uploadId", "versionId"):
            if not _ID.fullmatch(request.query.get(name, "")):
                raise S3Error("InvalidArgument", f"Invalid {name} specified", ArgumentName=name)
        return bucket

    def source(self, request: S3Request) -> str | None:
        """The source of a copy, which must be the caller's as well, written as the store shall read it."""
        if (text := request.headers.get("x-amz-copy-source")) is None:
            return None
        name, key, version_id = parse_source(text)
        self.open(request.principal, name, request.headers.get(EXPECTED_SOURCE_OWNER, ""))
        check_key(key)
        return encode_path(name, key) + (f"?versionId={version_id}" if version_id else "")


def parse_source(text: str) -> tuple[str, str, str]:
    """Bucket, key and version of `/bucket/key?versionId=…`, percent-encoded. Raises InvalidArgument."""
    path, _, version_id = text.partition("?versionId=")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not bucket or not key or not _ID.fullmatch(version_id):
        raise S3Error(
            "InvalidArgument",
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            ArgumentName="x-amz-copy-source",
            ArgumentValue=text,
        )
    return bucket, key, version_id
