"""Pieces that came from each other -> PNG: a row a piece, with a small piano roll, and lines from parents to children.

    o  1  a waltz                 [roll    ]
    |-o  2  varied                [roll    ]
    o  3  continued               [roll         ]

The branch with the most pieces goes on straight below its parent, and the others stand before it, each a lane further
to the right: 40 pieces never take more than six lanes. All rolls of a picture have one scale of time. Colours and
fonts are those of composer.rendering.piano_roll.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image

from composer.music.midi import parse_midi
from composer.music.score import EARLY_TICKS, Score
from composer.rendering.pen import (
    BACKGROUND,
    CONTINUATION,
    DIVIDER,
    FAINT,
    OPENING,
    SMALL_SIZE,
    TITLE,
    WIDTH,
    Box,
    Colour,
    Pen,
    in_ascii,
    shade,
    shortened,
    text_width,
)
from composer.rendering.piano_roll import New, coloured, pitch_range

# Lengths are pixels of the finished picture, as there.
LABEL_SIZE = 24
ROW_HEIGHT, ROLL_HEIGHT = 92, 68
MIDDLE = ROW_HEIGHT / 2
MARGIN = 24
LANE = 30  # from one to the next
ROLL_LEFT, ROLL_RIGHT = 480, WIDTH - 20
SHORTEST_ROLL = 90  # of a piece beside others that are much longer
GAP_WIDTH = 220  # of what is no longer kept
STROKE, DOT, CORNER = 3, 8, 6  # of lines, and radii
LINE: Colour = (112, 112, 124)
MARK = "you are here"
GONE = "no longer kept"


@dataclass(frozen=True)
class Branch:
    """A piece as it stands in the tree.

    Attributes:
        parent: the place of the branch that it came from among all; None: there is none.
        label: what it is called, and what was done.
        detail: what else there is to say.
        midi: its music; None where it is no longer kept.
        first: number of the first new bar.
        bars: how many are new.
        parts: how many parts are new, where they stand beside those that there were; else 0.
        here: whether it is the one that is marked.
        stub: whether it came from one that is not drawn.
    """

    parent: int | None
    label: str = ""
    detail: str = ""
    midi: bytes | None = None
    first: int = 0
    bars: int = 0
    parts: int = 0
    here: bool = False
    stub: bool = False


def draw_tree(branches: Sequence[Branch]) -> bytes:
    """The PNG, WIDTH pixels wide and ROW_HEIGHT high for each. The same branches give the same bytes."""
    rows = list(rows_of([branch.parent for branch in branches]))
    lines = list(_lines(branches, rows))
    scores = [parse_midi(branch.midi) if branch.midi else None for branch in branches]
    longest = max((score.end for score in scores if score), default=1)
    picture = Image.new("RGB", (WIDTH, ROW_HEIGHT * len(rows) + MARGIN), BACKGROUND)
    for number, (place, lane) in enumerate(rows):
        branch, score = branches[place], scores[place]
        pen = Pen(WIDTH, ROW_HEIGHT)
        for line in lines:
            _draw_line(pen, line, number)
        _draw_branch(pen, branch, lane, {line.lane for line in lines if number in line.asides})
        if score:
            width = max(SHORTEST_ROLL, (ROLL_RIGHT - ROLL_LEFT) * score.end / longest)
            _draw_roll(pen, branch, score, width)
        else:
            _draw_gap(pen)
        picture.paste(pen.finished(), (0, MARGIN // 2 + number * ROW_HEIGHT))
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()


def rows_of(parents: Sequence[int | None]) -> Iterator[tuple[int, int]]:
    """The places of the branches from the top to the bottom, each with its lane.

    Args:
        parents: of each branch the place of its parent, None or one before it.
    """
    children: dict[int | None, list[int]] = {}
    sizes = [1] * len(parents)
    for place in reversed(range(len(parents))):
        parent = parents[place]
        children.setdefault(parent, []).insert(0, place)
        if parent is not None:
            sizes[parent] += sizes[place]

    def walk(place: int, lane: int) -> Iterator[tuple[int, int]]:
        yield place, lane
        below = sorted(children.get(place, ()), key=lambda child: (sizes[child], child))
        for child in below:
            yield from walk(child, lane + (child != below[-1]))

    for root in children.get(None, ()):
        yield from walk(root, 0)


class _Line(NamedTuple):
    """From a parent straight down to its last child.

    Attributes:
        top: the row of the parent.
        bottom: that of the last child.
        asides: those of the others.
    """

    lane: int
    top: int
    bottom: int
    asides: frozenset[int]


def _lines(branches: Sequence[Branch], rows: Sequence[tuple[int, int]]) -> Iterator[_Line]:
    row_of = {place: number for number, (place, _) in enumerate(rows)}
    for place, lane in rows:
        below = [row_of[child] for child, branch in enumerate(branches) if branch.parent == place]
        if below:
            last = max(below)
            yield _Line(lane, row_of[place], last, frozenset(below) - {last})


# ------------------------------------------------------------------ a row


def _x(lane: int) -> float:
    return MARGIN + DOT + LANE * lane


def _draw_line(pen: Pen, line: _Line, row: int) -> None:
    if line.top <= row <= line.bottom:
        top = MIDDLE if row == line.top else 0
        bottom = MIDDLE if row == line.bottom else ROW_HEIGHT
        pen.box(Box(_x(line.lane) - STROKE / 2, top, _x(line.lane) + STROKE / 2, bottom), LINE)


def _draw_branch(pen: Pen, branch: Branch, lane: int, parents: Collection[int]) -> None:
    """A dot, what came from where, and the texts. parents: the lane of the parent, where that is another."""
    for parent in parents:
        pen.box(Box(_x(parent), MIDDLE - STROKE / 2, _x(lane), MIDDLE + STROKE / 2), LINE)
    for top in (2, 14, 26) if branch.stub else ():
        pen.box(Box(_x(lane) - STROKE / 2, top, _x(lane) + STROKE / 2, top + 6), LINE)
    for radius, colour in ((DOT + 3, DIVIDER),) * branch.here + ((DOT, _colour(branch)),):
        pen.box(Box(_x(lane) - radius, MIDDLE - radius, _x(lane) + radius, MIDDLE + radius), colour, radius)
    left, right = _x(lane) + 2 * DOT + 4, ROLL_LEFT - 16
    if branch.here:
        pen.text(right, MIDDLE + 15, MARK, SMALL_SIZE, DIVIDER, "rm")
    room = right - left - (text_width(MARK, SMALL_SIZE) + 12 if branch.here else 0)
    label = branch.label if branch.midi else GONE
    pen.text(
        left,
        MIDDLE - 14,
        shortened(in_ascii(label), LABEL_SIZE, right - left),
        LABEL_SIZE,
        TITLE if branch.midi else FAINT,
    )
    pen.text(left, MIDDLE + 15, shortened(in_ascii(branch.detail), SMALL_SIZE, room), SMALL_SIZE, FAINT)


def _colour(branch: Branch) -> Colour:
    if branch.midi is None:
        return LINE
    return CONTINUATION.loud if branch.bars else OPENING.loud


def _draw_roll(pen: Pen, branch: Branch, score: Score, width: float) -> None:
    """All of a piece in one line: what was there on blue, what is new on the plain ground."""
    start, end = score.line(branch.first), score.line(branch.first + branch.bars)
    beside = len(score.parts) - branch.parts if branch.parts else None
    new = New(start, end if end < score.end else score.end + EARLY_TICKS, beside)
    scale, top, bottom = width / score.end, MIDDLE - ROLL_HEIGHT / 2, MIDDLE + ROLL_HEIGHT / 2
    if branch.here:
        pen.box(Box(ROLL_LEFT - 4, top - 4, ROLL_LEFT + width + 4, bottom + 4), DIVIDER, CORNER)
    pen.box(Box(ROLL_LEFT, top, ROLL_LEFT + width, bottom), OPENING.ground)
    if beside is None and start < end:
        pen.box(Box(ROLL_LEFT + start * scale, top, ROLL_LEFT + end * scale, bottom), CONTINUATION.ground)
    lowest, highest = pitch_range(score)
    lane = ROLL_HEIGHT / (highest - lowest + 1)
    for palette, number, part in coloured(score):
        for note in (note for note in part.notes if note.start < score.end):
            colours = CONTINUATION if new.has(note.start, number) else palette
            left, above = ROLL_LEFT + note.start * scale, top + (highest - note.pitch) * lane
            right = max(left + 1.5, ROLL_LEFT + min(note.end, score.end) * scale - 0.5)
            pen.box(Box(left, above, right, above + max(lane, 2)), shade(colours, note.velocity))


def _draw_gap(pen: Pen) -> None:
    """Where a piece was."""
    top, bottom = MIDDLE - ROLL_HEIGHT / 2, MIDDLE + ROLL_HEIGHT / 2
    pen.box(Box(ROLL_LEFT, top, ROLL_LEFT + GAP_WIDTH, bottom), LINE, CORNER)
    pen.box(Box(ROLL_LEFT + 2, top + 2, ROLL_LEFT + GAP_WIDTH - 2, bottom - 2), BACKGROUND, CORNER - 2)
