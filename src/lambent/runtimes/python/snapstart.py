"""SnapStart: a version's init runs once, in a template; its instances begin with what is in memory then.

The template's memory is copied into a file and the template ends. An instance is a fresh fork of the same
zygote in a sandbox of its own, which gives up its privileges as any other and then lays the copy over its
memory: whatever a version's code did to that file, it did to its own instances only.
"""

from __future__ import annotations

import ctypes
import gc
import io
import json
import os
import signal
import sys
from typing import Any, Callable, Dict, List, MutableMapping, NoReturn, Tuple

from . import checkpoint, descriptors, frames, output, snapshot, touched
from .credentials import Endpoint
from .snapshot import Unfit

MODE = "_LAMBENT_SNAPSTART"  # in what the node gives as environment, and taken out of it at once
TEMPLATE, RESTORED, PLAIN = "template", "restored", "plain"
FILE = 4  # the descriptor of the snapshot
OWN = (0, 1, 2, 3, FILE)  # what every process has
STALE = 96  # the exit status when the snapshot is of another zygote
TMP, TMP_BYTES = "/tmp", 64 * 1024 * 1024
RT_SIGACTION, ACTION_BYTES, SIGNALS = 13, 32, range(1, 65)

_state: Dict[str, Any] = {}  # of this process; a restored one has its template's


def prepare() -> None:
    """In a zygote."""
    if checkpoint.available():
        _state.update(checkpoint=checkpoint.Checkpoint(), zygote=os.urandom(16).hex())


def enter(environment: MutableMapping[str, str]) -> None:
    """At a process's start, before anything that its twins must not share; a restored one does not return."""
    mode = environment.pop(MODE, "")
    _state["mode"] = mode
    if mode == RESTORED:
        _restore()
    if mode == TEMPLATE:
        _state.update(known=snapshot.fixed(), signals=_signals())


def begin(channel: Any) -> None:
    """Before init: what the process may know that no other instance does."""
    if _state.get("mode"):
        _state["endpoint"] = Endpoint()
        _identify(channel)


def settle(channel: Any, renew: Callable[[], None]) -> None:
    """After init: run the hooks and, in a template, make the snapshot; only what was restored goes on then.

    Raises what a hook raises. `renew` gives a process random numbers of its own.
    """
    mode = _state.get("mode")
    if not mode:
        return
    hooks: Any = sys.modules.get("snapshot_restore_py")
    if hooks:
        before = hooks.get_before_snapshot()
        while before:
            _run(before.pop())
    output.flush()
    if mode == TEMPLATE:
        gc.collect()
        gc.freeze()  # a collection would copy every page that it looks at, in every instance
        _leave(channel)
        touched.bring(_told(channel)[2])
        renew()
        _state["endpoint"] = Endpoint()
        channel.write(frames.LAID)  # whoever is to be this process finds all of it done
        _identify(channel)
    for hook in hooks.get_after_restore() if hooks else ():
        _run(hook)
    output.flush()


def observed(channel: Any) -> Any:
    """The channel to serve on."""
    return Observed(channel) if _state.get("observed") else channel


class Observed:
    """A channel that tells, behind the first answer, what memory this process has touched until then."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._reads = 0
        self.write = channel.write

    def read(self) -> Any:
        self._reads += 1
        if self._reads == 2:
            self.write(frames.TOUCHED, payload=touched.find())
        return self._channel.read()


def _run(hook: Tuple[Any, Any, Any]) -> None:
    function, arguments, named = hook
    function(*arguments, **named)


def _identify(channel: Any) -> None:
    """Take what the node says about this very process."""
    _, meta, payload = _told(channel)
    told = json.loads(payload)
    _state["observed"] = bool(meta)
    os.environ.update(told["environment"])
    _state["endpoint"].tell(told["credentials"])


def _told(channel: Any) -> Any:
    """The node's next frame."""
    frame = channel.read()
    if frame is None:
        os._exit(0)
    return frame


def _leave(channel: Any) -> None:
    """Make the snapshot and end; returns in those who begin with it."""
    problem = ""
    try:
        if _take():
            os.close(FILE)
            return
    except (Unfit, descriptors.Unknown) as error:
        problem = str(error)
    channel.write(frames.SNAPSHOT, json.dumps({"problem": problem}).encode())
    os._exit(0)


def _take() -> bool:
    """Have a fork copy this process; True in the copies. Raises `Unfit`."""
    if "checkpoint" not in _state:
        raise Unfit("this kind of machine has no snapshots")
    endpoint = _state.pop("endpoint")
    if not endpoint.stop():
        raise Unfit("its init left threads running")
    del endpoint
    if {int(name) for name in os.listdir("/proc") if name.isdigit()} - {1, os.getpid()}:
        raise Unfit("its init left other processes running")
    frozen, tell = os.pipe()
    wait, done = os.pipe()
    problems, report = os.pipe()
    pid = os.fork()
    if pid == 0:
        for end in (tell, wait, problems):
            os.close(end)
        _copy(frozen, report, (frozen, done, report, tell, wait, problems))
    for end in (frozen, done, report):
        os.close(end)
    if _state["checkpoint"].freeze(tell, wait):
        return True
    with os.fdopen(problems) as text:
        problem = text.read()
    _, status = os.waitpid(pid, 0)
    if status:
        raise Unfit(problem or "its memory could not be copied")
    return False


def _copy(frozen: int, report: int, ends: Tuple[int, ...]) -> NoReturn:
    """The fork that copies; its parent stands still once it has said so."""
    status = 1
    try:
        them = descriptors.opened({*OWN, *ends})
        taken = {*OWN, *(one["fd"] for one in them)}
        spare = min(set(range(len(taken) + 1)) - taken)
        if os.read(frozen, 1):
            _write(them, spare)
            status = 0
    except descriptors.Unknown as error:
        os.write(report, "its init left something open: {}".format(error).encode())
    except Exception as error:
        os.write(report, str(error).encode())
    finally:
        os._exit(status)


def _write(them: List[Dict[str, Any]], spare: int) -> None:
    before = _state["signals"]
    changed = {number: action for number, action in _signals().items() if before.get(number) != action}
    copy = snapshot.Copy(_state["checkpoint"], _state["known"], os.getppid(), FILE, spare)
    table = copy.memory(changed)
    tmp = _pack()
    copy.describe(
        {
            "zygote": _state["zygote"],
            "table": table,
            "tmp": [copy.append(tmp), len(tmp)],
            "descriptors": them,
            "folder": os.getcwd(),
            "umask": _umask(),
            "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
        }
    )


def _restore() -> NoReturn:
    """Become the template, as far as a process can; the rest is in its memory."""
    told = snapshot.description(FILE)
    if told["zygote"] != _state.get("zygote"):
        os._exit(STALE)
    _unpack(*told["tmp"])
    os.umask(told["umask"])
    os.chdir(told["folder"])
    descriptors.reopen(told["descriptors"])
    signal.pthread_sigmask(signal.SIG_SETMASK, told["blocked"])
    place, size = told["table"]
    _state["checkpoint"].resume(lambda room: os.preadv(FILE, [room[:size]], place))
    os._exit(checkpoint.FAILED)


def _signals() -> Dict[int, bytes]:
    """What is done about each signal, in the kernel's words: Python does not know those of libraries."""
    libc = ctypes.CDLL(None)
    found = {}
    for number in SIGNALS:
        action = ctypes.create_string_buffer(ACTION_BYTES)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            libc.syscall(RT_SIGACTION, number, None, action, 8)
            found[number] = action.raw
    return found


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _pack() -> bytes:
    """What init left in /tmp."""
    if not os.listdir(TMP):
        return b""
    import tarfile

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in os.listdir(TMP):
            archive.add(os.path.join(TMP, name), name)
            if packed.tell() > TMP_BYTES:
                raise Unfit("its init left more than {} bytes in {}".format(TMP_BYTES, TMP))
    return packed.getvalue()


def _unpack(place: int, size: int) -> None:
    if not size:
        return
    import tarfile

    with tarfile.open(fileobj=io.BytesIO(os.pread(FILE, size, place))) as archive:
        archive.extractall(TMP, **_as_it_was)


_as_it_was: Dict[str, Any] = {"filter": "fully_trusted"} if sys.version_info >= (3, 12) else {}
