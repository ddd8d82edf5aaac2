"""A staff's notes as voices of chords and rests that one can write, bar by bar.

Times are positions behind a bar line, twelve to a quarter: sixteenths and triplets of them are whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import NamedTuple

from composer.music.grid import POSITIONS_PER_QUARTER, TICKS_PER_POSITION, snap
from composer.music.meter import Bar, Meter
from composer.music.score import Note, Score

QUARTER = POSITIONS_PER_QUARTER
SIXTEENTH = QUARTER // 4
HELD = 3 * SIXTEENTH  # a note that sounds so much longer than to the next one may be a voice of its own
FILLED = 0.5  # of the time to the next note: if no more is silent, no rest is written


class Placed(NamedTuple):
    """A note in its bar. end: behind the bar line where it sounds on   tied: it was struck in an earlier bar"""

    start: int
    end: int
    pitch: int
    tied: bool = False


@dataclass(frozen=True)
class Chord:
    """One or more notes struck together, or a rest where there is none, as one note value.

    Attributes:
        start, end: positions.
        pitches: rising.
        tied_back: those that are held over from the value before.
        tied_on: those that are held on into the next one.
        tuplet: how many of its smallest value fill the quarter, 3 for 2 or 6 for 4; 0 where it is no tuplet.
        edge: "start" and "stop" of a tuplet's bracket; "" between.
    """

    start: int
    end: int
    pitches: tuple[int, ...] = ()
    tied_back: frozenset[int] = frozenset()
    tied_on: frozenset[int] = frozenset()
    tuplet: int = 0
    edge: str = ""

    @property
    def length(self) -> int:
        return self.end - self.start


Voice = tuple[Chord, ...]  # without gaps, from the bar line to the next one


@dataclass(frozen=True)
class Grid:
    """Where the onsets of all parts together stand.

    Attributes:
        lines: by onset, the tick of its line.
        ternary: for each bar its quarters that are divided in three.
    """

    lines: Mapping[int, int]
    ternary: Sequence[frozenset[int]]


def grid_of(score: Score) -> Grid:
    onsets = [note.start for note in score.notes]
    lines = dict(zip(onsets, snap(onsets, score.bars).tolist(), strict=True)) if onsets else {}
    ternary: list[set[int]] = [set() for _ in score.bars]
    for tick in lines.values():
        number, place = _place(tick, score)
        if place % SIXTEENTH:
            ternary[number].add(place // QUARTER)
    return Grid(lines, [frozenset(quarters) for quarters in ternary])


def bars_of(notes: Sequence[Note], score: Score, grid: Grid) -> list[tuple[Voice, ...]]:
    """For each bar of a score one voice or two, the upper one first. notes: those of one staff"""
    placed = _placed(notes, score, grid)
    bars = []
    carried: list[Placed] = []
    for number, bar in enumerate(score.bars):
        length = bar.ticks // TICKS_PER_POSITION
        struck = {note.pitch for note in placed[number] if note.start == 0}
        some = sorted([*(note for note in carried if note.pitch not in struck), *placed[number]])
        voices, carried = _voices(some, length, _Values(bar, grid.ternary[number]))
        bars.append(voices)
    return bars


def beat_lines(meter: Meter) -> list[int]:
    """Where the beats of a bar begin, in positions."""
    return [sum(meter.beats[:count]) // TICKS_PER_POSITION for count in range(len(meter.beats))]


def _place(tick: int, score: Score) -> tuple[int, int]:
    """The bar in which a tick lies, and the position in it."""
    number = score.bar_at(tick)
    return number, (tick - score.bars[number].start) // TICKS_PER_POSITION


def _placed(notes: Sequence[Note], score: Score, grid: Grid) -> list[list[Placed]]:
    """The notes on the grid, by the bar in which each is struck."""
    bars: list[dict[tuple[int, int], Placed]] = [{} for _ in score.bars]
    for note in notes:
        tick = grid.lines[note.start]
        if tick >= score.end:
            continue
        number, start = _place(tick, score)
        end = start + _length(note, tick, score, grid.ternary)
        twin = bars[number].get((start, note.pitch))
        bars[number][start, note.pitch] = Placed(start, max(end, twin.end if twin else 0), note.pitch)
    return [list(bar.values()) for bar in bars]


def _length(note: Note, start: int, score: Score, ternary: Sequence[frozenset[int]]) -> int:
    """In positions, up to the line nearest to where the note ends, and at least to the next one."""

    def nearest(tick: int, least: int) -> int:
        number = score.bar_at(min(tick, score.end - 1))
        place = (tick - score.bars[number].start) / TICKS_PER_POSITION
        step = QUARTER // 6 if int(place) // QUARTER in ternary[number] else SIXTEENTH
        return score.bars[number].start + (round(place / step) + least) * step * TICKS_PER_POSITION

    end = max(nearest(max(note.end, start + 1), 0), nearest(start, 1))
    return (end - start) // TICKS_PER_POSITION


# ---------------------------------------------------------------------- voices


def _voices(notes: list[Placed], length: int, values: _Values) -> tuple[tuple[Voice, ...], list[Placed]]:
    """One voice or two of a bar, and what sounds on behind it."""
    held = _held(notes, length)
    moving = [note for note in notes if note not in held]
    parts = [moving, held] if held and moving else [notes]
    if len(parts) == 2 and _height(held) > _height(moving):
        parts.reverse()
    written = [_events(part, length) for part in parts]
    carried = [
        Placed(0, note.end - length, note.pitch, tied=True)
        for events in written
        for event in events
        for note in event.notes
        if event.end == length and note.end - length >= SIXTEENTH
    ]
    return tuple(tuple(values.write(events)) for events in written), carried


def _height(notes: Sequence[Placed]) -> float:
    return sum(note.pitch for note in notes) / len(notes)


def _held(notes: Sequence[Placed], length: int) -> list[Placed]:
    """Those that sound on while others are struck, as far as they do not get in each other's way."""
    starts = sorted({note.start for note in notes})
    following = dict(pairwise([*starts, length]))
    held: list[Placed] = []
    for note in notes:
        free = not held or held[-1].start == note.start or held[-1].end <= note.start + SIXTEENTH
        if free and following[note.start] < length and note.end - following[note.start] >= HELD:
            held.append(note)
    return held


class _Event(NamedTuple):
    """What is struck together in a voice, and how long it is written."""

    start: int
    end: int
    notes: tuple[Placed, ...]


def _events(notes: Sequence[Placed], length: int) -> list[_Event]:
    groups = [(start, tuple(group)) for start, group in groupby(sorted(notes), key=lambda note: note.start)]
    events = []
    for (start, group), (following, _) in pairwise([*groups, (length, ())]):
        sounds = min(following, max(note.end for note in group))
        silent = following - sounds
        filled = silent <= FILLED * (following - start) and silent < QUARTER
        events.append(_Event(start, following if filled else sounds, group))
    return events


# ---------------------------------------------------------------------- note values


class _Values:
    """How a stretch of a bar is written as note values that show its beats."""

    BINARY = (3, 6, 9, 12, 18, 24, 36, 48)
    TERNARY = (2, 4, 6, 8)  # within a quarter, as three for two

    def __init__(self, bar: Bar, ternary: frozenset[int]) -> None:
        self.length = bar.ticks // TICKS_PER_POSITION
        self.ternary = ternary
        self.lines = beat_lines(bar.meter)
        self.compound = bar.meter.is_compound
        self.middle = self.lines[len(self.lines) // 2] if len(self.lines) % 2 == 0 else 0

    def write(self, events: Sequence[_Event]) -> Iterator[Chord]:
        """The voice: the events, and rests between them."""
        tuplets = {
            place // QUARTER
            for event in events
            for place in (event.start, event.end)
            if place % SIXTEENTH and place // QUARTER in self.ternary
        }
        if not events:
            return iter([Chord(0, self.length)])  # a rest for the whole bar, however long that is
        chords: list[Chord] = []
        at = 0
        for event in events:
            chords += [Chord(*piece) for piece in self.split(at, event.start, tuplets)]
            chords += self._tied(event, tuplets)
            at = event.end
        chords += [Chord(*piece) for piece in self.split(at, self.length, tuplets)]
        return self._bracketed(chords, tuplets)

    def _tied(self, event: _Event, tuplets: set[int]) -> Iterator[Chord]:
        pitches = tuple(sorted({note.pitch for note in event.notes}))
        back = frozenset(note.pitch for note in event.notes if note.tied)
        beyond = {note.pitch for note in event.notes if note.end - self.length >= SIXTEENTH}
        pieces = list(self.split(event.start, event.end, tuplets))
        for number, (start, end) in enumerate(pieces):
            last = number == len(pieces) - 1
            on = beyond if last and end == self.length else set() if last else set(pitches)
            yield Chord(start, end, pitches, back if number == 0 else frozenset(pitches), frozenset(on))

    def _bracketed(self, chords: Sequence[Chord], tuplets: set[int]) -> Iterator[Chord]:
        """Those of a quarter in three, marked as one."""
        for quarter, group in groupby(chords, key=lambda chord: chord.start // QUARTER):
            some = list(group)
            if quarter not in tuplets or (len(some) == 1 and some[0].length == QUARTER):
                yield from some
                continue
            count = 6 if any(chord.length % 4 for chord in some) else 3
            for number, chord in enumerate(some):
                edge = "start" if number == 0 else "stop" if number == len(some) - 1 else ""
                yield replace(chord, tuplet=count, edge=edge)

    def split(self, start: int, end: int, tuplets: set[int]) -> Iterator[tuple[int, int]]:
        """The pieces of a stretch, each one note value."""
        if start >= end:
            return
        if self._writable(start, end, tuplets):
            yield start, end
            return
        at = max(range(start + 1, end), key=lambda place: (self._weight(place), -place))
        yield from self.split(start, at, tuplets)
        yield from self.split(at, end, tuplets)

    def _weight(self, place: int) -> int:
        if place == self.middle and place:
            return 6
        if place in self.lines:
            return 5
        for weight, step in ((4, QUARTER), (3, QUARTER // 2), (2, SIXTEENTH), (1, 2)):
            if place % step == 0:
                return weight
        return 0

    def _writable(self, start: int, end: int, tuplets: set[int]) -> bool:
        length = end - start
        touched = range(start // QUARTER, (end - 1) // QUARTER + 1)
        if any(quarter in tuplets for quarter in touched):
            whole = start % QUARTER == 0 and length == QUARTER
            return whole or (len(touched) == 1 and length in self.TERNARY and start % 2 == 0)
        if length not in self.BINARY or start % SIXTEENTH:
            return False
        inside = [line for line in self.lines if start < line < end]
        if not inside:
            return length % SIXTEENTH == 0 and not (length == 9 and start % QUARTER not in (0, 3) and not self.compound)
        if self.compound:
            return start in self.lines and (end in self.lines or end == self.length) and length in (36,)
        if self.middle and start < self.middle < end:
            return start % (2 * QUARTER) == 0 or (length == 24 and start % QUARTER == 0)
        if length == 48:
            return start == 0
        on_beats = start in self.lines or end in self.lines or end == self.length
        return (length <= 12 and start % (QUARTER // 2) == 0) or (on_beats and length in (18, 24, 36))
