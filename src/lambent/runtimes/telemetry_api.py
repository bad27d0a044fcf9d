"""The Telemetry API (2022-07-01): extensions subscribe to what happens, and are sent it over HTTP or TCP."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from lambent.runtimes.extensions_api import ExtensionsApi
from lambent.runtimes.http import Exchange
from lambent.runtimes.http_listener import Part
from lambent.runtimes.start import PORT

PREFIX = "/2022-07-01/telemetry"
BODY_BYTES = 64 * 1024
SCHEMAS = ("2022-07-01", "2022-12-13")
TYPES = frozenset({"platform", "function", "extension"})
HOSTS = ("sandbox.localdomain", "sandbox")
# Lowest, highest and usual value.
ITEMS, BYTES, TIMEOUT_MS = (1000, 10_000, 10_000), (262_144, 1_048_576, 262_144), (25, 30_000, 1000)
_PLAIN = re.compile(r"[\x21-\x7e]*")


class Invalid(Exception):
    """A subscription that cannot be; the message says why."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who wants what, when and where."""

    name: str
    types: frozenset[str]
    items_max: int
    bytes_max: int
    timeout_s: float
    protocol: str  # HTTP | TCP
    port: int
    path: str = "/"


class TelemetryApi(Part):
    """`subscribe` is called for each subscription; it says whether there is still room for one."""

    def __init__(self, extensions: ExtensionsApi, subscribe: Callable[[Subscription], bool]) -> None:
        self._extensions = extensions
        self._subscribe = subscribe

    def opened(self, exchange: Exchange) -> None:
        exchange.limit = BODY_BYTES
        if exchange.method != "PUT" or exchange.path != PREFIX:
            exchange.refuse(404, "NotFound", f"There is no {exchange.method} {exchange.path[:100]}")

    def complete(self, exchange: Exchange) -> None:
        extension = self._extensions.known(exchange)
        if extension is None:
            return
        try:
            wanted = parse(extension.name, exchange.body)
        except Invalid as error:
            exchange.refuse(400, "ValidationError", str(error))
            return
        if not self._extensions.open:
            exchange.refuse(403, "Telemetry.SubscriptionClosed", "Subscriptions are closed after the init")
        elif not self._subscribe(wanted):
            exchange.refuse(403, "Telemetry.TooManySubscribers", "There is no room for another subscriber")
        else:
            exchange.answer(200, b'"OK"')


def parse(name: str, body: bytes | bytearray) -> Subscription:
    """Raises `Invalid`."""
    try:
        given = orjson.loads(body)
        types = frozenset(given["types"])
        destination, buffering = given["destination"], given.get("buffering") or {}
        protocol = destination.get("protocol", "")
        place = urlsplit(destination["URI"]) if protocol == "HTTP" else None
        port = place.port if place else destination["port"]
        numbers = [
            _number(buffering, name, bounds)
            for name, bounds in (("maxItems", ITEMS), ("maxBytes", BYTES), ("timeoutMs", TIMEOUT_MS))
        ]
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
        raise Invalid("The body is no subscription") from None
    if given.get("schemaVersion") not in SCHEMAS:
        raise Invalid(f"schemaVersion must be one of {', '.join(SCHEMAS)}")
    if not types or types - TYPES:
        raise Invalid(f"types must be of {', '.join(sorted(TYPES))}")
    if protocol not in ("HTTP", "TCP"):
        raise Invalid("destination.protocol must be HTTP or TCP")
    if place is not None and (place.scheme != "http" or place.hostname not in HOSTS):
        raise Invalid(f"destination.URI must begin with http://{HOSTS[0]}:")
    if not isinstance(port, int) or not 1 <= port <= 65535 or port == PORT:
        raise Invalid(f"The destination needs a port from 1 to 65535 that is not {PORT}")
    path = (place.path or "/") if place else "/"
    if not _PLAIN.fullmatch(path):
        raise Invalid("destination.URI must be plain ASCII")
    return Subscription(name, types, numbers[0], numbers[1], numbers[2] / 1000, protocol, port, path)


def _number(buffering: dict[str, Any], name: str, bounds: tuple[int, int, int]) -> int:
    lowest, highest, usual = bounds
    value = buffering.get(name, usual)
    if type(value) is not int or not lowest <= value <= highest:
        raise Invalid(f"buffering.{name} must be from {lowest} to {highest}")
    return value
