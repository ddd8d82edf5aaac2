"""Performance -> Heard: the notes on beats and bar lines that are found from them, and what to tell about it.

Cheap, and free of torch: a performance that was transcribed once can be heard again at half the tempo at once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from composer.errors import OutOfRangeError, TooFewNotesError
from composer.key import find_key
from composer.score import BEATS_PER_BAR, TICKS_PER_BAR, TICKS_PER_BEAT, Note, Score, TempoChange
from composer.transcription.accompaniment import accompany
from composer.transcription.beats import FASTEST, SLOWEST, Pulse, find_pulse
from composer.transcription.performance import Kind, Performance, PlayedNote

LEAST_NOTES = 4
GRID = TICKS_PER_BEAT // 4
ON_GRID_TICKS = TICKS_PER_BEAT // 24
LEAST_ON_GRID = 0.6  # of the onsets of a file in time with its own beats: as for songs that are trained on
LEAST_JUDGED = 16  # notes; fewer say nothing about a grid


@dataclass(frozen=True)
class Listening:
    """What the player says about the music; None leaves it to the ear.

    bpm: quarter notes a minute, about; half of what was heard is how one asks for half the tempo   downbeat: on which
    beat of its bar, 1 to 4, the first note lies   accompany: whether a single line gets chords in the left hand
    Raises OutOfRangeError.
    """

    bpm: float | None = None
    downbeat: int | None = None
    accompany: bool = True

    def __post_init__(self) -> None:
        if self.bpm is not None and not SLOWEST <= self.bpm <= FASTEST:
            raise OutOfRangeError("the tempo", self.bpm, SLOWEST, FASTEST)
        if self.downbeat is not None and not 1 <= self.downbeat <= BEATS_PER_BAR:
            raise OutOfRangeError("the downbeat", self.downbeat, 1, BEATS_PER_BAR)

    def to_json(self) -> dict[str, Any]:
        """The keyword arguments that make it again."""
        return asdict(self)


@dataclass(frozen=True)
class Heard:
    """score: in 4/4, bar line at tick 0, pickup at the end of bar 0; chord symbols are found later, as in any opening

    kind: of the performance   tempo: quarter notes a minute, in the median   sure: of tempo level and bar lines, from
    0 to 1   key: as composer.key names it   notes: those that were played   accompanied: whether chords were added
    """

    score: Score
    kind: Kind
    tempo: float
    sure: float
    key: str | None
    notes: int
    accompanied: bool

    @property
    def bars(self) -> int:
        return self.score.bars


def synchronise(performance: Performance, listening: Listening | None = None) -> Heard:
    """Put a performance on beats and bars. Raises TooFewNotesError."""
    listening = listening or Listening()
    if len(performance.notes) < LEAST_NOTES:
        raise TooFewNotesError(len(performance.notes), LEAST_NOTES)
    pulse = find_pulse(performance.notes, listening.bpm, listening.downbeat)
    score = _on_beats(performance, pulse)
    accompanied = performance.kind == "melody" and listening.accompany
    if performance.kind == "melody":
        score = _snapped(score)
    key = find_key(score.notes)
    return Heard(
        score=accompany(score) if accompanied else score,
        kind=performance.kind,
        tempo=pulse.bpm,
        sure=pulse.sure,
        key=key and key.name,
        notes=len(performance.notes),
        accompanied=accompanied,
    )


def performance_of(score: Score) -> Performance:
    """What a MIDI file sounds like, its own beats forgotten."""
    notes = [
        PlayedNote(score.seconds_at(note.start), note.pitch, score.seconds_at(note.end), note.velocity)
        for note in (score.held or score.notes)
    ]
    return Performance(
        notes=tuple(sorted(notes)),
        seconds=score.seconds_at(score.end),
        kind="midi",
        pedal=tuple((score.seconds_at(down), score.seconds_at(up)) for down, up in score.pedal),
    )


def on_its_grid(score: Score) -> bool:
    """Whether a MIDI file was played to its own beats: its onsets lie near its sixteenths, or near its triplets.

    Of onsets that know nothing of the grid a third lie near sixteenths. A file of a few notes is taken at its word.
    """
    onsets = np.unique([note.start for note in score.notes])
    return (
        len(onsets) < LEAST_JUDGED
        or max(_share_on(onsets, GRID), _share_on(onsets, TICKS_PER_BEAT // 3)) >= LEAST_ON_GRID
    )


def _share_on(onsets: np.ndarray[Any, Any], step: int) -> float:
    off = np.abs((onsets + step // 2) % step - step // 2)
    return float((off <= ON_GRID_TICKS).mean())


def _on_beats(performance: Performance, pulse: Pulse) -> Score:
    """The performance with ticks for seconds: every beat is TICKS_PER_BEAT long, by a tempo of its own."""
    first_bar = np.floor(pulse.position(performance.notes[0].onset + pulse.early) / BEATS_PER_BAR) * BEATS_PER_BAR

    def tick(seconds: float) -> int:
        return max(0, round((pulse.position(seconds) - first_bar) * TICKS_PER_BEAT))

    notes = tuple(
        sorted(
            Note(start := tick(note.onset), note.pitch, max(tick(note.offset), start + 1), note.velocity)
            for note in performance.notes
        )
    )
    last_bar = (notes[-1].start + TICKS_PER_BEAT // 8) // TICKS_PER_BAR + 1
    tempos = tuple(
        TempoChange(beat * TICKS_PER_BEAT, 60 / (pulse.time(first_bar + beat + 1) - pulse.time(first_bar + beat)))
        for beat in range(last_bar * BEATS_PER_BAR)
    )
    pedal = tuple((tick(down), tick(up)) for down, up in performance.pedal if tick(down) < tick(up))
    return Score(notes, tempos, end=last_bar * TICKS_PER_BAR, pedal=pedal)


def _snapped(score: Score) -> Score:
    """A single line on the grid of sixteenths: each note lasts up to the next one, if it nearly reached it."""
    return score
