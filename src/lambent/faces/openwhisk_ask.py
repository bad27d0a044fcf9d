"""One request to OpenWhisk's REST API: its caller, its query, its body, and the form of its answers."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from lambent.faces.http import BodyTooLarge, Request, Response
from lambent.whisk.errors import Refusal, forbidden, malformed
from lambent.whisk.names import Name, check_segment
from lambent.whisk.namespaces import Identity

JSON = ("Content-Type", "application/json")
CORS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "GET, DELETE, POST, PUT, HEAD"),
    (
        "Access-Control-Allow-Headers",
        "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent",
    ),
)
THREAD_BYTES = 64 * 1024  # a longer body is parsed off the event loop
ENTITY_BYTES = 50 * 1024 * 1024
PAGE, LONGEST_PAGE = 30, 200
WRONG_TYPE = "The request's Content-Type is not supported. Expected:\napplication/json"


@dataclass(slots=True)
class Ask:
    """`path` is what follows the collection, decoded; an empty last part is a trailing slash."""

    request: Request
    transaction: str
    query: Mapping[str, str]
    identity: Identity
    namespace: str = ""
    collection: str = ""
    path: tuple[str, ...] = ()

    @property
    def own(self) -> bool:
        return self.namespace == self.identity.namespace.name

    @property
    def name(self) -> Name:
        """The entity that the path names. Raises `Refusal` for what is no name."""
        return _name(self.namespace, self.path)

    def check_own(self, name: object = "") -> None:
        """Raises `Refusal` where only the namespace itself has rights."""
        if not self.own:
            raise forbidden(str(name) or f"{self.namespace}/{self.collection}")

    def flag(self, name: str) -> bool:
        value = self.query.get(name, "false")
        if value not in ("true", "false"):
            raise Refusal(
                400, f"The query parameter '{name}' was malformed:\n'{value}' is not a valid Boolean value"
            )
        return value == "true"

    def number(self, name: str, default: int | None = None) -> int | None:
        text = self.query.get(name)
        if text is None:
            return default
        try:
            return int(text)
        except ValueError:
            raise Refusal(
                400, f"The query parameter '{name}' was malformed:\n'{text}' is not a valid integer value"
            ) from None

    def page(self) -> tuple[int, int]:
        """Skip and limit; a limit of 0 means as many as there may be."""
        skip, limit = self.number("skip", 0) or 0, self.number("limit", PAGE) or 0
        if skip < 0:
            raise Refusal(
                400, f"The value '{skip}' is not in the range of 0 to {2**31 - 1} for {self.collection}."
            )
        if not 0 <= limit <= LONGEST_PAGE:
            raise Refusal(
                400, f"The value '{limit}' is not in the range of 0 to {LONGEST_PAGE} for {self.collection}."
            )
        return skip, limit or LONGEST_PAGE

    async def read(self, limit: int) -> bytes:
        try:
            return await self.request.body.read(limit)
        except BodyTooLarge:
            size = self.request.body.length or limit + 1
            raise Refusal(413, f"Request larger than allowed: {size} > {limit} bytes.") from None

    async def document(self, limit: int = ENTITY_BYTES) -> dict[str, Any]:
        """The body of a request that must have one."""
        body = await self.read(limit)
        if not body:
            raise malformed("Request entity expected but not supplied")
        self.check_type()
        return await parse(body)

    def check_type(self) -> None:
        kind = self.request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refusal(415, WRONG_TYPE)

    def list(self, entities: Iterable[Mapping[str, Any]]) -> Response:
        """A page of what there is, or its number."""
        skip, limit = self.page()
        left = list(entities)[skip:]
        if self.flag("count"):
            return answer({self.collection: len(left)})
        return answer(left[:limit])


@lru_cache(maxsize=4096)
def _name(namespace: str, path: tuple[str, ...]) -> Name:
    *package, name = map(check_segment, path)
    return Name(namespace, name, *package)


async def parse(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises `Refusal`."""
    try:
        if len(body) > THREAD_BYTES:
            value = await asyncio.to_thread(orjson.loads, body)
        else:
            value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise malformed(str(error)) from None
    if not isinstance(value, dict):
        raise malformed("Object expected")
    return value


def answer(content: object, status: int = 200, *headers: tuple[str, str]) -> Response:
    return Response(status, [JSON, *headers], orjson.dumps(content))
