"""What the bot's children do with an opening: read it, finish its piece, and read either again. In this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hostile_midi import NOTE, a_song, length, meta, midi
from scores import changed, in_meters, pedal

from bot.workshop import Answered, Finished, Read, finish_piece, read_opening, reread_opening
from composer.music.encoding import decode, encode, quantise
from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import dump_midi, parse_midi, read_midi
from composer.music.score import Note, Score, TempoChange, in_four, pedal_of
from composer.music.words import END, Family, Word, default_vocabulary
from composer.opening import to_opening
from composer.order import Order, heard
from composer.request import Composed, Request

VOCABULARY = default_vocabulary()
ROOTS = (48, 45, 53, 55)  # C, A minor, F, G: a bar each
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7), (0, 4, 7))


def ballad(bars: int = 4, first: int = 0) -> Score:
    """Broken chords a little off the grid, the pedal changed behind every bar line."""
    notes, spans = [], []
    for bar in range(bars):
        root, chord, tick = ROOTS[(first + bar) % 4], CHORDS[(first + bar) % 4], bar * TICKS_PER_BAR
        tones = [root - 12, *(root + tone for tone in chord), *(root + 12 + tone for tone in chord), root + 24]
        notes += [Note(tick + 240 * n + 5, tone, tick + 240 * n + 225, 60 + n) for n, tone in enumerate(tones)]
        spans.append((tick + 40, tick + TICKS_PER_BAR - 10))
    return in_four(tuple(notes), (TempoChange(0, 96.0),), end=bars * TICKS_PER_BAR, pedal=tuple(spans))


def moved(score: Score, ticks: int) -> Score:
    return replace(changed(score, end=score.end + ticks), parts=(score.parts[0].moved(ticks),))


def with_pickup() -> bytes:
    """A bar of 1/4, then 4/4, as notation programs write it."""
    score = moved(ballad(), 480)
    whole = in_meters((Note(10, 67, 300, 70), *score.notes), (0, 1, 4), (480, 4, 4), end=480 + ballad().end)
    return dump_midi(changed(replace(whole, tempos=score.tempos), pedal=((0, 470), *pedal(score))))


def in_two_channels() -> bytes:
    """The left hand with the pedal down for a bar each, the right hand with none: in two tracks of two channels."""

    def part(notes: Sequence[Note], spans: Sequence[tuple[int, int]], channel: int) -> bytes:
        timed = [(note.start, 1, bytes((0x90 | channel, note.pitch, note.velocity))) for note in notes]
        timed += [(note.end, 0, bytes((0x80 | channel, note.pitch, 64))) for note in notes]
        timed += [
            (tick, 0, bytes((0xB0 | channel, 64, value)))
            for span in spans
            for tick, value in zip(span, (127, 0), strict=True)
        ]
        data, here = b"", 0
        for tick, _, event in sorted(timed):
            data, here = data + length(tick - here) + event, tick
        return data

    score = ballad()
    low, high = ([n for n in score.notes if (n.pitch < 60) == is_low] for is_low in (True, False))
    tempo = meta(0x51, (625_000).to_bytes(3, "big"))
    return midi(tempo, part(low, pedal(score), 0), part(high, (), 1))


UPLOADS = {
    "as it is": dump_midi(ballad()),
    "silent first bars": dump_midi(moved(ballad(), 3 * TICKS_PER_BAR)),
    "pickup": with_pickup(),
    "a pedal a channel": in_two_channels(),
    "no pedal": dump_midi(changed(ballad(), pedal=())),
}
uploads = pytest.mark.parametrize("data", UPLOADS.values(), ids=UPLOADS)


def composed(score: Score) -> Composed:
    return Composed((*encode(score, VOCABULARY), END), "none", "", "cpu", 0.5)


def finished(read: Read, following: Score) -> Finished:
    return finish_piece(Answered(read.midi, read.bars, read.requests[0], composed(following), 0, "title"), VOCABULARY)


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
    assert [bar.ticks for bar in scores["pickup"].bars] == [480, *[TICKS_PER_BAR] * 4]
    assert [name for name, score in scores.items() if len(score.parts) > 1] == ["a pedal a channel"]
    assert [name for name, score in scores.items() if not pedal(score)] == ["no pedal"]


@uploads
def test_a_piece_begins_with_the_opening_as_it_was_heard_when_it_was_read(data: bytes) -> None:
    opening = to_opening(parse_midi(data)).score
    read = read_opening(data, Order(bars=2), VOCABULARY)
    assert (read.bars, read.notes) == (len(opening.bars), len(opening.notes))
    assert decode(read.requests[0].words, VOCABULARY).notes == quantise(heard(opening), VOCABULARY).notes
    piece = parse_midi(finish(read, ballad(2)))
    boundary = opening.end
    assert until(piece.notes, boundary) == until(opening.notes, boundary)
    assert until(piece.sounding, boundary) == until(opening.sounding, boundary)
    assert [note.pitch for note in piece.notes if note.start >= boundary] == [note.pitch for note in ballad(2).notes]
    assert len(piece.parts) == len(opening.parts)
    for before, after in zip(opening.parts, piece.parts, strict=True):  # what was pedalled goes on so
        behind = [span for span in pedal_of([after]) if span[0] >= boundary]
        assert bool(behind) == bool(pedal_of([before]))


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
        assert to_opening(parse_midi(read.midi)) == to_opening(read_midi(data))
        upload = replace(reread_opening(data, read.bars, order, VOCABULARY), midi=data)
        assert replace(read, midi=data) == upload
        assert finished(read, ballad(2)) == finished(upload, ballad(2))
    assert len(read.midi) < 10_000


@pytest.mark.parametrize("name", ["silent first bars", "no pedal"])
def test_a_piece_that_goes_on_and_on_keeps_its_words(name: str) -> None:
    read = read_opening(UPLOADS[name], Order(bars=4), VOCABULARY)
    words, pitches = read.requests[0].words, [note.pitch for note in ballad().notes]
    for times in (2, 3):
        data = finish(read, ballad())
        read = reread_opening(data, 4 * times, Order(bars=4), VOCABULARY)
        assert read.bars == 4 * times
        assert bars_of(read.requests[0], 4 * times - 4) == words
        words = read.requests[0].words
        assert [note.pitch for note in decode(words, VOCABULARY).notes] == pitches * times


@pytest.mark.parametrize("name", ["pickup", "a pedal a channel"])
def test_a_piece_that_goes_on_keeps_every_key_and_all_of_the_pedal(name: str) -> None:
    read = read_opening(UPLOADS[name], Order(bars=2), VOCABULARY)
    first = finish(read, ballad(2, first=2))
    bars = read.bars + 2
    second = finish(reread_opening(first, bars, Order(bars=1), VOCABULARY), ballad(1))
    before, after = parse_midi(first), parse_midi(second)
    boundary = before.end
    assert until(after.notes, boundary) == until(before.notes, boundary)
    assert until(after.sounding, boundary) == until(before.sounding, boundary)
    assert len(after.parts) == len(before.parts)
    assert len(pedal(after)) > len(pedal(before))
