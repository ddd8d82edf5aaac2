"""Performance -> Heard: the notes on beats and bar lines that are found from them, and what to tell about it.

Cheap, and free of torch: a performance that was transcribed once can be heard again at half the tempo at once.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from composer.errors import OpeningTooLongError, OutOfRangeError, TooFewNotesError
from composer.music.key import find_key
from composer.music.meter import BEATS_PER_BAR, TICKS_PER_BAR, TICKS_PER_BEAT
from composer.music.score import EARLY_TICKS, SHORTEST_TICKS, Note, Score, TempoChange, in_four, pedal_of
from composer.transcription.accompaniment import accompany
from composer.transcription.beats import EARLY_BEATS, FASTEST, SLOWEST, Pulse, find_pulse
from composer.transcription.performance import Kind, Performance, PlayedNote

LEAST_NOTES = 4
LONGEST_MINUTES = 8  # of a MIDI file in which beats are looked for
SIXTEENTH = TICKS_PER_BEAT // 4
ON_GRID_TICKS = TICKS_PER_BEAT // 24
PLACE_TICKS, MOST_PLACES = 8, 6  # of the beat, where onsets are that were written
LEAST_ON_GRID = 0.6  # of the onsets of a file in time with its own beats: as for songs that are trained on
LEAST_JUDGED = 16  # notes; fewer say nothing about a grid
SURE = 0.9  # of bars that need no asking; `./run bench readings` prints how often what is surer is right


@dataclass(frozen=True)
class Listening:
    """What the player says about the music; None leaves it to the ear.

    bpm: quarter notes a minute, about; half of what was heard is how one asks for half the tempo   downbeat: on which
    beat of its bar, 1 to 4, the first note lies   accompany: whether a single line gets chords in the left hand
    as_written: whether a MIDI file is taken as it is on its own beats, however it was played
    Raises OutOfRangeError.
    """

    bpm: float | None = None
    downbeat: int | None = None
    accompany: bool = True
    as_written: bool = False

    def __post_init__(self) -> None:
        if self.bpm is not None and not SLOWEST <= self.bpm <= FASTEST:
            raise OutOfRangeError("the tempo", self.bpm, SLOWEST, FASTEST)
        if self.downbeat is not None and not 1 <= self.downbeat <= BEATS_PER_BAR:
            raise OutOfRangeError("the downbeat", self.downbeat, 1, BEATS_PER_BAR)

    @property
    def told(self) -> bool:
        """Whether the player says anything about its bars."""
        return self.bpm is not None or self.downbeat is not None

    def takes(self, score: Score) -> bool:
        """Whether a MIDI file's own beats are taken."""
        return self.as_written or (not self.told and on_its_grid(score))

    def to_json(self) -> dict[str, Any]:
        """The keyword arguments that make it again."""
        return asdict(self)


@dataclass(frozen=True)
class Heard:
    """score: in 4/4, bar line at tick 0, pickup at the end of bar 0; chord symbols are found later, as in any opening

    kind: of the performance   tempo: quarter notes a minute, in the median   sure: of tempo level and bar lines, from
    0 to 1   key: as composer.music.key names it   notes: those played   accompanied: whether chords were added
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
        return len(self.score.bars)

    def to_json(self) -> dict[str, Any]:
        """What is told of it."""
        return {
            "kind": self.kind,
            "tempo": round(self.tempo, 1),
            "sure": round(self.sure, 2),
            "key": self.key,
            "bars": self.bars,
            "notes": self.notes,
            "accompanied": self.accompanied,
        }


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
    """What the pitched parts of a MIDI file sound like, its own beats forgotten.

    Raises:
        OpeningTooLongError: it is longer than beats are looked for, which costs by the second.
    """
    seconds = score.seconds_at(score.end)
    if seconds > LONGEST_MINUTES * 60:
        raise OpeningTooLongError(math.ceil(seconds / 60), LONGEST_MINUTES)
    one_pedal = len({part.channel for part in score.playing}) == 1
    notes = [
        PlayedNote(score.seconds_at(note.start), note.pitch, score.seconds_at(note.end), note.velocity)
        for note in (score.notes if one_pedal else score.sounding)
    ]
    pedal = pedal_of(score.pitched) if one_pedal else ()
    return Performance(
        notes=tuple(sorted(notes)),
        seconds=seconds,
        kind="midi",
        pedal=tuple((score.seconds_at(down), score.seconds_at(up)) for down, up in pedal),
    )


def on_its_grid(score: Score) -> bool:
    """Whether a MIDI file was played to its own beats: its onsets lie near its sixteenths, or near its triplets, or at
    a few places of the beat, as swung and late ones do.

    Of onsets that know nothing of the grid a third lie near sixteenths. A file of a few notes is taken at its word, and
    so is one of several instruments, for who puts a band together has a click, and one in another meter than 4/4: beats
    are put into bars of four here.
    """
    if any(part.is_drum for part in score.parts) or len({part.program for part in score.playing}) > 1:
        return True
    if any(bar.meter.ticks != TICKS_PER_BAR for bar in score.bars):
        return True
    onsets = np.unique([note.start for note in score.notes])
    on_grid = max(_share_on(onsets, step) for step in (SIXTEENTH, TICKS_PER_BEAT // 3))
    return len(onsets) < LEAST_JUDGED or on_grid >= LEAST_ON_GRID or _in_places(onsets) >= LEAST_ON_GRID


def _in_places(onsets: npt.NDArray[np.int64]) -> float:
    """The share of onsets in the MOST_PLACES fullest places of the beat, each PLACE_TICKS wide."""
    places = np.bincount(onsets % TICKS_PER_BEAT // PLACE_TICKS)
    return float(np.sort(places)[-MOST_PLACES:].sum() / len(onsets))


def _share_on(onsets: npt.NDArray[np.int64], step: int) -> float:
    off = np.abs((onsets + step // 2) % step - step // 2)
    return float((off <= ON_GRID_TICKS).mean())


def _on_beats(performance: Performance, pulse: Pulse) -> Score:
    """The performance with ticks for seconds: every beat is TICKS_PER_BEAT long, by a tempo of its own."""
    first = pulse.position(performance.notes[0].onset)
    bar_line = math.floor((first + EARLY_BEATS) / BEATS_PER_BAR) * BEATS_PER_BAR

    def tick(seconds: float) -> int:
        return max(0, round((pulse.position(seconds) - bar_line) * TICKS_PER_BEAT))

    notes = []
    for onset, pitch, offset, velocity in performance.notes:
        start = tick(onset)
        notes.append(Note(start, pitch, max(tick(offset), start + SHORTEST_TICKS), velocity))
    end = (max(note.start for note in notes) + EARLY_TICKS) // TICKS_PER_BAR * TICKS_PER_BAR + TICKS_PER_BAR
    lines = [pulse.seconds(bar_line + beat) for beat in range(end // TICKS_PER_BEAT + 1)]
    tempos = [TempoChange(beat * TICKS_PER_BEAT, 60 / (b - a)) for beat, (a, b) in enumerate(pairwise(lines))]
    pedal = tuple((tick(down), tick(up)) for down, up in performance.pedal if tick(down) < tick(up))
    return in_four(sorted(notes), tuple(tempos), end=end, pedal=pedal)


def _snapped(score: Score) -> Score:
    """A single line on the grid of sixteenths. A note that nearly reaches the next one lasts until there.

    Of two notes on one sixteenth the longer stays.
    """
    longest: dict[int, Note] = {}
    for note in score.notes:
        start, end = (round(tick / SIXTEENTH) * SIXTEENTH for tick in (note.start, note.end))
        note = replace(note, start=start, end=max(end, start + SIXTEENTH))
        if start not in longest or note.end > longest[start].end:
            longest[start] = note
    line = [longest[start] for start in sorted(longest)]
    followed = [
        replace(note, end=following.start) if following.start - note.end <= SIXTEENTH else note
        for note, following in pairwise(line)
    ]
    return in_four((*followed, line[-1]), score.tempos, end=score.end)
