"""The node's end of a program that speaks the Runtime API: to an instance it is what `Connection` is."""

import asyncio
import json
import os
import socket
from collections.abc import Callable

import orjson

from lambent.invoke.frames import HEADER, META_BYTES, BadFrame, Decoder, Frame, Kind
from lambent.invoke.output import Output
from lambent.runtimes import runtime_api
from lambent.runtimes.http_listener import Listener
from lambent.runtimes.runtime_api import Call, RuntimeApi, Said
from lambent.runtimes.start import LISTENING
from lambent.sandbox.base import Exit, Process

INLINE_BYTES = 64 * 1024  # a longer event is parsed off the event loop
DESCRIPTORS = 4
# Headers of an event, by the name of what they come from.
HEADERS = {
    "deadline_ms": "Lambda-Runtime-Deadline-Ms",
    "arn": "Lambda-Runtime-Invoked-Function-Arn",
    "trace": "Lambda-Runtime-Trace-Id",
    "tenant": "Lambda-Runtime-Aws-Tenant-Id",
}


class RuntimeConnection:
    """Translates: what the runtime asks and answers becomes the frames that a forked process sends.

    An invocation is over when the runtime asks for the next event, as on AWS, or has ended after its answer.
    """

    def __init__(self, process: Process, on_output: Callable[[bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._process = process
        self._output = Output(process.output, on_output)
        self._decoder = Decoder()
        self._listener: Listener | None = None
        self._api = RuntimeApi(self)
        self._reply: asyncio.Future[Frame | Exit] | None = None
        self._early: Frame | None = None  # READY may come before anybody waits for it
        self._said: Said | None = None  # an answer whose invocation is not over
        self._request_id = ""
        self._checking: asyncio.Task[None] | None = None
        self._killed = False
        process.control.setblocking(False)
        self._loop.add_reader(process.control, self._control_readable)
        process.exited.add_done_callback(self._ended)

    @property
    def alive(self) -> bool:
        return not self._killed and not self._process.exited.done()

    def send(self, data: bytes) -> None:
        """One INVOKE frame."""
        _, meta_bytes, _ = HEADER.unpack_from(data)
        meta = orjson.loads(data[HEADER.size : HEADER.size + meta_bytes])
        payload = data[HEADER.size + meta_bytes :]
        self._request_id, self._said = meta["id"], None
        if self._listener is not None:
            self._listener.forgive()
        headers = [(header, str(meta[name])) for name, header in HEADERS.items() if meta.get(name)]
        if meta.get("client_context"):
            context = json.dumps(json.loads(meta["client_context"]))  # one line of ASCII
            headers.append(("Lambda-Runtime-Client-Context", context))
        call = Call(meta["id"], payload, headers)
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
            return self._process.exited.result()
        self._reply = self._loop.create_future()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._reply
        except TimeoutError:
            if self._said is None:
                return None
            self._kill()  # it answered, and then did not ask for more
            return self._answer_frame(self._said)
        finally:
            self._reply = None

    async def kill(self) -> Exit:
        """SIGKILL, and wait until everything in the sandbox is gone."""
        self._kill()
        return await asyncio.shield(self._process.exited)

    def memory_peak_mb(self) -> int:
        return self._process.memory_peak_mb()

    def drain_output(self) -> None:
        self._output.drain()

    def close(self) -> None:
        """Give all descriptors back; the process must be gone."""
        if self._listener is not None:
            self._listener.close()
        if self._checking is not None:
            self._checking.cancel()
        self._loop.remove_reader(self._process.control)
        self._output.close()
        self._process.control.close()

    # What the runtime does.

    def asked(self) -> None:
        if self._said is not None:
            self._deliver(self._answer_frame(self._said))
        else:
            self._deliver(Frame(Kind.READY, b"", b""))

    def answered(self, said: Said) -> None:
        self._said = said

    def failed(self, said: Said) -> None:
        self._deliver(Frame(Kind.INIT_ERROR, b"", said.body))

    def _ended(self, exited: "asyncio.Future[Exit]") -> None:
        if self._reply is None or self._reply.done():
            return
        self._reply.set_result(exited.result() if self._said is None else self._answer_frame(self._said))

    # What the node does.

    async def _check(self, call: Call) -> None:
        self._give(call, await asyncio.to_thread(_fault, call.payload))

    def _give(self, call: Call, fault: str | None) -> None:
        """An event that is no JSON is refused here: what the runtime would make of it is not known."""
        if fault is None:
            self._api.give(call)
        else:
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
                    self._listen(descriptors.pop(0))
                else:
                    self._deliver(frame)
        except BadFrame:
            self._kill()
        for descriptor in descriptors:
            os.close(descriptor)

    def _listen(self, descriptor: int) -> None:
        parts = {runtime_api.PREFIX: self._api}
        self._listener = Listener(socket.socket(fileno=descriptor), parts, self._kill)


def _fault(payload: bytes) -> str | None:
    """Why a payload is no JSON."""
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        return str(error)
    return None
