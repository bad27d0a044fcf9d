"""An instance: a sandbox with a process in it that serves one invocation at a time."""

import time
from collections.abc import Mapping

import orjson

from lambent.invoke.connection import Connection
from lambent.invoke.frames import BadFrame, Frame, Kind
from lambent.invoke.observed import Observed
from lambent.invoke.reply import Reply, broken, error, error_body, exited, init_failed
from lambent.invoke.runtime_connection import RuntimeConnection
from lambent.invoke.stream import Stream
from lambent.invoke.template import NOT_RESTORED, RESTORED, Origin, Stale, Template
from lambent.invoke.transcript import Transcript
from lambent.model.errors import InvalidContent, SnapStartFailed, SnapStartTimeout
from lambent.model.function import Version
from lambent.model.interpreter import Interpreter
from lambent.model.invocation import TIMED_OUT, Invocation, Outcome, Run
from lambent.model.limits import INIT_TIMEOUT_S, MIB, RESTORE_TIMEOUT_S, SNAPSTART_INIT_TIMEOUT_S
from lambent.records import report
from lambent.sandbox.base import Exit, Process, Sandbox, SandboxError

UNHANDLED = "Unhandled"
PROBLEM_CHARACTERS = 256
_ANSWER = int(Kind.ANSWER)  # an attribute of an enumeration is slow to look up
NOT_IN_TIME = "Lambda couldn't restore the snapshot within the timeout limit."
HOOK_FAILED = (
    "The afterRestore() runtime hook encountered an error. "
    "For more information, check the Amazon CloudWatch logs."
)
NOT_JSON = "Could not parse request body into json: Could not parse payload into json: "


class Instance:
    """Serves one version for one tenant. A crash or a timeout costs the process, not the sandbox's /tmp."""

    def __init__(
        self,
        version: Version,
        interpreter: Interpreter,
        sandbox: Sandbox,
        environment: Mapping[str, str],
        transcript: Transcript,
        origin: Origin | None = None,
    ) -> None:
        self.version = version
        self._interpreter = interpreter
        self.made_at = time.monotonic()
        self._sandbox = sandbox
        self._environment = environment
        self._transcript = transcript
        self._origin = origin
        self._connection: Connection | RuntimeConnection | None = None
        self._failure: Reply | None = None  # of an init that nobody has been told about
        self._init_ms: float | None = None  # of an init that no invocation has reported
        self._restore_ms: float | None = None  # the same of a restore
        self.frozen = False
        self.is_spare = False  # laid, and nobody yet

    @property
    def is_broken(self) -> bool:
        """Its init has failed, and the next invocation will tell."""
        return self._failure is not None

    async def start(self) -> None:
        """The init phase. That it fails is for the first invocation to tell."""
        began = time.perf_counter()
        interpreter = self._interpreter
        self._transcript.add(
            report.init_start(interpreter.family, interpreter.version, self.version.key.region)
        )
        reply = await self._init(INIT_TIMEOUT_S)
        self._init_ms = (time.perf_counter() - began) * 1000
        if reply is not None:
            self._transcript.add(
                report.init_report(self._init_ms, status=reply.status, error_type=reply.error_type)
            )
            self._failure = reply if reply.status != "timeout" else None

    async def lay(self) -> None:
        """Do ahead what `restore` begins with: its process has the snapshot, and is nobody yet.

        Raises `Stale`, `SandboxError`.
        """
        if not _is(await self._lay(RESTORE_TIMEOUT_S, ahead=True), Kind.LAID):
            raise SandboxError(f"the snapshot of {self.version.arn} cannot be restored")
        self.is_spare = True
        self.freeze()

    def own_mb(self) -> int:
        """The memory of a process with a snapshot that the snapshot does not have."""
        origin, connection = self._origin, self._connection
        if connection is None or origin is None or origin.template is None:
            return 0
        return max(0, connection.memory_peak_mb() - origin.template.size_bytes // MIB)

    async def restore(self) -> None:
        """In place of `start` where there is a snapshot.

        Raises `Stale`, and what AWS answers when a version cannot be restored.
        """
        began = time.perf_counter()
        self.is_spare = False
        if self.frozen:
            self.thaw()
        family, version = self._interpreter.family, self._interpreter.version
        self._transcript.add(report.restore_start(family, version, self.version.key.region))
        reply = await self._init(RESTORE_TIMEOUT_S)
        self._restore_ms = (time.perf_counter() - began) * 1000
        if reply is None:
            self._transcript.add(report.restore_report(self._restore_ms))
            return
        status = reply.status or "error"
        self._transcript.add(
            report.restore_report(self._restore_ms, status=status, error_type=reply.error_type)
        )
        self._transcript.close()
        self._transcript.flush()
        raise SnapStartTimeout(NOT_IN_TIME) if status == "timeout" else SnapStartFailed(HOOK_FAILED)

    async def prepare(self, template: Template) -> None:
        """Run init, whose process is copied into the template and ends. Raises `InitFailed`."""
        family, version = self._interpreter.family, self._interpreter.version
        self._transcript.add(report.init_start(family, version, self.version.key.region))
        began = time.perf_counter()
        answer = await self._begin(max(SNAPSTART_INIT_TIMEOUT_S, self.version.timeout_s))
        init_ms = (time.perf_counter() - began) * 1000
        reply = self._init_failure(answer, Kind.SNAPSHOT)
        if reply is not None:
            self._transcript.add(
                report.init_report(init_ms, status=reply.status, error_type=reply.error_type)
            )
        elif isinstance(answer, Frame):
            problem = str(answer.meta_object().get("problem", ""))[:PROBLEM_CHARACTERS]
            if problem:
                template.give_up(problem)
                self._transcript.add(report.no_snapshot_line(problem))
        self._transcript.close()
        self._transcript.flush()
        if reply is not None:
            raise init_failed(reply)

    async def run(self, invocation: Invocation, stream: Stream | None = None) -> Outcome:
        """Raises `InvalidContent` when the payload is not JSON. A streamed answer goes to `stream`."""
        if self.frozen:
            self.thaw()
        version = self.version
        if stream is not None:
            stream.version = version.version
        started_at = time.time()
        self._transcript.begin(invocation, version.version, started_at)
        began = time.perf_counter()
        reply = self._failure or await self._serve(invocation, stream)
        duration_ms = (time.perf_counter() - began) * 1000
        if reply.status == "timeout":
            duration_ms = version.timeout_s * 1000.0
        self._failure = None
        return self._conclude(invocation, reply, started_at, duration_ms)

    def freeze(self) -> None:
        """Nobody calls: what it left running stands still until somebody does."""
        self.frozen = True
        self._sandbox.freeze()

    def thaw(self) -> None:
        self.frozen = False
        self._sandbox.thaw()

    async def close(self) -> None:
        """Its process may say good-bye, unless it is nobody yet; then it is destroyed."""
        self.thaw()
        if self._connection is not None and self._connection.alive and not self.is_spare:
            await self._connection.end()
        await self._drop_process()
        self._transcript.close()
        self._transcript.flush()
        await self._sandbox.destroy()

    async def _init(self, timeout_s: float) -> Reply | None:
        """Start a process; None when it is ready."""
        origin = self._origin
        answer = await self._begin(timeout_s, restore=origin is not None and origin.restores)
        if _is(answer, Kind.READY):
            self._sandbox.hold_to_share()
            return None
        return self._init_failure(answer, Kind.READY)

    async def _begin(self, timeout_s: float, *, restore: bool = False) -> Frame | Exit | None:
        """Start a process: what comes of it first. It goes on only when it is ready."""
        if not restore:
            await self._start_process(self._environment)
        elif self._connection is None or not self._connection.alive:
            answer = await self._lay(timeout_s)
            if not _is(answer, Kind.LAID):
                return answer
        connection = self._connection
        assert connection is not None
        if self._origin is not None:
            meta = b"{}" if isinstance(connection, Observed) else b""
            connection.send(meta, self._origin.identity, Kind.IDENTITY)
        answer = await connection.receive(timeout_s)
        if not _is(answer, Kind.READY):
            await self._drop_process()
        return answer

    async def _lay(self, timeout_s: float, *, ahead: bool = False) -> Frame | Exit | None:
        """Start a process that goes on with the snapshot; LAID when only its identity is missing."""
        await self._drop_process()
        connection = await self._start_process(RESTORED)
        assert self._origin is not None
        assert self._origin.template is not None
        touched = self._origin.template.touched if ahead else None  # it takes as long as it saves
        connection.send(b"", touched or b"", Kind.TOUCHED)
        answer = await connection.receive(timeout_s)
        if _is(answer, Kind.LAID):
            return answer
        await self._drop_process()
        if isinstance(answer, Exit) and answer.status in NOT_RESTORED:
            self._begin_anew()
            raise Stale(f"The snapshot of {self.version.arn} cannot be restored.")
        return answer

    async def _start_process(self, environment: Mapping[str, str]) -> Connection | RuntimeConnection:
        process = await self._sandbox.start(environment, self._origin.file if self._origin else None)
        connection = self._connection = self._connect(process)
        return connection

    def _init_failure(self, answer: Frame | Exit | None, wanted: Kind) -> Reply | None:
        if isinstance(answer, Frame):
            if answer.kind == wanted:
                return None
            return error(answer, "error") if answer.kind == Kind.INIT_ERROR else broken("")
        return Reply(b"", status="timeout") if answer is None else exited(answer, "")

    def _begin_anew(self) -> None:
        """Nobody begins with this snapshot any more; whoever has lost its process runs init itself."""
        origin = self._origin
        if origin is not None and origin.template is not None:
            origin.template.stale = True
            self._origin = origin.plain()

    def _connect(self, process: Process) -> Connection | RuntimeConnection:
        template = self._origin.template if self._origin else None
        if template is not None and template.is_sealed and template.touched is None:
            return Observed(process, self._transcript.feed, template)
        if self._interpreter.forks:
            return Connection(process, self._transcript.feed)
        return RuntimeConnection(process, self._transcript.feed, self._environment)

    async def _serve(self, invocation: Invocation, stream: Stream | None) -> Reply:
        """One question to the process, after a new init where the last process is gone."""
        timeout_s: float = self.version.timeout_s
        connection = self._connection
        if connection is None or not connection.alive:
            began = time.monotonic()
            await self._drop_process()
            try:
                failed = await self._init(timeout_s)
            except Stale:
                failed = await self._init(timeout_s)
            if failed is not None:
                return failed if failed.status != "timeout" else self._timed_out(invocation)
            timeout_s -= time.monotonic() - began
            connection = self._connection
            assert connection is not None
        connection.stream = stream
        meta = self._meta(invocation, timeout_s, stream is not None)
        connection.send(meta, invocation.payload)
        answer = await connection.receive(timeout_s)
        if stream is not None:
            connection.stream = None
        connection.drain_output()
        if isinstance(answer, Frame):
            reply = self._reply_of(invocation, answer)
        else:
            reply = self._timed_out(invocation) if answer is None else exited(answer, invocation.request_id)
        if reply.status:
            await self._drop_process()
        return reply

    def _meta(self, invocation: Invocation, timeout_s: float, streams: bool) -> bytes:
        meta: dict[str, object] = {
            "id": invocation.request_id,
            "deadline_ms": int((time.time() + timeout_s) * 1000),
            "arn": invocation.target.arn,
            "trace": invocation.trace_id,
        }
        # What is left out costs neither side anything.
        if invocation.client_context is not None:
            meta["client_context"] = invocation.client_context
        if invocation.tenant is not None:
            meta["tenant"] = invocation.tenant
        if streams:
            meta["streams"] = True
        return orjson.dumps(meta)

    def _reply_of(self, invocation: Invocation, frame: Frame) -> Reply:
        if frame.kind == _ANSWER and frame.meta == b'{"id":"%b"}' % invocation.request_id.encode():
            return Reply(frame.payload)  # nearly always: its meta need not be parsed
        try:
            meta = frame.meta_object()
        except BadFrame:
            return broken(invocation.request_id)
        if meta.get("id") != invocation.request_id:
            return broken(invocation.request_id)
        if frame.kind == Kind.ANSWER:
            return Reply(frame.payload)
        if frame.kind == Kind.ERROR:
            return error(frame, "")
        if frame.kind == Kind.NOT_JSON:
            raise InvalidContent(NOT_JSON + str(meta.get("message", "")))
        return broken(invocation.request_id)

    def _timed_out(self, invocation: Invocation) -> Reply:
        timeout_s = self.version.timeout_s
        message = report.timeout_message(invocation.request_id, timeout_s)
        line = report.timeout_line(time.time(), invocation.request_id, timeout_s)
        return Reply(error_body(TIMED_OUT, message), TIMED_OUT, "timeout", (line,))

    def _conclude(
        self, invocation: Invocation, reply: Reply, started_at: float, duration_ms: float
    ) -> Outcome:
        init_ms, self._init_ms = self._init_ms, None
        restore_ms, self._restore_ms = self._restore_ms, None
        billed_ms = report.billed_ms(duration_ms, init_ms)
        if restore_ms is not None:
            billed_ms += report.billed_ms(restore_ms)
        connection, memory_mb = self._connection, self.version.memory_mb
        run = Run(
            invocation.request_id,
            self.version.version,
            started_at,
            time.time(),
            duration_ms,
            billed_ms,
            memory_mb,
            min(connection.memory_peak_mb(), memory_mb) if connection else 0,
            init_ms,
            reply.status,
            reply.error_type,
            restore_ms,
        )
        tail = self._transcript.end(run, reply.lines)
        return Outcome(reply.payload, run.version, UNHANDLED if reply.error_type else None, tail, run)

    async def _drop_process(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.kill()
            connection.drain_output()
            connection.close()


def _is(answer: Frame | Exit | None, kind: Kind) -> bool:
    return isinstance(answer, Frame) and answer.kind == kind
