"""The tree of pieces: where its rows stand, and what is to be seen of them."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import dump_midi
from composer.music.score import Note, in_four
from composer.rendering.pen import CONTINUATION, DIVIDER, OPENING, WIDTH
from composer.rendering.tree import ROLL_LEFT, ROLL_RIGHT, ROW_HEIGHT, Branch, draw_tree, rows_of


@st.composite
def parents(draw: st.DrawFn) -> list[int | None]:
    """Of at most 40 pieces, each from an earlier one or from none."""
    count = draw(st.integers(1, 40))
    return [draw(st.none() | st.integers(0, place - 1)) if place else None for place in range(count)]


@given(parents())
def test_each_piece_has_one_row_below_its_parent_and_the_lanes_are_few(parents: list[int | None]) -> None:
    rows = list(rows_of(parents))
    assert sorted(place for place, _ in rows) == list(range(len(parents)))
    assert max(lane for _, lane in rows) <= 5
    row, lane = {place: number for number, (place, _) in enumerate(rows)}, dict(rows)
    for place, parent in enumerate(parents):
        if parent is not None:
            siblings = [child for child, other in enumerate(parents) if other == parent]
            last = max(siblings, key=row.__getitem__)
            assert row[place] > row[parent]
            assert lane[place] == lane[parent] + (place != last)
            # The line goes down from the parent to its last child: nothing else stands in its way.
            assert all(beside > lane[parent] for _, beside in rows[row[parent] + 1 : row[last]])


def test_a_chain_is_one_straight_line() -> None:
    assert list(rows_of([None, 0, 1, 2])) == [(0, 0), (1, 0), (2, 0), (3, 0)]


def music(bars: int) -> bytes:
    notes = [Note(at, 60 + at // 480 % 12, at + 400, 100) for at in range(0, bars * TICKS_PER_BAR, 480)]
    return dump_midi(in_four(tuple(notes), end=bars * TICKS_PER_BAR))


def rows(branches: list[Branch]) -> list[np.ndarray]:
    picture = Image.open(io.BytesIO(draw_tree(branches)))
    assert picture.width == WIDTH
    pixels = np.asarray(picture).astype(int)
    return [pixels[12 + number * ROW_HEIGHT :][:ROW_HEIGHT] for number in range(len(branches))]


def columns(row: np.ndarray, colour: tuple[int, int, int]) -> list[int]:
    found = (abs(row - np.array(colour)).max(axis=2) <= 2).any(axis=0)
    return [int(x) for x in np.flatnonzero(found) if x >= ROLL_LEFT]


def test_what_is_new_stands_on_its_own_ground_and_all_have_one_scale() -> None:
    first, longer = rows([Branch(None, "1", "", music(4), 2, 2), Branch(0, "2", "", music(8), 4, 4)])
    half = (ROLL_RIGHT - ROLL_LEFT) // 2
    for row, width in ((first, half), (longer, 2 * half)):
        given, new = columns(row, OPENING.ground), columns(row, CONTINUATION.ground)
        assert abs(min(given) - ROLL_LEFT) <= 1
        assert abs(max(new) - ROLL_LEFT - width) <= 2
        assert abs(min(new) - (ROLL_LEFT + width / 2)) <= 2
        assert max(given) - min(new) <= 2


def test_the_newest_is_marked_and_what_is_gone_is_empty() -> None:
    there, gone, here = rows(
        [Branch(None, "1", "", music(4), 2, 2), Branch(0), Branch(1, "2", "", music(4), 2, 2, here=True)]
    )
    assert not columns(there, DIVIDER)
    assert columns(here, DIVIDER)
    assert not any(columns(gone, palette.ground) for palette in (OPENING, CONTINUATION))


def test_the_same_branches_give_the_same_picture_and_forty_of_them_are_no_trouble() -> None:
    midi = music(8)
    many = [Branch(place - 1 if place else None, f"{place}  continued", "", midi, 4, 4) for place in range(40)]
    once, again = draw_tree(many), draw_tree(many)
    assert once == again
    assert len(once) < 2**20
    lanes = [row[:, :40] for row in rows(many)]
    assert all(np.array_equal(one, other) for one, other in pairwise(lanes[1:-1])), "one straight line"
