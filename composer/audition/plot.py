"""Small line charts as inline SVG: no library, no script. Colours come from the page's style sheet (--c0, --c1 ...)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 330, 210
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 30, 24
COLOURS = 6


class Point(NamedTuple):
    x: float
    y: float


class Line(NamedTuple):
    """points: rising in x; NaN ones are left out.   colour: an index; lines of one name have one colour everywhere"""

    name: str
    points: Sequence[Point]
    colour: int
    dotted: bool = False  # points without a line between them


class Mark(NamedTuple):
    """A place on the x axis that has a name."""

    x: float
    name: str
    chosen: bool = False


class Level(NamedTuple):
    """A height that is worth comparing with. colour: as that of the line that it belongs to"""

    y: float
    name: str
    colour: int


class Frame(NamedTuple):
    """From values to pixels."""

    low: Point
    high: Point

    def x(self, value: float) -> float:
        return LEFT + (value - self.low.x) / (self.high.x - self.low.x) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.low.y) / (self.high.y - self.low.y) * (HEIGHT - TOP - BOTTOM)


def chart(title: str, lines: Sequence[Line], marks: Sequence[Mark] = (), levels: Sequence[Level] = ()) -> str:
    """One chart; "" if there is nothing to draw."""
    lines = [line._replace(points=[p for p in line.points if math.isfinite(p.y)]) for line in lines]
    points = [point for line in lines for point in line.points]
    if not points:
        return ""
    frame = _frame(points, marks, levels)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        f'<text class="title" x="{LEFT}" y="18">{escape(title)}</text>',
        *_grid(frame),
        *(_mark(frame, mark) for mark in marks),
        *(_level(frame, level) for level in levels if math.isfinite(level.y)),
        *(_line(frame, line) for line in lines),
        "</svg>",
    ]
    return "\n".join(parts)


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers from low to high, about so many."""
    rough = (high - low) / count
    step = 10.0 ** math.floor(math.log10(rough))
    step *= next(factor for factor in (1, 2, 5, 10) if factor * step >= rough)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _frame(points: Sequence[Point], marks: Sequence[Mark], levels: Sequence[Level]) -> Frame:
    xs = [point.x for point in points] + [mark.x for mark in marks]
    ys = [point.y for point in points] + [level.y for level in levels if math.isfinite(level.y)]
    margin_x, margin_y = 0.03 * (max(xs) - min(xs)) or 1.0, 0.08 * (max(ys) - min(ys)) or 0.1
    return Frame(Point(min(xs) - margin_x, min(ys) - margin_y), Point(max(xs) + margin_x, max(ys) + margin_y))


def _grid(frame: Frame) -> list[str]:
    parts = []
    for y in ticks(frame.low.y, frame.high.y):
        at = frame.y(y)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick end" x="{LEFT - 6}" y="{at + 4:.1f}">{_number(y)}</text>')
    return parts + [
        f'<text class="tick mid" x="{frame.x(x):.1f}" y="{HEIGHT - 7}">{_number(x)}</text>'
        for x in ticks(frame.low.x, frame.high.x)
    ]


def _mark(frame: Frame, mark: Mark) -> str:
    x = frame.x(mark.x)
    kind = "mark chosen" if mark.chosen else "mark"
    return (
        f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}">'
        f"<title>{escape(mark.name)}</title></line>"
    )


def _level(frame: Frame, level: Level) -> str:
    y = frame.y(level.y)
    colour = f"var(--c{level.colour % COLOURS})"
    # By turns at the right and at the left: two levels may lie close together.
    anchor, x = ("tick", LEFT + 4) if level.colour % 2 else ("tick end", WIDTH - RIGHT)
    return (
        f'<line class="level" stroke="{colour}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="{anchor}" x="{x}" y="{y - 4:.1f}">{escape(level.name)}</text>'
    )


def _line(frame: Frame, line: Line) -> str:
    colour = f"var(--c{line.colour % COLOURS})"
    places = [(frame.x(point.x), frame.y(point.y), point) for point in line.points]
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3 if line.dotted else 1.8}" fill="{colour}">'
        f"<title>{escape(line.name)}: {_number(point.y)} at {_number(point.x)}</title></circle>"
        for x, y, point in places
    )
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
    stroke = "" if line.dotted else f'<polyline points="{path}" stroke="{colour}"/>'
    return stroke + dots


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value / 1000:g}k"
    return f"{value:.3g}"
