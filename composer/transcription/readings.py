"""How likely each way is to count a pulse: which strikes are beats, and which beats open a bar.

Each reading is described by where in its bars things would lie (strikes, bass, melody, long notes, changes of harmony),
and by how fast and how dense the music would be. A small network gives every description a score, and the softmax over
all readings is how likely they are. It was trained on songs whose bars are known; `./run bench readings` makes it anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from composer.transcription.performance import PlayedNote

Array = npt.NDArray[np.float64]

STEPS = 4  # of a tracked beat: times are counted in quarters of it
POSITIONS = 16  # sixteenths in a bar
WINDOW = 1.0  # seconds before and behind a note within which it may be the lowest or the highest
LONGEST_REST = 16.0  # steps; what follows later says nothing more about a strike
LONGEST_NOTE = 2.0  # seconds, likewise
HARMONY_STEPS = 2 * STEPS  # what sounds so long before a step is compared with what sounds behind it
RETURNS = (0.25, 0.5, 1, 2)  # bars after which music may come back
USUAL_BEAT = 0.7  # seconds
FARTHEST = 4.0  # standard deviations that a feature counts at most


class Reading(NamedTuple):
    """Bars of `length` steps of the pulse, one of which begins at step `offset`."""

    length: int
    offset: int


READINGS = tuple(Reading(beats * STEPS, offset) for beats in (2, 4, 8) for offset in range(beats * STEPS))


LAGS = tuple(sorted({int(reading.length * bars) for reading in READINGS for bars in RETURNS}))


class Event(NamedTuple):
    """Things of one kind: the step that each lies on, and how much it counts, both (things,)."""

    steps: Array
    weights: Array


class Network(NamedTuple):
    """mean, scale: of the features   hidden: (units, features)   hidden_bias, score: (units,)"""

    mean: Array
    scale: Array
    hidden: Array
    hidden_bias: Array
    score: Array


def likelihoods(descriptions: Array) -> Array:
    """descriptions: (readings, features).   Returns (readings,), which sum to 1."""
    network = _network()
    seen = np.clip((descriptions - network.mean) / network.scale, -FARTHEST, FARTHEST)
    scores = np.maximum(seen @ network.hidden.T + network.hidden_bias, 0) @ network.score
    odds = np.exp(scores - scores.max())
    return np.asarray(odds / odds.sum(), dtype=np.float64)


@cache
def _network() -> Network:
    stored = json.loads((resources.files(__package__) / "readings.json").read_text(encoding="utf-8"))
    return Network(**{name: np.array(stored[name]) for name in Network._fields})


def describe(notes: Sequence[PlayedNote], steps: Array, beat_seconds: float) -> Array:
    """notes: sorted   steps: where each begins, in steps of the pulse   beat_seconds: of a tracked beat, in the median

    Returns a row for each of READINGS: (readings, features).
    """
    events = _events(notes, np.rint(steps))
    alike = _returns(np.rint(steps), np.array([note.pitch for note in notes]))
    strikes, everything, bass, moves, top = (len(events[at].steps) for at in (0, 2, 3, 4, 5))
    rows = []
    for length, offset in READINGS:
        beat = beat_seconds * length / 4 / STEPS
        beats = (steps[-1] - steps[0]) / length * 4 + 1
        tempo = np.log2(beat / USUAL_BEAT)
        counts = np.array([strikes, everything, everything * beats / strikes, moves + 1, bass + 1, top + 1])
        start = np.eye(POSITIONS)[_positions(steps[:1], length, offset)[0]]
        profiles = [_profile(event, length, offset) for event in events]
        comes_back = [alike[int(length * bars)] for bars in RETURNS]
        rows.append(np.concatenate([*profiles, *comes_back, [tempo, tempo**2], np.log2(counts / beats), start]))
    return np.stack(rows)


def _returns(grid: Array, pitch: Array) -> dict[int, Array]:
    """How much the music is like itself so many steps later: in its rhythm, and in its pitches. 1 is a true repeat."""
    low, count = grid.min(), int(grid.max() - grid.min()) + 1
    keys = np.zeros((count, 128))
    np.add.at(keys, ((grid - low).astype(int), pitch.astype(int)), 1.0)
    rhythm = np.minimum(keys.sum(axis=1, keepdims=True), 1)
    return {lag: np.array([_alike(rhythm, lag), _alike(keys, lag)]) for lag in LAGS}


def _alike(rows: Array, lag: int) -> float:
    before, behind = rows[:-lag], rows[lag:]
    size = np.sqrt((before**2).sum() * (behind**2).sum())
    return float((before * behind).sum() / size) if size > 0 else 0.0


def _positions(steps: Array, length: int, offset: int) -> npt.NDArray[np.int64]:
    """The sixteenths of the bar that steps lie on."""
    return np.rint((steps - offset) % length * POSITIONS / length).astype(np.int64) % POSITIONS


def _profile(event: Event, length: int, offset: int) -> Array:
    """How much of it lies on each sixteenth of the bar: (POSITIONS,)."""
    profile = np.bincount(_positions(event.steps, length, offset), event.weights, POSITIONS)
    return np.asarray(profile / (np.abs(event.weights).sum() + 1e-9), dtype=np.float64)


def _events(notes: Sequence[PlayedNote], grid: Array) -> list[Event]:
    """What happens when, kind by kind. grid: the step that each note begins on"""
    onset, pitch, offset, velocity = (np.array(column, dtype=np.float64) for column in zip(*notes, strict=True))
    seconds = np.minimum(offset - onset, 16 * (onset[-1] - onset[0] + 1) / (grid[-1] - grid[0] + 1))
    lowest, highest = _outer(onset, pitch)
    struck = grid[np.concatenate([[True], np.diff(grid) > 0])]
    rests = np.minimum(np.concatenate([np.diff(struck), [float(STEPS)]]), LONGEST_REST)
    bass = pitch[lowest] % 12
    moved = np.concatenate([[True], bass[1:] != bass[:-1]])
    return [
        Event(struck, np.ones(len(struck))),
        Event(struck, rests),
        Event(grid, np.ones(len(grid))),
        Event(grid[lowest], np.ones(len(bass))),
        Event(grid[lowest][moved], np.ones(int(moved.sum()))),
        Event(grid[highest], np.ones(int(highest.sum()))),
        Event(grid[highest], np.minimum(offset - onset, LONGEST_NOTE)[highest]),
        Event(grid, seconds),
        _harmony(grid, pitch),
        Event(grid, velocity - velocity.mean()),
    ]


def _outer(onset: Array, pitch: Array) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which notes are the lowest, and which the highest, of all within WINDOW."""
    first = np.searchsorted(onset, onset - WINDOW, side="right")
    behind = np.searchsorted(onset, onset + WINDOW, side="left")
    near = [pitch[a:b] for a, b in zip(first.tolist(), behind.tolist(), strict=True)]
    lowest = np.array([own <= around.min() for own, around in zip(pitch, near, strict=True)])
    highest = np.array([own >= around.max() for own, around in zip(pitch, near, strict=True)])
    return lowest, highest


def _harmony(grid: Array, pitch: Array) -> Event:
    """How much the pitch classes of the two beats behind each step differ from those of the two before it."""
    low, count = grid.min(), int(grid.max() - grid.min()) + 1
    chroma = np.zeros((count + 2 * HARMONY_STEPS, 12))
    np.add.at(chroma, ((grid - low).astype(int) + HARMONY_STEPS, (pitch % 12).astype(int)), 1.0)
    total = np.concatenate([np.zeros((1, 12)), np.cumsum(chroma, axis=0)])
    at = np.arange(HARMONY_STEPS, HARMONY_STEPS + count)
    before, behind = total[at] - total[at - HARMONY_STEPS], total[at + HARMONY_STEPS] - total[at]
    size = np.linalg.norm(before, axis=1) * np.linalg.norm(behind, axis=1)
    alike = np.divide((before * behind).sum(axis=1), size, out=np.ones(count), where=size > 0)
    return Event(at - HARMONY_STEPS + low, 1 - alike)
