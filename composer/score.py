"""A piece as notes in time: what the rest of the house passes around. Imports nothing of ours.

All times are ticks from the first bar line, TICKS_PER_BEAT to a quarter note.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

TICKS_PER_BEAT = 480
BEATS_PER_BAR = 4
TICKS_PER_BAR = TICKS_PER_BEAT * BEATS_PER_BAR  # 4/4, the one meter that is composed in
DEFAULT_BPM = 120.0  # what a MIDI file without a tempo event means

# Flats and sharps as pop charts spell them.
PITCH_CLASSES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

# Chord qualities, as they stand behind the root, with their notes as semitones above the root.
CHORD_QUALITIES: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "dim": (0, 3, 6),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "aug": (0, 4, 8),
}


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """A note: it holds from `start` up to but not including `end`."""

    start: int
    pitch: int  # MIDI number, 0-127
    end: int
    velocity: int  # 1-127


@dataclass(frozen=True, slots=True, order=True)
class TempoChange:
    tick: int
    bpm: float  # quarter notes a minute


@dataclass(frozen=True, slots=True, order=True)
class MeterChange:
    tick: int
    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class Chord:
    """The chord that sounds from `tick` until the next one. `root` is a pitch class; None where no chord sounds."""

    tick: int
    root: int | None
    quality: str = ""  # a key of CHORD_QUALITIES

    @property
    def name(self) -> str:
        """As a musician writes it: "C", "F#m7", "N" where no chord sounds."""
        return "N" if self.root is None else PITCH_CLASSES[self.root] + self.quality


Spans = tuple[tuple[int, int], ...]  # from tick to tick, one after the other


@dataclass(frozen=True, slots=True)
class Score:
    """One piano part. Every tuple is sorted by time; tempos, meters and chords hold until their next entry.

    notes: as long as their keys are held down.   pedal: where it is down, from tick to tick.   held: the same notes as
    one hears them, where they come from parts that were pedalled each on its own; empty where `pedal` says it all.
    end: where the last bar ends, so that empty bars at the end count.
    """

    notes: tuple[Note, ...]
    tempos: tuple[TempoChange, ...] = (TempoChange(0, DEFAULT_BPM),)
    chords: tuple[Chord, ...] = ()
    meters: tuple[MeterChange, ...] = (MeterChange(0, 4, 4),)
    end: int = 0
    pedal: Spans = ()
    held: tuple[Note, ...] = ()

    @property
    def sounding(self) -> tuple[Note, ...]:
        """The notes as one hears them, each until the pedal lets it go."""
        return self.held or tuple(sorted(under_pedal(self.notes, self.pedal)))

    @property
    def pedalled(self) -> bool:
        return bool(self.held or self.pedal)

    @property
    def bars(self) -> int:
        return -(-self.end // TICKS_PER_BAR)

    def seconds_at(self, tick: int) -> float:
        """When `tick` is played, in seconds after tick 0, by the tempo changes."""
        seconds, here, bpm = 0.0, 0, DEFAULT_BPM
        for change in self.tempos:
            if change.tick >= tick:
                break
            if change.tick > here:
                seconds += (change.tick - here) * 60 / (bpm * TICKS_PER_BEAT)
                here = change.tick
            bpm = change.bpm
        return seconds + (tick - here) * 60 / (bpm * TICKS_PER_BEAT)


Timed = TypeVar("Timed", TempoChange, MeterChange, Chord)

EARLY_TICKS = TICKS_PER_BEAT // 8  # a note this close before a line of the grid is meant for it: half a sixteenth
SHORTEST_TICKS = TICKS_PER_BEAT // 8  # what a note gets that has no length


def excerpt(score: Score, start: int, end: int) -> Score:
    """What is struck from tick start up to tick end, moved so that start becomes tick 0.

    A note slightly before start (EARLY_TICKS) belongs to the excerpt and begins at 0, one slightly before end does
    not. What holds at start (tempo, meter, chord) holds from 0. A last note may sound beyond the end.
    """
    return Score(
        notes=_struck(score.notes, start, end),
        tempos=_holding(score.tempos, start, end),
        chords=_holding(score.chords, start, end),
        meters=_holding(score.meters, start, end),
        end=end - start,
        pedal=tuple((max(0, down - start), up - start) for down, up in score.pedal if start < up and down < end),
        held=_struck(score.held, start, end),
    )


def cut_at_repeats(notes: Iterable[Note]) -> tuple[Note, ...]:
    """The notes, sorted, each ending at the latest where its pitch starts again, as on a piano.

    Of those of one pitch that start together the longest stays.
    """
    next_start: dict[int, int] = {}  # by pitch
    kept = []
    for note in sorted(notes, reverse=True):  # of those at one tick the longest comes first
        end = min(note.end, next_start.get(note.pitch, note.end))
        if end > note.start:
            kept.append(note if end == note.end else replace(note, end=end))
            next_start[note.pitch] = note.start
    return tuple(reversed(kept))


def pressed_before(pedal: Spans, tick: int) -> Spans:
    """The pedal up to a tick, where it is let go at the latest."""
    return tuple((down, min(up, tick)) for down, up in pedal if down < tick)


def under_pedal(notes: Iterable[Note], spans: Spans) -> Iterator[Note]:
    """Notes released while the pedal is down, held until it comes up or their pitch is struck again.

    A pedal pressed at the very tick of the release comes too late: that is how a pedal is changed between two chords.
    """
    strikes: defaultdict[int, list[int]] = defaultdict(list)
    for note in sorted(notes):
        strikes[note.pitch].append(note.start)
    presses = [pressed for pressed, _ in spans]
    for note in notes:
        span = bisect_left(presses, note.end) - 1
        if span < 0 or note.end >= spans[span][1]:
            yield note
            continue
        again = bisect_left(strikes[note.pitch], max(note.end, note.start + 1))
        end = min([spans[span][1], *strikes[note.pitch][again : again + 1]])
        yield Note(note.start, note.pitch, end, note.velocity)


def _struck(notes: Iterable[Note], start: int, end: int) -> tuple[Note, ...]:
    return tuple(sorted(_moved(note, start) for note in notes if start <= note.start + EARLY_TICKS < end))


def _moved(note: Note, start: int) -> Note:
    onset = max(0, note.start - start)
    end = note.end - start
    # A note may have come early and ended before the line too: it is struck there all the same.
    return replace(note, start=onset, end=end if end > onset else onset + SHORTEST_TICKS)


def _holding(changes: Sequence[Timed], start: int, end: int) -> tuple[Timed, ...]:
    before: list[Timed] = [change for change in changes if change.tick <= start]
    within: list[Timed] = [change for change in changes if start < change.tick < end]
    return tuple(replace(change, tick=max(0, change.tick - start)) for change in before[-1:] + within)
