"""One request to OpenWhisk's REST API: its caller, its query, its body, and the form of its answers."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from lambent.faces.http import BodyTooLarge, Request, Response
from lambent.whisk.errors import Refusal, forbidden, malformed, malformed_query
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
REALM = ("WWW-Authenticate", 'Basic realm="OpenWhisk secure realm"')
THREAD_BYTES = 64 * 1024  # a longer body is parsed off the event loop
ENTITY_BYTES = 50 * 1024 * 1024
PAGE, LONGEST_PAGE = 30, 200
YES, NO = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}
NO_BODY = "Request entity expected but not supplied"
WRONG_TYPE = "The request's Content-Type [{}] is not supported. Expected:\napplication/json"

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")


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
            raise forbidden(str(name) or self.namespace)

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.query.get(name, "true" if default else "false")
        if value.lower() in YES:
            return True
        if value.lower() in NO:
            return False
        raise malformed_query(name, f"'{value}' is not a valid Boolean value")

    def number(self, name: str, default: int, most: int, wrong: str, none: str) -> int:
        """From 0 to `most`; `wrong` says that it is not, `none` that it is no number."""
        text = self.query.get(name)
        if text is None:
            return default
        if not _INTEGER.fullmatch(text):
            raise malformed_query(name, none.format(text))
        if not 0 <= int(text) <= most:
            raise malformed_query(name, wrong.format(text))
        return int(text)

    def page(self) -> tuple[int, int]:
        """Skip and limit; a limit of 0 means as many as there may be."""
        none = f"The value '{{}}' is not an integer for {self.collection}."
        wrong = f"The value '{{}}' is not greater than or equal to 0 for {self.collection}."
        skip = self.number("skip", 0, 2**31 - 1, wrong, none)
        wrong = f"The value '{{}}' is not in the range of 0 to {LONGEST_PAGE} for {self.collection}."
        return skip, self.number("limit", PAGE, LONGEST_PAGE, wrong, none) or LONGEST_PAGE

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
            raise Refusal(400, NO_BODY)
        self.check_type()
        return await parse(body)

    def check_type(self) -> None:
        given = self.request.headers.get("content-type", "application/json")
        if given.partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, WRONG_TYPE.format(given))

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


def refusal(error: Refusal, transaction: str) -> Response:
    """OpenWhisk's form: its clients look for both keys."""
    realm = [REALM] if error.status == 401 else []
    return answer({"code": transaction, "error": error.message}, error.status, *CORS, *realm)
