"""The real bot and its real worker with the real ear: recordings and voice messages as openings."""

from __future__ import annotations

import asyncio
import io
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from bot_process import BotProcess, without_traceback
from discord_standin import Standin
from PIL import Image
from recordings import OPUS, a_million_comments, one_sample_a_second, piano, silence, song
from scenes import GIVEN_OF_IT, MADE_OF_IT, PATIENCE, file_of, is_music, posted
from singing import line, recorded, sung

from bot.messages import describe, say
from bot.playground.protocol import Attachment, Guild, Message, Reply, User
from composer.errors import LineFullError, NotAudioError, NothingPlayedError, RecordingTooLongError
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import Note, Score, cut_at_repeats, in_four

HEARD = ["That's it, go on", "Half tempo", "Double tempo", "Delete"]


@dataclass
class Place:
    """A server with the bot in it, and somebody who hums."""

    standin: Standin
    bot: BotProcess
    guild: Guild
    ann: User


@pytest.fixture(scope="module")
def place(shared_bot: BotProcess) -> Iterator[Place]:
    with without_traceback(shared_bot):
        standin = shared_bot.standin
        yield Place(standin, shared_bot, standin.guild("Conservatory"), standin.user("ann"))


@pytest.fixture(scope="module")
def hummed() -> bytes:
    return piano(song(), *OPUS)


def tempo_and_bars(message: Message) -> tuple[int, int]:
    found = re.search(r"(\d+) BPM · .* · (\d+) bars", message.content)
    assert found is not None, message.content
    return int(found[1]), int(found[2])


def is_kept(place: Place) -> bool:
    return place.bot.rows("select count(*) from recordings") != [(0,)]


async def whispered(reply: Reply) -> str:
    """What was answered in private: at once, or on a busy machine behind an answer that all saw begin."""
    message = reply.message if reply.ephemeral else await reply.followup(timeout=PATIENCE)
    assert message is not None
    assert message.ephemeral
    return message.content


# --- from the voice message to the piece ---


async def test_a_voice_message_is_heard_agreed_to_and_becomes_a_piece(place: Place, hummed: bytes) -> None:
    standin, ann, channel = place.standin, place.ann, place.guild.channel("voice")
    bob = standin.user("bob")
    message = ann.speak(channel, hummed)
    reply = await ann.message_menu("Continue this", message)
    # The batch goes on meanwhile: a piece that is asked for later is there before anything is heard.
    piece = await posted(await bob.command("compose", channel, opening=Attachment("a.mid", dump_midi(song())), bars=2))
    assert reply.message is not None
    assert not reply.message.files
    assert "2 bars added" in piece.content

    heard = await posted(reply)
    assert list(heard.files) == ["voice_message.mid", "voice_message.png"]
    assert [button.label for button in heard.buttons] == HEARD
    assert re.search(r"Listening: \d+ %", str(heard.edits))
    assert Image.open(io.BytesIO(file_of(heard, ".png"))).width >= 800
    assert not is_kept(place)
    tempo, bars = tempo_and_bars(heard)
    assert f"{right(file_of(heard, '.mid'))} notes" in heard.content

    # At twice the tempo, and back, in the same message.
    edits = len(heard.versions)
    await ann.click(heard, "Double tempo")
    await heard.until(lambda message: len(message.versions) > edits, PATIENCE)
    faster, more = tempo_and_bars(heard)
    assert faster == pytest.approx(2 * tempo, rel=0.1)
    assert more >= 2 * bars - 1
    assert right(file_of(heard, ".mid"))
    assert "Only the person who sent this recording" in await whispered(await bob.click(heard, "Half tempo"))
    assert tempo_and_bars(heard) == (faster, more)
    await ann.click(heard, "Half tempo")
    await heard.until(lambda message: tempo_and_bars(message)[0] != faster, PATIENCE)
    assert tempo_and_bars(heard)[0] == pytest.approx(tempo, rel=0.1)
    before = parse_midi(file_of(heard, ".mid"))

    # The buttons outlive a restart. Whoever goes on gets a piece that begins with what was heard.
    assert place.bot.end() == 0
    await standin.gone()
    await place.bot.start()
    assert "Only the person who sent this recording" in await whispered(await bob.click(heard, "That's it, go on"))
    piece = await posted(await ann.click(heard, "That's it, go on"))
    assert piece is not heard
    assert [name.rpartition(".")[2] for name in piece.files] == ["mp3", "mid", "png"]
    assert [button.label for button in piece.buttons] == [*MADE_OF_IT, *GIVEN_OF_IT, "Back", "♥ Love", "Delete"]
    assert f"32 bars added to {len(before.bars)}" in piece.content
    assert f"/{heard.id})" in piece.content, "it names the recording, with a link"
    whole = parse_midi(file_of(piece, ".mid"))
    given = [(note.start, note.pitch) for note in before.notes]
    assert [(note.start, note.pitch) for note in whole.notes[: len(given)]] == given
    assert len(whole.bars) > len(before.bars)

    history = await whispered(await ann.command("/history", channel))
    assert f"/{piece.id})" in history
    assert f"/{heard.id})" in history
    await ann.click(heard, "Delete")
    await heard.until(lambda message: message.deleted, PATIENCE)
    await place.bot.until_rows("select count(*) from jobs where kind = 'transcribe' and result > ''", [(0,)], PATIENCE)


def right(midi: bytes) -> int:
    """How many notes there are, which are those of the song."""
    found = [note.pitch for note in parse_midi(midi).notes]
    wanted = [note.pitch for note in song().notes]
    common = sum(min(found.count(pitch), wanted.count(pitch)) for pitch in set(wanted))
    assert common >= 0.9 * max(len(found), len(wanted))
    return len(found)


async def test_a_forwarded_voice_message_is_heard_as_one_that_stands_there(place: Place) -> None:
    ann, channel = place.ann, place.guild.channel("forwarded")
    melody = line([60, 62, 64, 65, 67, 67, 69, 67], [1] * 8, 96)  # which is heard in no time, unlike a piano
    theirs = place.standin.user("bob").speak(place.guild.channel("theirs"), recorded(sung(melody)))
    forwarded = ann.forward(theirs, channel)
    assert not forwarded.files, "Discord puts it into a snapshot"
    heard = await posted(await ann.message_menu("Continue this", forwarded))
    assert heard.channel is channel
    assert list(heard.files) == ["voice_message.mid", "voice_message.png"]
    assert {note.pitch for note in melody} <= {note.pitch for note in parse_midi(file_of(heard, ".mid")).notes}
    piece = await posted(await ann.click(heard, "That's it, go on"))
    assert [name.rpartition(".")[2] for name in piece.files] == ["mp3", "mid", "png"]

    # A played left hand instead of the plain chords, from what was heard and from the piece that goes on from it.
    bob = place.standin.user("bob")
    assert "Only the person who sent this recording" in await whispered(await bob.click(heard, "Accompany"))
    for message in (heard, piece):
        accompanied = await posted(await ann.click(message, "Accompany"))
        assert "an accompaniment to" in accompanied.content
        tune, *others = parse_midi(file_of(accompanied, ".mid")).playing
        assert [note.pitch for note in tune.notes] == [note.pitch for note in melody]
        assert [part.name for part in others] == ["Accompaniment"] * len(others)
    long = ann.forward(ann.speak(channel, silence(45, *OPUS)), channel)
    assert await whispered(await ann.message_menu("Continue this", long)) == describe(RecordingTooLongError(40), "en")


async def test_with_go_a_recording_becomes_pieces_even_if_the_worker_is_killed_over_it(place: Place) -> None:
    channel = place.guild.channel("go")
    opening = Attachment("my waltz.mid", piano(song(1)))  # an MP3, whatever it is called
    options = {"bars": 2, "takes": 2, "seed": 5, "go": True, "instrument": "Flute"}
    reply = await place.ann.command("compose", channel, opening=opening, **options)
    await reply.until(lambda message: "Listening" in message.content, PATIENCE)
    assert is_kept(place)
    assert "listened to" in await whispered(await place.ann.command("/queue", channel))
    await place.bot.kill_worker()
    message = await posted(reply)
    await place.standin.until(lambda: sum(map(is_music, channel.messages)) == 2, PATIENCE)
    assert [name.rpartition(".")[2] for name in message.files] == ["mp3", "mid", "png"]
    assert "heard as" in message.content
    assert "Flute" in message.content
    pieces = [m for m in channel.messages if is_music(m)]
    assert sorted(re.findall(r"seed `(\d+)`", " ".join(m.content for m in pieces))) == ["5", "6"]
    assert len({file_of(m, ".mid") for m in pieces}) == 2
    assert place.bot.rows("select attempt from jobs where kind = 'transcribe' order by id desc limit 1") == [(2,)]
    assert not is_kept(place)


async def test_a_recording_that_is_cancelled_is_heard_no_further(place: Place, hummed: bytes) -> None:
    channel = place.guild.channel("cancel")
    reply = await place.ann.message_menu("Continue this", place.ann.speak(channel, hummed))
    message = await reply.until(lambda message: message.buttons, PATIENCE)
    await place.ann.click(message, "Cancel")
    await reply.until(lambda message: say("en", "cancelled") in message.content, PATIENCE)
    assert [button.label for button in message.buttons] == ["Delete"]
    assert not is_kept(place)


# --- what is refused ---


async def test_what_cannot_be_heard_is_refused_at_once_and_in_private(place: Place, tmp_path: Path) -> None:
    ann, channel = place.ann, place.guild.channel("refused")
    secret = tmp_path / "secret.wav"
    secret.write_bytes(piano(song(1), "-f", "wav", "-"))
    playlist = f"ffconcat version 1.0\nfile '{secret}'\n".encode()
    m3u = f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{secret}\n#EXT-X-ENDLIST\n".encode()
    for name, data in (("voice-message.ogg", playlist), ("song.mp3", m3u), ("a.wav", b"RIFF\x00\x00\x00\x00WAVE")):
        reply = await ann.command("compose", channel, opening=Attachment(name, data))
        assert await whispered(reply) == describe(NotAudioError(""), "en")
    reply = await ann.command("compose", channel, opening=Attachment("long.flac", silence(41, "-f", "flac", "-")))
    assert await whispered(reply) == describe(RecordingTooLongError(40), "en")
    reply = await ann.message_menu("Continue this", ann.speak(channel, silence(45, *OPUS)))
    assert await whispered(reply) == describe(RecordingTooLongError(40), "en")
    assert not is_kept(place)


async def test_one_persons_costly_files_hold_up_nobody_else_and_use_up_the_day(tmp_path: Path, tiny: Path) -> None:
    """Neither for seconds nor at all: bob's files are read while ann's are, which wait for one another."""
    crafted, events = [one_sample_a_second(), a_million_comments()], []
    with Standin() as standin:
        ann, bob, guild = standin.user("ann"), standin.user("bob"), standin.guild("Conservatory")
        hers, his = guild.channel("ann"), guild.channel("bob")

        async def be_refused(number: int) -> None:
            opening = Attachment(f"{number}.wav", crafted[number % 2])
            reply = await ann.command("compose", hers, opening=opening)
            assert (await reply.followup(timeout=PATIENCE)).content == describe(NotAudioError(""), "en")
            events.append("refused")

        async def be_taken() -> None:
            reply = await bob.command("compose", his, opening=Attachment("a.mid", dump_midi(song(1))), bars=1)
            await reply.until(lambda message: message.content, PATIENCE)
            events.append("taken")

        async with BotProcess(standin, tmp_path, {"CHECKPOINT": str(tiny), "A_DAY": "4"}) as bot:
            await bot.until_rows("select count(*) from workers where kind = 'transcribe'", [(1,)], PATIENCE)
            anns = [asyncio.create_task(be_refused(number)) for number in range(4)]
            await standin.until(lambda: len(hers.messages) == 4, PATIENCE)  # each is answered, for it takes longer
            await asyncio.gather(*[be_taken() for _ in range(3)])
            assert events.count("refused") < 3, events
            await asyncio.gather(*anns)
            reply = await ann.command("compose", hers, opening=Attachment("a.mid", dump_midi(song(1))))
            sentence = describe(LineFullError("a_day", 4, None, 86400), "en").partition(".")[0]
            told = reply.message if reply.ephemeral else await reply.followup(timeout=PATIENCE)
            assert told is not None
            assert told.content.startswith(sentence)
            assert bot.rows(f"select count(*) from pieces where owner = {ann.id}") == [(0,)]


async def test_silence_gets_its_sentence_in_ones_own_language(place: Place) -> None:
    li, channel = place.standin.user("li", locale="zh-CN"), place.guild.channel("silence")
    reply = await li.message_menu("续写这个", li.speak(channel, silence(2, *OPUS)))
    sentence = describe(NothingPlayedError("silence"), "zh")
    await reply.until(lambda message: sentence in message.content, PATIENCE)
    assert not is_kept(place)


async def test_where_nobody_listens_it_is_said_and_nobody_waits(tmp_path: Path, tiny: Path, hummed: bytes) -> None:
    with Standin() as standin:
        ann, channel = standin.user("ann"), standin.guild("Deaf").channel("c")
        async with BotProcess(standin, tmp_path, {"CHECKPOINT": str(tiny), "TRANSCRIBE": "false"}) as bot:
            await bot.until_rows("select kind from workers", [("compose",)], PATIENCE)
            reply = await ann.command("compose", channel, opening=Attachment("hum.ogg", hummed))
            assert await whispered(reply) == say("en", "nobody_listens")


# --- a MIDI file that was played without a click ---


async def test_a_file_played_without_a_click_is_put_on_its_beats_and_it_is_said(place: Place) -> None:
    channel = place.guild.channel("unclicked")
    played = dump_midi(unclicked(song(8, bpm=92)))
    opening = Attachment("played.mid", played)
    message = await posted(await place.ann.command("compose", channel, opening=opening, bars=2, bpm=92))
    assert "without a click" in message.content
    tempo, bars = tempo_and_bars(message)
    assert tempo == pytest.approx(92, rel=0.1)
    assert f"2 bars added to {bars}" in message.content
    written = await posted(await place.ann.click(message, "As written"))
    assert "without a click" not in written.content
    assert [button.label for button in written.buttons].count("As written") == 0
    given, back = parse_midi(played), parse_midi(file_of(written, ".mid"))
    assert [note for note in back.notes if note.start < given.notes[-1].start] == list(given.notes[:-1])
    exact = Attachment("exact.mid", dump_midi(song(8)))
    message = await posted(await place.ann.command("compose", channel, opening=exact, bars=2))
    assert "without a click" not in message.content
    assert "2 bars added to 8" in message.content


async def test_where_its_bars_are_in_doubt_the_person_is_asked_and_may_have_it_as_written(place: Place) -> None:
    channel = place.guild.channel("doubtful")
    score = unclicked(song(8, bpm=92), spread=60)
    opening = Attachment("free.mid", dump_midi(score))
    asked = await posted(await place.ann.command("compose", channel, opening=opening, bars=2))
    assert [button.label for button in asked.buttons] == [*HEARD[:-1], "As written", "Delete"]
    assert "not sure of them" in asked.content
    sure = re.search(r"[(](\d+) % sure[)]", asked.content)
    assert sure is not None
    assert int(sure[1]) < 90
    edits = len(asked.versions)
    await place.ann.click(asked, "Half tempo")
    await asked.until(lambda message: len(message.versions) > edits, PATIENCE)

    piece = await posted(await place.ann.click(asked, "As written"))
    assert "without a click" not in piece.content
    assert f"2 bars added to {len(score.bars)}" in piece.content
    given = [note for note in parse_midi(file_of(piece, ".mid")).notes if note.start < score.end]
    assert given[: len(score.notes)] == list(score.notes)

    heard = await posted(await place.ann.click(asked, "That's it, go on"))
    assert "It goes on from" in heard.content
    chosen = {"from": 2, "to": 4}
    asked = await posted(await place.ann.command("compose", channel, opening=opening, bars=2, **chosen))
    assert "2 bars added to 3" in (await posted(await place.ann.click(asked, "That's it, go on"))).content
    assert "2 bars added to 3" in (await posted(await place.ann.click(asked, "As written"))).content
    at_once = await posted(await place.ann.command("compose", channel, opening=opening, bars=2, as_written=True))
    assert f"2 bars added to {len(score.bars)}" in at_once.content
    at_once = await posted(await place.ann.command("compose", channel, opening=opening, bars=2, go=True))
    assert "without a click" in at_once.content


async def test_what_of_a_damaged_file_could_not_be_read_is_told(place: Place) -> None:
    channel, whole = place.guild.channel("damaged"), dump_midi(song(8))
    broken = Attachment("broken.mid", whole[:-40])
    piece = await posted(await place.ann.command("compose", channel, opening=broken, bars=2))
    assert "1 of its tracks broke off, and 0 notes" in piece.content
    piece = await posted(await place.ann.command("compose", channel, opening=Attachment("whole.mid", whole), bars=2))
    assert "broke off" not in piece.content
    played = Attachment("played.mid", dump_midi(unclicked(song(8, bpm=92), spread=60))[:-40])
    asked = await posted(await place.ann.command("compose", channel, opening=played, bars=2))
    assert "1 of its tracks broke off" in asked.content
    for button in ("That's it, go on", "As written"):
        assert "1 of its tracks broke off" in (await posted(await place.ann.click(asked, button))).content


def unclicked(score: Score, spread: float = 8) -> Score:
    """As it is recorded by a program that counts at 120 while somebody plays at the score's tempo.

    spread: of the onsets, one standard deviation, in ticks
    """
    draw, factor = random.Random(3), 120 / score.tempos[0].bpm

    def played(note: Note) -> Note:
        start = max(0, round(note.start * factor + 137 + draw.gauss(0, spread)))
        return replace(note, start=start, end=max(start + 60, round(note.end * factor + 137)))

    notes = cut_at_repeats(map(played, score.notes))
    return in_four(notes, end=notes[-1].start)
