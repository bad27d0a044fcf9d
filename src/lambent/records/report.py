"""The platform's own lines in a function's log, letter for letter as AWS writes them.

Every line ends with a newline, separators are tabs, and a REPORT of a run that went well ends with a tab
before it. The lines go to clients in the log tail of an answer and to those who parse CloudWatch's text.
"""

import hashlib
import math
import signal as signals
from datetime import UTC, datetime

from lambent.model.invocation import Run

# What Go's runtime, and so AWS, calls the signals that end processes.
_SIGNAL_NAMES = {
    signals.SIGABRT: "aborted",
    signals.SIGBUS: "bus error",
    signals.SIGFPE: "floating point exception",
    signals.SIGHUP: "hangup",
    signals.SIGILL: "illegal instruction",
    signals.SIGINT: "interrupt",
    signals.SIGKILL: "killed",
    signals.SIGPIPE: "broken pipe",
    signals.SIGQUIT: "quit",
    signals.SIGSEGV: "segmentation fault",
    signals.SIGSYS: "bad system call",
    signals.SIGTERM: "terminated",
}


def billed_ms(duration_ms: float, init_ms: float | None = None) -> int:
    """Whole milliseconds to pay for: AWS rounds up, and bills the init phase since August 2025."""
    return math.ceil(round(duration_ms + (init_ms or 0.0), 6))


def timestamp(at: float) -> str:
    """Seconds since the epoch as log lines show them: 2025-11-25T02:26:54.123Z."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def stream_name(at: float, version: str, instance: str) -> str:
    """The log stream of one instance; `instance` is 32 hex digits."""
    return f"{datetime.fromtimestamp(at, UTC):%Y/%m/%d}/[{version}]{instance}"


def init_start(family: str, version: str, region: str) -> str:
    """`version` is the full one, such as 3.11.7; its last part stands for AWS's build number."""
    minor, _, patch = version.rpartition(".")
    name = f"{family}:{minor}.v{patch}"
    digest = hashlib.sha256(name.encode()).hexdigest()
    arn = f"arn:aws:lambda:{region}::runtime:{digest}"
    return f"INIT_START Runtime Version: {name}\tRuntime Version ARN: {arn}\n"


def restore_start(family: str, version: str, region: str) -> str:
    return init_start(family, version, region).replace("INIT", "RESTORE", 1)


def restore_report(restore_ms: float, *, status: str = "", error_type: str | None = None) -> str:
    """`status` is the empty text when it went well."""
    return f"RESTORE_REPORT Restore Duration: {restore_ms:.2f} ms{_after_tab(_status(status, error_type))}\n"


def start(request_id: str, version: str) -> str:
    return f"START RequestId: {request_id} Version: {version}\n"


def end(request_id: str) -> str:
    return f"END RequestId: {request_id}\n"


def report(run: Run) -> str:
    """The line that sums an invocation up."""
    init = "" if run.init_ms is None else f"Init Duration: {run.init_ms:.2f} ms\t"
    if run.restore_ms is not None:
        init = (
            f"Restore Duration: {run.restore_ms:.2f} ms\t"
            f"Billed Restore Duration: {billed_ms(run.restore_ms)} ms\t"
        )
    return (
        f"REPORT RequestId: {run.request_id}\tDuration: {run.duration_ms:.2f} ms\t"
        f"Billed Duration: {run.billed_ms} ms\tMemory Size: {run.memory_mb} MB\t"
        f"Max Memory Used: {run.memory_peak_mb} MB\t{init}{_status(run.status, run.error_type)}\n"
    )


def quiet_run(run: Run) -> list[tuple[int, str]]:
    """The log of a run that printed nothing: lines with their times in milliseconds since the epoch."""
    ended_ms = int(run.ended_at * 1000)
    return [
        (int(run.started_at * 1000), start(run.request_id, run.version)),
        (ended_ms, end(run.request_id)),
        (ended_ms, report(run)),
    ]


def init_report(
    init_ms: float, *, phase: str = "init", status: str = "", error_type: str | None = None
) -> str:
    """The line that sums a failed init up. `phase` is `invoke` for the second try, inside the first call."""
    ended = _status(status or "error", error_type)
    return f"INIT_REPORT Init Duration: {init_ms:.2f} ms\tPhase: {phase}\t{ended}\n"


def _after_tab(text: str) -> str:
    return f"\t{text}" if text else ""


def _status(status: str, error_type: str | None) -> str:
    if not status:
        return ""
    named = error_type and status == "error"  # a timeout says all by itself
    return f"Status: {status}" + (f"\tError Type: {error_type}" if named else "")


def timeout_message(request_id: str, timeout_s: float) -> str:
    """What the caller reads as errorMessage."""
    return f"RequestId: {request_id} Error: Task timed out after {timeout_s:.2f} seconds"


def timeout_line(at: float, request_id: str, timeout_s: float) -> str:
    return f"{timestamp(at)} {request_id} Task timed out after {timeout_s:.2f} seconds\n"


def exit_message(request_id: str, status: int | None = None, signal: int | None = None) -> str:
    """What the caller reads as errorMessage when the process ended before it answered."""
    if signal is not None:
        how = f"Runtime exited with error: signal: {_signal_name(signal)}"
    elif status:
        how = f"Runtime exited with error: exit status {status}"
    else:
        how = "Runtime exited without providing a reason"
    return f"RequestId: {request_id} Error: {how}"


def exit_line(
    request_id: str,
    status: int | None = None,
    signal: int | None = None,
    error_type: str = "Runtime.ExitError",
) -> str:
    return f"{exit_message(request_id, status, signal)}\n{error_type}\n"


def no_snapshot_line(problem: str) -> str:
    """Ours, too: a version of SnapStart starts as any other."""
    return f"[LAMBENT] no snapshot, so every instance runs init: {problem}\n"


def dropped_line(lines: int, reason: str) -> str:
    """Ours: says in the log itself that lines are missing from it."""
    return f"[LAMBENT] {lines} log line{'s' if lines != 1 else ''} dropped: {reason}\n"


def _signal_name(number: int) -> str:
    known = {int(signal): name for signal, name in _SIGNAL_NAMES.items()}
    return known.get(number, f"signal {number}")
