"""A piece as notes on a grid, for statistics: bars of 4/4 in sixteen steps, durations of up to a bar.

It is the grid of the Compound Word paper, so figures can be compared across models and vocabularies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from composer.engine.runs import nearest_step
from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import leaving_out, parse_midi
from composer.music.score import Note, Score
from composer.music.words import COLUMN, Family, Vocabulary, Words
from composer.training.sources import ANNOTATIONS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

STEPS = 16  # in a bar of 4/4
STEPS_PER_BEAT = 4
TICKS_PER_STEP = TICKS_PER_BAR // STEPS
LONGEST = 16  # steps: what a longer note counts


@dataclass(frozen=True)
class Notes:
    """A piece on the grid. The arrays have one length and are sorted by bar, step and pitch.

    bars: from bar 0 to where the last bar ends that counts
    """

    bar: Ints
    step: Ints
    pitch: Ints
    duration: Ints  # steps
    velocity: Ints
    bars: int

    def __len__(self) -> int:
        return len(self.pitch)

    @property
    def time(self) -> Ints:
        """Onsets in steps from bar 0 on."""
        return self.bar * STEPS + self.step

    def part(self, first: int, end: int) -> Notes:
        """The bars from first up to but not including end; first becomes bar 0."""
        inside = (self.bar >= first) & (self.bar < end)
        return Notes(
            self.bar[inside] - first,
            self.step[inside],
            self.pitch[inside],
            self.duration[inside],
            self.velocity[inside],
            bars=max(0, min(end, self.bars) - first),
        )


# ------------------------------------------------------------------ from files, scores and words to the grid


def on_grid(notes: Iterable[Note], steps_a_bar: int = STEPS) -> Notes:
    """Bar 0 is the first in which a note starts, and the last bar is the last one of which that is true.

    Of the notes of one pitch at one step the longest stays, the earlier one of two that are as long.
    """
    longest: dict[tuple[int, int], tuple[int, int]] = {}
    for note in notes:
        place = round(note.start / TICKS_PER_STEP), note.pitch
        steps = min(LONGEST, max(1, round((note.end - note.start) / TICKS_PER_STEP)))
        if place not in longest or longest[place][0] < steps:
            longest[place] = steps, note.velocity
    rows = [(time, pitch, *longest[time, pitch]) for time, pitch in sorted(longest)]
    onset, pitches, duration, velocity = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    bar, step = np.divmod(onset, steps_a_bar)
    bar = bar - bar[:1]
    return Notes(bar, step, pitches, duration, velocity, int(bar[-1]) + 1 if len(bar) else 0)


def read_notes(data: bytes) -> Notes:
    """The keys of a trusted MIDI file, without its pedal. Raises what composer.music.midi.parse_midi raises."""
    score = parse_midi(data, leaving_out(ANNOTATIONS))
    notes = (note for part in score.pitched for note in part.notes)  # track by track, as the references were made
    return on_grid(notes, round(score.bars[0].meter.ticks / TICKS_PER_STEP))


def notes_of(score: Score) -> Notes:
    """What read_notes gives for the MIDI file of the score."""
    return on_grid(score.filled().notes)


def notes_of_words(words: Words, vocabulary: Vocabulary) -> Notes:
    """Encoded music, as (words, attributes); durations as they were drawn. Bars are counted as if all were of 4/4."""
    family = words[:, COLUMN["family"]]
    opens = family == Family.BAR
    lengths = np.where(opens, np.array(vocabulary.bar_lengths)[words[:, COLUMN["meter"]]], 0)
    starts = np.cumsum(lengths) - lengths  # of a bar, where its word stands
    start = starts[np.maximum.accumulate(np.where(opens, np.arange(len(words)), 0))]
    # The latest metrical word before each word: its index is the highest so far.
    metrical = np.maximum.accumulate(np.where(family == Family.METRICAL, np.arange(len(words)), 0))
    position = start + words[metrical, COLUMN["position"]].astype(np.int64) - 1
    time = nearest_step(position, vocabulary.positions_per_whole)
    at = np.flatnonzero(family == Family.NOTE)
    order = at[np.lexsort((words[at, COLUMN["pitch"]], time[at]))]

    def values(name: str, meanings: tuple[int, ...]) -> Ints:
        by_id = np.array([0, *meanings], dtype=np.int64)
        found: Ints = by_id[words[order, COLUMN[name]]]
        return found

    bar, step = np.divmod(time[order], STEPS)
    return Notes(
        bar,
        step,
        values("pitch", vocabulary.pitches),
        np.clip(nearest_step(values("duration", vocabulary.durations), vocabulary.positions_per_whole), 1, LONGEST),
        values("velocity", vocabulary.velocities),
        bars=max(-(-int(lengths.sum()) // vocabulary.positions_per_whole), int(bar.max(initial=-1)) + 1),
    )


# ------------------------------------------------------------------ what sounds where


def sounding(notes: Notes) -> Floats:
    """How many notes of each pitch class sound in each step: (12, steps)."""
    steps = notes.bars * STEPS
    changes = np.zeros((12, steps + 1))
    np.add.at(changes, (notes.pitch % 12, np.minimum(notes.time, steps)), 1)
    np.add.at(changes, (notes.pitch % 12, np.minimum(notes.time + notes.duration, steps)), -1)
    return np.cumsum(changes, axis=1)[:, :steps]


def frame_chroma(notes: Notes, frames_a_bar: int) -> Floats:
    """What sounds in each frame, by pitch class: (frames, 12)."""
    frames: Floats = sounding(notes).reshape(12, notes.bars * frames_a_bar, -1).sum(axis=2).T
    return frames


def onset_grid(notes: Notes) -> npt.NDArray[np.bool_]:
    """Whether a note starts: (bars, STEPS)."""
    grid = np.zeros((notes.bars, STEPS), dtype=bool)
    inside = notes.step < STEPS  # a bar of another meter may be longer
    grid[notes.bar[inside], notes.step[inside]] = True
    return grid
