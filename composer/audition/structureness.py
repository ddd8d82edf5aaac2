"""How much of a piece is made of parts that come back: the structureness indicator, on bars instead of seconds.

Mueller, Jiang and Grosche (2013) give every segment of a piece a fitness: how much of the piece is covered by its
repetitions, and how like they are. Wu and Yang (Jazz Transformer, 2020) take the highest fitness among the segments of
some length as a sign of structure at that scale. Here a frame is a bar, compared by the chroma of its beats and by its
onsets.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from composer.audition.grid import Floats, Notes, frame_chroma, onset_grid

MOST_BARS = 160  # the time grows with the fourth power
FEWEST_BARS = 8
CHROMA_WEIGHT, RHYTHM_WEIGHT = 0.7, 0.3  # in the likeness of two bars
LEAST_ALIKE = 0.6  # below it two bars are different
PENALTY = -2.0  # what a pair of different bars counts
SCALES = {"SI_short": (2, 4), "SI_mid": (5, 12), "SI_long": (13, MOST_BARS)}  # lengths of segments in bars

NEVER = -1e9  # the score of a path that cannot be


def structureness(notes: Notes) -> dict[str, float]:
    """The highest fitness of a segment of 2 to 4, of 5 to 12, and of 13 bars and more. NaN below FEWEST_BARS."""
    notes = notes.part(0, MOST_BARS)
    if notes.bars < FEWEST_BARS:
        return dict.fromkeys(SCALES, math.nan)
    fitness = fitness_by_length(bar_likeness(notes))
    return {name: float(max(fitness[low : high + 1], default=0.0)) for name, (low, high) in SCALES.items()}


def bar_likeness(notes: Notes) -> Floats:
    """(bars, bars): 1 for bars that are alike, down to 0, and PENALTY below that."""
    chroma = _normalised(frame_chroma(notes, 4).reshape(notes.bars, -1))
    rhythm = _normalised(onset_grid(notes).astype(np.float64))
    likeness = CHROMA_WEIGHT * chroma @ chroma.T + RHYTHM_WEIGHT * rhythm @ rhythm.T
    likeness = np.where(likeness >= LEAST_ALIKE, (likeness - LEAST_ALIKE) / (1 - LEAST_ALIKE), PENALTY)
    np.fill_diagonal(likeness, 1.0)
    return likeness


def fitness_by_length(likeness: Floats) -> Floats:
    """The highest fitness among all segments of each length: (bars // 2 + 1,), the first two are 0."""
    longest = len(likeness) // 2
    return np.array([0.0, 0.0, *(_best_fitness(likeness, length) for length in range(2, longest + 1))])


class Paths(NamedTuple):
    """The best path families of all segments, up to one row: each (segments, 1 + length).

    Column 0 is outside of any path; column m is a path that has reached the m-th bar of the segment.
    """

    score: Floats
    cells: Floats  # of the matrix, that the paths go through
    covered: Floats  # bars of the piece

    def at(self, columns: slice) -> Paths:
        return Paths(*(part[:, columns] for part in self))

    def moved(self, covered: int) -> Paths:
        return self._replace(covered=self.covered + covered)

    def or_better(self, other: Paths) -> Paths:
        """Path by path the one with the higher score; this one where they have the same."""
        better = other.score > self.score
        return Paths(*(np.where(better, theirs, ours) for ours, theirs in zip(self, other, strict=True)))

    def finished(self) -> Paths:
        """(segments, 1): those outside of any path, and those that have just come to the segment's end."""
        return self.at(slice(0, 1)).or_better(self.at(slice(-1, None)))


def _best_fitness(likeness: Floats, length: int) -> float:
    """Over all segments of a length: the harmonic mean of how like and how wide their repetitions are.

    The path family of a segment is found by dynamic programming over the rows, with steps (1, 1), (1, 2) and (2, 1);
    the segment itself is one of its paths, and does not count.
    """
    bars = len(likeness)
    segments = np.lib.stride_tricks.sliding_window_view(likeness, length, axis=1)  # (rows, segments, columns)
    before_last, last = _nowhere(segments[0]), _first_row(segments[0])
    for row in segments[1:]:
        before_last, last = last, _next_row(before_last, last, row)
    score, cells, covered = last.finished()
    alike = np.maximum((score - length) / np.maximum(cells, 1), 0)
    wide = np.maximum((covered - length) / bars, 0)
    return float((2 * alike * wide / (alike + wide + 1e-12)).max())


def _nowhere(row: Floats) -> Paths:
    shape = len(row), row.shape[1] + 1
    return Paths(np.full(shape, NEVER), np.zeros(shape), np.zeros(shape))


def _first_row(row: Floats) -> Paths:
    paths = _nowhere(row)
    paths.score[:, 0] = 0
    paths.score[:, 1] = row[:, 0]
    paths.cells[:, 1] = paths.covered[:, 1] = 1
    return paths


def _next_row(before_last: Paths, last: Paths, row: Floats) -> Paths:
    """row: the likeness of one bar to each bar of each segment, (segments, length)."""
    outside = last.finished()
    begun = Paths(outside.score + row[:, :1], outside.cells + 1, outside.covered + 1)
    further = last.at(slice(1, -1)).moved(1)
    skipping = _one_column_on(last).moved(1)
    waiting = before_last.at(slice(1, -1)).moved(2)
    best = further.or_better(skipping).or_better(waiting)
    best = Paths(best.score + row[:, 1:], best.cells + 1, best.covered)
    return Paths(*(np.concatenate(parts, axis=1) for parts in zip(outside, begun, best, strict=True)))


def _one_column_on(last: Paths) -> Paths:
    """The paths that leave a bar of the segment out; none does so at the segment's beginning."""
    nowhere = _nowhere(last.score[:, 2:])
    return Paths(
        *(np.concatenate([none[:, :1], part[:, 1:-2]], axis=1) for none, part in zip(nowhere, last, strict=True))
    )


def _normalised(rows: Floats) -> Floats:
    normalised: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return normalised
