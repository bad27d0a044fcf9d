"""The node's end of a process: frames both ways, its output, its end. What comes in may be hostile."""

import asyncio
from collections import deque
from collections.abc import Callable

from lambent.invoke.frames import BadFrame, Decoder, Frame, Kind, encode
from lambent.invoke.output import Output
from lambent.invoke.stream import Stream
from lambent.model.invocation import TooLong
from lambent.sandbox.base import Exit, Process

# One for all connections, because each read is used up before the next: a fresh buffer of this size for
# every read would cost more than the read.
_BUFFER = memoryview(bytearray(256 * 1024))
COPY_BYTES = 64 * 1024  # a larger payload is not copied behind its head
END_GRACE_S = 0.5  # AWS's
_PIECE = int(Kind.PIECE)  # an attribute of an enumeration is slow to look up
EOF_GRACE_S = 0.2  # between a closed socket and the exit that explains it


class Connection:
    """Talks to one process, one question at a time; a frame that nobody waits for ends the process."""

    def __init__(self, process: Process, on_output: Callable[[bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._process = process
        self._control = process.control
        self._decoder = Decoder()
        self._unsent: deque[memoryview] = deque()
        self._reply: asyncio.Future[Frame | Exit | None] | None = None
        self._early: Frame | None = None  # READY may come before anybody waits for it
        self._reading = True
        self.stream: Stream | None = None  # takes the pieces of an answer
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._output = Output(process.output, on_output)
        self.drain_output = self._output.drain
        self.memory_peak_mb = process.memory_peak_mb
        self._loop.add_reader(self._control, self._readable)
        process.exited.add_done_callback(self._ended)

    @property
    def alive(self) -> bool:
        return self._reading and not self._process.exited.done()

    def send(self, meta: bytes, payload: bytes, kind: Kind = Kind.INVOKE) -> None:
        """One frame; a large payload is not copied for it."""
        large = len(payload) > COPY_BYTES
        data = encode(kind, meta, len(payload), b"" if large else payload)
        try:
            sent = self._control.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:  # the process is gone; its exit is the answer
            return
        if sent < len(data):
            self._unsent.append(memoryview(data)[sent:])
        if large:
            self._unsent.append(memoryview(payload))
        if self._unsent:
            self._loop.add_writer(self._control, self._writable)

    def receive(self, timeout_s: float) -> "asyncio.Future[Frame | Exit | None]":
        """The next frame, or how the process ended instead; None when the time is up."""
        reply: asyncio.Future[Frame | Exit | None] = self._loop.create_future()
        if self._early is not None:
            reply.set_result(self._early)
            self._early = None
        elif self._process.exited.done():
            reply.set_result(self._process.exited.result())
        else:
            self._reply = reply
            self._deadline = self._loop.time() + timeout_s
            if self._timer is None or self._timer.when() > self._deadline:
                self._set_timer()
        return reply

    async def end(self) -> None:
        """SIGTERM, and some time for it; whoever is still there then is to be killed."""
        self._process.terminate()
        await asyncio.wait((self._process.exited,), timeout=END_GRACE_S)

    async def kill(self) -> Exit:
        """SIGKILL, and wait until everything in the sandbox is gone."""
        self._process.kill()
        return await asyncio.shield(self._process.exited)

    def close(self) -> None:
        """Give both descriptors back; the process must be gone."""
        self._stop_reading()
        if self._timer is not None:
            self._timer.cancel()
        self._output.close()
        self._control.close()

    def _readable(self) -> None:
        try:
            count = self._control.recv_into(_BUFFER)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if not count:
            self._stop_reading()
            self._loop.call_later(EOF_GRACE_S, self._process.kill)
            return
        try:
            for frame in self._decoder.feed(_BUFFER[:count]):
                self._deliver(frame)
        except BadFrame:
            self._process.kill()

    def _deliver(self, frame: Frame) -> None:
        if self.stream is not None and frame.kind == _PIECE:
            self._pass_on(self.stream, frame)
            return
        reply, self._reply = self._reply, None
        if reply is not None and not reply.done():
            reply.set_result(frame)
        elif reply is None and self._early is None:
            self._early = frame
        else:
            raise BadFrame("a frame that nobody asked for")

    def _pass_on(self, stream: Stream, frame: Frame) -> None:
        """While the caller takes nothing, nothing is read, and the process waits in its turn."""
        stream.content_type = stream.content_type or str(frame.meta_object().get("type", ""))
        try:
            stream.feed(frame.payload, self._hold, self._go_on)
        except TooLong:
            raise BadFrame("a stream over its limit") from None

    def _hold(self) -> None:
        self._loop.remove_reader(self._control)

    def _go_on(self) -> None:
        if self._reading:
            self._loop.add_reader(self._control, self._readable)

    def _writable(self) -> None:
        unsent = self._unsent
        try:
            unsent[0] = unsent[0][self._control.send(unsent[0]) :]
        except BlockingIOError:
            return
        except OSError:
            unsent.clear()
        if unsent and not unsent[0]:
            unsent.popleft()
        if not unsent:
            self._loop.remove_writer(self._control)

    def _ended(self, exited: "asyncio.Future[Exit]") -> None:
        while self._reading and self._has_more():
            self._readable()
        self._stop_reading()
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(exited.result())

    def _has_more(self) -> bool:
        """Whether an answer still lies in the socket of a process that has ended."""
        try:
            return bool(self._control.recv(1, 0x2))  # MSG_PEEK
        except OSError:
            return False

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._look_at_the_time)

    def _look_at_the_time(self) -> None:
        """A timer for every call would cost more than this one, which was set for an earlier call."""
        self._timer = None
        if self._reply is None or self._reply.done():
            return
        if self._loop.time() >= self._deadline:
            self._reply.set_result(None)
            self._reply = None
        else:
            self._set_timer()

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._control)
            self._loop.remove_writer(self._control)
