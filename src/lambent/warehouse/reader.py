"""How the warehouse reads objects: the part of the S3 gateway's reader that COPY needs."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from lambent.model.identity import Principal


class ObjectInfo(Protocol):
    """An object as a listing shows it."""

    @property
    def key(self) -> str: ...
    @property
    def size(self) -> int: ...


class ObjectStream(Protocol):
    """An opened object. `chunks` ends with an error, not early, when the object is not read whole."""

    @property
    def size(self) -> int: ...
    @property
    def chunks(self) -> AsyncIterator[bytes]: ...
    async def close(self) -> None: ...


class ObjectReader(Protocol):
    """Reads on behalf of a principal. Raises `S3Error`."""

    async def open(self, principal: Principal, bucket: str, key: str) -> ObjectStream: ...

    async def list(self, principal: Principal, bucket: str, prefix: str = "") -> Sequence[ObjectInfo]:
        """All objects whose key starts with `prefix`, in key order."""
        ...
