"""The node's end of a program that speaks the Runtime API: to an instance it is what `Connection` is."""

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import partial
from typing import Any

import orjson

from lambent.invoke.frames import META_BYTES, BadFrame, Decoder, Frame, Kind
from lambent.invoke.output import Output
from lambent.invoke.stream import Stream
from lambent.invoke.telemetry import Telemetry
from lambent.runtimes import extensions_api, runtime_api, telemetry_api
from lambent.runtimes.extensions_api import INVOKE, SHUTDOWN, ExtensionsApi
from lambent.runtimes.http_listener import Listener
from lambent.runtimes.runtime_api import Call, RuntimeApi, Said
from lambent.runtimes.start import END, ENDED, KILL, LEAVE, LISTENING, RUN
from lambent.runtimes.telemetry_api import TelemetryApi
from lambent.sandbox.base import Exit, Process

INLINE_BYTES = 64 * 1024  # a longer event is parsed off the event loop
DESCRIPTORS = 16
END_GRACE_S = 0.5  # AWS's
SHUTDOWN_S = 2.0  # AWS's, with external extensions
# What extensions learn of their function, by the name of the variable that has it.
ABOUT = {
    "functionName": "AWS_LAMBDA_FUNCTION_NAME",
    "functionVersion": "AWS_LAMBDA_FUNCTION_VERSION",
    "handler": "_HANDLER",
}
# Headers of an event, by the name of what they come from.
HEADERS = {
    "deadline_ms": "Lambda-Runtime-Deadline-Ms",
    "arn": "Lambda-Runtime-Invoked-Function-Arn",
    "trace": "Lambda-Runtime-Trace-Id",
    "tenant": "Lambda-Runtime-Aws-Tenant-Id",
}


class Phase(Enum):
    INIT = auto()
    IDLE = auto()
    INVOKE = auto()


class RuntimeConnection:
    """Translates: what the runtime asks and answers becomes the frames that a forked process sends.

    An invocation is over when the runtime and all extensions have asked for the next event, as on AWS, or the
    runtime has ended after its answer.
    """

    def __init__(
        self, process: Process, on_output: Callable[[bytes], None], environment: Mapping[str, str]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._process = process
        self._on_output = on_output
        self._version = environment.get("AWS_LAMBDA_FUNCTION_VERSION", "")
        self._telemetry = Telemetry(environment)
        self._telemetry.init_started()
        self._outputs = [Output(process.output, partial(self._printed, "function"))]
        self._decoder = Decoder()
        self._listener: Listener | None = None
        self._api = RuntimeApi(self)
        about = {member: environment.get(name, "") for member, name in ABOUT.items()}
        self._extensions = ExtensionsApi(self, about)
        self._reply: asyncio.Future[Frame | Exit] | None = None
        self._early: Frame | None = None  # READY may come before anybody waits for it
        self._phase = Phase.INIT
        self._asked = False  # the runtime has, for its next event
        self._begun = True  # the runtime has been told to start, where it needs to be told
        self._event: Mapping[str, Any] = {}  # what extensions learn of the invocation
        self._said: Said | None = None  # an answer whose invocation is not over
        self._failure: Frame | None = None  # of an init that extensions hear of first
        self.stream: Stream | None = None  # takes an answer as it comes
        self._request_id = ""
        self._checking: asyncio.Task[None] | None = None
        self._killed = False
        self._patience: asyncio.TimerHandle | None = None  # with extensions that know of the runtime's end
        process.control.setblocking(False)
        self._loop.add_reader(process.control, self._control_readable)
        process.exited.add_done_callback(self._ended)

    @property
    def alive(self) -> bool:
        return not self._killed and not self._process.exited.done()

    def send(self, text: bytes, payload: bytes, kind: Kind = Kind.INVOKE) -> None:
        """An event, with its meta object."""
        meta = orjson.loads(text)
        self._request_id, self._said = meta["id"], None
        self._phase, self._asked = Phase.INVOKE, False
        if self._listener is not None:
            self._listener.forgive()
        headers = [(header, str(meta[name])) for name, header in HEADERS.items() if meta.get(name)]
        if self.stream is not None:
            headers.append(("Lambda-Runtime-Function-Response-Mode", "streaming"))
        if meta.get("client_context"):
            context = json.dumps(json.loads(meta["client_context"]))  # one line of ASCII
            headers.append(("Lambda-Runtime-Client-Context", context))
        call = Call(meta["id"], payload, headers, self.stream)
        self._event = _invoke_event(meta)
        if len(payload) <= INLINE_BYTES:
            self._give(call, _fault(payload))
        else:
            self._checking = self._loop.create_task(self._check(call))

    async def receive(self, timeout_s: float) -> Frame | Exit | None:
        """The next frame, or how the process ended instead; None when the time is up."""
        if self._early is not None:
            frame, self._early = self._early, None
            return frame
        if self._process.exited.done():
            return self._last_word(self._process.exited.result())
        self._reply = self._loop.create_future()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._reply
        except TimeoutError:
            if self._said is None:
                self._telemetry.runtime_done("timeout", 0)
                self._telemetry.report("timeout", self.memory_peak_mb)
                await self._reset("timeout")
                return None
            self._kill()  # it answered, and then somebody did not ask for more
            return self._answer_frame(self._said)
        finally:
            self._reply = None

    async def end(self) -> None:
        """SIGTERM, and some time for it; whoever is still there then is to be killed."""
        if self._phase is Phase.IDLE and self._extensions.wants_shutdown:
            return await self._shut_down("spindown", END)
        self._killed = True
        self._process.terminate()
        await asyncio.wait((self._process.exited,), timeout=END_GRACE_S)
        return None

    async def kill(self) -> Exit:
        """SIGKILL, and wait until everything in the sandbox is gone."""
        self._kill()
        return await asyncio.shield(self._process.exited)

    def memory_peak_mb(self) -> int:
        return self._process.memory_peak_mb()

    def drain_output(self) -> None:
        for output in self._outputs:
            output.drain()

    def close(self) -> None:
        """Give all descriptors back; the process must be gone."""
        if self._listener is not None:
            self._listener.close()
        for waiting in (self._checking, self._patience):
            if waiting is not None:
                waiting.cancel()
        self._loop.remove_reader(self._process.control)
        self._telemetry.close()
        for output in self._outputs:
            output.close()
        self._process.control.close()

    # What the runtime does.

    def asked(self) -> None:
        self._asked = True
        self._settle()

    def answered(self, said: Said) -> None:
        self._said = said
        size = self.stream.total if self.stream is not None else len(said.body)
        self._telemetry.runtime_done("error" if said.error_type else "success", size)

    def failed(self, said: Said) -> None:
        self._fail_init(Frame(Kind.INIT_ERROR, b"", said.body))

    # What extensions do.

    def progressed(self) -> None:
        if self._extensions.registered and not self._begun:
            self._begun = True
            self._order(RUN)
        self._settle()

    def extension_failed(self, error_type: str, message: str) -> None:
        """An extension that fails takes the runtime with it; the caller hears of it when all have ended."""
        if self._killed:
            return
        told = orjson.dumps(
            {"errorType": error_type, "errorMessage": f"RequestId: {self._request_id} Error: {message}"}
        )
        if self._phase is Phase.INIT:
            self._fail_init(Frame(Kind.INIT_ERROR, b"", told))
            return
        if self._phase is Phase.INVOKE:
            self._said = Said(told, error_type)
        if not self._tell_failure():
            self._kill()

    def _fail_init(self, frame: Frame) -> None:
        """The caller hears of it when the extensions have that want to."""
        if self._killed:
            return
        if self._tell_failure():
            self._failure = frame
        else:
            self._deliver(frame)

    def _tell_failure(self) -> bool:
        """Kill the runtime and give extensions their last event; False when none wants it."""
        if not self._extensions.wants_shutdown:
            return False
        self._tell_end("failure", KILL)
        self._patience = self._loop.call_later(SHUTDOWN_S, self._kill)
        return True

    def _part_ended(self, told: Mapping[str, Any]) -> None:
        """The runtime, or an extension. The sandbox ends as the runtime has, after all extensions."""
        if self._killed:
            return
        if not told.get("name"):
            self._tell_end("failure", END)
            patience_s = SHUTDOWN_S if self._extensions.wants_shutdown else 0.0
            self._patience = self._loop.call_later(patience_s, self._order, LEAVE)
        else:
            self.extension_failed("Extension.Crash", f"{told.get('name')}: {told.get('how')}")

    def _settle(self) -> None:
        """A phase is over when the runtime and all extensions have asked for the next event."""
        if self._phase is Phase.IDLE or not self._asked or not self._extensions.idle:
            return
        before, self._phase = self._phase, Phase.IDLE
        if before is Phase.INIT:
            self._extensions.open = False
            for extension in self._extensions:
                self._telemetry.extension_ready(extension.name, extension.events)
            self._telemetry.init_done()
            self._deliver(Frame(Kind.READY, b"", b""))
        elif self._said is not None:
            self._telemetry.report("error" if self._said.error_type else "success", self.memory_peak_mb)
            self._deliver(self._answer_frame(self._said))

    def _order(self, word: bytes) -> None:
        """To the parent of runtime and extensions; if it is gone, its exit tells."""
        with contextlib.suppress(OSError):
            self._process.control.send(word)

    async def _reset(self, reason: str) -> None:
        """The runtime has lost its time and is killed at once; extensions have some more to end."""
        if self._extensions.wants_shutdown:
            await self._shut_down(reason, KILL)

    async def _shut_down(self, reason: str, word: bytes) -> None:
        """The runtime gets its signal, extensions their last event; whoever does not end is killed."""
        self._stop_runtime(word)
        await self._telemetry.flush()  # before they end, or they would miss it
        self._tell_extensions(reason)
        await asyncio.wait((self._process.exited,), timeout=SHUTDOWN_S)

    def _tell_end(self, reason: str, word: bytes) -> None:
        self._stop_runtime(word)
        self._tell_extensions(reason)

    def _stop_runtime(self, word: bytes) -> None:
        self._killed = True
        self._order(word)

    def _tell_extensions(self, reason: str) -> None:
        deadline_ms = int((time.time() + SHUTDOWN_S) * 1000)
        self._extensions.tell({"eventType": SHUTDOWN, "shutdownReason": reason, "deadlineMs": deadline_ms})

    def _ended(self, exited: "asyncio.Future[Exit]") -> None:
        if self._reply is None or self._reply.done():
            return
        self._reply.set_result(self._last_word(exited.result()))

    def _last_word(self, exited: Exit) -> Frame | Exit:
        """What was said before the end, or how it came."""
        return self._failure or (self._answer_frame(self._said) if self._said else exited)

    # What the node does.

    async def _check(self, call: Call) -> None:
        self._give(call, await asyncio.to_thread(_fault, call.payload))

    def _give(self, call: Call, fault: str | None) -> None:
        """An event that is no JSON is refused here: what the runtime would make of it is not known."""
        if fault is None:
            self._telemetry.started(call.request_id, self._version, self._event["tracing"])
            self._api.give(call)
            self._extensions.tell(self._event)
        else:
            self._phase = Phase.IDLE
            meta = orjson.dumps({"id": call.request_id, "message": fault})
            self._deliver(Frame(Kind.NOT_JSON, meta, b""))

    def _answer_frame(self, said: Said) -> Frame:
        self._said = None
        kind = Kind.ANSWER if said.error_type is None else Kind.ERROR
        return Frame(kind, orjson.dumps({"id": self._request_id}), said.body)

    def _deliver(self, frame: Frame) -> None:
        if self._reply is not None:
            if not self._reply.done():
                self._reply.set_result(frame)
        else:
            self._early = frame

    def _kill(self) -> None:
        self._killed = True
        self._process.kill()

    def _control_readable(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(
                self._process.control, META_BYTES, DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:  # the program runs, or the process has ended
            self._loop.remove_reader(self._process.control)
        try:
            for frame in self._decoder.feed(data):
                if frame.kind == LISTENING and descriptors:
                    self._listen(descriptors, frame)
                    descriptors = []
                elif frame.kind == ENDED:
                    self._part_ended(frame.meta_object())
                elif frame.kind == Kind.INIT_ERROR:
                    self._fail_init(frame)
                else:
                    self._deliver(frame)
        except BadFrame:
            self._kill()
        for descriptor in descriptors:
            os.close(descriptor)

    def _listen(self, descriptors: list[int], frame: Frame) -> None:
        names = frozenset(frame.meta_object().get("extensions", ()))
        listener = socket.socket(fileno=descriptors.pop(0))
        if names:
            os.set_blocking(descriptors[0], False)
            self._outputs.append(Output(descriptors.pop(0), partial(self._printed, "extension")))
        self._telemetry.furnish(descriptors)
        self._extensions.expect(names)
        self._begun = not names  # without extensions the runtime needs no word to start
        parts = {
            runtime_api.PREFIX: self._api,
            extensions_api.PREFIX: self._extensions,
            telemetry_api.PREFIX: TelemetryApi(self._extensions, self._telemetry.subscribe),
        }
        self._listener = Listener(listener, parts, self._kill)

    def _printed(self, kind: str, data: bytes) -> None:
        self._on_output(data)
        self._telemetry.output(kind, data)


def _invoke_event(meta: Mapping[str, Any]) -> dict[str, Any]:
    tracing = {"type": "X-Amzn-Trace-Id", "value": meta.get("trace", "")}
    return {
        "eventType": INVOKE,
        "deadlineMs": meta["deadline_ms"],
        "requestId": meta["id"],
        "invokedFunctionArn": meta["arn"],
        "tracing": tracing,
    }


def _fault(payload: bytes) -> str | None:
    """Why a payload is no JSON."""
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        return str(error)
    return None
