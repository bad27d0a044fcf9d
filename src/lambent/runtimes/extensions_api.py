"""The Extensions API (2020-01-01): who registers is told of invocations, and of the end before it comes."""

import re
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from lambent.runtimes.http import JSON, Exchange
from lambent.runtimes.http_listener import Part

PREFIX = "/2020-01-01/extension/"
INVOKE, SHUTDOWN = "INVOKE", "SHUTDOWN"
EXTENSIONS = 10
BODY_BYTES = 256 * 1024
_NAME, _IDENTIFIER = "lambda-extension-name", "lambda-extension-identifier"
_ERROR_TYPE = "lambda-extension-function-error-type"
_NAMES = re.compile(r"[\x21-\x7e]{1,128}")


class Owner(Protocol):
    """Who is told of the extensions' progress."""

    def progressed(self) -> None:
        """One has registered, or has asked for its next event."""

    def extension_failed(self, error_type: str, message: str) -> None: ...


@dataclass(slots=True)
class Extension:
    """One that has registered."""

    name: str
    events: frozenset[str]
    external: bool  # a program of its own, found among the layers
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))
    waiting: Exchange | None = None
    asked: bool = False  # and got nothing since
    pending: deque[Mapping[str, Any]] = field(default_factory=deque)

    def tell(self, event: Mapping[str, Any]) -> None:
        """An event, now or as soon as it asks; those that it did not register for are passed over."""
        if event["eventType"] in self.events:
            self.pending.append(event)
            self.asked = False
            self.hand_over()

    def hand_over(self) -> None:
        if self.waiting is None or not self.pending:
            return
        exchange, self.waiting = self.waiting, None
        self.asked = False
        headers = [JSON, ("Lambda-Extension-Event-Identifier", str(uuid.uuid4()))]
        exchange.answer(200, orjson.dumps(self.pending.popleft()), headers)

    def no_longer_waits(self) -> None:
        self.waiting = None


class ExtensionsApi(Part):
    """Those of one sandbox. `about` is what they learn of their function when they register."""

    def __init__(self, owner: Owner, about: Mapping[str, str]) -> None:
        self._owner = owner
        self._about = about
        self._external: frozenset[str] = frozenset()
        self._extensions: dict[str, Extension] = {}  # by identifier
        self.open = True  # for those who register, until the init is over

    def expect(self, names: frozenset[str]) -> None:
        """The external ones, which have been started."""
        self._external = names

    def __iter__(self) -> Iterator[Extension]:
        return iter(self._extensions.values())

    @property
    def registered(self) -> bool:
        """Whether all external ones have registered."""
        return self._external <= {extension.name for extension in self._extensions.values()}

    @property
    def idle(self) -> bool:
        """Whether every one has asked for an event since it got the last."""
        return self.registered and all(extension.asked for extension in self._extensions.values())

    @property
    def wants_shutdown(self) -> bool:
        return any(SHUTDOWN in extension.events for extension in self._extensions.values())

    def tell(self, event: Mapping[str, Any]) -> None:
        for extension in self._extensions.values():
            extension.tell(event)

    def known(self, exchange: Exchange) -> Extension | None:
        """Who asks, by the identifier in its headers; None when it was refused."""
        given = exchange.headers.get(_IDENTIFIER)
        if given is None:
            exchange.refuse(403, "Extension.MissingHeader", "Missing Lambda-Extension-Identifier header")
        elif given not in self._extensions:
            exchange.refuse(403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {given[:64]}")
        return self._extensions.get(given or "")

    def opened(self, exchange: Exchange) -> None:
        if self._operation(exchange) is None:
            exchange.refuse(404, "NotFound", f"There is no {exchange.method} {exchange.path[:100]}")
        exchange.limit = BODY_BYTES

    def complete(self, exchange: Exchange) -> None:
        operation = self._operation(exchange)
        if exchange.too_large:
            exchange.refuse(413, "RequestEntityTooLarge", f"More than {BODY_BYTES} bytes")
        elif operation is not None:
            operation(exchange)

    def _operation(self, exchange: Exchange) -> Callable[[Exchange], None] | None:
        return {
            ("POST", "register"): self._register,
            ("GET", "event/next"): self._next,
            ("POST", "init/error"): self._init_error,
            ("POST", "exit/error"): self._exit_error,
        }.get((exchange.method, exchange.path.removeprefix(PREFIX)))

    def _register(self, exchange: Exchange) -> None:
        name = exchange.headers.get(_NAME, "")
        events = _events(exchange)
        external = name in self._external
        if refusal := self._refusal(name, events, external):
            exchange.refuse(*refusal)
            return
        extension = Extension(name, events or frozenset(), external)
        self._extensions[extension.identifier] = extension
        headers = [JSON, ("Lambda-Extension-Identifier", extension.identifier)]
        exchange.answer(200, orjson.dumps(self._about), headers)
        self._owner.progressed()

    def _refusal(
        self, name: str, events: frozenset[str] | None, external: bool
    ) -> tuple[int, str, str] | None:
        if not _NAMES.fullmatch(name):
            return 403, "Extension.InvalidExtensionName", "Invalid extension name"
        if any(extension.name == name for extension in self._extensions.values()):
            return 403, "Extension.AlreadyRegistered", f"Extension {name} already registered"
        if not self.open:
            return 403, "Extension.RegistrationClosed", "Extension registration closed already"
        if len(self._extensions) >= EXTENSIONS:
            return 403, "Extension.TooManyExtensions", f"Extension limit ({EXTENSIONS}) reached"
        if events is None:
            return 400, "InvalidRequestFormat", 'The body must be {"events": [...]}'
        if wrong := events - {INVOKE, SHUTDOWN}:
            return 403, "Extension.InvalidEventType", f"Invalid event type: {sorted(wrong)[0][:64]}"
        if SHUTDOWN in events and not external:
            return 403, "ShutdownEventNotSupportedForInternalExtension", f"{name} is no external extension"
        return None

    def _next(self, exchange: Exchange) -> None:
        extension = self.known(exchange)
        if extension is None:
            return
        if extension.waiting is not None:
            exchange.refuse(403, "Extension.InvalidExtensionState", f"{extension.name} has asked already")
            return
        extension.waiting = exchange
        exchange.on_lost = extension.no_longer_waits
        extension.asked = True
        extension.hand_over()
        self._owner.progressed()

    def _init_error(self, exchange: Exchange) -> None:
        self._failed(exchange, "Extension.InitError")

    def _exit_error(self, exchange: Exchange) -> None:
        self._failed(exchange, "Extension.ExitError")

    def _failed(self, exchange: Exchange, kind: str) -> None:
        extension = self.known(exchange)
        if extension is None:
            return
        error_type = exchange.headers.get(_ERROR_TYPE)
        if error_type is None:
            exchange.refuse(403, "Extension.MissingHeader", "Missing Lambda-Extension-Function-Error-Type")
            return
        exchange.accept()
        self._owner.extension_failed(kind, f"{extension.name}: {error_type[:256]}")


def _events(exchange: Exchange) -> frozenset[str] | None:
    try:
        given = orjson.loads(exchange.body or b"{}").get("events", [])
        return frozenset(str(event) for event in given)
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        return None
