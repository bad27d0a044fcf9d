"""The node's end of a process: frames both ways, its output, its end. What comes in may be hostile."""

import asyncio
import os
from collections.abc import Callable

from lambent.invoke.flow import Flow
from lambent.invoke.frames import BadFrame, Decoder, Frame
from lambent.sandbox.base import Exit, Process

# One for all connections, because each read is used up before the next: a fresh buffer of this size for
# every read would cost more than the read.
_BUFFER = memoryview(bytearray(256 * 1024))
_CHUNK = _BUFFER[: 16 * 1024]  # of output: lines cost more than bytes, and the loop is not to stall
PIPE_BYTES = 64 * 1024  # what a pipe holds unless the process has made it larger
END_GRACE_S = 0.5  # AWS's
EOF_GRACE_S = 0.2  # between a closed socket and the exit that explains it


class Connection:
    """Talks to one process, one question at a time; a frame that nobody waits for ends the process."""

    def __init__(self, process: Process, on_output: Callable[[bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._process = process
        self._control = process.control
        self._on_output = on_output
        self._decoder = Decoder()
        self._unsent = b""
        self._reply: asyncio.Future[Frame | Exit] | None = None
        self._early: Frame | None = None  # READY may come before anybody waits for it
        self._reading = True
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._flow = Flow()
        self._pause: asyncio.TimerHandle | None = None  # while the process prints too fast
        self._loop.add_reader(self._control, self._readable)
        self._loop.add_reader(process.output, self._output_readable)
        process.exited.add_done_callback(self._ended)

    @property
    def alive(self) -> bool:
        return self._reading and not self._process.exited.done()

    def send(self, data: bytes) -> None:
        try:
            sent = self._control.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:  # the process is gone; its exit is the answer
            return
        if sent < len(data):
            self._unsent = data[sent:]
            self._loop.add_writer(self._control, self._writable)

    async def receive(self, timeout_s: float) -> Frame | Exit | None:
        """The next frame, or how the process ended instead; None when the time is up."""
        if self._early is not None:
            frame, self._early = self._early, None
            return frame
        if self._process.exited.done():
            return self._process.exited.result()
        self._reply = self._loop.create_future()
        self._deadline = self._loop.time() + timeout_s
        if self._timer is None or self._timer.when() > self._deadline:
            self._set_timer()
        try:
            return await self._reply
        except TimeoutError:
            return None
        finally:
            self._reply = None

    async def end(self) -> None:
        """SIGTERM, and some time for it; whoever is still there then is to be killed."""
        self._process.terminate()
        await asyncio.wait((self._process.exited,), timeout=END_GRACE_S)

    async def kill(self) -> Exit:
        """SIGKILL, and wait until everything in the sandbox is gone."""
        self._process.kill()
        return await asyncio.shield(self._process.exited)

    def memory_peak_mb(self) -> int:
        return self._process.memory_peak_mb()

    def drain_output(self) -> None:
        """Take what was printed before the answer: it is in the pipe already.

        No more than that, because something may go on printing.
        """
        left = PIPE_BYTES
        while left > 0 and (count := self._read_output()):
            left -= count

    def close(self) -> None:
        """Give both descriptors back; the process must be gone."""
        self._stop_reading()
        if self._timer is not None:
            self._timer.cancel()
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._process.output)
        os.close(self._process.output)
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
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(frame)
        elif self._reply is None and self._early is None:
            self._early = frame
        else:
            raise BadFrame("a frame that nobody asked for")

    def _writable(self) -> None:
        try:
            sent = self._control.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._unsent)
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._loop.remove_writer(self._control)

    def _output_readable(self) -> None:
        if self._read_output() is None:
            self._loop.remove_reader(self._process.output)

    def _read_output(self) -> int | None:
        """How much came: 0 when there is nothing now, None at the end."""
        try:
            count = os.readv(self._process.output, [_CHUNK])
        except BlockingIOError:
            return 0
        if not count:
            return None
        data = bytes(_CHUNK[:count])
        self._on_output(data)
        if pause_s := self._flow.pause_s(data, self._loop.time()):
            self._pause_output(pause_s)
        return count

    def _pause_output(self, pause_s: float) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._process.output)
        self._pause = self._loop.call_later(pause_s, self._resume_output)

    def _resume_output(self) -> None:
        self._pause = None
        self._loop.add_reader(self._process.output, self._output_readable)

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
            self._reply.set_exception(TimeoutError())
        else:
            self._set_timer()

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._control)
            self._loop.remove_writer(self._control)
