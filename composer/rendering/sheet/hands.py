"""Which hand plays which note: two groups that a hand can span and that stay where they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from composer.music.score import Note

SPAN = 14  # semitones that a hand reaches
BEAM = 24  # ways to divide what came before that are kept in mind
HOME = (48.0, 67.0)  # pitches about which the hands lie before they have played
TOO_WIDE, CROSSED = 6.0, 2.0  # for each semitone: beyond what a hand reaches; below or above the other hand's place


class _Way(NamedTuple):
    cost: float
    centres: tuple[float, float]  # where each hand lies
    counts: tuple[int, ...]  # of each chord the notes of the left hand


def hands(notes: Sequence[Note]) -> tuple[list[Note], list[Note]]:
    """The notes of the right hand and those of the left."""
    chords = [sorted(chord, key=lambda n: n.pitch) for _, chord in groupby(sorted(notes), key=lambda n: n.start)]
    ways = [_Way(0.0, HOME, ())]
    for chord in chords:
        further = [_further(way, chord, count) for way in ways for count in range(len(chord) + 1)]
        ways = sorted(further, key=lambda way: way.cost)[:BEAM]
    right: list[Note] = []
    left: list[Note] = []
    for chord, count in zip(chords, ways[0].counts, strict=True):
        left += chord[:count]
        right += chord[count:]
    return right, left


def _further(way: _Way, chord: Sequence[Note], count: int) -> _Way:
    cost, centres = way.cost, list(way.centres)
    for hand, group in enumerate((chord[:count], chord[count:])):
        if not group:
            continue
        low, high = group[0].pitch, group[-1].pitch
        centre = (low + high) / 2
        cost += abs(centre - centres[hand]) * 0.5 + abs(centre - HOME[hand]) * 0.1
        cost += TOO_WIDE * max(0, high - low - SPAN)
        across = centres[1 - hand] - centre if hand else centre - centres[1 - hand]
        cost += CROSSED * max(0.0, across)
        centres[hand] = 0.6 * centres[hand] + 0.4 * centre
    return _Way(cost, (centres[0], centres[1]), (*way.counts, count))
