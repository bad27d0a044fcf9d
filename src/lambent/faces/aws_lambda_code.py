"""The code that a caller brings: in the request, or in a bucket."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from lambent.faces.errors import ServiceError
from lambent.model.errors import InvalidParameter
from lambent.model.identity import Principal
from lambent.model.limits import ZIP_BYTES
from lambent.objects.errors import S3Error

# Principal, bucket, key, version of the object; raises `S3Error`.
ReadObject = Callable[[Principal, str, str, str | None], Awaitable[bytes]]

ONE_SOURCE = "Please do not provide other FunctionCode parameters when providing a ZipFile."
NO_SOURCE = "Please provide a source for function code."
NO_IMAGE = "Please don't provide ImageUri when updating a function with packageType Zip."
NO_REFERENCES = "S3ObjectStorageMode REFERENCE is not supported by Lambent: packages are copied. Use COPY."
TOO_LARGE = f"Zipped size must be smaller than {ZIP_BYTES} bytes"


class Sources:
    """Fetches zips from wherever they are given."""

    def __init__(self, read_object: ReadObject) -> None:
        self._read_object = read_object

    async def fetch(self, principal: Principal, given: Mapping[str, Any]) -> bytes:
        """The zip. Raises `InvalidParameter` and, for a large one in the request itself, 413."""
        if given.get("ImageUri"):
            raise InvalidParameter(NO_IMAGE)
        if given.get("S3ObjectStorageMode") == "REFERENCE":
            raise InvalidParameter(NO_REFERENCES)
        if "ZipFile" in given:
            if "S3Bucket" in given or "S3Key" in given:
                raise InvalidParameter(ONE_SOURCE)
            zipped: bytes = given["ZipFile"]
            if len(zipped) > ZIP_BYTES:
                raise ServiceError("RequestEntityTooLargeException", TOO_LARGE, 413)
            return zipped
        if "S3Bucket" not in given or "S3Key" not in given:
            raise InvalidParameter(NO_SOURCE)
        try:
            return await self._read_object(
                principal, given["S3Bucket"], given["S3Key"], given.get("S3ObjectVersion")
            )
        except S3Error as error:
            raise InvalidParameter(
                f"Error occurred while GetObject. S3 Error Code: {error.code}. "
                f"S3 Error Message: {error.message}"
            ) from None
