"""A piece as parts and bars. All times are ticks from the first bar line, TICKS_PER_BEAT to a quarter note."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

from composer.score import (
    DEFAULT_BPM,
    EARLY_TICKS,
    SHORTEST_TICKS,
    TICKS_PER_BEAT,
    Chord,
    Note,
    Spans,
    TempoChange,
    under_pedal,
)

_Timed = TypeVar("_Timed", TempoChange, Chord)


class Role(IntEnum):
    """What a part does in a piece, in the order in which words name the notes of one position."""

    UNSAID = 0
    MELODY = 1
    INNER = 2  # a second voice, a bridge, the inner parts of a quartet
    ACCOMPANIMENT = 3
    BASS = 4


class Meter(NamedTuple):
    numerator: int
    denominator: int

    @property
    def name(self) -> str:
        return f"{self.numerator}/{self.denominator}"

    @property
    def ticks(self) -> int:
        """How long its bars are."""
        return TICKS_PER_BEAT * 4 * self.numerator // self.denominator

    @property
    def beats(self) -> tuple[int, ...]:
        """The lengths in ticks of a bar's beats: dotted quarters where eighths come in threes, else quarters.

        Five and seven eighths are counted in twos, with the three at the end.
        """
        eighth = TICKS_PER_BEAT // 2
        eighths, rest = divmod(self.ticks, eighth)
        if self.denominator < 8 or rest:
            full, rest = divmod(self.ticks, TICKS_PER_BEAT)
            return (TICKS_PER_BEAT,) * full + ((rest,) if rest else ())
        if eighths % 3 == 0:
            return (3 * eighth,) * (eighths // 3)
        twos, odd = divmod(eighths, 2)
        lengths = [2 * eighth] * twos or [0]
        lengths[-1] += odd * eighth
        return tuple(lengths)

    @classmethod
    def parse(cls, name: str) -> Meter:
        """The inverse of `name`. Raises ValueError."""
        numerator, denominator = name.split("/")
        return cls(int(numerator), int(denominator))


class Bar(NamedTuple):
    """From its line up to the next one. A pickup and a bar that a change of meter cuts are shorter than their meter."""

    start: int
    end: int
    meter: Meter

    @property
    def ticks(self) -> int:
        return self.end - self.start


class Beat(NamedTuple):
    """Where a beat begins, and what stands there: 0 the bar line, 1 the middle of a bar of two halves, 2 any other."""

    start: int
    weight: int


@dataclass(frozen=True)
class Part:
    """One track. notes: sorted, as long as their keys are held   pedal: where it is down, from tick to tick"""

    notes: tuple[Note, ...]
    role: Role = Role.UNSAID
    name: str = ""
    program: int = 0  # General MIDI
    is_drum: bool = False
    pedal: Spans = ()


@dataclass(frozen=True)
class Score:
    """tempos and chords: sorted, each holds until the next   bars: one behind the other from tick 0, at least one"""

    parts: tuple[Part, ...]
    bars: tuple[Bar, ...]
    tempos: tuple[TempoChange, ...] = (TempoChange(0, DEFAULT_BPM),)
    chords: tuple[Chord, ...] = ()

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
    def sounding(self) -> tuple[Note, ...]:
        """The notes of all pitched parts as one hears them, each until its part's pedal lets it go."""
        return tuple(sorted(note for part in self.pitched for note in under_pedal(part.notes, part.pedal)))

    def beats(self) -> Iterator[Beat]:
        """Every beat of every bar, by its meter; a short bar's as far as it goes."""
        for bar in self.bars:
            lengths = bar.meter.beats
            middle = len(lengths) // 2 if len(lengths) % 2 == 0 else 0
            start = bar.start
            for number, length in enumerate(lengths):
                if start >= bar.end:
                    break
                yield Beat(start, 0 if number == 0 else 1 if number == middle else 2)
                start += length

    def excerpt(self, first: int, behind: int) -> Score:
        """Bars from number `first` up to `behind`, moved so that the first begins at tick 0.

        A note slightly before a line (EARLY_TICKS) belongs to the bar behind it. What holds at the beginning, tempo and
        chord, holds from 0. A last note may sound beyond the end.
        """
        start, end = self.bars[first].start, self.bars[behind - 1].end
        return Score(
            parts=tuple(replace(part, **_moved(part, start, end)) for part in self.parts),
            bars=tuple(Bar(bar.start - start, bar.end - start, bar.meter) for bar in self.bars[first:behind]),
            tempos=_holding(self.tempos, start, end),
            chords=_holding(self.chords, start, end),
        )

    def seconds_at(self, tick: int) -> float:
        """When `tick` is played, in seconds after tick 0, by the tempo changes."""
        seconds, here, bpm = 0.0, 0, DEFAULT_BPM
        for change in self.tempos:
            if change.tick >= tick:
                break
            seconds += (change.tick - here) * 60 / (bpm * TICKS_PER_BEAT)
            here, bpm = change.tick, change.bpm
        return seconds + (tick - here) * 60 / (bpm * TICKS_PER_BEAT)


def _moved(part: Part, start: int, end: int) -> dict[str, Any]:
    struck = (note for note in part.notes if start <= note.start + EARLY_TICKS < end)
    notes = sorted(
        replace(note, start=max(0, note.start - start), end=max(note.end - start, SHORTEST_TICKS)) for note in struck
    )
    pedal = tuple((max(0, down - start), up - start) for down, up in part.pedal if start < up and down < end)
    return {"notes": tuple(notes), "pedal": pedal}


def _holding(changes: tuple[_Timed, ...], start: int, end: int) -> tuple[_Timed, ...]:
    before: list[_Timed] = [change for change in changes if change.tick <= start][-1:]
    within: list[_Timed] = [change for change in changes if start < change.tick < end]
    return tuple(replace(change, tick=max(0, change.tick - start)) for change in before + within)


def bars_of(meters: Iterable[tuple[int, Meter]], last: int) -> tuple[Bar, ...]:
    """The bars from tick 0 up to the one in which tick `last` lies; a change of meter begins a bar wherever it stands.

    meters: (tick, meter), rising from tick 0
    """
    changes = [(tick, meter) for tick, meter in meters if tick <= last]
    bars: list[Bar] = []
    for (start, meter), (stop, _) in pairwise([*changes, (last + 1, changes[-1][1])]):
        bars += [Bar(line, line + meter.ticks, meter) for line in range(start, stop, meter.ticks)]
        if stop <= last and bars[-1].end > stop:
            bars[-1] = bars[-1]._replace(end=stop)
    return tuple(bars)
