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
from typing import NamedTuple, TypeVar

import miditoolkit

from composer.errors import HostileMidiError, NoNotesError, NotMidiError
from composer.music.meter import TICKS_PER_BEAT, Bar, Meter, bars_of
from composer.music.midi.channel_10 import is_melody
from composer.music.midi.scan import (
    MAX_BEATS,
    NOTE_ON,
    SYSEX,
    Timed,
    Track,
    events_of,
    in_time,
    layout_of,
    meta,
    written,
)
from composer.music.score import (
    DEFAULT_BPM,
    DRUM_CHANNEL,
    EARLY_TICKS,
    NOTHING_LOST,
    PROGRAM,
    SHORTEST_TICKS,
    Control,
    Lost,
    Note,
    Part,
    Role,
    Score,
    TempoChange,
)

_Value = TypeVar("_Value")

# Tempi outside are slips of an editor or stand for a fermata, in BPM. They are clamped, for the notes are still good.
SLOWEST, FASTEST = 10.0, 400.0
FINEST_METER = 6  # as a power of 2. Finer ones are damage; up to here a bar is a whole number of ticks
MOST_DOWN = 64  # strikes of one key without a release: what is beyond is stuck, and no music
# So few notes behind so long a rest of all tracks, of 64 bars, are no music: a key that was touched by accident while
# the recorder was still on, or a time that damage has made long.
MOST_STRAYS, LONGEST_REST = 8, 256 * TICKS_PER_BEAT
LONGEST_NAME = 200  # bytes of a track's name; what is longer is none

_TRACK_NAME, _TEMPO, _METER = 0x03, 0x51, 0x58
_SEVEN_BITS = bytes(min(value, 127) for value in range(256))
_LENGTHS = {_TEMPO: 3, _METER: 2}  # meta type -> the bytes of it that are read

Roles = Callable[[Sequence[str]], Sequence[Role | None]]


def nothing_said(names: Sequence[str]) -> list[Role | None]:
    return [Role.UNSAID] * len(names)


def leaving_out(tracks: Collection[str]) -> Roles:
    """Nothing is said, and tracks of these names are left out."""
    return lambda names: [None if name in tracks else Role.UNSAID for name in names]


def parse_midi(data: bytes, roles: Roles = nothing_said, max_events: float = inf, max_notes: float = inf) -> Score:
    """The parts of a MIDI file, one for each channel of each track, microtiming kept. Chords stay empty.

    For files of strangers there is read_midi. A release lets go the key of its pitch that was struck first; a key that
    is never released sounds until it is struck again, or to the end of the piece. The last bar is the one of the last
    onset. A track that is damaged is read up to there. Of a collection of patterns (format 2) the first with notes is
    read: each has its own tempo and meter, and nothing says that one follows another.

    Args:
        data: the file.
        roles: from the names of the pitched parts that have notes to the role of each; None leaves one out.
        max_events, max_notes: how many are taken.

    Raises:
        OpeningError: NotMidiError, where it is none or nothing of it can be read, HostileMidiError, where it costs more
            than any music does, or NoNotesError, where no pitched part is left that has notes.
    """
    layout = layout_of(data)
    file = _File(layout.resolution, layout.is_in_seconds, max_events, max_notes)
    for track in layout.tracks:
        file.read(track)
        if layout.is_collection and file.strikes:
            break
    return file.score(roles)


class _Key(NamedTuple):
    time: int  # in ticks of the file
    pitch: int
    velocity: int  # 0 is a release


@dataclass(slots=True)
class _Channel:
    """Of one track."""

    number: int
    name: str = ""  # of the track
    notes: list[Note] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    keys: list[_Key] = field(default_factory=list)

    def played(self, end: int) -> Iterator[Timed]:
        """Its keys, each let go at the end, or where it is struck again, if no release of it is to come."""
        last_release = {key.pitch: number for number, key in enumerate(self.keys) if not key.velocity}
        down = dict.fromkeys((key.pitch for key in self.keys), 0)  # by pitch, strikes that no release has ended yet
        for number, (time, pitch, velocity) in enumerate(self.keys):
            if down[pitch] and number > last_release.get(pitch, -1):
                down[pitch] -= 1
                yield time, self._strike(pitch, 0)
            down[pitch] = max(0, down[pitch] + (1 if velocity else -1))
            if down[pitch] <= MOST_DOWN:  # to pair costs by how many are down
                yield time, self._strike(pitch, velocity)
        end = max([end, *(key.time for key in self.keys[-1:])])
        for pitch, strikes in down.items():
            yield from [(end, self._strike(pitch, 0))] * min(strikes, MOST_DOWN)

    def _strike(self, pitch: int, velocity: int) -> bytes:
        return bytes((NOTE_ON | self.number, pitch, velocity))


@dataclass(slots=True)
class _File:
    resolution: float
    is_in_seconds: bool
    events_left: float
    max_notes: float
    strikes: int = 0
    tempos: dict[int, float] = field(default_factory=lambda: {0: DEFAULT_BPM})
    meters: dict[int, Meter] = field(default_factory=lambda: {0: Meter(4, 4)})
    channels: list[_Channel] = field(default_factory=list)
    damage: NotMidiError | None = None  # at which a track broke off
    lost: Lost = NOTHING_LOST

    def read(self, track: Track) -> None:
        channels: dict[int, _Channel] = {}
        name = ""
        try:
            for event in events_of(track):
                self.events_left -= 1
                if self.events_left < 0:
                    raise HostileMidiError("it has more events than are taken")
                values = track.data[event.body : event.end]
                if event.status < SYSEX:
                    number = event.status & 0x0F
                    if number not in channels:
                        channels[number] = _Channel(number)
                    self._tell(channels[number], event.tick, event.status & 0xF0, values.translate(_SEVEN_BITS))
                elif event.meta == _TRACK_NAME:
                    name = _named(values) or name
                elif event.meta in _LENGTHS and len(values) >= _LENGTHS[event.meta]:
                    self._hold(self._scaled(event.tick), event.meta, values)
        except NotMidiError as damage:
            self.damage = damage
            self.lost = self.lost._replace(tracks=self.lost.tracks + 1)
        for number in sorted(channels):
            channels[number].name = name
            self.channels.append(channels[number])

    def _scaled(self, tick: int) -> int:
        return round(tick * TICKS_PER_BEAT / self.resolution)

    def _tell(self, channel: _Channel, time: int, kind: int, values: bytes) -> None:
        if kind > NOTE_ON:
            channel.controls.append(Control(self._scaled(time), kind, *values))
            return
        pitch, velocity = values
        struck = kind == NOTE_ON and velocity > 0
        self.strikes += struck
        if self.strikes > self.max_notes:
            raise HostileMidiError("it has more notes than are taken")
        channel.keys.append(_Key(time, pitch, velocity if struck else 0))

    def _hold(self, tick: int, kind: int, values: bytes) -> None:
        """Keep a tempo or a meter, if it is one."""
        if kind == _TEMPO:
            microseconds = int.from_bytes(values[:3], "big")
            if microseconds and not self.is_in_seconds:
                self.tempos[tick] = min(max(60_000_000 / microseconds, SLOWEST), FASTEST)
        elif values[0] and values[1] <= FINEST_METER:
            self.meters[tick] = Meter(values[0], 2 ** values[1])

    def score(self, roles: Roles) -> Score:
        """Raises NotMidiError, NoNotesError, or HostileMidiError where it has more beats or bars than are taken."""
        if not self.strikes:
            raise self.damage or NoNotesError
        keys = (key for channel in self.channels for key in channel.keys)
        last = _last_of_music(sorted(self._scaled(key.time) for key in keys if key.velocity))
        if last > MAX_BEATS * TICKS_PER_BEAT:
            raise HostileMidiError(f"it claims to last more than {MAX_BEATS:,} beats")
        self._leave_out(last + LONGEST_REST)
        self._pair(until=self._bars(last)[-1].end)
        self._move_melodies()
        parts = self._parts(roles)
        if not any(part.notes for part in parts if not part.is_drum):
            raise NoNotesError(sum(len(part.notes) for part in parts if part.is_drum))
        last = max(part.notes[-1].start for part in parts if part.notes)
        tempos = tuple(TempoChange(tick, bpm) for tick, bpm in _changes(self.tempos))
        return Score(tuple(parts), self._bars(last), tempos, lost=self.lost)

    def _leave_out(self, behind: int) -> None:
        """Forget what is told behind a tick: it is none of the music."""
        strikes = (key for channel in self.channels for key in channel.keys if key.velocity)
        self.lost = self.lost._replace(notes=sum(self._scaled(key.time) > behind for key in strikes))
        for channel in self.channels:
            channel.keys = [key for key in channel.keys if self._scaled(key.time) <= behind]
            channel.controls = [control for control in channel.controls if control.tick <= behind]
        self.tempos = {tick: bpm for tick, bpm in self.tempos.items() if tick <= behind}

    def _bars(self, last: int) -> tuple[Bar, ...]:
        """Up to the one of the last onset."""
        last += EARLY_TICKS
        meters = list(_changes(self.meters))
        ends = [*(tick for tick, _ in meters[1:]), last]
        spans = zip(meters, ends, strict=True)
        if sum(max(0, min(end, last) - tick) // meter.ticks for (tick, meter), end in spans) > MAX_BEATS:
            raise HostileMidiError(f"it claims to last more than {MAX_BEATS:,} bars")
        return bars_of(meters, last)

    def _pair(self, until: int) -> None:
        """Make notes of the keys of each channel. until: the end of the piece, where all are let go"""
        last = round(until * self.resolution / TICKS_PER_BEAT)
        tracks = []
        for index, channel in enumerate(self.channels):
            name = meta(_TRACK_NAME, str(index).encode())
            tracks.append(in_time([(0, name), *channel.played(last)]))
        file = miditoolkit.MidiFile(file=io.BytesIO(written(TICKS_PER_BEAT, tracks)))
        for instrument in file.instruments:
            channel = self.channels[int(instrument.name)]
            for note in instrument.notes:
                start, end = self._scaled(note.start), self._scaled(note.end)
                end = end if end > start else start + SHORTEST_TICKS
                channel.notes.append(Note(start, note.pitch, end, note.velocity))

    def _move_melodies(self) -> None:
        """From the channel of the drums to a free one: whoever plays the file next would make drums of them."""
        told = [channel for channel in self.channels if channel.notes or channel.controls]
        others = {channel.name for channel in told if channel.number != DRUM_CHANNEL}
        is_alone = not any(channel.notes for channel in told if channel.number != DRUM_CHANNEL)
        free = [number for number in range(16) if number not in {DRUM_CHANNEL, *(c.number for c in told)}]
        for channel in told if free else []:
            if channel.number == DRUM_CHANNEL and channel.notes:
                name = "" if channel.name in others else channel.name  # that of the song says nothing
                if is_melody(name, channel.notes, channel.controls, is_alone=is_alone):
                    channel.number = free[0]

    def _parts(self, roles: Roles) -> list[Part]:
        pitched = [c.name.strip() for c in self.channels if c.notes and c.number != DRUM_CHANNEL]
        given = iter(roles(pitched))
        programs = self._programs()
        parts = []
        for channel in self.channels:
            is_drum = channel.number == DRUM_CHANNEL
            role = next(given) if channel.notes and not is_drum else Role.UNSAID
            if role is not None and (channel.notes or channel.controls):
                notes, controls = tuple(sorted(channel.notes)), tuple(channel.controls)
                program = _program(channel, programs.get(channel.number, 0))
                parts.append(Part(notes, role, channel.name, program, is_drum, channel.number, controls))
        return parts

    def _programs(self) -> dict[int, int]:
        """What each channel is set to first, in whichever track."""
        told = (
            (control.tick, channel.number, control.first)
            for channel in self.channels
            for control in channel.controls
            if control.kind == PROGRAM
        )
        return {number: program for _, number, program in sorted(told, reverse=True)}


def _program(channel: _Channel, otherwise: int) -> int:
    """What the channel is set to in its track when its first note is struck."""
    first = min((note.start for note in channel.notes), default=0)
    told = [control.first for control in channel.controls if control.kind == PROGRAM and control.tick <= first]
    return told[-1] if told else otherwise


def _last_of_music(struck: Sequence[int]) -> int:
    """The last onset, strays left out. struck: rising"""
    behind = len(struck)
    for number in range(len(struck) - 1, 0, -1):
        if behind - number > MOST_STRAYS:
            break
        if struck[number] - struck[number - 1] > LONGEST_REST:
            behind = number
    return struck[behind - 1] if len(struck) - behind <= MOST_STRAYS else struck[-1]


def _named(name: bytes) -> str:
    """Of a track. Bytes that are no UTF-8 are kept as Python keeps them in the names of files."""
    return name.decode(errors="surrogateescape") if len(name) <= LONGEST_NAME else ""


def _changes(at: dict[int, _Value]) -> Iterator[tuple[int, _Value]]:
    """By tick, without those that change nothing: all of Pop1K7 says 4/4 again within the first bar."""
    for _, same in groupby(sorted(at.items(), key=lambda change: change[0]), key=lambda change: change[1]):
        yield next(same)
