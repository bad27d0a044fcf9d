"""Access control lists, which are off, as in every new bucket at AWS: the owner has full control."""

from collections.abc import Mapping

from lambent.objects import xml
from lambent.objects.errors import S3Error
from lambent.objects.xml import around, tag

_PRIVATE = ("", "private", "bucket-owner-full-control")
_GRANTEE = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"'


def check_acl(headers: Mapping[str, str]) -> None:
    """Grants to others would not be kept, so they are refused in AWS's words."""
    granted = any(name.startswith("x-amz-grant-") for name in headers)
    if granted or headers.get("x-amz-acl", "") not in _PRIVATE:
        raise acl_not_supported()


def acl_not_supported() -> S3Error:
    return S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs")


def owner_only(account: str) -> bytes:
    owner = tag("ID", account)
    grant = f"<Grantee {_GRANTEE}>{owner}</Grantee>{tag('Permission', 'FULL_CONTROL')}"
    parts = [around("Owner", [owner]), around("AccessControlList", [around("Grant", [grant])])]
    return xml.document("AccessControlPolicy", parts)
