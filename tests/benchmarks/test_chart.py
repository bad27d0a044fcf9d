"""Pictures of curves: whole documents, and every point where it belongs."""

from xml.etree import ElementTree

from benchmarks.chart import HEIGHT, WIDTH, Chart, page

SVG = "{http://www.w3.org/2000/svg}"
CHART = Chart(
    "A <title>",
    "count",
    "ms",
    {1: "1", 100: "100"},
    {"p99": [(1, 10.0), (100, 1000.0)], "p50": [(1, 10.0), (100, 10.0)]},
)


def test_points_lie_where_their_values_are() -> None:
    root = ElementTree.fromstring(page([CHART, CHART]))
    assert root.get("width") == str(2 * WIDTH)
    rising, level = (line.get("points", "") for line in root.findall(f".//{SVG}polyline")[:2])
    (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in rising.split())
    assert 0 < x1 < x2 < WIDTH
    assert 0 < y2 < y1 < HEIGHT
    assert {point.partition(",")[2] for point in level.split()} == {f"{y1:.1f}"}
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"A <title>", "count", "ms", "p99", "p50", "1000"} <= set(texts)
