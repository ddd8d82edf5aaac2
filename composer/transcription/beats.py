"""Notes in seconds -> beats and bar lines.

Two steps. `track` follows a pulse through the strikes: every path of beats, each nearly as long as the one before, is
scored by how well sixteenths within its beats explain the strikes, and the best is found by dynamic programming. What
it finds is in time, but may be half or twice what a musician would count, or begin beside the beat. So
`composer.transcription.readings` says how likely each way is to count it, and `_counted` counts it in the likeliest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from composer.music.meter import BEATS_PER_BAR
from composer.transcription.performance import PlayedNote
from composer.transcription.readings import READINGS, STEPS, Reading, describe, likelihoods

Array = npt.NDArray[np.float64]

SLOWEST, FASTEST = 30.0, 300.0  # quarter notes a minute that may be asked for
FRAMES = 100  # a second

PERIODS = np.arange(30, 121)  # how long a tracked beat may be, in frames: from 200 to 50 a minute
USUAL_PERIOD = 60  # frames; the prior is as wide as its doubling, for readings tell tempo levels better
TOGETHER = 0.035  # seconds: notes nearer to each other are one strike
JITTER = 0.018  # seconds: how far players and transcribers are off, one standard deviation
# Where in a beat strikes lie in pop piano: on it, on its sixteenths, or anywhere.
ON_SIXTEENTHS = (0.42, 0.12, 0.28, 0.12)
ANYWHERE = 0.06
TEMPO_CHANGE = 0.03  # from beat to beat, one standard deviation of the logarithm
ASKED_CHANGE = 0.08  # how far the tempo is from what the player says, likewise
SMOOTHING = np.array([1, 2, 3, 2, 1]) / 9  # over beats: the frames round each of them by some milliseconds
LEAST_LIKELY = 1e-9  # of a reading, so that what the player says can always be followed
EARLY_BEATS = 0.2  # a note this close before a bar line is meant for it


@dataclass(frozen=True)
class Pulse:
    """beats: when each begins, in seconds, rising   first: on which beat of its bar the first of them lies, from 0
    sure: how likely this reading is, from 0 to 1
    """

    beats: Array
    first: int
    sure: float

    @property
    def bpm(self) -> float:
        return float(60 / np.median(np.diff(self.beats)))

    def position(self, seconds: float) -> float:
        """In beats from the bar line that opens the first beat's bar. Beyond the beats the tempo goes on."""
        at = int(np.clip(np.searchsorted(self.beats, seconds, side="right") - 1, 0, len(self.beats) - 2))
        begin, end = self.beats[at], self.beats[at + 1]
        return float(self.first + at + (seconds - begin) / (end - begin))

    def seconds(self, position: float) -> float:
        """The inverse of `position`."""
        at = int(np.clip(np.floor(position - self.first), 0, len(self.beats) - 2))
        begin, end = self.beats[at], self.beats[at + 1]
        return float(begin + (position - self.first - at) * (end - begin))


class Strike(NamedTuple):
    seconds: float
    weight: float


def find_pulse(notes: Sequence[PlayedNote], bpm: float | None = None, downbeat: int | None = None) -> Pulse:
    """The beats of a performance in 4/4, from before its first note to behind its last.

    notes: sorted   bpm: about the tempo   downbeat: on which beat of its bar, 1 to 4, the first note lies
    """
    beats = track(notes, bpm)
    steps = np.interp([note.onset for note in notes], beats, np.arange(len(beats))) * STEPS
    beat_seconds = float(np.median(np.diff(beats)))
    likely = likelihoods(describe(notes, steps, beat_seconds)) + LEAST_LIKELY
    allowed = np.ones(len(READINGS), dtype=bool)
    if bpm is not None:
        allowed &= _nearest_to(bpm, beat_seconds)
    if downbeat is not None:
        allowed &= np.array([_first_beat(reading, steps[0]) == downbeat - 1 for reading in READINGS])
    likely = np.where(allowed, likely, 0)
    best = int(likely.argmax())
    return _counted(beats, READINGS[best], float(likely[best] / likely.sum()))


def track(notes: Sequence[PlayedNote], bpm: float | None = None) -> Array:
    """The times of the beats that explain the strikes best, from a bar or so before the first to behind the last.

    notes: sorted.   Shape (beats,), in seconds; whether they are those that a musician would count is left open.
    """
    strikes = _strikes(notes)
    lead = 2 * int(PERIODS[-1])  # frames before and behind, so that readings have a bar to begin in
    frames = round((strikes[-1].seconds - strikes[0].seconds) * FRAMES) + 2 * lead
    struck = np.zeros(frames)
    for strike in strikes:
        struck[lead + round((strike.seconds - strikes[0].seconds) * FRAMES)] += strike.weight
    path = _best_path(_gains(struck), _prior(bpm), lead)
    return _smoothed(np.array(path) / FRAMES + strikes[0].seconds - lead / FRAMES)


def _nearest_to(bpm: float, beat_seconds: float) -> npt.NDArray[np.bool_]:
    """Which readings come nearest to a tempo."""
    lengths = np.array([reading.length for reading in READINGS])
    octaves = np.abs(np.log2(beat_seconds * lengths / STEPS / BEATS_PER_BAR * bpm / 60))
    return np.asarray(octaves == octaves.min())


def _first_beat(reading: Reading, first_step: float) -> int:
    """The beat of the bar, from 0, on which the first note lies."""
    beat = (first_step - reading.offset) / (reading.length / BEATS_PER_BAR)
    return int(np.floor(beat + EARLY_BEATS)) % BEATS_PER_BAR


def _counted(beats: Array, reading: Reading, sure: float) -> Pulse:
    """The pulse in beats of the reading's length, of which one opens a bar at its offset."""
    beat_steps = reading.length / BEATS_PER_BAR
    last = (len(beats) - 1) * STEPS
    first = -int(reading.offset // beat_steps)  # beats from the bar line at the offset back to the beginning
    count = int((last - reading.offset) // beat_steps)
    at = reading.offset + np.arange(first, count + 1) * beat_steps
    return Pulse(np.interp(at / STEPS, np.arange(len(beats)), beats), first % BEATS_PER_BAR, sure)


def _strikes(notes: Sequence[PlayedNote]) -> list[Strike]:
    """Notes that begin together, as one: when, in the mean, and how much it weighs."""
    groups: list[list[float]] = []
    for note in notes:
        if groups and note.onset - groups[-1][0] < TOGETHER:
            groups[-1].append(note.onset)
        else:
            groups.append([note.onset])
    return [Strike(float(np.mean(group)), min(2.0, len(group) ** 0.5)) for group in groups]


def _gains(struck: Array) -> Array:
    """What a beat of each period gains that begins at each frame: (frames, periods)."""
    columns = []
    for period in PERIODS.tolist():
        kernel = _kernel(period)
        columns.append(np.correlate(np.pad(struck, (0, period - 1)), kernel, "valid"))
    return np.stack(columns, axis=1)


def _kernel(period: int) -> Array:
    """What a strike at each frame of a beat gains, in nats, against one that may lie anywhere: (period,)."""
    frames = np.arange(period)
    width = JITTER * FRAMES
    density = np.full(period, ANYWHERE)
    for sixteenth, share in enumerate((*ON_SIXTEENTHS, ON_SIXTEENTHS[0])):
        off = (frames - sixteenth / 4 * period) / width
        density += share * period / (width * np.sqrt(2 * np.pi)) * np.exp(-0.5 * off**2)
    return np.asarray(np.log(density), dtype=np.float64)


def _prior(bpm: float | None) -> Array:
    """How likely each period is to begin with; where the player says a tempo, half and twice of it will do."""
    octaves = np.log2(PERIODS / (USUAL_PERIOD if bpm is None else 60 * FRAMES / bpm))
    if bpm is None:
        return np.asarray(-0.5 * octaves**2, dtype=np.float64)
    beside = octaves - np.clip(np.rint(octaves), -1, 1)  # a reading is no further from what is tracked
    return np.asarray(-0.5 * (beside / ASKED_CHANGE) ** 2, dtype=np.float64)


def _best_path(gains: Array, prior: Array, lead: int) -> list[int]:
    """The frames of the beats on the best path. It may begin anywhere in the lead and ends in that behind the music."""
    frames = len(gains)
    columns = np.arange(len(PERIODS))
    change = -0.5 * (np.log(PERIODS[:, None] / PERIODS[None, :]) / TEMPO_CHANGE) ** 2
    reach = np.full((frames, len(PERIODS)), -np.inf)  # the best path to a beat here, if the next one has this period
    origin = np.full((frames, len(PERIODS)), -1, dtype=np.int16)  # the period of the beat before; -1: it begins here
    reach[: PERIODS[-1]] = prior
    for frame in range(int(PERIODS[-1]), frames):
        before = frame - PERIODS
        onward = (reach[before, columns] + gains[before, columns])[:, None] + change
        origin[frame] = onward.argmax(axis=0)
        reach[frame] = onward[origin[frame], columns]
    ends = reach[frames - lead :].max(axis=1)
    frame = frames - lead // 2
    frame += int(ends[lead - lead // 2 : lead - lead // 2 + int(PERIODS[-1])].argmax())
    column = int(reach[frame].argmax())
    path = [frame]
    while origin[frame, column] >= 0:
        column = int(origin[frame, column])
        frame -= int(PERIODS[column])
        path.append(frame)
    return path[::-1]


def _smoothed(beats: Array) -> Array:
    """Beats with the steps of the frames taken out; a steady tempo stays as it is."""
    side = len(SMOOTHING) // 2
    before = beats[0] - (beats[1] - beats[0]) * np.arange(side, 0, -1)
    behind = beats[-1] + (beats[-1] - beats[-2]) * np.arange(1, side + 1)
    return np.convolve(np.concatenate([before, beats, behind]), SMOOTHING, "valid")
