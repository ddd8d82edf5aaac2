"""What went in comes back, as a reader sees it that knows nothing of ours: every track, note by note."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import symusic
from hostile_midi import length, meta, midi

from bot.workshop import Answered, Read, finish_piece, read_opening
from composer.music.encoding import encode
from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import parse_midi
from composer.music.roles import with_roles
from composer.music.score import Note, Part, Role, Score, in_four
from composer.music.words import END, default_vocabulary
from composer.order import HEARD_BARS, Order
from composer.request import Composed, Request

VOCABULARY = default_vocabulary()
BARS = 8
PITCHES = {Role.UNSAID: 60, Role.MELODY: 79, Role.INNER: 70, Role.ACCOMPANIMENT: 55, Role.BASS: 33}  # what is new


def track(name: str, *timed: tuple[int, bytes]) -> bytes:
    data, now = meta(0x03, name.encode()), 0
    for tick, event in sorted(timed, key=lambda event: event[0]):
        data, now = data + length(tick - now) + event, tick
    return data


def notes(channel: int, *played: tuple[int, int, int, int]) -> Iterator[tuple[int, bytes]]:
    """(start, pitch, end, velocity)"""
    for start, pitch, end, velocity in played:
        yield start, bytes((0x90 | channel, pitch, velocity))
        yield end, bytes((0x80 | channel, pitch, 64))


def told(kind: int, channel: int, *timed: tuple[int, ...]) -> Iterator[tuple[int, bytes]]:
    for tick, *values in timed:
        yield tick, bytes((kind | channel, *values))


def swung(bars: int = BARS) -> list[tuple[int, int, int, int]]:
    beats = [(beat * 480 + at, 60 + beat % 12, beat * 480 + end, 60 + beat) for beat in range(4 * bars)
             for at, end in ((0, 150), (320, 470))]  # fmt: skip
    return [note for note in beats if note[3] < 128]


BEGIN = [(0, meta(0x51, b"\x07\xa1\x20")[1:]), (0, meta(0x58, b"\x04\x02\x18\x08")[1:])]
CONDUCTOR = track("A song", *BEGIN, (3840, meta(0x51, b"\x08\x00\x00")[1:]))
PIANO = track(
    "Piano, swung",
    *notes(0, *swung()),
    *told(0xB0, 0, (0, 64, 127), (1900, 64, 50), (1920, 64, 90), (3800, 64, 0), (0, 7, 100), (0, 10, 40)),
)
GUITAR = track(
    "吉他",
    *told(0xC0, 3, (0, 27), (7680, 30)),
    *notes(3, *((bar * 1920 + 5, 52 + bar, bar * 1920 + 1800, 70 + bar) for bar in range(BARS))),
    *told(0xE0, 3, *((tick, tick % 128, 64 + tick // 40 % 20) for tick in range(0, BARS * 1920, 40))),
    *told(0xB0, 3, (0, 101, 0), (0, 100, 0), (0, 6, 12), (960, 11, 90), (2000, 1, 64)),
    *told(0xD0, 3, (3000, 50)),
)
BASS = track(
    "Bass",
    *told(0xC0, 1, (0, 33)),
    *notes(1, *((bar * 1920, 36, bar * 1920 + 1000, 90) for bar in range(BARS))),
    *notes(1, *((bar * 1920 + 480, 36, bar * 1920 + 1400, 80) for bar in range(BARS))),  # before it is let go
)
DRUMS = track(
    "Drums",
    *told(0xC0, 9, (0, 16)),
    *notes(9, *((beat * 240, 36 + beat % 3, beat * 240 + 30, 64 + beat % 60) for beat in range(8 * BARS))),
    *told(0xB0, 9, (0, 7, 110)),
)
FILES = {
    "a band": midi(CONDUCTOR, PIANO, GUITAR, BASS, DRUMS),
    "a piano and drums": midi(CONDUCTOR, PIANO, DRUMS),
    "one that bends": midi(CONDUCTOR, GUITAR),
    "all in one track": midi(
        track(
            "all",
            *BEGIN,
            *told(0xC0, 5, (0, 40)),
            *notes(0, *swung()),
            *notes(5, (0, 40, 7000, 80)),
            *notes(9, (480, 40, 500, 80)),
        ),
        kind=0,
    ),
    "two hands": midi(CONDUCTOR, PIANO, track("left", *notes(0, (0, 40, 7000, 80), (7680, 45, 15000, 70)))),
    "longer than is heard": midi(
        CONDUCTOR,
        track("Tune", *notes(2, *((beat * 480, 60 + beat % 7, beat * 480 + 450, 80) for beat in range(4 * 90)))),
        track("Beat", *notes(9, *((beat * 480, 42, beat * 480 + 30, 80) for beat in range(4 * 90)))),
    ),
}
files = pytest.mark.parametrize("data", FILES.values(), ids=FILES)


def roles_heard(request: Request) -> list[Role]:
    return sorted({Role(word.role - 1) for word in request.words if word.role})


def answer(request: Request) -> Composed:
    """Four bars, and in each role that was heard as many beats."""
    notes = {
        role: tuple(Note(beat * 480, PITCHES[role], beat * 480 + 400, 80) for beat in range(16))
        for role in roles_heard(request)
    }
    parts = tuple(Part(played, role) for role, played in notes.items())
    new = Score(parts, in_four((), end=4 * TICKS_PER_BAR).bars)
    return Composed((*encode(new, VOCABULARY), END), "none", "", "cpu", 0.5)


def piece_of(data: bytes) -> tuple[Read, bytes, Any]:
    """What is read, the file that comes back, and its receipt."""
    read = read_opening(data, Order(bars=4), VOCABULARY)
    (request,) = read.requests
    finished = finish_piece(Answered(read.midi, read.bars, request, answer(request), read.program, "title"), VOCABULARY)
    return read, finished.midi, finished.receipt


def seen(data: bytes, until: int) -> list[Any]:
    """The tracks up to a tick."""
    return [
        (
            track.name,
            track.program,
            track.is_drum,
            sorted((note.time, note.pitch, note.duration, note.velocity) for note in track.notes if note.time < until),
            [(control.time, control.number, control.value) for control in track.controls if control.time < until],
            [(bend.time, bend.value) for bend in track.pitch_bends if bend.time < until],
        )
        for track in symusic.Score.from_midi(data).tracks
    ]


@files
def test_every_track_comes_back_note_by_note(data: bytes) -> None:
    read, back, _ = piece_of(data)
    assert read.heard is None
    boundary = read.bars * TICKS_PER_BAR
    given, whole = seen(data, boundary), seen(back, boundary)
    assert whole == given
    was, now = symusic.Score.from_midi(data), symusic.Score.from_midi(back)
    assert [(t.time, t.mspq) for t in now.tempos if t.time < boundary] == [(t.time, t.mspq) for t in was.tempos]
    assert [(m.time, m.numerator) for m in now.time_signatures] == [(m.time, m.numerator) for m in was.time_signatures]


@files
def test_every_part_goes_on_by_its_role_and_none_is_added(data: bytes) -> None:
    read, back, receipt = piece_of(data)
    boundary = read.bars * TICKS_PER_BAR
    given, whole = with_roles(parse_midi(data)).parts, parse_midi(back).parts
    assert [(part.name, part.program, part.channel, part.is_drum) for part in whole] == [
        (part.name, part.program, part.channel, part.is_drum) for part in given
    ]
    heard = roles_heard(read.requests[0])
    assert set(heard) == {part.role for part in given if part.notes and not part.is_drum}
    for role in heard:
        new = [
            note
            for part, now in zip(given, whole, strict=True)
            for note in now.notes
            if part.role is role and not part.is_drum and note.start >= boundary
        ]
        assert [(note.start - boundary, note.pitch, note.end - note.start) for note in new] == [
            (beat * 480, PITCHES[role], 400) for beat in range(16)
        ]
    tracks = [(track["name"], track["notes"], track["drum"]) for track in receipt["opening"]["tracks"]]
    assert tracks == [(part.name, len(part.notes), part.is_drum) for part in parse_midi(data).parts if part.notes]
    assert receipt["opening"]["bars_heard"] == min(read.bars, HEARD_BARS)


def test_a_band_has_a_bass_chords_and_a_tune() -> None:
    read, back, _ = piece_of(FILES["a band"])
    boundary = read.bars * TICKS_PER_BAR
    behind = {part.name: {n.pitch for n in part.notes if n.start >= boundary} for part in parse_midi(back).parts}
    assert behind["Bass"] == {PITCHES[Role.BASS]}
    assert behind["Drums"] == set()
    assert sum(map(bool, behind.values())) == 3
