"""A file's bytes -> its tracks, and a track's bytes -> its events, with a bound on what either may cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from composer.errors import HostileMidiError, NoNotesError, NotMidiError

# What a file may cost. A file at all limits at once is read within a CPU second and 300 MB, child start included.
MAX_BYTES = 2 * 2**20  # the longest piano recordings have 0.5 MB
MAX_TRACKS = 512  # a full orchestra has 60
MAX_EVENTS = 150_000  # songs with a bend on every line of the grid have 30,000
MAX_NOTES = 40_000  # an opening may have 30,000
MAX_BEATS = 8_000  # over an hour at 120 BPM

NOTE_ON, SYSEX, META = 0x90, 0xF0, 0xFF
_SYSEX_PART = 0xF7
_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}  # by the high half of the status byte
_BEHIND = {status: _DATA_BYTES[status & 0xF0] for status in range(0x80, 0xF0)}
_END_OF_TRACK = b"\x00\xff\x2f\x00"


Timed = tuple[int, bytes]  # a tick, and an event without its delta time


class Event(NamedTuple):
    """One event of a track. body and end are offsets into the track's bytes."""

    tick: int  # from the start of the track, in the file's own resolution
    status: int
    meta: int  # the type of a meta event, else -1
    body: int  # where the data begins, behind status, type and length
    end: int


def check_size(data: bytes) -> None:
    """Refuse a file before anything looks into it.

    Raises:
        HostileMidiError: it has more than MAX_BYTES.
    """
    if len(data) > MAX_BYTES:
        raise HostileMidiError(f"it has {len(data):,} bytes; {MAX_BYTES:,} are taken")


def tracks_of(data: bytes) -> tuple[int, list[bytes]]:
    """Ticks a beat, and the bytes of each track, of a MIDI file or of one in a RIFF wrapper.

    Raises:
        NotMidiError: the bytes are no MIDI file, or a damaged one.
        HostileMidiError: it has too many tracks.
        NoNotesError: it has none.
    """
    check_size(data)
    data = _unwrap_riff(data)
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


def events_of(track: bytes) -> Iterator[Event]:
    """Walk a track. Raises NotMidiError where its bytes do not add up to events."""
    at = tick = running = 0
    size = len(track)
    while at < size:
        try:
            delta = track[at]
            head = at + 1
            if delta >= 0x80:
                delta, head = _variable_length(track, at)
            tick += delta
            status, body, meta = track[head], head + 1, -1
            if status < 0x80:
                status, body = running, head
            if status in _BEHIND:
                end = body + _BEHIND[status]
                running = status
            else:
                meta, body, end = _long_event(track, status, body)
                # A sysex ends running status; a meta event should as well, but there are files that go on.
                running = running if status == META else 0
            if end > size:
                raise IndexError
        except IndexError:
            raise NotMidiError("a track ends in the middle of an event") from None
        at = end
        yield Event(tick, status, meta, body, end)


def written(resolution: int, tracks: Sequence[bytes]) -> bytes:
    """A MIDI file of these tracks."""
    header = b"".join(number.to_bytes(2, "big") for number in (1, len(tracks), resolution))
    return _chunk(b"MThd", header) + b"".join(_chunk(b"MTrk", track + _END_OF_TRACK) for track in tracks)


def as_number(number: int) -> bytes:
    """Seven bits a byte, all but the last with the highest bit set."""
    behind = bytes((number & 0x7F,))
    while number := number >> 7:
        behind = bytes((0x80 | number & 0x7F,)) + behind
    return behind


def meta(kind: int, data: bytes) -> bytes:
    """A meta event, without its delta time."""
    return bytes((META, kind)) + as_number(len(data)) + data


def in_time(events: Iterable[Timed]) -> bytes:
    """A track's bytes: with delta times, and with running status where one status follows itself."""
    track, now, running = bytearray(), 0, -1
    for tick, event in sorted(events, key=lambda timed: timed[0]):
        track += as_number(tick - now) + (event[1:] if event[0] == running else event)
        now, running = tick, event[0] if event[0] != META else -1
    return bytes(track)


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


def _long_event(track: bytes, status: int, body: int) -> tuple[int, int, int]:
    """The type of a meta event, else -1, and where the data of an event that says its own length begins and ends."""
    if status in (SYSEX, _SYSEX_PART):
        length, body = _variable_length(track, body)
        return -1, body, body + length
    if status == META:
        length, behind = _variable_length(track, body + 1)
        return track[body], behind, behind + length
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
