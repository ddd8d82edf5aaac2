"""MIDI bytes -> Score: every track with all that it needs to go back as it came.

miditoolkit says which release ends which note. It forgets channels and the order of what a channel is told, and reads
everything else slowly, so it gets the keys alone, a track for each channel of each track.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import inf
from typing import TypeVar

import miditoolkit

from composer.errors import HostileMidiError, NoNotesError, NotMidiError
from composer.music.midi.scan import MAX_BEATS, NOTE_ON, SYSEX, Timed, events_of, in_time, meta, tracks_of, written
from composer.music.score import (
    DEFAULT_BPM,
    DRUM_CHANNEL,
    EARLY_TICKS,
    PROGRAM,
    SHORTEST_TICKS,
    TICKS_PER_BEAT,
    Control,
    Meter,
    Note,
    Part,
    Role,
    Score,
    TempoChange,
    bars_of,
)

_Value = TypeVar("_Value")

# Tempi outside are slips of an editor or stand for a fermata, in BPM. They are clamped, for the notes are still good.
SLOWEST, FASTEST = 10.0, 400.0
# Finer meters are damage; up to here a bar is a whole number of ticks.
FINEST_METER = 64
MOST_DOWN = 64  # strikes of one key without a release: what is beyond is stuck, and no music
LONGEST_NAME = 200  # bytes of a track's name; what is longer is none

_TRACK_NAME, _TEMPO, _METER = 0x03, 0x51, 0x58
_SEVEN_BITS = bytes(min(value, 127) for value in range(256))
_LENGTHS = {_TEMPO: 3, _METER: 4}  # meta type -> its only valid length in bytes

Roles = Callable[[Sequence[str]], Sequence[Role | None]]


def nothing_said(names: Sequence[str]) -> list[Role | None]:
    return [Role.UNSAID] * len(names)


def leaving_out(tracks: Collection[str]) -> Roles:
    """Nothing is said, and tracks of these names are left out."""
    return lambda names: [None if name in tracks else Role.UNSAID for name in names]


def parse_midi(data: bytes, roles: Roles = nothing_said, max_events: float = inf, max_notes: float = inf) -> Score:
    """The parts of a MIDI file, one for each channel of each track, microtiming kept. Chords stay empty.

    For files of strangers there is read_midi. A release lets go the key of its pitch that was struck first; a key that
    is never released makes no note. The last bar is the one of the last onset.

    Args:
        data: the file.
        roles: from the names of the pitched parts that have notes to the role of each; None leaves one out.
        max_events, max_notes: how many are taken.

    Raises:
        OpeningError: NotMidiError, where it is none or damaged, HostileMidiError, where it costs more than any music
            does, or NoNotesError, where no pitched part is left that has notes.
    """
    resolution, tracks = tracks_of(data)
    file = _File(resolution, max_events, max_notes)
    for track in tracks:
        file.read(track)
    return file.score(roles)


@dataclass(slots=True)
class _Channel:
    """Of one track, as far as it is read. keys: struck and released, in ticks of the file"""

    number: int
    notes: list[Note] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    keys: list[Timed] = field(default_factory=list)
    down: list[int] = field(default_factory=lambda: [0] * 128)  # by pitch, strikes that no release has ended yet


@dataclass(slots=True)
class _File:
    resolution: int
    events_left: float
    notes_left: float
    tempos: dict[int, float] = field(default_factory=lambda: {0: DEFAULT_BPM})
    meters: dict[int, Meter] = field(default_factory=lambda: {0: Meter(4, 4)})
    channels: list[tuple[str, _Channel]] = field(default_factory=list)  # with the name of the track

    def read(self, track: bytes) -> None:
        channels: dict[int, _Channel] = {}
        name = ""
        for event in events_of(track):
            self.events_left -= 1
            if self.events_left < 0:
                raise HostileMidiError("it has more events than are taken")
            tick, status = self._scaled(event.tick), event.status
            if status < SYSEX:
                number = status & 0x0F
                if number not in channels:
                    channels[number] = _Channel(number)
                self._tell(channels[number], event.tick, status & 0xF0, track[event.body : event.end])
            elif event.meta == _TRACK_NAME:
                name = _named(track[event.body : event.end]) or name
            elif event.meta in _LENGTHS:
                self._hold(tick, event.meta, track[event.body : event.end])
        self.channels += [(name, channels[number]) for number in sorted(channels)]

    def _scaled(self, tick: int) -> int:
        return round(tick * TICKS_PER_BEAT / self.resolution)

    def _tell(self, channel: _Channel, time: int, kind: int, values: bytes) -> None:
        tick = self._scaled(time)
        if kind > NOTE_ON:
            # What is told so far away is none of the music; a value of eight bits is one that was meant to be high.
            if tick <= MAX_BEATS * TICKS_PER_BEAT:
                channel.controls.append(Control(tick, kind, *values.translate(_SEVEN_BITS)))
            return
        pitch, velocity = values
        if max(values) > 127:
            raise NotMidiError("an event in it has a value that MIDI does not know")
        if tick > MAX_BEATS * TICKS_PER_BEAT:
            raise HostileMidiError(f"it claims to last more than {MAX_BEATS:,} beats")
        struck = kind == NOTE_ON and velocity > 0
        self.notes_left -= struck
        if self.notes_left < 0:
            raise HostileMidiError("it has more notes than are taken")
        channel.down[pitch] = max(0, channel.down[pitch] + (1 if struck else -1))
        if channel.down[pitch] <= MOST_DOWN:  # to pair costs by how many are down
            channel.keys.append((time, bytes((NOTE_ON | channel.number, pitch, velocity if struck else 0))))

    def _pair(self) -> None:
        """Make notes of the keys of each channel."""
        if not any(channel.keys for _, channel in self.channels):
            return
        tracks = [meta(_TRACK_NAME, str(index).encode()) for index in range(len(self.channels))]
        played = [in_time([(0, name), *channel.keys]) for name, (_, channel) in zip(tracks, self.channels, strict=True)]
        file = miditoolkit.MidiFile(file=io.BytesIO(written(self.resolution, played)))
        for instrument in file.instruments:
            _, channel = self.channels[int(instrument.name)]
            for note in instrument.notes:
                start, end = self._scaled(note.start), self._scaled(note.end)
                end = end if end > start else start + SHORTEST_TICKS
                channel.notes.append(Note(start, note.pitch, end, note.velocity))

    def _hold(self, tick: int, kind: int, values: bytes) -> None:
        """Keep a tempo or a meter."""
        if len(values) != _LENGTHS[kind]:
            raise NotMidiError("a tempo or a meter has the wrong length")
        if kind == _TEMPO:
            microseconds = int.from_bytes(values, "big")
            if microseconds == 0:
                raise NotMidiError("an event in it has a value that MIDI does not know")
            self.tempos[tick] = min(max(60_000_000 / microseconds, SLOWEST), FASTEST)
            return
        meter = Meter(values[0], 2 ** values[1])
        if meter.denominator > FINEST_METER:
            raise NotMidiError("it has a meter finer than 64ths")
        if meter.numerator == 0:
            raise NotMidiError("an event in it has a value that MIDI does not know")
        self.meters[tick] = meter

    def score(self, roles: Roles) -> Score:
        """Raises NoNotesError, or HostileMidiError where it has more bars than beats are taken."""
        self._pair()
        parts = self._parts(roles)
        if not any(part.notes for part in parts if not part.is_drum):
            raise NoNotesError(sum(len(part.notes) for part in parts if part.is_drum))
        last = max(part.notes[-1].start for part in parts if part.notes) + EARLY_TICKS
        meters = list(_changes(self.meters))
        ends = [*(tick for tick, _ in meters[1:]), last]
        spans = zip(meters, ends, strict=True)
        if sum(max(0, min(end, last) - tick) // meter.ticks for (tick, meter), end in spans) > MAX_BEATS:
            raise HostileMidiError(f"it claims to last more than {MAX_BEATS:,} bars")
        tempos = tuple(TempoChange(tick, bpm) for tick, bpm in _changes(self.tempos))
        return Score(tuple(parts), bars_of(meters, last), tempos)

    def _parts(self, roles: Roles) -> list[Part]:
        pitched = [name.strip() for name, channel in self.channels if channel.notes and channel.number != DRUM_CHANNEL]
        given = iter(roles(pitched))
        programs = self._programs()
        parts = []
        for name, channel in self.channels:
            is_drum = channel.number == DRUM_CHANNEL
            role = next(given) if channel.notes and not is_drum else Role.UNSAID
            if role is not None and (channel.notes or channel.controls):
                notes, controls = tuple(sorted(channel.notes)), tuple(channel.controls)
                program = _program(channel, programs.get(channel.number, 0))
                parts.append(Part(notes, role, name, program, is_drum, channel.number, controls))
        return parts

    def _programs(self) -> dict[int, int]:
        """What each channel is set to first, in whichever track."""
        told = (
            (c.tick, channel.number, c.first)
            for _, channel in self.channels
            for c in channel.controls
            if c.kind == PROGRAM
        )
        return {number: program for _, number, program in sorted(told, reverse=True)}


def _program(channel: _Channel, otherwise: int) -> int:
    """What the channel is set to in its track when its first note is struck."""
    first = min((note.start for note in channel.notes), default=0)
    told = [control.first for control in channel.controls if control.kind == PROGRAM and control.tick <= first]
    return told[-1] if told else otherwise


def _named(name: bytes) -> str:
    """Of a track. Bytes that are no UTF-8 are kept as Python keeps them in the names of files."""
    return name.decode(errors="surrogateescape") if len(name) <= LONGEST_NAME else ""


def _changes(at: dict[int, _Value]) -> Iterator[tuple[int, _Value]]:
    """By tick, without those that change nothing: all of Pop1K7 says 4/4 again within the first bar."""
    for _, same in groupby(sorted(at.items(), key=lambda change: change[0]), key=lambda change: change[1]):
        yield next(same)
