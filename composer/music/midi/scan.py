"""A file's bytes -> its tracks, and a track's bytes -> its events, with a bound on what either may cost.

Files are taken as players take them: what their headers and chunks say of themselves is believed where it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from composer.errors import HostileMidiError, NotMidiError
from composer.music.score import DEFAULT_BPM

# What a file may cost. A file at all limits at once is read within a CPU second and 300 MB, child start included.
MAX_BYTES = 2 * 2**20  # the longest piano recordings have 0.5 MB
MAX_TRACKS = 512  # a full orchestra has 60
MAX_EVENTS = 150_000  # songs with a bend on every line of the grid have 30,000
MAX_NOTES = 40_000  # an opening may have 30,000
MAX_BEATS = 8_000  # over an hour at 120 BPM

NOTE_ON, SYSEX, META = 0x90, 0xF0, 0xFF
_SYSEX_PART, _END_OF_TRACK = 0xF7, 0x2F
_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}  # by the high half of the status byte
_BEHIND = {status: _DATA_BYTES[status & 0xF0] for status in range(0x80, 0xF0)}
# What one device tells another while it plays has no place in a file; some recorders put it there.
_BEHIND |= dict.fromkeys((0xF4, 0xF5, 0xF6, *range(0xF8, 0xFF)), 0) | {0xF1: 1, 0xF2: 2, 0xF3: 1}

_FILE, _TRACK = b"MThd", b"MTrk"
_CHUNK = re.compile(_FILE + b"|" + _TRACK)
_HEADER_BYTES = 14
# Frames a second that SMPTE writes as 29: each thousandth is left out.
_DROP_FRAME, _DROP_FRAMES_A_SECOND = 29, 30_000 / 1_001


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


class Track(NamedTuple):
    """The bytes of a track, and whether the file ends before the length that it says the track has."""

    data: bytes
    cut: bool


class Layout(NamedTuple):
    """What the header of a file says, and the bytes of its tracks."""

    is_collection: bool  # format 2: each track is a pattern by itself
    is_in_seconds: bool  # times count frames of film (SMPTE); tempi change nothing
    resolution: float  # ticks a beat; of a file in seconds, a beat at DEFAULT_BPM
    tracks: list[Track]


def layout_of(data: bytes) -> Layout:
    """Where the header and the tracks of a MIDI file lie, whatever wrapper or text is around it.

    Raises:
        NotMidiError: there is no header, or one without a resolution.
        HostileMidiError: it has too many bytes or tracks.
    """
    check_size(data)
    start = data.find(_FILE)
    if start < 0 or len(data) < start + _HEADER_BYTES:
        raise NotMidiError("it has no MIDI header")
    kind, division = (int.from_bytes(data[start + at : start + at + 2], "big") for at in (8, 12))
    tracks: list[Track] = []
    for track in _tracks(data, start + _HEADER_BYTES):
        if len(tracks) == MAX_TRACKS:
            raise HostileMidiError(f"it has more than {MAX_TRACKS} tracks")
        tracks.append(track)
    in_seconds = division >= 0x8000
    resolution = _ticks_a_second(division) * 60 / DEFAULT_BPM if in_seconds else division
    if resolution == 0:
        raise NotMidiError("it has no ticks in a beat")
    return Layout(kind == 2, in_seconds, resolution, tracks)


def _tracks(data: bytes, at: int) -> Iterator[Track]:
    """Those from `at` on, up to a second file behind them, however many the header says there are.

    The length that a track says it has holds where another one or the end stands behind it; else it goes on until
    there, and End of Track ends it. Chunks of other names are to be skipped.
    """
    at = data.find(_TRACK, at)
    while data[at : at + 4] == _TRACK:
        body = at + 8
        said = end = body + int.from_bytes(data[at + 4 : body], "big")
        if end != len(data) and not _CHUNK.match(data, end):
            end = _next_chunk(data, body)
        yield Track(data[body:end], cut=end == len(data) < said)
        at = _next_chunk(data, end)


def _next_chunk(data: bytes, at: int) -> int:
    found = _CHUNK.search(data, at)
    return found.start() if found else len(data)


def _ticks_a_second(division: int) -> float:
    """Of SMPTE: the frames a second as a negative number in the high byte, the ticks a frame in the low one."""
    frames, ticks = 0x100 - (division >> 8), division & 0xFF
    return ticks * (_DROP_FRAMES_A_SECOND if frames == _DROP_FRAME else frames)


def events_of(track: Track) -> Iterator[Event]:
    """Walk a track to End of Track. Raises NotMidiError where its bytes do not add up to an event, or are cut off."""
    data, cut = track
    at = tick = running = 0
    size = len(data)
    while at < size:
        try:
            delta = data[at]
            head = at + 1
            if delta >= 0x80:
                delta, head = _variable_length(data, at)
            tick += delta
            status, body, meta = data[head], head + 1, -1
            if status < 0x80:
                status, body = running, head
            if status in _BEHIND:
                end = body + _BEHIND[status]
                # A sysex or a meta event should end running status, but there are files that go on behind it.
                running = status if status < SYSEX else running
            else:
                meta, body, end = _long_event(data, status, body)
            if meta == _END_OF_TRACK:
                return
            if end > size:
                raise IndexError
        except IndexError:
            raise NotMidiError("a track ends in the middle of an event") from None
        at = end
        yield Event(tick, status, meta, body, end)
    if cut:
        raise NotMidiError("a track is cut off")


def written(resolution: int, tracks: Sequence[bytes]) -> bytes:
    """A MIDI file of these tracks."""
    header = b"".join(number.to_bytes(2, "big") for number in (1, len(tracks), resolution))
    end = b"\x00" + meta(_END_OF_TRACK, b"")
    return _chunk(_FILE, header) + b"".join(_chunk(_TRACK, track + end) for track in tracks)


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
