from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest

from composer.audition.plot import HEIGHT, WIDTH, Level, Line, Mark, Point, chart, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.5, 1]),
        (0.97, 1.0, [0.97, 0.98, 0.99, 1.0]),
        (0, 6e3, [0, 2e3, 4e3, 6e3]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_a_chart_is_well_formed_and_keeps_inside_its_frame() -> None:
    line = Line("a < b", [Point(0, 1.0), Point(500, math.nan), Point(1000, 3.0)], 1)
    svg = ET.fromstring(chart("loss & more", [line], [Mark(500, "step", True)], [Level(2.0, "real", 1)]))
    circles = svg.findall("circle")
    assert len(circles) == 2  # NaN is left out
    assert all(0 < float(c.attrib["cx"]) < WIDTH and 0 < float(c.attrib["cy"]) < HEIGHT for c in circles)
    assert float(circles[0].attrib["cy"]) > float(circles[1].attrib["cy"])  # more is higher up
    assert svg.find("line[@class='mark chosen']") is not None


def test_flat_lines_and_single_points_are_drawn_and_nothing_is_not() -> None:
    for points in ([Point(3, 0.0)], [Point(1, 5.0), Point(2, 5.0)]):
        assert ET.fromstring(chart("flat", [Line("one", points, 0)])).findall("circle")
    assert chart("none", [Line("one", [Point(0, math.nan)], 0)]) == ""
