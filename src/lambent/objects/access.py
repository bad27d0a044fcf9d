"""Who may do what with a bucket: by the policies of who calls and of the bucket."""

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote

from lambent.model.identity import PrincipalKind
from lambent.model.names import bucket_arn
from lambent.model.policy import NOTHING, Policy, parse
from lambent.objects.actions import LIST, action_of, context_of
from lambent.objects.buckets import Bucket, Buckets
from lambent.objects.errors import S3Error, access_denied, no_such_bucket
from lambent.objects.names import check_bucket_name, check_key
from lambent.objects.request import S3Request
from lambent.objects.signing import encode_path
from lambent.store.authority import Authority

# Ids become names of files at the store, so they may not name a way out of the bucket.
_ID = re.compile(r"(?!.*\.\.)[A-Za-z0-9._~+=-]*")
# What an account's root may whatever the policy says, lest it locks itself out.
_NEVER_LOCKED = frozenset({"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"})
EXPECTED_OWNER = "x-amz-expected-bucket-owner"
EXPECTED_SOURCE_OWNER = "x-amz-source-expected-bucket-owner"


class Access:
    """Finds buckets on behalf of a caller."""

    def __init__(self, buckets: Buckets, authority: Authority) -> None:
        self._buckets = buckets
        self._authority = authority

    def bucket(self, request: S3Request, *, keys: Iterable[str] = ()) -> Bucket:
        """The bucket of a request; its key, if any, is checked too. `keys` are those of a document."""
        bucket = self._find(request, request.bucket, request.headers.get(EXPECTED_OWNER, ""))
        action = action_of(request)
        for key in keys or (request.key,):
            self._allow_in(request, bucket, key, action)
        check_key(request.key)
        for name in ("uploadId", "versionId"):
            if not _ID.fullmatch(request.query.get(name, "")):
                raise S3Error("InvalidArgument", f"Invalid {name} specified", ArgumentName=name)
        return bucket

    def source(self, request: S3Request) -> str | None:
        """The source of a copy, which the caller must be allowed to read, as the store shall read it."""
        if (text := request.headers.get("x-amz-copy-source")) is None:
            return None
        name, key, version_id = parse_source(text)
        action = "s3:GetObjectVersion" if version_id else "s3:GetObject"
        bucket = self._find(request, name, request.headers.get(EXPECTED_SOURCE_OWNER, ""))
        self._allow_in(request, bucket, key, action)
        check_key(key)
        return encode_path(name, key) + (f"?versionId={version_id}" if version_id else "")

    def check(self, request: S3Request, action: str) -> None:
        """For what has no bucket yet. Raises AccessDenied."""
        if request.principal.kind is PrincipalKind.ANONYMOUS:
            raise access_denied()
        resource = bucket_arn(request.bucket) if request.bucket else "*"
        self._allow(request, action, resource, request.principal.account)

    def may_list(self, request: S3Request) -> bool:
        """Whether the caller may learn which keys there are not."""
        try:
            self._allow_in(request, self._find(request, request.bucket), "", LIST)
        except S3Error:
            return False
        return True

    def _find(self, request: S3Request, name: str, expected_owner: str = "") -> Bucket:
        """The bucket. Raises NoSuchBucket or AccessDenied; the anonymous do not learn which exist."""
        anonymous = request.principal.kind is PrincipalKind.ANONYMOUS
        if not anonymous:
            check_bucket_name(name)
        bucket = self._buckets.find(name)
        if bucket is None:
            raise access_denied() if anonymous else no_such_bucket(name)
        if expected_owner not in ("", bucket.account):
            raise access_denied()
        return bucket

    def _allow_in(self, request: S3Request, bucket: Bucket, key: str, action: str) -> None:
        resource = f"{bucket.arn}/{key}" if key else bucket.arn
        self._allow(request, action, resource, bucket.account, bucket.policy)

    def _allow(self, request: S3Request, action: str, resource: str, owner: str, document: str = "") -> None:
        principal = request.principal
        is_own = owner == principal.account
        if is_own and principal.kind is PrincipalKind.ROOT and (not document or action in _NEVER_LOCKED):
            return
        policy = compiled(document) if document else NOTHING
        reason = self._authority.refusal(principal, action, resource, owner, policy, context_of(request))
        if reason and not is_own:
            raise access_denied()  # S3 tells others no more than that
        if reason:
            who = f"User: {principal.arn} is not authorized to perform: {action}"
            raise S3Error("AccessDenied", f'{who} on resource: "{resource}" {reason}', 403)


@lru_cache(maxsize=1024)
def compiled(document: str) -> Policy:
    """A bucket's policy, which was checked when it was put."""
    return parse(document, names_principals=True)


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
