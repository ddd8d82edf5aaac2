"""How likely each way is to count a pulse: which strikes are beats, and which beats open a bar.

Each reading is described by where in its bars the notes would lie (strikes, the bass, the melody, long notes, changes
of harmony), how loud they would be there, and how fast and how dense the music would be. A small network, trained on
songs whose bars are known, gives each description a score; the softmax over all readings is how likely they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from composer.transcription.performance import PlayedNote

Array = npt.NDArray[np.float64]

STEPS = 4  # of a tracked beat: times are counted in quarters of it
POSITIONS = 16  # sixteenths in a bar
WINDOW = 1.0  # seconds before and after a note within which it is the lowest or the highest


class Reading(NamedTuple):
    """Bars of `length` steps, one of which begins at step `offset` of the pulse."""

    length: int
    offset: int


READINGS = tuple(Reading(beats * STEPS, offset) for beats in (2, 4, 8) for offset in range(0, beats * STEPS, 2))


def describe(notes: Sequence[PlayedNote], steps: Array, beat_seconds: float) -> Array:
    """notes: sorted   steps: where each begins, in steps of the pulse   beat_seconds: of a tracked beat, in the median

    Returns (readings, features).
    """
    kinds = _events(notes, steps)
    return np.stack([_features(reading, kinds, notes, steps, beat_seconds) for reading in READINGS])


def _events(notes: Sequence[PlayedNote], steps: Array) -> list[tuple[Array, Array]]:
    """What happens when, kind by kind: steps and weights."""
    onset = np.array([n.onset for n in notes])
    pitch = np.array([n.pitch for n in notes])
    offset = np.array([n.offset for n in notes])
    velocity = np.array([n.velocity for n in notes], dtype=float)
    near = np.abs(onset[:, None] - onset[None, :]) < WINDOW
    lowest = pitch <= np.where(near, pitch[None, :], 128).min(axis=1)
    highest = pitch >= np.where(near, pitch[None, :], 0).max(axis=1)
    grid = np.rint(steps)
    first = np.r_[True, np.diff(grid) > 0]
    strikes = grid[first]
    rest = np.r_[np.diff(strikes), 4]
    ones = np.ones(len(notes))
    length = np.minimum(offset - onset, 4 * (onset[-1] - onset[0] + 1) / (steps[-1] - steps[0] + 1) * 4)
    bass_at, bass = grid[lowest], pitch[lowest] % 12
    moved = np.r_[True, bass[1:] != bass[:-1]] if len(bass) else np.zeros(0, bool)
    loud = velocity - velocity.mean()
    change_at, change = _harmony(grid, pitch, np.maximum(steps + 1, steps))
    return [
        (strikes, np.ones(len(strikes))),
        (strikes, np.minimum(rest, 16.0)),
        (grid, ones),
        (grid[lowest], ones[lowest]),
        (bass_at[moved], np.ones(moved.sum())),
        (grid[highest], ones[highest]),
        (grid[highest], np.minimum(offset - onset, 2.0)[highest]),
        (grid, length),
        (change_at, change),
        (grid, loud),
    ]


def _harmony(grid: Array, pitch: npt.NDArray[np.int64], _: Array) -> tuple[Array, Array]:
    """How much the pitch classes of the two beats behind a step differ from those of the two before it."""
    low, high = int(grid.min()), int(grid.max())
    chroma = np.zeros((high - low + 1 + 16, 12))
    np.add.at(chroma, ((grid - low).astype(int) + 8, pitch % 12), 1.0)
    total = np.cumsum(np.r_[np.zeros((1, 12)), chroma], axis=0)
    at = np.arange(8, high - low + 9)
    before, after = total[at] - total[at - 8], total[np.minimum(at + 8, len(total) - 1)] - total[at]
    norm = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    alike = np.divide((before * after).sum(axis=1), norm, out=np.ones(len(at)), where=norm > 0)
    return at - 8.0 + low, 1 - alike


def _features(
    reading: Reading,
    kinds: Sequence[tuple[Array, Array]],
    notes: Sequence[PlayedNote],
    steps: Array,
    beat_seconds: float,
) -> Array:
    per_step = POSITIONS / reading.length
    profiles = []
    for at, weight in kinds:
        position = np.rint((at - reading.offset) % reading.length * per_step).astype(int) % POSITIONS
        profile = np.bincount(position, weight, POSITIONS)
        profiles.append(profile / (np.abs(weight).sum() + 1e-9))
    beat = beat_seconds * reading.length / 4 / STEPS
    tempo = np.log2(beat / 0.7)
    beats = (steps[-1] - steps[0]) / reading.length * 4 + 1
    strikes = len(kinds[0][0])
    start = int(np.rint((steps[0] - reading.offset) % reading.length * per_step)) % POSITIONS
    scalars = [
        tempo,
        tempo**2,
        np.log2(strikes / beats),
        np.log2(len(notes) / beats),
        np.log2(len(notes) / strikes),
        np.log2((len(kinds[4][0]) + 1) / beats),
        np.log2((len(kinds[3][0]) + 1) / beats),
        np.log2((len(kinds[5][0]) + 1) / beats),
    ]
    return np.concatenate([*profiles, scalars, np.eye(POSITIONS)[start]])
