"""Line charts as SVG, side by side, both axes logarithmic: how something grows, on one page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 320, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 44, 44
COLOURS = ("#1f77b4", "#d62728")
STYLE = "font-family='Helvetica,Arial,sans-serif' font-size='11' fill='#333'"

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one axis. `ticks` are the values of x that are named."""

    title: str
    x_label: str
    y_label: str
    ticks: Mapping[float, str]
    lines: Mapping[str, Points]


def page(charts: Sequence[Chart]) -> str:
    """One picture of all of them."""
    width = WIDTH * len(charts)
    drawn = (
        f"<g transform='translate({WIDTH * place},0)'>{_draw(chart)}</g>"
        for place, chart in enumerate(charts)
    )
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {HEIGHT}' width='{width}' "
        f"height='{HEIGHT}'>\n<rect width='100%' height='100%' fill='white'/>\n"
        + "\n".join(drawn)
        + "\n</svg>\n"
    )


def _draw(chart: Chart) -> str:
    values = [y for line in chart.lines.values() for _, y in line]
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    high += low == high
    first, last = log10(min(chart.ticks)), log10(max(chart.ticks))

    def across(x: float) -> float:
        return LEFT + (log10(x) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        return HEIGHT - BOTTOM - (log10(y) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [_text(WIDTH / 2, 18, chart.title, "middle", bold=True)]
    for power in range(low, high + 1):
        y = down(10.0**power)
        parts += [_line(LEFT, y, WIDTH - RIGHT, y), _text(LEFT - 6, y + 4, f"{10.0**power:g}", "end")]
    for x, name in chart.ticks.items():
        parts += [_line(across(x), TOP, across(x), HEIGHT - BOTTOM)]
        parts += [_text(across(x), HEIGHT - BOTTOM + 15, name, "middle")]
    parts += [
        _text(WIDTH / 2, HEIGHT - 10, chart.x_label, "middle"),
        _text(8, TOP - 10, chart.y_label, "start"),
    ]
    for number, (name, points) in enumerate(chart.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        at = [(across(x), down(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        parts += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3' fill='{colour}'/>" for x, y in at]
        offset = 15 if number else -7  # the second line's figures lie below it
        figures = [_short(value) for _, value in points]
        parts += [
            _text(x, y + offset, text, _side(x), colour=colour)
            for (x, y), text in zip(at, figures, strict=True)
        ]
        parts.append(_text(WIDTH - RIGHT - 40 * number, TOP - 10, name, "end", colour=colour))
    return "".join(parts)


def _side(x: float) -> str:
    """Where a point's figure stays in the picture."""
    if x < LEFT + 1:
        return "start"
    return "end" if x > WIDTH - RIGHT - 1 else "middle"


def _short(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='#ddd'/>"


def _text(x: float, y: float, text: str, anchor: str, *, bold: bool = False, colour: str = "#333") -> str:
    weight = " font-weight='bold'" if bold else ""
    style = STYLE.replace("#333", colour)
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' {style}{weight}>{escape(text)}</text>"
