"""Strangers' bytes -> bytes that miditoolkit reads in linear time: notes, pedal, tempi and meters of a piano part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from composer.errors import HostileMidiError, NoNotesError, NotMidiError

# What a file may cost. A file at all limits at once is read within a CPU second and 300 MB, child start included.
MAX_BYTES = 2 * 2**20  # the longest piano recordings have 0.5 MB
MAX_TRACKS = 512  # a full orchestra has 60
MAX_EVENTS = 30_000  # an hour of pop piano; the longest song of Pop1K7 has 13,493
MAX_BEATS = 8_000  # over an hour at 120 BPM, and below 2^28 ticks whatever the resolution
MAX_STACKED = 1_000_000  # open notes that miditoolkit would copy, summed over all releases

PEDAL = 64  # the controller
_DRUMS = 9  # the channel
_NOTE_ON, _LAST_NOTE_STATUS, _CONTROL, _SYSEX, _SYSEX_PART, _META = 0x90, 0x9F, 0xB0, 0xF0, 0xF7, 0xFF
_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}  # by the high half of the status byte
_TRACK_NAME, _TEMPO, _METER = 0x03, 0x51, 0x58
_NEEDED_METAS = {_TEMPO: 3, _METER: 4}  # meta type -> its only valid length in bytes
_END_OF_TRACK = b"\x00\xff\x2f\x00"


class Sifted(NamedTuple):
    """What miditoolkit reads in linear time. Its tracks are not empty."""

    resolution: int  # ticks a beat
    tracks: list[bytes]
    drum_notes: int  # that were left out


def check_size(data: bytes) -> None:
    """Refuse a file before anything looks into it.

    Raises:
        HostileMidiError: it has more than MAX_BYTES.
    """
    if len(data) > MAX_BYTES:
        raise HostileMidiError(f"it has {len(data):,} bytes; {MAX_BYTES:,} are taken")


def sift(data: bytes, leave_out: Collection[str]) -> Sifted:
    """The same music without the RIFF wrapper, chunks that are not tracks, tracks named in leave_out, the drums, and
    all events but notes, the pedal, tempi and meters.

    Args:
        data: a MIDI file, trusted or not.
        leave_out: names of tracks.

    Returns:
        Its tracks, in the file's own resolution.

    Raises:
        NotMidiError: the bytes are no MIDI file, or a damaged one.
        HostileMidiError: it costs more than the limits above.
        NoNotesError: nothing is left.
    """
    check_size(data)
    resolution, chunks = _chunks(_unwrap_riff(data))
    tally = _Tally(last_tick=MAX_BEATS * resolution)
    tracks = [sifted for chunk in chunks if chunk and (sifted := _sift_track(chunk, leave_out, tally))]
    if not tracks:
        raise NoNotesError(tally.drum_notes)
    return Sifted(resolution, tracks, tally.drum_notes)


def written(resolution: int, tracks: Sequence[bytes]) -> bytes:
    """A MIDI file of these tracks."""
    header = b"".join(number.to_bytes(2, "big") for number in (1, len(tracks), resolution))
    return _chunk(b"MThd", header) + b"".join(_chunk(b"MTrk", track + _END_OF_TRACK) for track in tracks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + len(body).to_bytes(4, "big") + body


def _unwrap_riff(data: bytes) -> bytes:
    """The MIDI file inside a RIFF file (.rmi); other data as it is."""
    if data[:4] != b"RIFF":
        return data
    at = 12
    while data[8:12] == b"RMID" and at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"data":
            return data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    raise NotMidiError("it is a RIFF file with no MIDI inside")


def _chunks(data: bytes) -> tuple[int, list[bytes]]:
    """Ticks a beat, and the bytes of each track."""
    size = int.from_bytes(data[4:8], "big")
    if data[:4] != b"MThd" or size < 6 or len(data) < 8 + size:
        raise NotMidiError("it has no MIDI header")
    kind, count, resolution = (int.from_bytes(data[at : at + 2], "big") for at in (8, 10, 12))
    _check_header(kind, count, resolution)
    tracks: list[bytes] = []
    at = 8 + size
    while len(tracks) < count:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "big")
        if at + 8 + size > len(data):
            raise NotMidiError(f"it ends within track {len(tracks) + 1} of {count}")
        if name == b"MTrk":  # the standard has readers skip all others
            tracks.append(data[at + 8 : at + 8 + size])
        at += 8 + size
    return resolution, tracks


def _check_header(kind: int, count: int, resolution: int) -> None:
    if kind > 1:
        raise NotMidiError(f"its format is {kind}, and only formats 0 and 1 hold one piece")
    if count == 0:
        raise NoNotesError
    if count > MAX_TRACKS:
        raise HostileMidiError(f"it has {count:,} tracks; {MAX_TRACKS} are taken")
    if resolution == 0:
        raise NotMidiError("it has no ticks in a beat")
    if resolution & 0x8000:
        raise NotMidiError("its times count film frames (SMPTE) in place of beats")


class _Event(NamedTuple):
    """One event of a track. body and end are offsets into the track's bytes."""

    tick: int  # from the start of the track, in the file's own resolution
    status: int
    meta: int  # the type of a meta event, else -1
    body: int  # where the data begins, behind status, type and length
    end: int


@dataclass(slots=True)
class _Tally:
    """What the file has cost so far. Each method raises HostileMidiError when it is too much."""

    last_tick: int
    events: int = 0
    stacked: int = 0
    drum_notes: int = 0
    open_notes: Counter[tuple[int, int]] = field(default_factory=Counter)  # (channel, pitch) -> how many, in this track

    def event(self, tick: int) -> None:
        self.events += 1
        if self.events > MAX_EVENTS:
            raise HostileMidiError(f"it has more than {MAX_EVENTS:,} events")
        if tick > self.last_tick:
            raise HostileMidiError(f"it claims to last more than {MAX_BEATS:,} beats")

    def note(self, status: int, pitch: int, velocity: int) -> None:
        key = (status & 0x0F, pitch)
        if status & 0xF0 == _NOTE_ON and velocity:
            self.open_notes[key] += 1
            self.drum_notes += key[0] == _DRUMS
        elif self.open_notes[key]:
            self.stacked += self.open_notes[key]
            self.open_notes[key] -= 1
            if self.stacked > MAX_STACKED:
                raise HostileMidiError("it strikes one key again and again without letting it go")


def _sift_track(track: bytes, leave_out: Collection[str], tally: _Tally) -> bytes:
    """The events of the track that are needed; b"" if its name is in leave_out."""
    sifted, last, running = bytearray(), 0, b""
    tally.open_notes.clear()
    for event in _events(track):
        tally.event(event.tick)
        if event.status <= _LAST_NOTE_STATUS:
            tally.note(event.status, track[event.body], track[event.body + 1])
        elif event.meta == _TRACK_NAME and track[event.body : event.end].decode("latin-1") in leave_out:
            return b""
        if _is_needed(event, track):
            head = _head(event)
            sifted += _as_number(event.tick - last) + head * (head != running) + track[event.body : event.end]
            last, running = event.tick, head if event.meta < 0 else b""
    return bytes(sifted)


def _is_needed(event: _Event, track: bytes) -> bool:
    """Whether miditoolkit is to see the event. Raises NotMidiError for a needed meta event of the wrong length."""
    if event.meta in _NEEDED_METAS and event.end - event.body != _NEEDED_METAS[event.meta]:
        raise NotMidiError("a tempo or a meter has the wrong length")
    if event.status >= _SYSEX:
        return event.meta in _NEEDED_METAS
    is_pedal = event.status & 0xF0 == _CONTROL and track[event.body] == PEDAL
    return (event.status <= _LAST_NOTE_STATUS or is_pedal) and event.status & 0x0F != _DRUMS


def _head(event: _Event) -> bytes:
    """What stands between an event's delta time and its data."""
    return bytes((event.status,) if event.meta < 0 else (_META, event.meta, event.end - event.body))


def _events(track: bytes) -> Iterator[_Event]:
    """Walk a track. Raises NotMidiError where its bytes do not add up to events."""
    at = tick = running = 0
    while at < len(track):
        try:
            delta, head = _variable_length(track, at)
            tick += delta
            event = _event(track, head, tick, running)
            if event.end > len(track):
                raise IndexError
        except IndexError:
            raise NotMidiError("a track ends in the middle of an event") from None
        if event.meta < 0:  # a sysex ends running status; a meta event should as well, but there are files that go on
            running = event.status if event.status < _SYSEX else 0
        at = event.end
        yield event


def _event(track: bytes, head: int, tick: int, running: int) -> _Event:
    """The event whose status, or data under the running status, begins at head. IndexError where the track is over."""
    status = track[head]
    body = head + 1
    if status < 0x80:
        status, body = running, head
    if status & 0xF0 in _DATA_BYTES:
        return _Event(tick, status, -1, body, body + _DATA_BYTES[status & 0xF0])
    if status in (_SYSEX, _SYSEX_PART):
        length, body = _variable_length(track, body)
        return _Event(tick, status, -1, body, body + length)
    if status == _META:
        length, body = _variable_length(track, body + 1)
        return _Event(tick, status, track[head + 1], body, body + length)
    raise NotMidiError("a track has bytes that belong to no event")


def _variable_length(track: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, seven bits a byte and at most four bytes, and the offset behind it."""
    number = 0
    for behind in range(at + 1, at + 5):
        byte = track[behind - 1]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, behind
    raise NotMidiError("a number in it does not end")


def _as_number(number: int) -> bytes:
    """As _variable_length reads it."""
    behind = bytes((number & 0x7F,))
    while number := number >> 7:
        behind = bytes((0x80 | number & 0x7F,)) + behind
    return behind
