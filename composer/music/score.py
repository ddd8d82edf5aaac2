"""A piece as parts and bars: what the rest of the house passes around.

All times are ticks from the first bar line, as in composer.music.meter.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property
from itertools import islice
from statistics import fmean
from typing import NamedTuple, TypeVar

from composer.music.meter import TICKS_PER_BEAT, Bar, Beat, Meter, bars_of

DEFAULT_BPM = 120.0  # what a MIDI file without a tempo event means
EARLY_TICKS = TICKS_PER_BEAT // 16  # a note this close before a line is meant for it; less than a position of words
SHORTEST_TICKS = TICKS_PER_BEAT // 8  # what a note gets that has no length

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

# Kinds of Control, as MIDI has them in the high half of a status byte; the controllers that mean something here.
CONTROLLER, PROGRAM, CHANNEL_PRESSURE, BEND = 0xB0, 0xC0, 0xD0, 0xE0
PEDAL, PEDAL_DOWN = 64, 64  # the controller, and its lowest value that means down
BANKS = (0, 32)  # they say from which bank of sounds a program is
NO_BEND = (0, 64)
DRUM_CHANNEL = 9


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


class Control(NamedTuple):
    """What a channel is told beside notes, as MIDI says it: controllers, bends, changes of program, pressure."""

    tick: int
    kind: int
    first: int  # of a controller, its number
    second: int = 0  # of a controller, its value; PROGRAM and CHANNEL_PRESSURE have none

    @property
    def is_pedal(self) -> bool:
        return self.kind == CONTROLLER and self.first == PEDAL


Spans = tuple[tuple[int, int], ...]  # from tick to tick, one after the other
_Timed = TypeVar("_Timed", TempoChange, Chord)


class Role(IntEnum):
    """What a part does in a piece, in the order in which words name the notes of one position."""

    UNSAID = 0
    MELODY = 1
    INNER = 2  # a second voice, a bridge, the inner parts of a quartet
    ACCOMPANIMENT = 3
    BASS = 4


@dataclass(frozen=True)
class Part:
    """One channel of one track, with all that it needs to go back as it came.

    Attributes:
        notes: sorted, as long as their keys are held.
        role: what it does in the piece.
        name: of its track.
        program: General MIDI, what it begins with.
        is_drum: whether its pitches are drums.
        channel: 0 to 15; parts of one channel have one pedal.
        controls: in the order in which they are sent.
    """

    notes: tuple[Note, ...]
    role: Role = Role.UNSAID
    name: str = ""
    program: int = 0
    is_drum: bool = False
    channel: int = 0
    controls: tuple[Control, ...] = ()

    @cached_property
    def height(self) -> float:
        """The mean of its pitches, of a part that has notes."""
        return fmean(note.pitch for note in self.notes)

    def moved(self, by: int) -> Part:
        """So many ticks later."""
        return replace(
            self,
            notes=tuple(replace(note, start=note.start + by, end=note.end + by) for note in self.notes),
            controls=tuple(control._replace(tick=control.tick + by) for control in self.controls),
        )

    def excerpt(self, start: int, end: int, *, is_last: bool) -> Part:
        """What is struck from tick start up to tick end, moved so that start becomes tick 0.

        What was said before start is said at 0; of what is said behind end, the pedal's release, or all if it is_last.
        """
        struck = (note for note in self.notes if start <= note.start + EARLY_TICKS < end)
        controls = [control for control in self.controls if control.tick < end]
        if is_last:
            controls += [control for control in self.controls if control.tick >= end]
        elif any(control.is_pedal for control in controls):
            controls.append(Control(self._released(end), CONTROLLER, PEDAL))
        return replace(
            self,
            notes=tuple(sorted(_moved(note, start) for note in struck)),
            controls=tuple(control._replace(tick=max(0, control.tick - start)) for control in controls),
        )

    def _released(self, tick: int) -> int:
        """Where the pedal comes up that is down at a tick: with the last key, if it is never let go."""
        releases = (c.tick for c in self.controls if c.tick >= tick and c.is_pedal and c.second < PEDAL_DOWN)
        return next(releases, max([tick, *(note.end for note in self.notes)]))


class Lost(NamedTuple):
    """What of a file is not in its score: tracks that broke off, and notes that lay far behind the music."""

    tracks: int = 0
    notes: int = 0


NOTHING_LOST = Lost()


@dataclass(frozen=True)
class Score:
    """tempos and chords: sorted, each holds until the next   bars: one behind the other from tick 0, at least one
    lost: of the file that it was read from; an excerpt of it says nothing
    """

    parts: tuple[Part, ...]
    bars: tuple[Bar, ...]
    tempos: tuple[TempoChange, ...] = (TempoChange(0, DEFAULT_BPM),)
    chords: tuple[Chord, ...] = ()
    lost: Lost = field(default=NOTHING_LOST, compare=False)

    @property
    def end(self) -> int:
        return self.bars[-1].end

    @cached_property
    def bar_starts(self) -> tuple[int, ...]:
        return tuple(bar.start for bar in self.bars)

    def bar_at(self, tick: int) -> int:
        """The number of the bar in which a tick lies, from 0; of what lies behind the last bar, the last one's."""
        return max(0, bisect_right(self.bar_starts, tick) - 1)

    @property
    def pitched(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if not part.is_drum)

    @property
    def playing(self) -> tuple[Part, ...]:
        """The pitched parts that have notes."""
        return tuple(part for part in self.pitched if part.notes)

    @cached_property
    def notes(self) -> tuple[Note, ...]:
        """Those of all pitched parts, as long as their keys are held, sorted."""
        return tuple(sorted(note for part in self.pitched for note in part.notes))

    @cached_property
    def as_heard(self) -> tuple[Part, ...]:
        """The parts with their notes as long as one hears them, until the pedal of their channel lets them go."""
        channels: defaultdict[int, list[Part]] = defaultdict(list)
        for part in self.pitched:
            channels[part.channel].append(part)
        held = {
            channel: under_pedal([note for part in parts for note in part.notes], pedal_of(parts))
            for channel, parts in channels.items()
        }
        return tuple(
            part if part.is_drum else replace(part, notes=tuple(sorted(islice(held[part.channel], len(part.notes)))))
            for part in self.parts
        )

    @cached_property
    def sounding(self) -> tuple[Note, ...]:
        """The notes of all pitched parts as one hears them, sorted."""
        return tuple(sorted(note for part in self.as_heard if not part.is_drum for note in part.notes))

    def line(self, number: int) -> int:
        """The tick at which a bar begins, counted from 0; behind the last one, where that ends."""
        return self.bars[number].start if number < len(self.bars) else self.end

    def beats(self) -> Iterator[Beat]:
        return (beat for bar in self.bars for beat in bar.beats())

    def excerpt(self, first: int, behind: int) -> Score:
        """Bars from number `first` up to `behind`, moved so that the first begins at tick 0.

        A note slightly before a line (EARLY_TICKS) belongs to the bar behind it. What holds at the beginning, tempo and
        chord, holds from 0. A last note may sound beyond the end.
        """
        start, end = self.bars[first].start, self.bars[behind - 1].end
        is_last = behind == len(self.bars)
        return Score(
            parts=tuple(part.excerpt(start, end, is_last=is_last) for part in self.parts),
            bars=tuple(bar.later(-start) for bar in self.bars[first:behind]),
            tempos=_holding(self.tempos, start, end),
            chords=_holding(self.chords, start, end),
        )

    def filled(self) -> Score:
        """With a pickup, the first bar where that is shorter than the second, at the end of a full bar."""
        by = self.bars[1].ticks - self.bars[0].ticks if len(self.bars) > 1 else 0
        if by <= 0:
            return self
        begin, *tempos = self.tempos
        return Score(
            parts=tuple(part.moved(by) for part in self.parts),
            bars=(Bar(0, self.bars[1].ticks, self.bars[1].meter), *(bar.later(by) for bar in self.bars[1:])),
            tempos=(begin, *(replace(tempo, tick=tempo.tick + by) for tempo in tempos)),
            chords=tuple(replace(chord, tick=chord.tick + by) for chord in self.chords),
        )

    def without_drums(self) -> Score:
        """The pitched parts, and the bars up to the last one in which one of their notes begins."""
        bars = self.bar_at(self.notes[-1].start + EARLY_TICKS) + 1
        return replace(self, parts=self.pitched).excerpt(0, bars)

    def lasting(self, bars: int) -> Score:
        """With empty bars at its end, so that there are so many at least."""
        meter = self.bars[-1].meter
        ends = (self.end + number * meter.ticks for number in range(1, bars - len(self.bars) + 1))
        return replace(self, bars=(*self.bars, *(Bar(end - meter.ticks, end, meter) for end in ends)))

    def played_on(self, program: int) -> Score:
        """With this General MIDI program for the one part that plays; where there are several, each keeps its own."""
        if len(self.playing) != 1 or self.playing[0].program == program:
            return self
        return replace(self, parts=tuple(part if part.is_drum else _with_program(part, program) for part in self.parts))

    def seconds_at(self, tick: int) -> float:
        """When `tick` is played, in seconds after tick 0, by the tempo changes."""
        seconds, here, bpm = 0.0, 0, DEFAULT_BPM
        for change in self.tempos:
            if change.tick >= tick:
                break
            seconds += (change.tick - here) * 60 / (bpm * TICKS_PER_BEAT)
            here, bpm = change.tick, change.bpm
        return seconds + (tick - here) * 60 / (bpm * TICKS_PER_BEAT)


def in_four(
    notes: Iterable[Note],
    tempos: tuple[TempoChange, ...] = (TempoChange(0, DEFAULT_BPM),),
    chords: tuple[Chord, ...] = (),
    end: int = 1,
    pedal: Spans = (),
) -> Score:
    """One piano part in 4/4, up to the bar line at tick `end` or the next one behind it, one bar at least."""
    part = Part(tuple(notes), controls=pedalling(pedal))
    return Score((part,), bars_of([(0, Meter(4, 4))], max(end, 1) - 1), tempos, chords)


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


def pedalling(spans: Spans) -> tuple[Control, ...]:
    """The pedal as it is told: pressed and let go."""
    return tuple(
        Control(tick, CONTROLLER, PEDAL, value) for down, up in spans for tick, value in ((down, 127), (up, 0))
    )


def pedal_of(parts: Sequence[Part]) -> Spans:
    """Where the pedal is down that parts of one channel share. One that never comes up does so with the last key."""
    told = sorted((c for part in parts for c in part.controls if c.is_pedal), key=lambda control: control.tick)
    last = max((note.end for part in parts for note in part.notes), default=0)
    spans: list[tuple[int, int]] = []
    pressed: int | None = None
    for tick, down in [*((control.tick, control.second >= PEDAL_DOWN) for control in told), (last, False)]:
        if down and pressed is None:
            pressed = tick
        elif not down and pressed is not None:
            spans.append((pressed, tick))
            pressed = None
    return tuple((down, up) for down, up in spans if down < up)


def under_pedal(notes: Iterable[Note], spans: Spans) -> Iterator[Note]:
    """Notes released while the pedal is down, held until it comes up or their pitch is struck again.

    A pedal pressed at the very tick of the release comes too late: that is how a pedal is changed between two chords.
    They come in the order in which they are given.
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


def _moved(note: Note, start: int) -> Note:
    onset, end = max(0, note.start - start), note.end - start
    # A note may have come early and ended before the line too: it is struck there all the same.
    return replace(note, start=onset, end=end if end > onset else onset + SHORTEST_TICKS)


def _holding(changes: tuple[_Timed, ...], start: int, end: int) -> tuple[_Timed, ...]:
    before: list[_Timed] = [change for change in changes if change.tick <= start][-1:]
    within: list[_Timed] = [change for change in changes if start < change.tick < end]
    return tuple(replace(change, tick=max(0, change.tick - start)) for change in before + within)


def _with_program(part: Part, program: int) -> Part:
    def tells_another(control: Control) -> bool:
        return control.kind == PROGRAM or (control.kind == CONTROLLER and control.first in BANKS)

    return replace(part, program=program, controls=tuple(c for c in part.controls if not tells_another(c)))
