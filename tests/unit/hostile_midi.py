"""MIDI files made to hurt, built from bytes, and what it costs to refuse them.

Run as a program it reads every file and prints one JSON object: {"files": [Reading, ...], "known_mb": ...}, where the
last is measured on a child whose memory is known and shows that children are what is measured.
It is a program of its own because Linux counts into a child's largest memory that of the process it was forked from:
under pytest with torch loaded every child would seem to take as much as pytest does.
"""

from __future__ import annotations

import io
import json
import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch

if TYPE_CHECKING:
    from composer.sandbox import Limits

NOTE = b"\x00\x90\x3c\x40\x78\x80\x3c\x40"  # one note of 120 ticks
END = b"\x00\xff\x2f\x00"
Files = Iterator[tuple[str, bytes]]
KNOWN_MB = 150  # what the known child takes at least


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    """size: what the chunk claims to hold, if not the truth."""
    return name + (len(body) if size is None else size).to_bytes(4, "big") + body


def header(tracks: int = 1, resolution: int = 480, kind: int = 1) -> bytes:
    return chunk(b"MThd", b"".join(number.to_bytes(2, "big") for number in (kind, tracks, resolution)))


def track(events: bytes) -> bytes:
    return chunk(b"MTrk", events + END)


def midi(*tracks: bytes, resolution: int = 480, kind: int = 1) -> bytes:
    """A file with the given events in each track."""
    return header(len(tracks), resolution, kind) + b"".join(track(events) for events in tracks)


def meta(kind: int, data: bytes, delta: int = 0) -> bytes:
    return length(delta) + bytes((0xFF, kind)) + length(len(data)) + data


def length(number: int) -> bytes:
    """A variable-length number, seven bits a byte."""
    behind = bytes((number & 0x7F,))
    while number := number >> 7:
        behind = bytes((0x80 | number & 0x7F,)) + behind
    return behind


def riff(data: bytes, form: bytes = b"RMID", size: int | None = None, before: bytes = b"") -> bytes:
    inside = before + b"data" + (len(data) if size is None else size).to_bytes(4, "little") + data
    return b"RIFF" + (len(inside) + 4).to_bytes(4, "little") + form + inside


def a_song(seed: int = 0, notes: int = 60) -> bytes:
    """Two tracks of music with a tempo, a meter, a name and a pedal: good, until something is done to it."""
    draw = random.Random(seed)
    head = meta(0x03, b"a song") + meta(0x51, (500_000).to_bytes(3, "big")) + meta(0x58, b"\x04\x02\x18\x08")
    played = b"".join(
        b"\x00\x90"
        + bytes((pitch, draw.randrange(40, 100)))
        + length(draw.randrange(60, 480))
        + bytes((0x80, pitch, 64))
        for pitch in (draw.randrange(36, 84) for _ in range(notes))
    )
    return midi(head, b"\x00\xb0\x40\x7f" + played + b"\x00\xb0\x40\x00")


def odd_files() -> Files:
    """Each is refused soon, or soon read."""
    yield from _of_kinds(_not_midi, _headers, _riff_wrapped, _truncated, _spliced, _damaged, _bad_events)
    yield from _of_kinds(_chunk_sizes, _far_ticks, _tempi_and_meters, _nothing_to_play)
    yield from _of_kinds(_numbers_without_end, _stacked_notes, _large_events, _many_tracks, _many_events)


def large_files() -> Files:
    """Those that take longest."""
    yield from _of_kinds(_as_large_as_taken)


def _of_kinds(*kinds: Callable[[], Files]) -> Files:
    for kind in kinds:
        for name, data in kind():
            yield f"{kind.__name__[1:]}: {name}", data


def _not_midi() -> Files:
    yield "empty", b""
    yield "one byte", b"M"
    yield "a PNG", b"\x89PNG\r\n\x1a\n" + bytes(1000)
    yield "a ZIP", b"PK\x03\x04" + bytes(1000)
    yield "an MP3", b"ID3\x04\x00" + bytes(1000)
    yield "an Ogg that is a playlist", b"ffconcat version 1.0\nfile /etc/passwd\n"
    yield "a web page", b"<!DOCTYPE html><html></html>" * 100
    yield "a wave", riff(bytes(1000), form=b"WAVE")
    yield "three megabytes of zeros", bytes(3 * 2**20)
    for seed in range(6):
        noise = random.Random(seed).randbytes(10 ** (seed + 1))
        yield f"noise {seed}", noise
        yield f"noise {seed} behind a header", header() + noise
        yield f"noise {seed} in a track", header() + chunk(b"MTrk", noise)


def _headers() -> Files:
    yield "nothing but its name", b"MThd"
    yield "nothing else", header()
    for resolution in (0, 1, 32767):
        yield f"{resolution} ticks a beat", midi(NOTE, resolution=resolution)
    for frames in (24, 25, 29, 30, 1):
        yield f"SMPTE, {frames} frames", midi(NOTE, resolution=(256 - frames) << 8 | 40)
    for kind in (2, 3, 65535):
        yield f"format {kind}", midi(NOTE, kind=kind)
    yield "two tracks in format 0", midi(NOTE, NOTE, kind=0)
    yield "twice", header() + midi(NOTE)
    yield "inside the header", b"MThd\x00\x00\x00\x0e" + midi(NOTE)
    yield "inside a track", header() + chunk(b"MTrk", midi(NOTE))


def _chunk_sizes() -> Files:
    song, body = midi(NOTE), NOTE + END
    for size in (0, 5, 7, 100, 2**31, 2**32 - 1):
        yield f"a header of {size}", b"MThd" + size.to_bytes(4, "big") + song[8:]
    for size in (0, 1, len(body) - 1, len(body) + 1, 2**31, 2**32 - 1):
        yield f"a track of {size}", header() + chunk(b"MTrk", body, size)
        yield f"a track of {size} before another", header(2) + chunk(b"MTrk", body, size) + track(NOTE)
    yield "a long header", b"MThd\x00\x00\x00\x0a" + song[8:14] + bytes(4) + song[14:]
    yield "unknown chunks", header() + chunk(b"XFIH", bytes(100)) + track(NOTE)
    yield "a quarter of a million unknown chunks", header() + chunk(b"XFIH", b"") * 250_000
    yield "junk at the end", song + bytes(1000)


def _riff_wrapped() -> Files:
    song = a_song()
    yield "good", riff(song)
    yield "with a chunk before", riff(song, before=b"LIST\x03\x00\x00\x00abc\x00")
    yield "of size 0", riff(song, size=0)
    yield "of size 2^32 - 1", riff(song, size=2**32 - 1)
    yield "truncated", riff(song)[:100]
    yield "twice", riff(riff(song))
    yield "a quarter of a million chunks", b"RIFF\x00\x00\x00\x00RMID" + b"LIST\x00\x00\x00\x00" * 250_000
    yield "nothing inside", b"RIFF\x04\x00\x00\x00RMID"


def _truncated() -> Files:
    song = a_song()
    for at in range(4, len(song), len(song) // 20):
        yield f"after {at} of {len(song)} bytes", song[:at]


def _spliced() -> Files:
    one, other = a_song(1), a_song(2)
    for at in range(20, len(one), len(one) // 12):
        yield f"another song from byte {at}", one[:at] + other[at // 2 :]
        yield f"a hole at byte {at}", one[:at] + one[at + 3 :]


def _damaged() -> Files:
    for seed in range(20):
        draw, song = random.Random(seed), bytearray(a_song(seed))
        for _ in range(3):
            song[draw.randrange(14, len(song))] = draw.randrange(256)
        yield f"three bytes changed, seed {seed}", bytes(song)


def _bad_events() -> Files:
    yield "running status without a status", midi(b"\x00\x3c\x40" + NOTE)
    yield "running status after a sysex", midi(NOTE + b"\x00\xf0\x01\xf7" + b"\x00\x3c\x40")
    yield "running status after a text", midi(b"\x00\x90\x3c\x40" + meta(1, b"la") + b"\x78\x3c\x00")
    for status in (0xF1, 0xF2, 0xF4, 0xF5, 0xF8, 0xFD, 0xFE):
        yield f"status {status:x}", midi(NOTE + bytes((0, status)) + NOTE)
    yield "data of 8 bits", midi(b"\x00\x90\xff\xff\x10\x80\xff\xff")
    yield "a key signature of 100 sharps", midi(meta(0x59, b"\x64\x07") + NOTE)
    yield "an SMPTE offset of nonsense", midi(meta(0x54, b"\xff" * 5) + NOTE)
    yield "a sequence number of no bytes", midi(meta(0x00, b"") + NOTE)
    yield "a meta event that runs past its track", midi(NOTE + b"\x00\xff\x01\x7f")
    yield "a sysex that runs past its track", midi(NOTE + b"\x00\xf0\x7f")


def _numbers_without_end() -> Files:
    for size in (4, 5, 100, 1_000_000):
        yield f"a delta time of {size} bytes", midi(b"\x80" * size + NOTE)
        yield f"a text length of {size} bytes", midi(b"\x00\xff\x01" + b"\xff" * size + NOTE)
        yield f"a sysex length of {size} bytes", midi(b"\x00\xf0" + b"\xff" * size + NOTE)


def _stacked_notes() -> Files:
    strike, release = b"\x00\x90\x3c\x40", b"\x01\x80\x3c\x40"
    for size in (100, 1_400, 10_000, 19_000, 250_000):
        yield f"{size} of one pitch", midi(strike * size + release * size)
        yield f"{size}, half of them released", midi(strike * size + release * (size // 2))
    yield "released in turn with strikes", midi(strike * 1_000 + (release + strike) * 10_000)
    yield "never released", midi(strike * 29_000)
    yield "never released, one after the other", midi(b"\x01\x90\x3c\x40" * 40_000)
    yield "never released, of all pitches", midi(b"".join(b"\x01\x90" + bytes((n % 128, 64)) for n in range(40_000)))
    yield "of the drums", midi((strike * 5_000 + release * 5_000).replace(b"\x90", b"\x99").replace(b"\x80", b"\x89"))
    yield "of all pitches", midi(b"".join(b"\x00\x90" + bytes((pitch, 64)) for pitch in range(128)) * 200)
    yield "at one tick", midi((strike + b"\x00\x80\x3c\x40") * 14_000)
    yield "under a pedal that never comes up", midi(b"\x00\xb0\x40\x7f" + (strike + release) * 14_000)


def _far_ticks() -> Files:
    far = length(2**28 - 1)
    for resolution in (1, 480, 32767):
        yield f"a note of 2^28 ticks, {resolution} a beat", midi(NOTE + far + NOTE[1:], resolution=resolution)
    yield "2^28 ticks forty thousand times", midi((far + NOTE[1:4]) * 40_000)
    yield "2^28 ticks a hundred times", midi(NOTE + (far + NOTE[1:]) * 100, resolution=32767)
    yield "a tempo at 2^28", midi(NOTE + far + meta(0x51, b"\x07\xa1\x20")[1:])
    yield "the end of the track at 2^28", header() + chunk(b"MTrk", NOTE + far + END[1:])


def _tempi_and_meters() -> Files:
    for tempo in (0, 1, 0xFFFFFF):
        yield f"{tempo} us a beat", midi(meta(0x51, tempo.to_bytes(3, "big")) + NOTE)
    for size in (0, 1, 2, 4, 1_000_000):
        yield f"a tempo of {size} bytes", midi(meta(0x51, bytes(size)) + NOTE)
        yield f"a meter of {size + 3} bytes", midi(meta(0x58, b"\x04" * (size + 3)) + NOTE)
    for numerator, power in ((0, 2), (0, 0), (255, 0), (4, 7), (4, 255)):
        yield f"a meter of {numerator} / 2^{power}", midi(meta(0x58, bytes((numerator, power, 24, 8))) + NOTE)


def _large_events() -> Files:
    for size in (100_000, 2_000_000):
        yield f"a text of {size} bytes", midi(NOTE + meta(0x01, b"a" * size))
        yield f"a name of {size} bytes", midi(NOTE + meta(0x03, b"a" * size))
        yield f"a sysex of {size} bytes", midi(NOTE + b"\x00\xf0" + length(size) + b"\xf7" * size)
    yield "twenty thousand texts", midi(NOTE + meta(0x01, b"a" * 80) * 20_000)
    yield "a text that claims 2^28 bytes", midi(NOTE + b"\x00\xff\x01" + length(2**28 - 1))


def _many_tracks() -> Files:
    yield "65535, of which one is there", header(65535) + track(NOTE)
    yield "512", midi(*[NOTE] * 512)
    yield "513", midi(*[NOTE] * 513)
    yield "5000", midi(*[NOTE] * 5_000)
    yield "512 without an event", header(512) + chunk(b"MTrk", b"") * 512
    yield "half a million that are nothing but names", header() + b"MTrk" * 500_000
    yield "names all over", header() + chunk(b"MTrk", b"MTrkMThd" * 200_000, 2**31)
    yield "512 of lengths that lie", header(512) + (chunk(b"MTrk", NOTE * 400 + END, 2**31)) * 512
    yield "512 of format 2 without a note", midi(*[b"\x00\x80\x3c\x40" * 290] * 512, kind=2)
    yield "512 in all channels", midi(*[_events(56, b"\x00\x90\x3c\x40", b"\x01\x80\x3c\x00", channels=16)] * 512)


def _many_events() -> Files:
    """Of each kind that the scan goes over in its own way."""
    for name in ("notes", "notes in running status", "programs", "sysexes", "meters", "ends"):
        pattern = PATTERNS[name]
        yield f"two megabytes of {name}", midi(_events(2_000_000 // len(pattern[0]), *pattern))
    yield "a million notes", midi(NOTE * 1_000_000)
    yield "a million events in running status", midi(b"\x00\xd0\x3c" + b"\x00\x3c" * 1_000_000)


def _as_large_as_taken() -> Files:
    """As many events as there may be: here reading costs most."""
    for name, pattern in PATTERNS.items():
        yield name, midi(NOTE + _events(29_900, *pattern))


def _nothing_to_play() -> Files:
    yield "no tracks", header(0)
    yield "no events", midi(b"")
    yield "only text", midi(meta(0x01, b"silence"))
    yield "only drums", midi(b"\x00\x99\x24\x40\x10\x89\x24\x40")
    yield "only releases", midi(b"\x00\x80\x3c\x40" * 1_000)


PATTERNS = {  # events that come in turn
    "notes": [b"\x00\x90\x3c\x40", b"\x0a\x80\x3c\x40"],
    "notes in running status": [b"\x00\x90\x3c\x40", b"\x0a\x3c\x00"],
    "chords": [b"\x00\x90\x3c\x40", b"\x00\x90\x40\x40", b"\x0a\x80\x3c\x40", b"\x00\x80\x40\x40"],
    "pedals": [b"\x01\xb0\x40\x7f", b"\x01\xb0\x40\x00"],
    "pedalled notes": [b"\x01\xb0\x40\x7f", b"\x00\x90\x3c\x40", b"\x01\x80\x3c\x40", b"\x01\xb0\x40\x00"],
    "bends": [b"\x01\xe0\x01\x40"],
    "pressures": [b"\x01\xa0\x3c\x40", b"\x01\xd0\x3c"],
    "programs": [b"\x01\xc0\x01"],
    "texts": [meta(0x01, b"", 1)],
    "sysexes": [b"\x01\xf0\x00"],
    "tempi": [meta(0x51, b"\x07\xa1\x20", 1), meta(0x51, b"\x07\xa1\x21", 1)],
    "meters": [meta(0x58, b"\x04\x02\x18\x08", 1), meta(0x58, b"\x03\x02\x18\x08", 1)],
    "ends": [END],
}


def _events(count: int, *pattern: bytes, channels: int = 1) -> bytes:
    """count events, the pattern's in turn, each round of the pattern in the next of the channels."""
    rounds = [
        [event[:1] + bytes((event[1] + channel,)) + event[2:] for event in pattern] for channel in range(channels)
    ]
    return b"".join(islice(cycle(event for events in rounds for event in events), count))


class Reading(NamedTuple):
    """What became of one file, and what its child cost."""

    name: str
    error: str  # the class, or "" for a score
    sentence: str
    notes: int
    rss_mb: float  # the largest of any child so far


def read(name: str, data: bytes) -> Reading:
    from composer.errors import OpeningError
    from composer.music.midi import read_midi

    try:
        score = read_midi(data)
    except OpeningError as error:
        return Reading(name, type(error).__name__, str(error), 0, _rss_mb())
    return Reading(name, "", "", len(score.notes), _rss_mb())


def forked(
    command: Sequence[str], data: bytes, limits: Limits, _: float, **__: object
) -> subprocess.CompletedProcess[bytes]:
    """composer.sandbox.run for files that read_midi is given, but for the start of Python, which costs more than the
    reading of an odd file: the child is a fork of this process, and has imported all that it needs."""
    from composer.music.midi import child

    source, sink = os.pipe()
    if not (process := os.fork()):
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory or 0, limits.memory or 0))
        resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu or 0, limits.cpu or 0))
        sys.stdin, sys.stdout = io.TextIOWrapper(io.BytesIO(data)), os.fdopen(sink, "w")
        try:
            child.answer()
            sys.stdout.flush()
            os._exit(0)
        finally:
            os._exit(1)
    os.close(sink)
    with os.fdopen(source, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(process, 0)
    return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(status), told, b"")


def _rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # Linux counts in kB


def measure_known_child() -> float:
    subprocess.run([sys.executable, "-I", "-S", "-c", f"b = b'x' * ({KNOWN_MB} << 20)"], check=True)
    return _rss_mb()


def main() -> None:
    from composer import sandbox
    from composer.music.midi import parse_midi

    readings = [read(name, data) for name, data in large_files()]
    parse_midi(a_song())  # and with it all that is imported
    with patch.object(sandbox, "run", forked):
        readings += [read(name, data) for name, data in odd_files()]
    json.dump({"files": [reading._asdict() for reading in readings], "known_mb": measure_known_child()}, sys.stdout)


if __name__ == "__main__":
    main()
