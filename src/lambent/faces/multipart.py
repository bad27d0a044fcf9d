"""multipart/form-data, read as it comes: small fields, then one file of any size."""

import re
from collections.abc import AsyncIterator
from email.message import Message
from email.parser import BytesHeaderParser

from lambent.objects.errors import S3Error

FIELD_BYTES = 20 * 1024  # of all fields before the file, S3's limit
HEAD_BYTES = 8 * 1024
_BOUNDARY = re.compile(r'boundary=(?:"([^"\r\n]{1,70})"|([^\s;,"]{1,70}))')


class Form:
    """A form being read: first `fields`, then the file by iterating."""

    def __init__(self, content_type: str, body: AsyncIterator[bytes]) -> None:
        """Raises S3's error for a form without a boundary."""
        found = _BOUNDARY.search(content_type)
        if found is None:
            raise malformed()
        self._delimiter = b"\r\n--" + (found[1] or found[2]).encode()
        self._body = body
        self._buffer = bytearray(b"\r\n")  # so that the first delimiter looks like the others
        self.fields: dict[str, str] = {}
        self.filename = ""
        self.file_type = ""

    async def read_fields(self) -> None:
        """Read up to the file, which must be there. Names are in lower case."""
        await self._until(self._delimiter, FIELD_BYTES)
        left = FIELD_BYTES
        while True:
            if await self._until(b"\r\n", HEAD_BYTES):
                raise malformed()  # the form's end, or no form at all
            head = await self._head()
            name = head.get_param("name", "", "content-disposition")
            if not isinstance(name, str) or not name:
                raise malformed()
            if name.lower() == "file":
                self.filename = (head.get_filename() or "").replace("\\", "/").rpartition("/")[2]
                self.file_type = head.get("content-type", "")
                return
            value = await self._until(self._delimiter, left)
            left -= len(value)
            self.fields[name.lower()] = value.decode("utf-8", "replace")

    async def _head(self) -> Message:
        return BytesHeaderParser().parsebytes(await self._until(b"\r\n\r\n", HEAD_BYTES))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The file; what comes after it is ignored, as S3 does."""
        while True:
            end = self._buffer.find(self._delimiter)
            safe = end if end >= 0 else len(self._buffer) - len(self._delimiter) + 1
            if safe > 0:
                piece = bytes(self._buffer[:safe])
                del self._buffer[:safe]
                yield piece
            if end >= 0:
                return
            await self._fill()

    async def _until(self, mark: bytes, limit: int) -> bytes:
        """What comes before the mark, which is taken away."""
        while (end := self._buffer.find(mark)) < 0:
            if len(self._buffer) > limit + len(mark):
                raise too_long()
            await self._fill()
        if end > limit:
            raise too_long()
        found = bytes(self._buffer[:end])
        del self._buffer[: end + len(mark)]
        return found

    async def _fill(self) -> None:
        data = await anext(self._body, None)
        if data is None:
            raise malformed()
        self._buffer += data


def malformed() -> S3Error:
    return S3Error(
        "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data."
    )


def too_long() -> S3Error:
    text = f"Your POST request fields preceding the upload file were too large; {FIELD_BYTES} bytes fit."
    return S3Error("MaxPostPreDataLengthExceeded", text)
