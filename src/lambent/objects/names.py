"""Names that S3 allows for buckets, and keys that a store of files can hold."""

import re

from lambent.objects.errors import S3Error

_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
KEY_BYTES = 1024


def check_bucket_name(name: str) -> None:
    """Source: the naming rules for general purpose buckets. Raises InvalidBucketName."""
    fits = _BUCKET.fullmatch(name) and not _ADDRESS.fullmatch(name)
    if not fits or name.startswith(_RESERVED_STARTS) or name.endswith(_RESERVED_ENDS):
        raise S3Error("InvalidBucketName", "The specified bucket is not valid.", BucketName=name)


def check_key(key: str) -> None:
    """A segment of dots would name another folder of the store. Raises what S3 would."""
    if (size := len(key.encode("utf-8", "surrogatepass"))) > KEY_BYTES:
        raise S3Error(
            "KeyTooLongError",
            "Your key is too long",
            Size=str(size),
            MaxSizeAllowed=str(KEY_BYTES),
        )
    if not {".", ".."}.isdisjoint(key.split("/")) or "\0" in key:
        raise S3Error("InvalidArgument", "A key may not have . or .. between slashes, nor a zero byte.")


def place_of(bucket: str, key: str) -> str:
    """What a key's writes are put in order by: the store keeps `a//b` and `a/b` in one place."""
    return re.sub("/{2,}", "/", f"{bucket}/{key}")
