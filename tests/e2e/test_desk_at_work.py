"""A piece is worked on in one thread: accompanied, bars of it again, other chords, its sheet, and on it goes."""

from __future__ import annotations

import io
import zipfile
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
from PIL import Image
from recordings import decoded
from scenes import PATIENCE, Scene, finished, posted
from test_bot import file_of

from bot.messages import say
from bot.playground.protocol import Attachment, Message, User
from composer.music.chords import chords_of
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import EARLY_TICKS, TICKS_PER_BAR, Note, Part, Score, in_four

BARS = 16


def melody() -> bytes:
    """16 bars of a tune, each note by itself."""
    pitches = [72, 74, 76, 79, 77, 76, 74, 72] * 8
    notes = [Note(at * 480, pitch, at * 480 + 440, 80) for at, pitch in enumerate(pitches)]
    return dump_midi(in_four(tuple(notes), end=BARS * TICKS_PER_BAR))


def by_bar(score: Score, part: Part, bar: int) -> list[Note]:
    """A note a little before a line is meant for it."""
    return [note for note in part.notes if score.bar_at(note.start + EARLY_TICKS) == bar]


async def redone(user: User, message: Message, bars: str, chords: str = "") -> Message:
    form = (await user.click(message, "Redo bars …")).modal
    assert form is not None
    reply = await user.submit(form, {"Bars, as 9-12": bars, "Chords, if you like: Am F C G": chords})
    return await posted(reply)


async def test_a_melody_is_worked_on_in_one_thread(scene: Scene) -> None:
    ann, thread = scene.ann, scene.guild.channel("work").open_thread("a tune")
    tune = parse_midi(melody())
    opening = Attachment("tune.mid", melody())
    message = await posted(await ann.command("compose", thread, opening=opening, accompany=True, seed=5))
    assert f"an accompaniment to {BARS} bars" in message.content
    accompanied = parse_midi(file_of(message, ".mid"))
    first, *others = accompanied.playing
    assert first.notes == tune.notes, "the melody stays as it is"
    assert len(accompanied.bars) == BARS
    assert [part.name for part in others] == ["Accompaniment"] * len(others)
    assert Image.open(io.BytesIO(file_of(message, ".png"))).width > 1000

    once = await redone(ann, message, "5-8")
    assert f"bars 5 to 8 of {BARS} composed again" in once.content
    assert f"/{message.id})" in once.content
    again = await posted(await ann.click(once, "Vary"))
    assert f"bars 5 to 8 of {BARS} composed again" in again.content
    versions = [accompanied, *(parse_midi(file_of(one, ".mid")) for one in (once, again))]
    for old, new in pairwise(versions):
        changed = set()
        for before, after in zip(old.playing, new.playing, strict=True):
            bars = (map(struck, (by_bar(old, before, bar), by_bar(new, after, bar))) for bar in range(BARS))
            changed |= {bar for bar, (one, other) in enumerate(bars) if one != other}
        assert changed <= {4, 5, 6, 7}
        assert changed

    chords = await redone(ann, message, "9-12", "Am | F | C | G")  # from the first one: one step back
    assert "bars 9 to 12" in chords.content
    sounding = parse_midi(file_of(chords, ".mid"))
    assert struck(sounding.playing[0].notes[:32]) == struck(tune.notes[:32]), "bars 1 to 8 are those of the first again"
    assert chords_of(sounding)

    sheet = (await ann.click(chords, "Sheet music")).message
    assert sheet is not None
    await sheet.until(lambda m: len(m.files) > 0)
    assert len(ElementTree.fromstring(file_of(sheet, ".musicxml")).findall("part/measure")) >= BARS

    tracks = (await ann.click(chords, "Parts")).message
    assert tracks is not None
    await tracks.until(lambda m: len(m.files) > 0)
    folder = zipfile.ZipFile(io.BytesIO(file_of(tracks, "-parts.zip")))
    sounds = [decoded(folder.read(name)) for name in folder.namelist() if name.endswith(".mp3")]
    assert [name[0] for name in folder.namelist()] == [str(1 + at // 2) for at in range(2 * len(sounds))]
    assert len(sounds) == len(sounding.playing) > 1
    whole, summed = decoded(file_of(chords, ".mp3")), np.sum(sounds, axis=0)
    together = min(len(whole), len(summed))
    assert np.corrcoef(whole[:together].ravel(), summed[:together].ravel())[0, 1] > 0.97, "but for the limiter"

    again = (await ann.click(chords, "Loop")).message
    assert again is not None
    await again.until(lambda m: len(m.files) > 0)
    assert "Bars 9 to 12" in again.content
    seconds = sounding.seconds_at(sounding.line(12)) - sounding.seconds_at(sounding.line(8))
    assert abs(len(decoded(file_of(again, "-loop.flac"))) - round(seconds * 44100)) <= 1

    longer = await posted(await ann.click(chords, "Continue"))
    assert f"added to {BARS}" in longer.content
    whole = parse_midi(file_of(longer, ".mid"))
    assert len(whole.bars) > BARS


def struck(notes: list[Note] | tuple[Note, ...]) -> list[tuple[int, int, int]]:
    """Where keys are struck; how long they are held may end where one is struck again."""
    return [(note.start, note.pitch, note.velocity) for note in notes]


async def test_parts_and_loops_fit_the_channel_or_say_so(scene: Scene) -> None:
    small = scene.standin.guild("Small", attachment_size_limit=150_000).channel("quartets")
    message = await posted(await scene.ask(channel=small, bars=8))
    parts = (await scene.ann.click(message, "Parts")).message
    assert parts is not None
    await parts.until(lambda m: len(m.files) > 0)
    folder = zipfile.ZipFile(io.BytesIO(file_of(parts, "-parts.zip")))
    assert sum(name.endswith(".mid") for name in folder.namelist()) == 2
    refused = await (await scene.ann.click(message, "Loop")).followup(timeout=PATIENCE)
    assert refused is not None
    assert "A loop of these 8 bars has" in refused.content


async def test_what_cannot_be_redone_is_said_in_a_sentence(scene: Scene) -> None:
    ann = scene.ann
    message = await posted(await scene.ask(bars=3))
    for bars, chords, expected in (
        ("9-12", "", say("en", "task_not_there", first=9, last=12, bars=4)),
        ("the last", "", say("en", "task_bars", text="the last")),
        ("2", "H7", "No chord is called “H7”."),
        ("1-4", "", say("en", "task_all_bars")),
    ):
        form = (await ann.click(message, "Redo bars …")).modal
        assert form is not None
        await ann.submit(form, {"Bars, as 9-12": bars, "Chords, if you like: Am F C G": chords})
        await scene.standin.until(lambda told=expected: told in scene.channel.messages[-1].content, PATIENCE)
        assert scene.channel.messages[-1].ephemeral
    assert finished(scene.channel) == [message], "nothing else came of it"
