"""Anchors: what holds for a whole piece, told with every word behind the opening.

A model that composes reads its own music more and more, and what it reads drifts: a little denser, a little louder,
a key further off. So each word is told what the opening was like: its key, its notes and onsets a bar, its loudness;
how many bars of the piece stand before its own, for songs fill up behind their first bars; and how many bars are still
to come, so that an ending is composed and not cut.

In training an anchor is taken from some bars that stand before the word, as an opening does; never from the word's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from composer.music.key import key_of
from composer.music.words import COLUMN, Family, Vocabulary

FIELDS = ("key", "notes", "onsets", "velocity", "bars_before", "bars_left")  # the order of the columns
UNKNOWN = 0
KEYS = 24
NOTES_STEPS = 3  # bins an octave of notes a bar, from 1 up to 32
ONSETS_STEPS = 4  # bins an octave of onsets a bar, from 1 up to 16
VELOCITY_BIN = 2  # ids of the vocabulary's velocities
FARTHEST_BAR = 64  # a piece that is farther on is on its way
FARTHEST_END = 16  # bars; an end that is farther off says no more than that it is
LONGEST_OPENING = 16  # bars: of a longer opening the last ones speak
SIZES = (1 + KEYS, 2 + 5 * NOTES_STEPS, 2 + 4 * ONSETS_STEPS, 17, 2 + FARTHEST_BAR, 2 + FARTHEST_END)
BARS_BEFORE, BARS_LEFT = FIELDS.index("bars_before"), FIELDS.index("bars_left")  # before them the opening's own

Row = tuple[int, ...]  # an id a field


class Bars:
    """What the bars of some words hold, summed up so that any stretch of them is described at once."""

    def __init__(self, words: npt.NDArray[np.integer], vocabulary: Vocabulary) -> None:
        """words: (words, attributes)"""
        family, pitch, velocity, duration = (
            words[:, COLUMN[name]].astype(np.int64) for name in ("family", "pitch", "velocity", "duration")
        )
        self.of_word = np.maximum(np.cumsum(family == Family.BAR) - 1, 0)
        self.count = int(self.of_word[-1]) + 1
        note = family == Family.NOTE
        onset = np.append((family[:-1] == Family.METRICAL) & note[1:], False)
        sounding = np.zeros((self.count, 12))
        classes = (np.array([0, *vocabulary.pitches]) % 12)[pitch[note]]
        longest = vocabulary.positions_per_whole
        lengths = np.array([0, *vocabulary.durations])[duration[note]]
        np.add.at(sounding, (self.of_word[note], classes), np.minimum(lengths, longest))
        columns = [
            np.bincount(self.of_word[note], minlength=self.count),
            np.bincount(self.of_word[onset], minlength=self.count),
            np.bincount(self.of_word[note], velocity[note], minlength=self.count),
        ]
        rows = np.concatenate([np.stack(columns, axis=1), sounding], axis=1)
        self.sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])
        bars = words[family == Family.BAR]
        meters = bars[:, COLUMN["meter"]] if bars.shape[1] > COLUMN["meter"] else np.zeros(len(bars), dtype=np.int64)
        positions = np.array(vocabulary.bar_lengths)[meters] if len(bars) else np.full(1, longest)
        self.wholes = np.append(0.0, np.cumsum(positions / longest))

    def anchors(self, first: int, behind: int, transposed: int = 0) -> Row:
        """The ids of the fields before BARS_BEFORE for the bars from `first` up to `behind`, moved by semitones."""
        notes, onsets, velocity, *sounding = self.sums[behind] - self.sums[first]
        if notes == 0:
            return (UNKNOWN,) * BARS_BEFORE
        bars = self.wholes[behind] - self.wholes[first]
        key = key_of(np.roll(sounding, transposed))
        assert key is not None
        return (
            1 + key.number,
            1 + _log_bin(notes / bars, NOTES_STEPS, SIZES[FIELDS.index("notes")] - 2),
            1 + _log_bin(onsets / bars, ONSETS_STEPS, SIZES[FIELDS.index("onsets")] - 2),
            1 + min(int(velocity / notes / VELOCITY_BIN), SIZES[FIELDS.index("velocity")] - 2),
        )


def anchors_of(opening: Sequence[Sequence[int]], vocabulary: Vocabulary) -> Row:
    """What an opening's last bars say of the piece; where in it a word stands is not known yet.

    opening: words, the first of them a bar word; without any nothing is known
    """
    if not opening:
        return (UNKNOWN,) * len(FIELDS)
    bars = Bars(np.array(opening), vocabulary)
    return (*bars.anchors(max(0, bars.count - LONGEST_OPENING), bars.count), UNKNOWN, UNKNOWN)


def begun_id(bars: int) -> int:
    """The id for so many bars of the piece that stand before a word's own."""
    return 1 + min(bars, FARTHEST_BAR)


def end_id(bars: int) -> int:
    """The id for so many bars that are still to come behind a word's own."""
    return 1 + min(max(bars, 0), FARTHEST_END)


def begun(bars: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """begun_id of each."""
    return 1 + bars.clip(0, FARTHEST_BAR)


def end_in(bars: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """end_id of each."""
    return 1 + bars.clip(0, FARTHEST_END)


def _log_bin(count: float, steps: int, last: int) -> int:
    return min(max(0, round(steps * float(np.log2(max(count, 1e-9))))), last)


class Anchors(nn.Module):
    """The sum of an embedding a field. It begins as 0."""

    def __init__(self, dim: int, styles: int = 0) -> None:
        super().__init__()
        sizes = (*SIZES, 1 + styles) if styles else SIZES
        self.embeddings = nn.ModuleList(nn.Embedding(size, dim) for size in sizes)

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (..., fields) -> (..., dim)"""
        vectors = [embedding(column) for embedding, column in zip(self.embeddings, ids.unbind(-1), strict=True)]
        total: Tensor = sum(vectors[1:], vectors[0])
        return total
