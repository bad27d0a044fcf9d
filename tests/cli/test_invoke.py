"""What `invoke` reads and says: the payload's three forms, and the REPORT line's figures."""

from pathlib import Path

import click
import pytest

from lambent.cli.invoke import measures, read_payload, summary
from lambent.model.invocation import Run
from lambent.records import report

REPORT = report.report(Run("r-1", "1", 0.0, 0.0, 3.123, 9, 128, 41, 5.0))


def test_a_payload_is_text_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "event.json").write_text('{"a": 1}')
    assert read_payload('{"a": 1}') == b'{"a": 1}'
    assert read_payload(f"@{tmp_path}/event.json") == b'{"a": 1}'


@pytest.mark.parametrize(
    ("given", "message"), [("{", "--payload is not JSON"), ("@/no/such", "/no/such: No such file")]
)
def test_a_bad_payload_is_named(given: str, message: str) -> None:
    with pytest.raises(click.BadParameter, match=message):
        read_payload(given)


def test_figures_come_from_the_platforms_own_line() -> None:
    log = f"START RequestId: r-1 Version: $LATEST\nREPORT no\nEND RequestId: r-1\n{REPORT}"
    assert measures(log) == {
        "duration_ms": 3.12,
        "billed_ms": 9,
        "init_ms": 5.0,
        "memory_mb": 128,
        "memory_peak_mb": 41,
    }
    assert measures("printed by the function") == {}


def test_the_summary_is_one_line() -> None:
    assert summary(measures(REPORT), None) == "3.12 ms · billed 9 ms · 41 of 128 MB · cold start 5.00 ms"
    assert summary({}, "Unhandled") == "the function failed"
    warm = report.report(Run("r", "1", 0.0, 0.0, 1.0, 1, 128, 40))
    assert summary(measures(warm), None) == "1.00 ms · billed 1 ms · 40 of 128 MB"
