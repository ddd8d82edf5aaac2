"""What the bot's children do with an opening: read it, finish its piece, and read either again. In this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hostile_midi import NOTE, a_song, length, meta, midi

from bot.studio import Finished, Read, finish_piece, read_opening, reread_opening
from composer.encoding import decode, encode, quantise
from composer.midi import dump_midi, parse_midi, read_midi
from composer.opening import to_opening
from composer.piece import Order
from composer.request import Composed, Request
from composer.score import TICKS_PER_BAR, MeterChange, Note, Score, TempoChange
from composer.words import END, Family, Word, default_vocabulary

VOCABULARY = default_vocabulary()
ROOTS = (48, 45, 53, 55)  # C, A minor, F, G: a bar each
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7), (0, 4, 7))


def ballad(bars: int = 4, first: int = 0) -> Score:
    """Broken chords a little off the grid, the pedal changed behind every bar line."""
    notes, pedal = [], []
    for bar in range(bars):
        root, chord, tick = ROOTS[(first + bar) % 4], CHORDS[(first + bar) % 4], bar * TICKS_PER_BAR
        tones = [root - 12, *(root + tone for tone in chord), *(root + 12 + tone for tone in chord), root + 24]
        notes += [Note(tick + 240 * n + 5, tone, tick + 240 * n + 225, 60 + n) for n, tone in enumerate(tones)]
        pedal.append((tick + 40, tick + TICKS_PER_BAR - 10))
    return Score(tuple(notes), (TempoChange(0, 96.0),), end=bars * TICKS_PER_BAR, pedal=tuple(pedal))


def moved(score: Score, ticks: int) -> Score:
    return replace(
        score,
        notes=tuple(replace(note, start=note.start + ticks, end=note.end + ticks) for note in score.notes),
        pedal=tuple((down + ticks, up + ticks) for down, up in score.pedal),
        end=score.end + ticks,
    )


def with_pickup() -> bytes:
    """A bar of 1/4, then 4/4, as notation programs write it."""
    score = moved(ballad(), 480)
    pickup = Note(10, 67, 300, 70)
    meters = (MeterChange(0, 1, 4), MeterChange(480, 4, 4))
    return dump_midi(replace(score, notes=(pickup, *score.notes), pedal=((0, 470), *score.pedal), meters=meters))


def in_two_channels() -> bytes:
    """The left hand with the pedal down for a bar each, the right hand with none: in two tracks of two channels."""

    def part(notes: Sequence[Note], pedal: Sequence[tuple[int, int]], channel: int) -> bytes:
        timed = [(note.start, 1, bytes((0x90 | channel, note.pitch, note.velocity))) for note in notes]
        timed += [(note.end, 0, bytes((0x80 | channel, note.pitch, 64))) for note in notes]
        timed += [
            (tick, 0, bytes((0xB0 | channel, 64, value)))
            for span in pedal
            for tick, value in zip(span, (127, 0), strict=True)
        ]
        data, here = b"", 0
        for tick, _, event in sorted(timed):
            data, here = data + length(tick - here) + event, tick
        return data

    score = ballad()
    low, high = ([n for n in score.notes if (n.pitch < 60) == is_low] for is_low in (True, False))
    tempo = meta(0x51, (625_000).to_bytes(3, "big"))
    return midi(tempo, part(low, score.pedal, 0), part(high, (), 1))


UPLOADS = {
    "as it is": dump_midi(ballad()),
    "silent first bars": dump_midi(moved(ballad(), 3 * TICKS_PER_BAR)),
    "pickup": with_pickup(),
    "a pedal a channel": in_two_channels(),
    "no pedal": dump_midi(replace(ballad(), pedal=())),
}
uploads = pytest.mark.parametrize("data", UPLOADS.values(), ids=UPLOADS)


def composed(score: Score) -> Composed:
    return Composed((*encode(score, VOCABULARY), END), "none", "", "cpu", 0.5)


def finished(read: Read, following: Score) -> Finished:
    return finish_piece(read.midi, read.bars, read.requests[0], composed(following), VOCABULARY, 0, "title")


def finish(read: Read, following: Score) -> bytes:
    return finished(read, following).midi


def until(notes: Sequence[Note], end: int) -> list[Note]:
    """The notes that are struck before the end, none of them longer."""
    return [replace(note, end=min(note.end, end)) for note in notes if note.start < end]


def bars_of(request: Request, bars: int) -> tuple[Word, ...]:
    """The words of the first bars."""
    lines = [at for at, word in enumerate(request.words) if word.family == Family.BAR]
    return request.words[: [*lines, len(request.words)][bars]]


def test_the_uploads_are_what_they_are_called() -> None:
    scores = {name: parse_midi(data) for name, data in UPLOADS.items()}
    assert scores["silent first bars"].notes[0].start > 3 * TICKS_PER_BAR
    assert [meter.tick for meter in scores["pickup"].meters] == [0, 480]
    assert to_opening(scores["pickup"]).score.notes[0].start == 1450
    assert [name for name, score in scores.items() if score.held] == ["a pedal a channel"]
    assert [name for name, score in scores.items() if not score.pedalled] == ["no pedal"]


@uploads
def test_a_piece_begins_with_the_opening_as_it_was_heard_when_it_was_read(data: bytes) -> None:
    opening = to_opening(parse_midi(data)).score
    read = read_opening(data, Order(bars=2), VOCABULARY)
    assert (read.bars, read.notes) == (opening.bars, len(opening.notes))
    assert decode(read.requests[0].words, VOCABULARY).notes == quantise(opening, VOCABULARY).notes
    piece = parse_midi(finish(read, ballad(2)))
    boundary = read.bars * TICKS_PER_BAR
    assert until(piece.notes, boundary) == until(opening.held or opening.notes, boundary)
    assert until(piece.sounding, boundary) == until(opening.sounding, boundary)
    assert piece.pedal[: len(opening.pedal)] == opening.pedal
    assert [note.pitch for note in piece.notes if note.start >= boundary] == [note.pitch for note in ballad(2).notes]
    assert bool(piece.pedal) == opening.pedalled


@pytest.mark.parametrize("name", ["silent first bars", "pickup", "a pedal a channel"])
def test_an_upload_read_again_is_what_it_was(name: str) -> None:
    order = Order(bars=2, takes=2, seed=5)
    read = read_opening(UPLOADS[name], order, VOCABULARY)
    assert reread_opening(read.midi, read.bars, order, VOCABULARY) == read


EXAMPLES = {path.name: path.read_bytes() for path in Path(__file__).parents[2].rglob("examples/*.mid")}
OTHERS = {f"song {seed}": a_song(seed) for seed in range(5)} | {
    "texts": midi(NOTE + meta(0x01, b"a" * 50_000) + NOTE),
    "a resolution that does not divide ours": midi(b"\x01" + NOTE[1:] + NOTE, resolution=7),
    "keys that two tracks hold at once": midi(NOTE, b"\x3c\x90\x3c\x40\x78\x80\x3c\x40"),
    "drums": midi(NOTE, b"\x00\x99\x24\x40\x10\x89\x24\x40"),
    "a pedal that never comes up": midi(b"\x00\xb0\x40\x7f" + NOTE + NOTE),
}


@pytest.mark.parametrize("data", (UPLOADS | EXAMPLES | OTHERS).values(), ids=UPLOADS | EXAMPLES | OTHERS)
def test_from_what_is_kept_of_an_upload_comes_the_same_piece(data: bytes) -> None:
    order = Order(bars=2, takes=2)
    read = read_opening(data, order, VOCABULARY)
    if read.heard is None:  # else bars were put to it, and the upload itself says nothing of them
        assert parse_midi(read.midi) == read_midi(data)
        upload = replace(reread_opening(data, read.bars, order, VOCABULARY), midi=data)
        assert replace(read, midi=data) == upload
        assert finished(read, ballad(2)) == finished(upload, ballad(2))
    assert len(read.midi) < 10_000


@pytest.mark.parametrize("name", ["silent first bars", "no pedal"])
def test_a_piece_that_goes_on_and_on_keeps_its_words(name: str) -> None:
    read = read_opening(UPLOADS[name], Order(bars=4), VOCABULARY)
    heard, pitches = read.requests[0].words, [note.pitch for note in ballad().notes]
    for times in (2, 3):
        data = finish(read, ballad())
        read = reread_opening(data, 4 * times, Order(bars=4), VOCABULARY)
        assert read.bars == 4 * times
        assert bars_of(read.requests[0], 4 * times - 4) == heard
        heard = read.requests[0].words
        assert [note.pitch for note in decode(heard, VOCABULARY).notes] == pitches * times


@pytest.mark.parametrize("name", ["pickup", "a pedal a channel"])
def test_a_piece_that_goes_on_keeps_every_key_and_all_of_the_pedal(name: str) -> None:
    read = read_opening(UPLOADS[name], Order(bars=2), VOCABULARY)
    first = finish(read, ballad(2, first=2))
    bars = read.bars + 2
    second = finish(reread_opening(first, bars, Order(bars=1), VOCABULARY), ballad(1))
    before, after, boundary = parse_midi(first), parse_midi(second), bars * TICKS_PER_BAR
    assert until(after.notes, boundary) == until(before.notes, boundary)
    assert until(after.sounding, boundary) == until(before.sounding, boundary)
    assert after.pedal[: len(before.pedal)] == before.pedal
    assert (len(after.pedal) > len(before.pedal)) == before.pedalled
