"""The demo's bars tell the truth: they begin at zero and grow in proportion."""

import io

import pytest
from scripts.flights.view import Month, Progress, bar, left_bar, table, year


@pytest.mark.parametrize(
    ("value", "drawn"), [(0, ""), (-5, ""), (1, "▊"), (5, "████"), (10, "████████"), (2.5, "██")]
)
def test_a_bar_is_in_proportion(value: float, drawn: str) -> None:
    assert bar(value, 10, 8) == drawn


def test_a_bar_without_a_scale_is_empty() -> None:
    assert bar(5, 0, 8) == ""
    assert left_bar(5, 0, 4) == "    "


def test_early_is_left_of_the_axis_and_late_right_of_it() -> None:
    lines = year([Month(1, 100, 10.0), Month(2, 50, -5.0)])
    january, february = lines[1], lines[2]
    assert january.split("│")[1].count("█") == 2 * february.split("│")[0].split("-5.0")[1].count("█")
    assert february.split("│")[1] == ""
    assert january.count("█", 0, 30) == 2 * february.count("█", 0, 30)


def test_without_early_months_there_is_no_left_side() -> None:
    assert year([Month(1, 10, 3.0)])[1].split("3.0 ")[1].startswith("│")


def test_numbers_stand_under_each_other() -> None:
    first, second = table([("a", "1,000", "x"), ("long name", "7", "")])
    assert first.index("1,000") + 5 == second.index("7") + 1


def test_progress_where_nobody_watches_is_a_line_now_and_then() -> None:
    out = io.StringIO()
    progress = Progress("rows", 100, out)
    for value in range(100):
        progress.show(value)
    progress.show(100, "done", last=True)
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert "100/100 done" in lines[-1]
