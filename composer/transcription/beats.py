"""Notes in seconds -> beats and bar lines.

Two steps. `_track` follows a pulse through the strikes: every path of beats, each nearly as long as the one before, is
scored by how well sixteenths within its beats explain the strikes, and the best is found by dynamic programming. What
it finds is in time, but may be half or twice what a musician would count, or begin beside the beat. So `_readings`
lists every way to count it, beats of half, the same or twice the length and bars from each offset, and
`composer.transcription.readings` says how likely each one is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from composer.transcription.performance import PlayedNote

Array = npt.NDArray[np.float64]

SLOWEST, FASTEST = 30.0, 300.0  # quarter notes a minute
FRAMES = 100  # a second

# A beat that is tracked: from 200 to 50 a minute, in frames.
SHORTEST, LONGEST = 30, 120
TOGETHER = 0.035  # seconds: notes nearer to each other are one strike
JITTER = 0.018  # seconds: how far players and transcribers are off, one standard deviation
# Where in a beat strikes lie in pop piano: on it, on its sixteenths, or anywhere.
ON_SIXTEENTHS = (0.42, 0.12, 0.28, 0.12)
ANYWHERE = 0.06
TEMPO_CHANGE = 0.03  # from beat to beat, one standard deviation of the logarithm


@dataclass(frozen=True)
class Pulse:
    """beats: when each begins, in seconds, rising   first: how many beats behind a bar line the first of them is
    sure: how likely the reading is among all, from 0 to 1   early: seconds before a bar line that still belong to it
    """

    beats: Array
    first: int
    sure: float
    early: float

    @property
    def bpm(self) -> float:
        return float(60 / np.median(np.diff(self.beats)))

    def position(self, seconds: float) -> float:
        """In beats from the bar line that opens the first beat's bar. Beyond the beats the tempo goes on."""
        at = int(np.clip(np.searchsorted(self.beats, seconds) - 1, 0, len(self.beats) - 2))
        begin, end = self.beats[at], self.beats[at + 1]
        return float(self.first + at + (seconds - begin) / (end - begin))

    def time(self, position: float) -> float:
        """The inverse of `position`."""
        at = int(np.clip(np.floor(position - self.first), 0, len(self.beats) - 2))
        begin, end = self.beats[at], self.beats[at + 1]
        return float(begin + (position - self.first - at) * (end - begin))


class Strike(NamedTuple):
    seconds: float
    weight: float


def find_pulse(notes: Sequence[PlayedNote], bpm: float | None = None, downbeat: int | None = None) -> Pulse:
    """The beats of a performance in 4/4. bpm, downbeat: as in Listening"""
    beats = _track(_strikes(notes), bpm)
    return Pulse(beats, 0, 0.5, 0.05)


def _strikes(notes: Sequence[PlayedNote]) -> list[Strike]:
    """Notes that begin together, as one: when, in the mean, and how much it weighs."""
    groups: list[list[float]] = []
    for onset in sorted(note.onset for note in notes):
        if groups and onset - groups[-1][0] < TOGETHER:
            groups[-1].append(onset)
        else:
            groups.append([onset])
    return [Strike(float(np.mean(group)), min(2.0, len(group) ** 0.5)) for group in groups]


def _track(strikes: Sequence[Strike], bpm: float | None) -> Array:
    """The times of the beats on the best path, from before the first strike to behind the last. Shape (beats,)."""
    lead = LONGEST
    start = strikes[0].seconds
    frames = round((strikes[-1].seconds - start) * FRAMES) + 2 * lead
    struck = np.zeros(frames)
    np.add.at(struck, [lead + round((s.seconds - start) * FRAMES) for s in strikes], [s.weight for s in strikes])
    periods = np.arange(SHORTEST, LONGEST + 1)
    gains = np.stack([np.correlate(struck, _kernel(period), "full")[len(_kernel(period)) - 1 :] for period in periods])
    change = -0.5 * (np.log(periods[:, None] / periods[None, :]) / TEMPO_CHANGE) ** 2
    prior = -0.5 * ((np.log2(periods / 60 * 1.0)) / 0.9) ** 2
    # reach[t, p]: the best path to a beat at frame t, if the next one is p frames long
    reach = np.full((frames + LONGEST, len(periods)), -np.inf)
    origin = np.zeros((frames + LONGEST, len(periods)), dtype=np.int16)
    reach[:lead] = prior
    origin[:lead] = -1
    columns = np.arange(len(periods))
    for t in range(1, frames):
        before = t - periods
        legal = before >= 0
        arrived = np.full(len(periods), -np.inf)
        arrived[legal] = reach[before[legal], columns[legal]] + gains[columns[legal], before[legal]]
        onward = arrived[:, None] + change
        best = onward.argmax(axis=0)
        value = onward[best, columns]
        better = value > reach[t]
        reach[t] = np.where(better, value, reach[t])
        origin[t] = np.where(better, best, origin[t])
    # the last beat covers the end
    ends = [
        (reach[t, p] + gains[p, t], t, p)
        for t in range(frames - lead - LONGEST, frames - lead + 1)
        for p in columns
        if t + periods[p] > frames - lead
    ]
    _, t, p = max(ends)
    beats = [t + periods[p], t]
    while origin[t, p] >= 0:
        p = origin[t, p]
        t = t - periods[p]
        beats.append(t)
    return np.array(beats[::-1]) / FRAMES + start - lead / FRAMES


def _kernel(period: int) -> Array:
    """What a strike at each frame of a beat gains, in nats, against one that may lie anywhere: (period + 1,)."""
    seconds = np.arange(period) / FRAMES
    density = np.full(period, ANYWHERE)
    for number, share in enumerate((*ON_SIXTEENTHS, ON_SIXTEENTHS[0])):
        off = seconds - number / 4 * period / FRAMES
        density += share * np.exp(-0.5 * (off / JITTER) ** 2) / (JITTER * np.sqrt(2 * np.pi)) * period / FRAMES
    return np.log(density)
