"""A melody is worked on in one thread, as at a desk, and every file that comes of it is opened."""

from __future__ import annotations

import io
import json
import re
import zipfile
from itertools import pairwise

import numpy as np
import symusic
from opened import opened
from recordings import decoded
from scenes import GIVEN_OF_IT, MADE_OF_IT, PATIENCE, Scene, finished, posted
from test_bot import file_of

from bot.messages import say
from bot.playground.protocol import Attachment, Message, Reply, User
from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import EARLY_TICKS, Note, Part, Score, in_four
from composer.rendering.tree import ROW_HEIGHT

BARS = 12


def melody() -> bytes:
    """12 bars of a tune, each note by itself."""
    pitches = [72, 74, 76, 79, 77, 76, 74, 72] * 6
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


async def answered(reply: Reply) -> Message:
    """The files that a button gives."""
    return await reply.until(lambda message: len(message.files) > 0, PATIENCE)


def changed_bars(old: Score, new: Score) -> set[int]:
    """Counted from 1."""
    changed = set()
    for before, after in zip(old.playing, new.playing, strict=True):
        bars = (map(struck, (by_bar(old, before, bar), by_bar(new, after, bar))) for bar in range(len(old.bars)))
        changed |= {bar for bar, (one, other) in enumerate(bars, start=1) if one != other}
    return changed


def markers(midi: bytes) -> list[tuple[int, str]]:
    """The chords that a file tells, with the bars in which they begin, counted from 1."""
    return [(1 + marker.time // TICKS_PER_BAR, marker.text) for marker in symusic.Score.from_midi(midi).markers]


async def test_a_melody_is_worked_on_in_one_thread(scene: Scene) -> None:
    ann, thread = scene.ann, scene.guild.channel("work").open_thread("a tune")
    tune, file = parse_midi(melody()), Attachment("tune.mid", melody())
    attached = await posted(await ann.command("compose", thread, opening=file, bars=4, seed=5))
    assert [button.label for button in attached.buttons] == [*MADE_OF_IT, "Accompany", *GIVEN_OF_IT, "♥ Love", "Delete"]

    message = await posted(await ann.click(attached, "Accompany"))
    assert [button.label for button in message.buttons] == [*MADE_OF_IT, *GIVEN_OF_IT, "Back", "♥ Love", "Delete"]
    assert f"Made from [this piece](https://discord.com/channels/{scene.guild.id}/{thread.id}/" in message.content
    assert f"/{attached.id})" in message.content
    accompanied = parse_midi(file_of(message, ".mid"))
    bars = len(accompanied.bars)
    assert bars in (BARS, BARS + 4), "all of it where that is one line, else what it began with"
    assert f"an accompaniment to {bars} bars" in message.content
    first, *others = accompanied.playing
    assert first.notes[: len(tune.notes)] == tune.notes, "the melody stays"
    assert [part.name for part in others] == ["Accompaniment"]

    once = await redone(ann, message, "5-8")
    assert f"bars 5 to 8 of {bars} composed again" in once.content
    assert f"/{message.id})" in once.content
    twice = await redone(ann, once, "5-8")
    versions = [accompanied, *(parse_midi(file_of(one, ".mid")) for one in (once, twice))]
    for old, new in pairwise(versions):
        assert changed_bars(old, new)
        assert changed_bars(old, new) <= {5, 6, 7, 8}

    link = (await ann.click(twice, "Back")).message
    assert link is not None
    assert link.ephemeral
    assert f"/{once.id})" in link.content

    form = (await ann.click(once, "Chords …")).modal
    assert form is not None
    (field,) = form.fields
    assert field.label == say("en", "chords_field", first=1, last=bars)
    shown = field.value.strip("| ").split(" | ")
    assert len(shown) == bars
    asked = {10: "F#" if shown[9] != "F#" else "C", 12: "Ebm" if shown[11] != "Ebm" else "C"}
    edited = [asked.get(bar, names) for bar, names in enumerate(shown, start=1)]
    chords = await posted(await ann.submit(form, {field.label: f"| {' | '.join(edited)} |"}))
    assert f"bars 10 to 12 of {bars} composed again" in chords.content
    sounding = parse_midi(file_of(chords, ".mid"))
    assert changed_bars(versions[1], sounding) <= {10, 11, 12}
    ((task,),) = scene.bot.rows(f"select task from pieces where message = {chords.id}")
    assert json.loads(task) == {"redo": [10, 12], "chords": [names.split() for names in edited[9:12]]}
    told = markers(file_of(chords, ".mid"))
    others = [(bar, name) for bar, name in told if bar in (10, 11, 12) and name not in edited[bar - 1].split()]
    assert others == [], edited[8:13]

    sheet = await answered(await ann.click(chords, "Sheet music"))
    tracks = await answered(await ann.click(chords, "Parts"))
    folder = zipfile.ZipFile(io.BytesIO(file_of(tracks, "-parts.zip")))
    sounds = [decoded(folder.read(name)) for name in folder.namelist() if name.endswith(".mp3")]
    assert [name[0] for name in folder.namelist()] == [str(1 + at // 2) for at in range(2 * len(sounds))]
    assert len(sounds) == len(sounding.playing) > 1
    whole, summed = decoded(file_of(chords, ".mp3")), np.sum(sounds, axis=0)
    together = min(len(whole), len(summed))
    assert np.corrcoef(whole[:together].ravel(), summed[:together].ravel())[0, 1] > 0.9, (
        "but for the limiter, which works hard on what a model without training plays"
    )
    looped = await answered(await ann.click(chords, "Loop"))
    assert "Bars 10 to 12" in looped.content

    tree = await answered(await ann.command("tree", thread))
    assert [int(number) for number in re.findall(r"/(\d+)\)", tree.content)] == [
        one.id for one in (chords, twice, once, message, attached)
    ]
    longer = await posted(await ann.click(chords, "Continue"))
    assert f"added to {bars}" in longer.content
    assert struck(parse_midi(file_of(longer, ".mid")).playing[0].notes[:36]) == struck(tune.notes[:16]) + struck(
        sounding.playing[0].notes[16:36]
    )

    pieces = (attached, message, once, twice, chords, longer)
    for piece in pieces:
        found = opened(piece.files)
        assert [name.rpartition(".")[2] for name in found] == ["mp3", "mid", "png"]
        score = parse_midi(file_of(piece, ".mid"))
        assert found["tune.mid"] == sum(len(part.notes) for part in score.parts)
        music = 1000 * score.seconds_at(max(note.end for note in score.sounding))
        assert -100 <= found["tune.mp3"] - music <= 5000, "what rings on, and no more"
        assert found["tune.png"] > 800 * 200
    found = opened(sheet.files)
    assert [name.partition(".")[2] for name in found][:3] == ["pdf", "musicxml", "png"]
    assert found["tune.musicxml"] == bars
    assert opened(tracks.files) == {"tune-parts.zip": 2 * len(sounds)}
    seconds = sounding.seconds_at(sounding.line(12)) - sounding.seconds_at(sounding.line(9))
    assert opened(looped.files)["tune-loop.flac"] == round(1000 * seconds)
    assert opened(tree.files)["tree.png"] > 5 * ROW_HEIGHT * 500


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
    for written, expected in (("| Am | H7 | Xy |", "No chord is called “H7”."), ("C " * 9, "Chords for 9 bars")):
        form = (await ann.click(message, "Chords …")).modal
        assert form is not None
        await ann.submit(form, {form.fields[0].label: written})
        await scene.standin.until(lambda told=expected: told in scene.channel.messages[-1].content, PATIENCE)
        assert scene.channel.messages[-1].ephemeral
    assert finished(scene.channel) == [message], "nothing else came of it"
