"""The platform's log lines, against lines that AWS wrote."""

import signal
from typing import Any

import pytest

from lambent.model.invocation import Run
from lambent.records import report

ID = "8f507cfc-d7f6-4c1c-94ad-38ba7d5b2d01"


def took(request_id: str = ID, **fields: Any) -> Run:
    """A run of so much and such."""
    usual = Run(request_id, "$LATEST", 0.0, 0.0, 1.0, 1, 128, 40)
    return usual._replace(**fields)


def test_report_of_a_warm_run_ends_with_a_tab() -> None:
    line = report.report(took(ID, duration_ms=3.014, billed_ms=4, memory_mb=128, memory_peak_mb=36))
    assert line == (
        f"REPORT RequestId: {ID}\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 36 MB\t\n"
    )


def test_report_of_a_cold_start_shows_the_init() -> None:
    line = report.report(
        took(ID, duration_ms=3.01, billed_ms=114, memory_mb=128, memory_peak_mb=36, init_ms=110.1)
    )
    assert line.endswith("\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t\n")


def test_report_of_a_timeout() -> None:
    line = report.report(
        took(
            "6960f94b-add0-473c-ab1a-f854a3f92817",
            duration_ms=3000,
            billed_ms=3000,
            memory_mb=128,
            memory_peak_mb=35,
            status="timeout",
        )
    )
    assert line == (
        "REPORT RequestId: 6960f94b-add0-473c-ab1a-f854a3f92817\tDuration: 3000.00 ms\t"
        "Billed Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 35 MB\tStatus: timeout\n"
    )


def test_report_of_a_crash_names_the_error() -> None:
    line = report.report(
        took(
            ID,
            duration_ms=10935.7,
            billed_ms=10936,
            memory_mb=1024,
            memory_peak_mb=1024,
            status="error",
            error_type="Runtime.OutOfMemory",
        )
    )
    assert line.endswith("\tMax Memory Used: 1024 MB\tStatus: error\tError Type: Runtime.OutOfMemory\n")


def test_init_report() -> None:
    assert (
        report.init_report(9999.85, status="timeout")
        == "INIT_REPORT Init Duration: 9999.85 ms\tPhase: init\tStatus: timeout\n"
    )
    assert report.init_report(99.646, phase="invoke", error_type="Runtime.ExitError") == (
        "INIT_REPORT Init Duration: 99.65 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError\n"
    )


def test_start_and_end() -> None:
    assert report.start(ID, "$LATEST") == f"START RequestId: {ID} Version: $LATEST\n"
    assert report.end(ID) == f"END RequestId: {ID}\n"


def test_init_start_names_the_runtime() -> None:
    line = report.init_start("python", "3.11.7", "eu-west-1")
    head = (
        "INIT_START Runtime Version: python:3.11.v7\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:"
    )
    assert line.startswith(head)
    assert len(line.removeprefix(head)) == 64 + 1


def test_timeout_text_has_two_decimals() -> None:
    assert report.timeout_message(ID, 3) == f"RequestId: {ID} Error: Task timed out after 3.00 seconds"
    assert report.timeout_line(1764037617.126, ID, 3) == (
        f"2025-11-25T02:26:57.126Z {ID} Task timed out after 3.00 seconds\n"
    )


@pytest.mark.parametrize(
    ("status", "number", "text"),
    [
        (127, None, "Runtime exited with error: exit status 127"),
        (None, signal.SIGKILL, "Runtime exited with error: signal: killed"),
        (None, signal.SIGSEGV, "Runtime exited with error: signal: segmentation fault"),
        (None, 64, "Runtime exited with error: signal: signal 64"),
        (0, None, "Runtime exited without providing a reason"),
    ],
)
def test_how_a_process_ended(status: int | None, number: int | None, text: str) -> None:
    assert report.exit_message(ID, status, number) == f"RequestId: {ID} Error: {text}"
    assert report.exit_line(ID, status, number) == f"RequestId: {ID} Error: {text}\nRuntime.ExitError\n"


@pytest.mark.parametrize(
    ("duration_ms", "init_ms", "billed"),
    [
        (0.2, None, 1),
        (3.0, None, 3),
        (3.01, None, 4),
        (3.01, 110.1, 114),
        (0.0, None, 0),
        (0.1 + 0.2 + 0.7, None, 1),
    ],
)
def test_billed_duration_is_rounded_up_and_holds_the_init(
    duration_ms: float, init_ms: float | None, billed: int
) -> None:
    assert report.billed_ms(duration_ms, init_ms) == billed


def test_stream_name() -> None:
    assert report.stream_name(1764037617.1, "$LATEST", "0" * 32) == "2025/11/25/[$LATEST]" + "0" * 32


def test_dropped_line_counts() -> None:
    assert report.dropped_line(1, "full") == "[LAMBENT] 1 log line dropped: full\n"
    assert report.dropped_line(20, "full") == "[LAMBENT] 20 log lines dropped: full\n"
