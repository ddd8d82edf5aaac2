"""The studio with a real child: reading openings, finishing pieces, sound that is small enough, and kill -9."""

from __future__ import annotations

import asyncio
import io
import json
import multiprocessing
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from engine_models import random_checkpoint
from PIL import Image
from recordings import silence as recorded_silence
from recordings import song
from scores import in_meters

from bot import workshop as module
from bot.children import Children
from bot.errors import PieceFullError
from bot.studio import READ_SECONDS, Studio
from bot.workshop import FULL_BARS, Answered, Finished, Read, finish_piece, render_sound
from composer.engine.generator import Generator
from composer.errors import (
    CompositionError,
    MeterError,
    NoNotesError,
    NotAudioError,
    NotMidiError,
    OpeningTooDenseError,
    OpeningTooLongError,
    RecordingTooLongError,
    SegueError,
)
from composer.music.encoding import decode
from composer.music.grid import TICKS_PER_POSITION
from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import Note, Part, Score, TempoChange, in_four
from composer.music.words import END, Family, Word
from composer.opening import KNOWN_METERS, Place, to_opening
from composer.order import HEARD_BARS, Order
from composer.request import Composed, Request, Watched
from composer.sampling import SamplingParams
from composer.transcription.synchronise import Listening, performance_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "opening.mid"
CHECKPOINT = random_checkpoint(seed=5)  # one that plays much
VOCABULARY = CHECKPOINT.vocabulary
BAR = Word(Family.BAR, meter=VOCABULARY.meters.index("4/4") + 1)


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    """One for all tests, whatever they do to its child."""
    with_one_child = Studio(VOCABULARY)
    yield with_one_child
    asyncio.run(with_one_child.close())


def melody(bars: int, pitch: int = 60) -> Score:
    """Quarter notes, a little behind the beat, the last of which sounds on; slower towards the end."""
    notes = [Note(at + 9, pitch + at // 480 % 5, at + 400, 80) for at in range(0, bars * TICKS_PER_BAR, 480)]
    notes[-1] = Note(notes[-1].start, pitch + 11, notes[-1].start + 3000, 99)
    tempos = (TempoChange(0, 100.0), TempoChange(bars * TICKS_PER_BAR - 480, 96.0))
    return in_four(tuple(notes), tempos, end=bars * TICKS_PER_BAR)


def compose(request: Request) -> Composed:
    *_, (piece,) = Generator(CHECKPOINT, 1).compose([request])
    return Composed(tuple(piece.words), CHECKPOINT.name, CHECKPOINT.digest, "cpu", 0.5, 2.0, Watched())


def silence(bars: int) -> Composed:
    return Composed((*[BAR] * bars, END), "none", "", "cpu", 0.5, 2.0, Watched())


async def finish(studio: Studio, read: Read, composed: Composed, order: Order | None = None) -> Finished:
    task = order.task if order else {}
    return await studio.finish(Answered(read.midi, read.bars, read.requests[0], composed, title="Für Elise", task=task))


# ---------------------------------------------------------------------- from an opening to a piece


async def test_a_strangers_file_is_read_from_its_first_bar_that_sounds(studio: Studio) -> None:
    given = parse_midi(EXAMPLE.read_bytes())
    late = in_four(
        tuple(Note(n.start + 3 * TICKS_PER_BAR, n.pitch, n.end + 3 * TICKS_PER_BAR, n.velocity) for n in given.notes),
        given.tempos,
        end=given.end + 3 * TICKS_PER_BAR,
    )
    order = Order(bars=5, takes=3, seed=40, sampling=SamplingParams().with_setting("top_p", "all", 0.5))
    read = await studio.read(dump_midi(late), order)
    opening = to_opening(given)
    assert (await studio.read_again(read.midi, read.bars, order)).requests == read.requests
    assert (read.bars, read.notes) == (opening.bars, len(given.notes))
    assert read.key in ("A minor", "C major")
    assert read.bpm == pytest.approx(92, abs=0.1)
    assert [(request.bars, request.seed) for request in read.requests] == [(5, 40), (5, 41), (5, 42)]
    assert {request.sampling for request in read.requests} == {order.sampling}
    assert {len(decode(request.words, VOCABULARY).bars) for request in read.requests} == {opening.bars}


@pytest.mark.parametrize(
    ("sounding", "bars"),
    [(3, 3), (2, 6), (HEARD_BARS + 6, HEARD_BARS + 6), (HEARD_BARS + 1, HEARD_BARS + 9)],
    ids=["as it is", "silent last bars", "longer than is heard", "both"],
)
async def test_the_opening_is_untouched_and_the_bars_are_exact(studio: Studio, sounding: int, bars: int) -> None:
    opening = melody(sounding)
    read = await studio.read_again(dump_midi(opening), bars, Order(bars=4, seed=3))
    assert (read.bars, read.notes) == (bars, len(opening.notes))
    composed = compose(read.requests[0])
    answered = Answered(read.midi, read.bars, read.requests[0], composed, title="Für Elise")
    finished = finish_piece(answered, VOCABULARY)

    whole, boundary = parse_midi(finished.midi), bars * TICKS_PER_BAR
    before = [note for note in whole.notes if note.start < boundary]
    after = [note for note in whole.notes if note.start >= boundary]
    assert [(n.start, n.pitch, n.velocity) for n in before] == [(n.start, n.pitch, n.velocity) for n in opening.notes]
    assert [note.end for note in before[:-1]] == [note.end for note in opening.notes[:-1]]
    assert len(after) == sum(word.family == Family.NOTE for word in composed.words) > 0
    assert after[-1].start < boundary + 4 * TICKS_PER_BAR
    first = next(n for n, word in enumerate(composed.words) if word.family == Family.NOTE) - 1  # its place
    leading = sum(word.family == Family.BAR for word in composed.words[:first]) - 1
    position = (composed.words[first].position - 1) * TICKS_PER_POSITION
    assert after[0].start == boundary + leading * TICKS_PER_BAR + position
    assert [tempo.bpm for tempo in whole.tempos if tempo.tick < boundary] == pytest.approx([100, 96], abs=0.01)

    assert finished.receipt["bars"] == {"opening": bars, "added": 4, "composed": [bars + 1, bars + 4]}
    assert json.loads(json.dumps(finished.receipt)) == finished.receipt
    assert finished.receipt["seed"] == 3
    with Image.open(io.BytesIO(finished.picture)) as picture:
        assert picture.width >= 800


async def test_a_piece_goes_on_behind_its_last_bar_though_nothing_sounds_there(studio: Studio) -> None:
    read = await studio.read(dump_midi(melody(2)), Order(bars=3))
    finished = await finish(studio, read, silence(3))
    assert finished.receipt["bars"] == {"opening": 2, "added": 3, "composed": [3, 5]}
    read = await studio.read_again(finished.midi, 2 + 3, Order(bars=1))
    assert [word.family for word in read.requests[0].words].count(Family.BAR) == 5
    note = Word(Family.NOTE, pitch=40, velocity=20, duration=4, role=1)
    words = (BAR, Word(Family.METRICAL, 1, chord=1, tempo=30), note, END)
    longer = await finish(studio, read, Composed(words, "none", "", "cpu", 0.5, 2.0, Watched()))
    assert parse_midi(longer.midi).notes[-1].start == 5 * TICKS_PER_BAR
    assert longer.receipt["bars"] == {"opening": 5, "added": 1, "composed": [6, 6]}


async def test_a_waltz_goes_on_in_three(studio: Studio) -> None:
    read = await studio.read(waltz(), Order(bars=4))
    assert read.bars == 4
    composed = compose(read.requests[0])
    finished = await finish(studio, read, composed)
    whole = parse_midi(finished.midi)
    assert {bar.meter.name for bar in whole.bars} == {"3/4"}
    assert finished.receipt["bars"] == {"opening": 4, "added": 4, "composed": [5, 8]}
    played = [note for note in whole.notes if note.start >= 4 * 1440]
    assert len(played) == sum(word.family == Family.NOTE for word in composed.words) > 0
    assert {VOCABULARY.meters[word.meter - 1] for word in composed.words if word.family == Family.BAR} == {"3/4"}


async def test_bars_are_composed_again_and_all_others_stay(studio: Studio) -> None:
    order = Order(redo=(3, 4), seed=3)
    read = await studio.read(dump_midi(melody(8)), order)
    composed = compose(read.requests[0])
    finished = await finish(studio, read, composed, order)
    before, after = parse_midi(read.midi), parse_midi(finished.midi)
    start, end = 2 * TICKS_PER_BAR, 4 * TICKS_PER_BAR
    assert (after.bars, after.tempos) == (before.bars, before.tempos)

    def struck(score: Score, inside: bool) -> list[tuple[int, int, int]]:
        return [(n.start, n.pitch, n.velocity) for n in score.notes if (start <= n.start < end) == inside]

    assert struck(after, inside=False) == struck(before, inside=False)
    assert len(struck(after, inside=True)) == sum(word.family == Family.NOTE for word in composed.words) > 0
    assert finished.receipt["bars"] == {"opening": 8, "added": 0, "composed": [3, 4]}
    assert shlex.split(str(finished.receipt["command"]))[-2:] == ["--redo", "3-4"]


async def test_a_melody_gets_an_accompaniment_in_a_part_of_its_own(studio: Studio) -> None:
    order = Order(accompany=True, chords=(("Am",), ("F",)))
    read = await studio.read(dump_midi(melody(4)), order)
    composed = compose(read.requests[0])
    finished = await finish(studio, read, composed, order)
    given, *new = parse_midi(finished.midi).parts
    assert given.notes == parse_midi(read.midi).parts[0].notes
    places = {(note.start, note.pitch) for note in decode(composed.words, VOCABULARY).notes}
    assert {(note.start, note.pitch) for part in new for note in part.notes} == places != set()
    assert finished.receipt["bars"] == {"opening": 4, "added": 0, "composed": [1, 4]}
    assert {"--accompany", "Am | F"} <= set(shlex.split(str(finished.receipt["command"])))


@pytest.mark.parametrize(
    "order", [Order(bars=5), Order(redo=(3, 6)), Order(accompany=True), Order(bars=5, chords=(("Am",),))]
)
async def test_what_there_is_so_far_is_drawn_until_it_is_the_whole_piece(studio: Studio, order: Order) -> None:
    opening = dump_midi(in_meters(melody(8).notes, (0, 4, 4), (4 * TICKS_PER_BAR, 3, 4), end=8 * TICKS_PER_BAR))
    read = await studio.read(opening, order)
    composed = compose(read.requests[0])
    lines = [at for at, word in enumerate(composed.words) if word.family in (Family.BAR, Family.END)]
    drawn = []
    for line in lines[1:]:
        so_far = replace(composed, words=composed.words[:line])
        picture = await studio.so_far(Answered(read.midi, read.bars, read.requests[0], so_far, title="Für Elise"))
        assert picture is not None
        drawn.append(picture)
    assert len(set(drawn)) > 1
    assert drawn[-1] == (await finish(studio, read, composed, order)).picture


async def test_what_there_is_so_far_keeps_no_piece_waiting(studio: Studio) -> None:
    read = await studio.read(dump_midi(melody(4)), Order(bars=2))
    composed = compose(read.requests[0])
    what = Answered(read.midi, read.bars, read.requests[0], replace(composed, words=composed.words[:-1]))
    work = asyncio.create_task(studio.sound(read.midi, "", 10**7))
    await asyncio.sleep(0)
    assert await studio.so_far(what) is None
    await work
    assert await studio.so_far(what) is not None


async def test_title_and_instrument_are_in_the_file_and_in_the_command(studio: Studio) -> None:
    read = await studio.read(dump_midi(melody(1)), Order(bars=1))
    finished = await studio.finish(Answered(read.midi, 1, read.requests[0], silence(1), 73, "It's me"))
    command = shlex.split(str(finished.receipt["command"]))
    assert command[:3] == ["segue", "compose", "It's me.mid"]
    assert command[-2:] == ["--instrument", "Flute"]
    (part,) = parse_midi(finished.midi).parts
    assert part.program == 73
    assert b"It's me" in finished.midi


async def test_a_band_comes_back_as_it_is(studio: Studio) -> None:
    """Whatever instrument is asked for: each part of several keeps its own."""
    tune, drums = melody(2).parts[0], Part((Note(0, 36, 60, 90),), is_drum=True, channel=9)
    bass = replace(melody(2, pitch=40).parts[0], name="Bass", program=33, channel=4)
    read = await studio.read(dump_midi(replace(melody(2), parts=(tune, bass, drums))), Order(bars=3))
    assert (read.program, read.notes) == (0, 16)
    finished = await studio.finish(Answered(read.midi, 2, read.requests[0], silence(3), 73))
    assert [part.program for part in parse_midi(finished.midi).playing] == [0, 33]
    assert [track["program"] for track in finished.receipt["opening"]["tracks"]] == [0, 33, 0]
    assert "--instrument" not in finished.receipt["command"]
    assert (await studio.read(dump_midi(melody(2).played_on(40)), Order())).program == 40


# ---------------------------------------------------------------------- errors


def drums() -> bytes:
    hits = tuple(Note(beat * 480, 38, beat * 480 + 100, 80) for beat in range(8))
    return dump_midi(replace(melody(2), parts=(Part(hits, is_drum=True, channel=9),)))


def waltz() -> bytes:
    notes = tuple(Note(beat * 480, 60 + beat % 3, beat * 480 + 400, 80) for beat in range(12))
    return dump_midi(in_meters(notes, (0, 3, 4), end=4 * 1440))


def limping() -> bytes:
    notes = tuple(Note(bar * 1320, 60, bar * 1320 + 400, 80) for bar in range(4))
    return dump_midi(in_meters(notes, (0, 11, 16), end=4 * 1320))


def dense() -> bytes:
    notes = tuple(Note(n // 40 * 120, 40 + n % 40, n // 40 * 120 + 100, 80) for n in range(30_040))
    return dump_midi(in_four(notes, end=47 * TICKS_PER_BAR))


def an_hour_off_the_grid() -> bytes:
    """Too long at any tempo, so that nobody looks for its beats."""
    notes = tuple(Note(n * 3456 + n * n * 997 % 700, 60, n * 3456 + 900, 80) for n in range(1000))
    return dump_midi(in_four(notes, end=notes[-1].start + 1000))


async def test_errors_arrive_whole(studio: Studio) -> None:
    refused: tuple[tuple[bytes, SegueError], ...] = (
        (b"this is no music", NotMidiError("it has no MIDI header")),
        (drums(), NoNotesError(drum_notes=8)),
        (limping(), MeterError(11, 16, 1, KNOWN_METERS)),
        (dump_midi(melody(400)), OpeningTooLongError(17, 15)),
        (dense(), OpeningTooDenseError(30_040, 30_000)),
        (an_hour_off_the_grid(), OpeningTooLongError(60, 8)),
    )
    for data, expected in refused:
        with pytest.raises(type(expected)) as error:
            await studio.read(data, Order())
        assert (vars(error.value), str(error.value)) == (vars(expected), str(expected))
    with pytest.raises(PieceFullError) as full:
        await studio.read_again(dump_midi(melody(2)), FULL_BARS - 31, Order(bars=32))
    assert full.value.limit == FULL_BARS
    assert (await studio.read_again(dump_midi(melody(2)), FULL_BARS - 32, Order(bars=32))).bars == FULL_BARS - 32


# ---------------------------------------------------------------------- by ear


def played(score: Score, kind: Literal["piano", "melody"] = "piano") -> dict[str, Any]:
    return replace(performance_of(score), kind=kind).to_json()


async def test_what_was_heard_can_be_looked_at_and_continued(studio: Studio) -> None:
    heard = song(8, bpm=96)
    card = await studio.hear(played(heard), Listening(bpm=96, downbeat=1), "Für mich", Place())
    assert (card.heard["kind"], card.heard["tempo"]) == ("piano", pytest.approx(96, rel=0.05))
    assert (card.heard["notes"], card.heard["key"], card.heard["accompanied"]) == (len(heard.notes), "C major", False)
    assert card.heard["bars"] == card.bars
    assert sorted(n.pitch for n in parse_midi(card.midi).notes) == sorted(n.pitch for n in heard.notes)
    assert Image.open(io.BytesIO(card.picture)).width >= 800
    read = await studio.read_again(card.midi, card.bars, Order(bars=4, takes=2, seed=3))
    assert (read.bars, read.notes, [request.seed for request in read.requests]) == (card.bars, len(heard.notes), [3, 4])
    assert read.bpm == pytest.approx(96, rel=0.05)


async def test_what_was_hummed_can_be_accompanied_instead_of_its_plain_chords(studio: Studio) -> None:
    hummed = in_four([Note(n.start - 9, n.pitch, n.start + 471, n.velocity) for n in melody(8, pitch=67).notes[:-1]])
    bare, card = [
        await studio.hear(played(hummed, "melody"), Listening(accompany=plain), "", Place()) for plain in (False, True)
    ]
    tune = parse_midi(bare.midi).notes
    assert len(parse_midi(card.midi).notes) > 2 * len(tune)
    order = Order(accompany=True, seed=5)
    read = await studio.read_again(card.midi, card.bars, order)
    assert parse_midi(read.midi).notes == tune
    finished = await finish(studio, read, compose(read.requests[0]), order)
    first, *others = parse_midi(finished.midi).playing
    assert first.notes == tune
    assert [part.name for part in others] == ["Accompaniment"]


async def test_the_same_notes_are_put_into_other_bars(studio: Studio) -> None:
    performance = played(song(8, bpm=96))
    slow, right, fast = [await studio.hear(performance, Listening(bpm=bpm), "", Place()) for bpm in (48, 96, 192)]
    assert [card.heard["tempo"] for card in (slow, right, fast)] == pytest.approx([48, 96, 192], rel=0.05)
    assert abs(fast.bars - 2 * right.bars) <= 2
    assert abs(right.bars - 2 * slow.bars) <= 2
    assert len({card.heard["notes"] for card in (slow, right, fast)}) == 1
    assert len({card.picture for card in (slow, right, fast)}) == 3


async def test_a_recording_is_checked_before_anybody_waits_for_it(studio: Studio) -> None:
    await studio.check(recorded_silence(1, "-f", "wav", "-"))
    with pytest.raises(RecordingTooLongError) as refused:
        await studio.check(recorded_silence(42, "-f", "flac", "-"))
    assert refused.value.limit == 40
    with pytest.raises(NotAudioError):
        await studio.check(b"ffconcat version 1.0\nfile '/etc/passwd'\n")


async def test_a_file_on_its_grid_is_left_alone_and_one_beside_it_is_heard(studio: Studio) -> None:
    score = song(8)
    exact = dump_midi(score)
    read = await studio.read(exact, Order(), Listening(accompany=False))
    assert (parse_midi(read.midi).notes, read.heard, read.bars) == (parse_midi(exact).notes, None, 8)
    read = await studio.read(exact, Order(), Listening(bpm=50))  # unless its player says that it is wrong
    assert (read.heard or {})["tempo"] == pytest.approx(50, rel=0.05)
    factor = 120 / 92
    loose = [
        replace(note, start=round(note.start * factor) + 137, end=round(note.end * factor) + 137)
        for note in score.notes
    ]
    beside = dump_midi(in_four(tuple(loose), end=round(8 * TICKS_PER_BAR * factor) + 1920))
    read = await studio.read(beside, Order(), Listening(bpm=92))
    assert read.heard is not None
    assert (read.heard["kind"], read.heard["notes"], read.heard["bars"]) == ("midi", len(score.notes), read.bars)
    assert read.bpm == pytest.approx(92, rel=0.05)
    read = await studio.read(beside, Order(), Listening(as_written=True))
    assert (read.heard, read.bars) == (None, len(parse_midi(beside).bars))


async def test_of_a_long_opening_some_bars_are_taken(studio: Studio) -> None:
    whole = melody(8)
    read = await studio.read(dump_midi(whole), Order(from_bar=3, to_bar=5))
    assert read.bars == 3
    assert parse_midi(read.midi).notes == whole.excerpt(2, 5).notes


# ---------------------------------------------------------------------- sound


async def test_sound_is_as_good_as_fits_and_says_when_it_is_not_all(studio: Studio) -> None:
    midi = dump_midi(melody(10))  # 24 s
    whole, smaller, beginning, nothing = [
        await studio.sound(midi, "title", limit) for limit in (10**7, 250_000, 100_000, 20_000)
    ]
    assert whole.mp3 is not None
    assert smaller.mp3 is not None
    assert beginning.mp3 is not None
    assert len(whole.mp3) > 250_000 >= len(smaller.mp3) > 100_000 >= len(beginning.mp3)
    assert (whole.shortened, smaller.shortened) == (None, None)
    assert beginning.shortened is not None
    assert beginning.shortened < 24
    assert len(beginning.mp3) / 4000 == pytest.approx(beginning.shortened, rel=0.05), "at 32 kbit a second"
    assert (nothing.mp3, nothing.shortened) == (None, None)


@pytest.mark.parametrize(("length", "whole"), [(1.95, True), (2.05, False)])
def test_sound_is_called_shortened_if_a_note_is_missing_and_not_for_a_silent_rest_of_a_bar(
    length: float, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUALITIES", (("32k", 2.0),))
    ticks = round(length * 960)  # at 120 BPM
    bar = in_four((Note(0, 60, ticks, 80), Note(1910 if whole else 10, 64, ticks, 80)), end=TICKS_PER_BAR)
    sound = render_sound(dump_midi(bar), "", 10**6, None)
    assert sound.mp3 is not None
    assert sound.shortened == (None if whole else 2.0)


# ---------------------------------------------------------------------- kill -9


def kill_children() -> None:
    for process in multiprocessing.active_children():
        os.kill(process.pid or 0, signal.SIGKILL)


async def test_children_that_are_killed_are_replaced_and_their_work_is_done(studio: Studio) -> None:
    midi = dump_midi(melody(6))
    await studio.warm_up()
    work = [asyncio.create_task(studio.sound(midi, "", 10**7)), asyncio.create_task(studio.read(midi, Order()))]
    await asyncio.sleep(0.1)
    kill_children()
    sound, read = await asyncio.gather(*work)
    assert sound == render_sound(midi, "", 10**7, None)
    assert read == await studio.read(midi, Order())


async def test_what_a_child_starts_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "hidden")
    children = Children(1, READ_SECONDS)
    try:
        told = await children.run(None, subprocess.check_output, ["env"])
    finally:
        await children.close()
    assert b"PATH=" in told
    assert b"hidden" not in told


async def test_a_child_that_dies_of_every_try_is_told_and_the_next_one_lives(studio: Studio) -> None:
    work = asyncio.create_task(studio.sound(dump_midi(melody(6)), "", 10**7))
    while not work.done():
        kill_children()
        await asyncio.sleep(0.01)
    with pytest.raises(CompositionError, match="has died twice"):
        await work
    assert (await studio.read(dump_midi(melody(2)), Order())).bars == 2
