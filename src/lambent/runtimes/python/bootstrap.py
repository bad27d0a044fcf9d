"""The loop of a process: import the handler, then event in, answer out, one at a time, until killed."""

from __future__ import annotations

import atexit
import json
import os
import random
import site
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Mapping, MutableMapping, NoReturn, Optional, Sequence, Union

from . import frames, handler, marshal, models, output, streams, trace
from .context import Environment, LambdaContext
from .errors import Error, describe

if TYPE_CHECKING:
    from .runtime_api import RuntimeApi

    Channel = Union[frames.Channel, RuntimeApi]

CONTROL_FD = 3
LIBRARIES = "/var/runtime"
LAYERS = ("/opt",)

_quoted = json.encoder.encode_basestring_ascii


def main(
    control_fd: Optional[int] = CONTROL_FD,
    libraries: str = LIBRARIES,
    layers: Sequence[str] = LAYERS,
    environment: Optional[MutableMapping[str, str]] = None,
) -> NoReturn:
    """Serve on `control_fd`, or over the Runtime API; never returns, but ends as the interpreter would.

    `environment` takes the place of the process's own when a zygote was forked, which has done `prepare`
    and what else is the same for all, and the fork `renew`. `libraries` is the folder
    with what functions find ready; `layers` are searched from the last to the first.
    """
    status = 0
    try:
        if environment is None:
            prepare()
            renew()
        snapstart = _snapstart(environment)
        begin(environment)
        status = run(_channel(control_fd), libraries, layers, snapstart)
    except SystemExit as error:
        status = _status(error)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    end(status)


def prepare() -> None:
    """What is the same for every process: a fork copies each page that it touches, so none does it anew."""
    site.setquit()  # the interpreter runs without `site`, whose names handlers may use
    sys.argv = [""]
    output.open_streams()
    output.set_up_logging()
    models.preload()


def begin(environment: Optional[Mapping[str, str]] = None) -> None:
    """Become a process of its own, by what it is told."""
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
    time.tzset()
    threading.main_thread()._set_native_id()  # type: ignore[attr-defined]  # no hook of a fork has run
    output.configure_logging()


def renew() -> None:
    """Random numbers that no twin draws."""
    random.seed()
    openssl: Any = sys.modules.get("_ssl")
    if openssl:  # OpenSSL notices a fork by its pid only, and twins have the same one
        openssl.RAND_add(os.urandom(48), 48.0)
    numpy: Any = sys.modules.get("numpy.random")
    if numpy:
        numpy.seed()


def run(channel: Channel, libraries: str, layers: Sequence[str], snapstart: Any = None) -> int:
    """Import the handler, tell the node, serve; the status to exit with."""
    task = os.environ["LAMBDA_TASK_ROOT"]
    os.chdir(task)
    handler.set_search_path(task, libraries, layers)
    if snapstart:
        snapstart.begin(channel)
    try:
        function = handler.load(os.environ["_HANDLER"])
        if snapstart:
            snapstart.settle(channel, renew)
    except Exception as error:
        told = describe(error)
        output.log_error(told)
        output.flush()
        channel.write(frames.INIT_ERROR, payload=marshal.write_error(told))
        return 1
    output.flush()
    channel.write(frames.READY)
    serve(snapstart.observed(channel) if snapstart else channel, function)
    output.flush()
    os._exit(0)  # the node has gone: nobody waits for threads and exit hooks


def _snapstart(environment: Optional[MutableMapping[str, str]]) -> Any:
    """What belongs to SnapStart, for the processes that do; a restored one ends here, and begins in there."""
    values = os.environ if environment is None else environment
    if "_LAMBENT_SNAPSTART" not in values:
        return None
    from . import snapstart

    snapstart.enter(values)
    return snapstart


def serve(channel: Channel, function: handler.Handler) -> None:
    """Answer invocations until the node closes the socket."""
    environment = Environment()
    read = channel.read
    show_trace = trace.show
    current = output.Current
    frame = read()
    while frame is not None:
        _, meta_text, payload = frame
        meta = marshal.read_meta(meta_text)
        current.request_id = meta["id"]
        current.tenant = meta.get("tenant")
        show_trace(meta.get("trace"))
        invoke(channel, function, meta, payload, environment)
        del frame, payload  # megabytes, perhaps, that need not wait for the next event
        frame = read()


def invoke(
    channel: Channel,
    function: handler.Handler,
    meta: Mapping[str, Any],
    payload: bytes,
    environment: Environment,
) -> None:
    """Run the handler once and send what came of it, after everything that it printed."""
    quoted_id = _quoted(meta["id"])
    try:
        event = marshal.read(payload)
    except (ValueError, RecursionError) as error:
        message = '{"id":%s,"message":%s}' % (quoted_id, _quoted(str(error)))
        channel.write(frames.NOT_JSON, message.encode())
        return
    told: Optional[Error] = None
    answer = b""
    try:
        value = function(event, LambdaContext(meta, environment))
        streamed = isinstance(value, streams.KINDS)
        answer = stream(channel, meta, value) if streamed else marshal.write(value)
        if len(answer) > marshal.ANSWER_BYTES:
            told = marshal.TOO_LARGE
    except Exception as error:
        told = describe(error, meta["id"])
    if told is not None:
        output.log_error(told)
        answer = marshal.write_error(told)
    output.flush()
    kind = frames.ANSWER if told is None else frames.ERROR
    channel.write(kind, ('{"id":%s}' % quoted_id).encode(), answer)


def stream(channel: Channel, meta: Mapping[str, Any], value: streams.Stream) -> bytes:
    """Send a stream on as it comes to a caller who takes it so; for others, all of it."""
    if not meta.get("streams"):
        return streams.join(value)
    quoted_id = _quoted(meta["id"])

    def emit(content_type: str, data: bytes) -> None:
        head = '{"id":%s,"type":%s}' % (quoted_id, _quoted(content_type))
        channel.write(frames.PIECE, head.encode(), data)

    streams.send(value, emit)
    return b""


def _channel(control_fd: Optional[int]) -> Channel:
    if control_fd is None:
        from .runtime_api import RuntimeApi  # which forked processes have no use for

        return RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    return frames.Channel(_control(control_fd))


def _control(fd: int) -> socket.socket:
    os.set_inheritable(fd, False)  # programs that the handler starts have no business with it
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)
    control.setblocking(True)
    return control


def _status(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def end(status: int) -> NoReturn:
    """Leave as the interpreter does after its last line: wait for threads, run exit hooks, flush."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        output.flush()
    finally:
        os._exit(status)
