"""The real bot and its real worker, beside the stand-in for Discord: what people do in a channel, and what comes."""

from __future__ import annotations

import asyncio
import io
import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from bot_process import BotProcess, started, without_traceback
from discord_standin import Standin
from engine_models import SLOW, random_checkpoint
from PIL import Image
from scenes import GIVEN_OF_IT, MADE_OF_IT, PATIENCE, file_of, is_music, posted
from scores import changed, in_meters

from bot.messages import say, settings_table
from bot.playground.protocol import Attachment, Channel, Guild, Message, RefusedError, Reply, User
from bot.tidings import EDIT_SECONDS
from composer.engine.checkpoint import save_checkpoint
from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import Note, TempoChange, in_four
from composer.opening import to_opening
from composer.order import STYLES
from composer.sampling import SamplingParams

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "examples" / "opening.mid").read_bytes()


@dataclass
class Place:
    """A server with a channel, the bot in it, and somebody who types."""

    standin: Standin
    bot: BotProcess
    guild: Guild
    channel: Channel
    ann: User


def opening(bars: int = 1) -> bytes:
    """Quarter notes of C major."""
    notes = tuple(Note(beat * 480, 60 + (0, 4, 7, 12)[beat % 4], beat * 480 + 400, 80) for beat in range(4 * bars))
    return dump_midi(in_four(notes, end=bars * TICKS_PER_BAR))


@pytest.fixture(scope="module")
def place(shared_bot: BotProcess) -> Iterator[Place]:
    """The bot that all share; each test brings its own people and channels, and harms nothing."""
    with without_traceback(shared_bot):
        guild = shared_bot.standin.guild("Conservatory")
        yield Place(shared_bot.standin, shared_bot, guild, guild.channel("piano"), shared_bot.standin.user("ann"))


@pytest.fixture(scope="module")
def slow_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Beside a bot that composes slowly enough, two pieces at once, for a long one to be watched and cancelled."""
    folder = tmp_path_factory.mktemp("checkpoints") / "slow"
    checkpoint = random_checkpoint(**SLOW)
    save_checkpoint(folder, checkpoint.model, checkpoint.vocabulary)
    with started(tmp_path_factory.mktemp("bot"), folder, SLOTS="2") as bot, without_traceback(bot):
        guild = bot.standin.guild("Conservatory")
        yield Place(bot.standin, bot, guild, guild.channel("piano"), bot.standin.user("ann"))


async def ask(
    user: User, channel: Channel, data: bytes | None = None, name: str = "opening.mid", **options: Any
) -> Reply:
    return await user.command("compose", channel, opening=Attachment(name, data or opening()), **options)


async def refusal(reply: Reply) -> str:
    """In the first answer, or, where it took longer than a prompt answer may, in the one behind it."""
    message = reply.message if reply.ephemeral else await reply.followup(timeout=PATIENCE)
    assert message is not None
    return message.content


async def compose(user: User, channel: Channel, **options: Any) -> Message:
    options.setdefault("bars", 2)
    return await posted(await ask(user, channel, **options))


def heard(mp3: bytes) -> np.ndarray:
    decode = ["ffmpeg", "-v", "error", "-i", "-", "-ac", "1", "-ar", "44100", "-f", "s16le", "-"]
    return np.frombuffer(subprocess.run(decode, input=mp3, capture_output=True, check=True).stdout, dtype=np.int16)


# --- from the attachment to the piece ---


async def test_an_opening_comes_back_as_a_piece_to_hear_to_keep_and_to_see(place: Place) -> None:
    reply = await ask(place.ann, place.channel, EXAMPLE, bars=6, seed=42)
    message = await posted(reply)
    assert list(message.files) == ["opening.mp3", "opening.mid", "opening.png"]

    given, whole = parse_midi(EXAMPLE), parse_midi(file_of(message, ".mid"))
    boundary = to_opening(given).bars * TICKS_PER_BAR
    before = [note for note in whole.notes if note.start < boundary - 60]
    assert [(n.start, n.pitch, n.velocity) for n in before] == [(n.start, n.pitch, n.velocity) for n in given.notes]
    assert boundary <= whole.notes[-1].start < boundary + 6 * TICKS_PER_BAR

    sound = heard(file_of(message, ".mp3"))
    assert -0.1 <= len(sound) / 44100 - whole.seconds_at(max(note.end for note in whole.notes)) <= 5
    assert 1000 < np.abs(sound.astype(int)).max() < 2**15 - 1
    picture = Image.open(io.BytesIO(file_of(message, ".png")))
    assert picture.width >= 800
    assert len(picture.convert("RGB").getcolors(2**24) or ()) > 50

    assert "**opening**" in message.content
    assert f"6 bars added to {to_opening(given).bars}" in message.content
    assert "seed `42`" in message.content
    assert re.search(r"\d+ BPM", message.content)
    assert say("en", "default_settings") in message.content
    assert [button.label for button in message.buttons] == [*MADE_OF_IT, *GIVEN_OF_IT, "♥ Love", "Delete"]


async def test_what_there_is_to_see_does_not_wait_for_what_there_is_to_hear(place: Place) -> None:
    channel = place.guild.channel("seen")
    adagio = Attachment("adagio.mid", dump_midi(in_four((Note(0, 60, 1920, 80),), (TempoChange(0, 40.0),))))
    follows, seen = say("en", "sound_follows"), {}

    def is_seen(message: Message) -> bool:
        if follows in message.content:
            seen.update(message.files)
        return bool(seen)

    reply = await place.ann.command("compose", channel, opening=adagio, bars=24)
    message = await reply.until(is_seen, PATIENCE)
    assert list(seen) == ["adagio.mid", "adagio.png"]
    buttons = [button.label for button in message.buttons]
    info = (await place.ann.click(message, "Info")).message
    assert info is not None
    assert "adagio" in info.content
    whole = await posted(reply)
    assert follows not in whole.content
    assert [button.label for button in whole.buttons] == buttons
    assert set(buttons) >= {*MADE_OF_IT, *GIVEN_OF_IT}
    assert list(whole.files) == ["adagio.mp3", *seen]
    assert {name: whole.files[name] for name in seen} == seen
    assert len(heard(file_of(whole, ".mp3"))) / 44100 > 140
    assert len([m for m in channel.messages if m.files and not m.ephemeral]) == 1, "the same message"


async def test_the_answer_says_the_place_and_progress_is_told_at_a_measured_pace(slow_place: Place) -> None:
    channel = slow_place.guild.channel("pace")
    await ask(slow_place.ann, channel, bars=128, takes=4)  # two wait while two are composed
    await slow_place.standin.until(
        lambda: sum("Composing: bar" in str(m.edits) for m in channel.messages) >= 2, PATIENCE
    )
    await slow_place.ann.command("/cancel", channel)
    await slow_place.standin.until(lambda: all(map(ended, public(channel))), PATIENCE)
    assert len(public(channel)) == 4
    for message in public(channel):
        told = [version for version in message.versions if version.content]
        assert re.search(r"In line: place \*\*\d+\*\*|Composing: bar \d+ of 128", told[0].content)
        edits = [version.at for version in told[:-1]]  # the last tells that it has ended, and does not wait
        assert all(later - earlier >= EDIT_SECONDS - 0.1 for earlier, later in pairwise(edits))


def public(channel: Channel) -> list[Message]:
    """What everybody sees."""
    return [message for message in channel.messages if not message.ephemeral and not message.deleted]


def ended(message: Message) -> bool:
    """Whether it is a piece by now, or was cancelled."""
    return is_music(message) or say("en", "cancelled") in message.content


async def test_the_same_seed_gives_the_same_piece(place: Place) -> None:
    first, second = [file_of(await compose(place.ann, place.channel, bars=3, seed=5), ".mid") for _ in range(2)]
    other = file_of(await compose(place.ann, place.channel, bars=3, seed=6), ".mid")
    assert first == second != other


async def test_takes_are_pieces_of_their_own(place: Place) -> None:
    channel = place.guild.channel("takes")
    reply = await ask(place.ann, channel, bars=2, takes=3, seed=10)
    await place.standin.until(lambda: sum(map(is_music, channel.messages)) == 3, PATIENCE)
    messages = channel.messages
    assert len(messages) == 3
    assert reply.message in messages
    assert sorted(re.findall(r"seed `(\d+)`", " ".join(m.content for m in messages))) == ["10", "11", "12"]
    assert len({file_of(message, ".mid") for message in messages}) == 3


async def test_an_instrument_is_heard_and_an_unknown_one_is_refused(place: Place) -> None:
    piano = await compose(place.ann, place.channel, seed=3)
    flute = await compose(place.ann, place.channel, seed=3, instrument="Flute")
    assert file_of(piano, ".mp3") != file_of(flute, ".mp3")
    assert parse_midi(file_of(piano, ".mid")).notes == parse_midi(file_of(flute, ".mid")).notes
    assert "Flute" in [c.name for c in await place.ann.suggestions("compose", place.channel, "instrument", "flu")]
    reply = await ask(place.ann, place.channel, instrument="kazzo")
    assert reply.ephemeral
    assert "kazzo" in reply.message.content  # type: ignore[union-attr]


async def test_a_message_with_a_midi_file_can_be_continued(place: Place) -> None:
    bob = place.standin.user("bob")
    theirs = bob.post(place.channel, "look", Attachment("notes.txt", b"hm"), Attachment("tune", opening(2)))
    message = await posted(await place.ann.message_menu("Continue this", theirs))
    assert "32 bars added to 2" in message.content
    reply = await place.ann.message_menu("Continue this", bob.post(place.channel, "nothing here"))
    assert reply.ephemeral
    assert reply.message is not None
    assert reply.message.content == say("en", "no_opening_here")


async def test_a_piece_of_ours_is_continued_from_its_end_by_the_menu(place: Place) -> None:
    message = await compose(place.ann, place.channel, bars=3)
    longer = await posted(await place.ann.message_menu("Continue this", message))
    assert "3 bars added to 4" in longer.content


async def test_style_and_sheet_are_asked_for_once_and_kept_by_variations(place: Place) -> None:
    message = await compose(place.ann, place.channel, style="song", sheet=True, seed=4)
    again = await posted(await place.ann.click(message, "Vary"))
    for one in (message, again):
        assert list(one.files) == [f"opening{end}" for end in (".mp3", ".mid", ".png", ".pdf", ".musicxml", "-1.png")]
        assert Image.open(io.BytesIO(file_of(one, "-1.png"))).width > 1000
    payloads = [json.loads(row[0]) for row in place.bot.rows("select payload from jobs order by id desc limit 2")]
    assert {payload["style"] for payload in payloads} == {1 + STYLES.index("song")}
    info = (await place.ann.click(again, "Info")).message
    assert info is not None
    assert "--style song" in info.content


# --- settings ---


async def test_a_setting_holds_for_the_next_piece_and_everywhere(place: Place) -> None:
    bob = place.standin.user("bob")
    reply = await bob.command("/settings temperature pitch 0.5", place.channel)
    assert reply.ephemeral
    await bob.command("/settings top_p all 0.8", bob.dm)
    message = await compose(bob, place.standin.guild("Elsewhere").channel("c"))
    assert "temperature pitch 0.5; top-p 0.8" in message.content
    payload = json.loads(place.bot.rows("select payload from jobs order by id desc limit 1")[0][0])
    assert payload["sampling"]["temperature"]["pitch"] == 0.5
    assert set(payload["sampling"]["top_p"].values()) == {0.8}
    assert payload["sampling"]["temperature"]["tempo"] == SamplingParams().tempo.temperature
    shown = await bob.command("/settings show", place.channel)
    expected = SamplingParams().with_settings(["temperature.pitch=0.5", "top_p.all=0.8"])
    assert shown.ephemeral
    assert shown.message is not None
    assert shown.message.content == settings_table("en", expected)
    await bob.command("/settings reset", place.channel)
    assert say("en", "default_settings") in (await compose(bob, place.channel)).content


async def test_values_out_of_range_cannot_even_be_sent(place: Place) -> None:
    for line in ("/settings temperature pitch 2.5", "/settings top_p pitch 0", "/settings temperature pich 1"):
        with pytest.raises(RefusedError):
            await place.ann.command(line, place.channel)
    with pytest.raises(RefusedError):
        await ask(place.ann, place.channel, bars=500)


async def test_presets_are_saved_listed_loaded_used_and_deleted(place: Place) -> None:
    carl, channel = place.standin.user("carl"), place.channel
    await carl.command("/settings temperature all 0.7", channel)
    await carl.command("/settings preset save calm", channel)
    await carl.command("/settings reset", channel)
    assert "temperature 0.7" in (await carl.command("/settings preset list", channel)).message.content  # type: ignore[union-attr]
    assert [c.name for c in await carl.suggestions("compose", channel, "preset", "ca")] == ["calm"]
    assert "temperature 0.7" in (await compose(carl, channel, preset="calm")).content
    assert say("en", "default_settings") in (await compose(carl, channel)).content
    await carl.command("/settings preset load calm", channel)
    assert "temperature 0.7" in (await compose(carl, channel)).content
    await carl.command("/settings preset delete calm", channel)
    reply = await ask(carl, channel, preset="calm")
    assert reply.ephemeral
    assert "calm" in reply.message.content  # type: ignore[union-attr]


# --- buttons ---


def until_struck_again(note: Note, later: Iterable[Note]) -> Note:
    """A key that still sounds when a later note wants it is let go there."""
    return replace(note, end=min([note.end, *(other.start for other in later if other.pitch == note.pitch)]))


async def test_every_button_does_what_it_says(place: Place) -> None:
    bob, channel = place.standin.user("bob"), place.guild.channel("buttons")
    message = await compose(place.ann, channel, bars=3, seed=8)
    whole = parse_midi(file_of(message, ".mid"))

    varied = await posted(await bob.click(message, "Vary"))
    assert "3 bars added to 1" in varied.content
    assert f"/{message.id})" in varied.content, "it names its parent, with a link"
    assert bob.mention in varied.content, "and who asked for it"
    assert not varied.pings
    (seed,) = re.findall(r"seed `(\d+)`", varied.content)
    assert seed != "8"

    longer = await posted(await bob.click(message, "Continue"))
    notes = parse_midi(file_of(longer, ".mid")).notes
    old, new = notes[: len(whole.notes)], notes[len(whole.notes) :]
    assert old == tuple(until_struck_again(note, new) for note in whole.notes)
    assert all(4 * TICKS_PER_BAR <= note.start < 7 * TICKS_PER_BAR for note in new)
    assert "3 bars added to 4" in longer.content

    form = (await bob.click(message, "Again with …")).modal
    assert form is not None
    values = {"Bars to add": "5", "Temperature: 0.9, or pitch 0.5, beat 1": "pitch 0.4, beat 1.2"}
    again = await posted(await bob.submit(form, values))
    assert "5 bars added to 1" in again.content
    assert "temperature bar" not in again.content
    assert "beat 1.2, pitch 0.4" in again.content

    info = (await bob.click(message, "Info")).message
    assert info is not None
    assert info.ephemeral
    receipt = json.loads(info.files["receipt.json"])
    assert (receipt["seed"], receipt["bars"]) == (8, {"opening": 1, "added": 3, "composed": [2, 4]})

    sheet = (await bob.click(message, "Sheet music")).message
    assert sheet is not None
    await sheet.until(lambda m: len(m.files) > 0)
    assert not sheet.ephemeral
    written = ElementTree.fromstring(file_of(sheet, ".musicxml"))
    assert len(written.findall("part/measure")) == 4
    assert Image.open(io.BytesIO(file_of(sheet, "-1.png"))).width > 1000
    assert file_of(sheet, ".pdf").startswith(b"%PDF")

    refused = (await bob.click(message, "Delete")).message
    assert refused is not None
    assert refused.content == say("en", "not_yours")
    assert not message.deleted
    await place.ann.click(message, "Delete")
    await message.until(lambda m: m.deleted)
    await place.bot.until_rows(
        f"select opening_digest, midi from pieces where message = {message.id}", [(None, None)], PATIENCE
    )
    await place.bot.until_rows(
        f"select payload, result from jobs join pieces using (id) where message = {message.id}",
        [("{}", None)],
        PATIENCE,
    )


async def test_a_form_filled_in_wrongly_gets_a_sentence(place: Place) -> None:
    message = await compose(place.ann, place.channel)
    for field, text in (("Bars to add", "many"), ("Bars to add", "999"), ("Top-p: 0.95, or duration 0.9", "x y z")):
        form = (await place.ann.click(message, "Again with …")).modal
        assert form is not None
        reply = await place.ann.submit(form, {field: text})
        assert reply.ephemeral
        assert text.split()[0] in reply.message.content  # type: ignore[union-attr]


# --- refusals ---


def hostile() -> dict[str, bytes]:
    no_resolution = b"MThd\0\0\0\6\0\0\0\1\0\0MTrk\0\0\0\4\0\xff\x2f\0"
    return {
        "text.mid": b"this is no music",
        "empty.mid": b"",
        "cut.mid": EXAMPLE[:40],
        "zero.mid": no_resolution,
        "drums.mid": _drums(),
        "waltz.mid": _waltz(),
        "long.mid": opening(460),
        "bomb.mid": b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk\0\0\0\x0d"
        + b"\xff\xff\xff\x7f\x90\x3c\x40"
        + b"\0\x80\x3c\0\0\xff\x2f",
    }


def _drums() -> bytes:
    score = parse_midi(opening())
    return dump_midi(changed(score, is_drum=True, channel=9))


def _waltz() -> bytes:
    return dump_midi(in_meters(parse_midi(opening(2)).notes, (0, 3, 4), end=2880))


def _done(reply: Reply) -> bool:
    return reply.message is not None and is_music(reply.message)


def _refusal(reply: Reply) -> Message | None:
    """At once, or behind an answer that it takes a while."""
    if reply.followups:
        return reply.followups[0]
    return reply.message if reply.message is not None and reply.message.ephemeral else None


async def test_hostile_uploads_are_read_or_refused_with_a_sentence_while_others_are_served(place: Place) -> None:
    channel = place.guild.channel("hostile")
    served, refused = asyncio.create_task(compose(place.ann, channel, bars=4)), 0
    for name, data in hostile().items():
        mallory = place.standin.user("mallory")
        reply = await ask(mallory, channel, data or b"\0", name, bars=1)
        await place.standin.until(lambda reply=reply: _refusal(reply) or _done(reply), PATIENCE)  # type: ignore[misc]
        message = _refusal(reply)
        if message is None:  # what is there was music
            continue
        refused += 1
        assert message.ephemeral, name
        assert len(message.content) > 30, name
        assert message.content != say("en", "ours"), name
    assert (await served).files
    assert refused
    too_large = await ask(place.ann, channel, b"MThd" + bytes(3 * 2**20))
    assert too_large.ephemeral
    assert "kB" in too_large.message.content  # type: ignore[union-attr]


async def test_what_a_user_may_have_in_line_and_a_day_is_limited_by_the_server(slow_place: Place) -> None:
    guild = slow_place.standin.guild("Strict")
    channel, boss, dora = guild.channel("c"), slow_place.standin.user("boss"), slow_place.standin.user("dora")
    guild.grant(boss, "manage_guild")
    with pytest.raises(RefusedError):
        await dora.command("/admin limits in_line:1", channel)
    await boss.command("/admin limits in_line:1 a_day:2", channel)
    slow = await ask(dora, channel, bars=100)
    await slow.until(lambda message: "Composing" in message.content, PATIENCE)
    assert await refusal(await ask(dora, channel)) == say("en", "line_mine", limit=1)
    await dora.command("/cancel", channel)
    await slow.until(lambda m: say("en", "cancelled") in m.content, PATIENCE)
    await compose(dora, channel)
    assert (await refusal(await ask(dora, channel))).startswith("You have asked for 2 pieces within a day")
    assert (await compose(dora, slow_place.channel)).files, "elsewhere other limits hold"


async def test_a_server_can_keep_pieces_to_some_channels(place: Place) -> None:
    guild = place.standin.guild("Tidy")
    music, chat, boss = guild.channel("music"), guild.channel("chat"), place.standin.user("boss")
    guild.grant(boss, "manage_guild")
    await boss.command("/admin channels allow", chat, channel=music)
    reply = await ask(place.ann, chat)
    assert reply.ephemeral
    assert f"<#{music.id}>" in reply.message.content  # type: ignore[union-attr]
    assert (await compose(place.ann, music)).files
    assert (await compose(place.ann, music.open_thread("a thread of it"))).files
    await boss.command("/admin channels everywhere", chat)
    assert (await compose(place.ann, chat)).files


# --- where it works, and for whom ---


async def test_it_works_in_threads_and_direct_messages(place: Place) -> None:
    for channel in (place.channel.open_thread("jam"), place.ann.dm):
        message = await compose(place.ann, channel)
        longer = await posted(await place.ann.click(message, "Continue"))
        assert "2 bars added to 3" in longer.content


async def test_it_works_where_a_user_brings_it_along(place: Place) -> None:
    eve = place.standin.user("eve", installed=True)
    foreign = place.standin.guild("No bot here", has_bot=False).channel("c")
    with_a_friend = place.standin.private(eve, place.ann)
    for channel in (foreign, with_a_friend):
        message = await compose(eve, channel, takes=1)
        assert (await posted(await eve.click(message, "Vary"))).files


def filled(data: bytes) -> bytes:
    """The same music behind a text of 2 MB in its first track."""
    size = int.from_bytes(data[18:22], "big")
    text = b"\x00\xff\x01\xfe\x80\x00" + b"a" * (126 << 14)
    return data[:18] + (size + len(text)).to_bytes(4, "big") + text + data[22:]


async def test_of_a_padded_upload_its_music_is_kept_once_and_as_long_as_a_piece_begins_with_it(place: Place) -> None:
    may, channel = place.standin.user("may"), place.guild.channel("padding")
    padded = filled(dump_midi(in_four((Note(0, 61, 400, 80), Note(960, 66, 1400, 80)), end=TICKS_PER_BAR)))
    await ask(may, channel, padded, bars=1, takes=4)
    await place.standin.until(lambda: sum(map(is_music, public(channel))) == 4, 4 * PATIENCE)
    ((digest,),) = place.bot.rows(f"select distinct opening_digest from pieces where owner = {may.id}")
    kept = f"select count(*) from openings where digest = '{digest}' and length(midi) < 200"
    assert place.bot.rows(kept) == [(1,)]

    first, *others = public(channel)
    varied = await posted(await may.click(first, "Vary"))
    assert parse_midi(file_of(varied, ".mid")).notes[:2] == parse_midi(file_of(first, ".mid")).notes[:2]
    gone = f"select count(*) from pieces where owner = {may.id} and deleted"
    for number, message in enumerate((first, *others), 1):
        await may.click(message, "Delete")
        await place.bot.until_rows(gone, [(number,)], PATIENCE)
        assert place.bot.rows(kept) == [(1,)]
    await may.click(varied, "Delete")
    await place.bot.until_rows(kept.partition(" and")[0], [(0,)], PATIENCE)


async def test_a_private_piece_is_seen_by_its_owner_only(place: Place) -> None:
    reply = await ask(place.ann, place.channel, private=True, bars=2)
    message = await posted(reply)
    assert message.ephemeral
    varied = await posted(await place.ann.click(message, "Vary"))
    assert varied.ephemeral


async def test_chinese_clients_get_chinese_commands_and_replies(place: Place) -> None:
    li = place.standin.user("li", locale="zh-CN")
    reply = await li.command("/设置 温度 音高 0.5", place.channel)
    assert reply.message is not None
    assert "音高" in reply.message.content
    message = await posted(await li.command("/作曲", place.channel, 开头=Attachment("曲.mid", opening()), 小节=2))
    assert "续写 2 小节" in message.content
    assert "继续写" in [button.label for button in message.buttons]
    assert any(name.endswith(".mp3") for name in message.files)


async def test_nobody_is_pinged_whatever_a_file_is_called(place: Place) -> None:
    message = await compose(place.ann, place.channel, name=f"@everyone {place.ann.mention}.mid")
    assert not message.pings


async def test_only_the_intent_for_servers_is_asked_for(place: Place) -> None:
    assert {found.intents for found in place.standin.connections.identifies} == {1}


# --- the line ---


async def test_pieces_in_line_are_listed_and_cancelled_waiting_and_running(slow_place: Place) -> None:
    fay, channel = slow_place.standin.user("fay"), slow_place.guild.channel("line")
    await ask(fay, channel, bars=128, takes=4, name="long.mid")  # two are composed, two wait
    waiting = await ask(fay, channel, bars=2, name="short.mid")
    message = await waiting.until(lambda m: "In line: place" in m.content, PATIENCE)
    listed = (await fay.command("/queue", channel)).message
    assert listed is not None
    assert listed.content.count("long") >= 2
    assert listed.content.count("short") == 1
    refused = (await slow_place.ann.click(message, "Cancel")).message
    assert refused is not None
    assert refused.content == say("en", "not_yours")
    choices = await fay.suggestions("cancel", channel, "piece", "short")
    assert len(choices) == 1
    await fay.command("/cancel", channel, piece=choices[0].value)
    await waiting.until(lambda m: say("en", "cancelled") in m.content, PATIENCE)

    first, _, third, *_ = [
        number for (number,) in slow_place.bot.rows(f"select id from pieces where owner = {fay.id} order by id")
    ]
    await fay.command("/cancel", channel, piece=first)  # or the third would wait for all its bars
    await slow_place.bot.until_rows(f"select state from jobs where id = {third}", [("running",)], PATIENCE)
    (number,) = slow_place.bot.rows(f"select message from pieces where id = {third}")[0]
    running = next(m for m in channel.messages if m.id == number)
    await fay.click(running, "Cancel")
    await running.until(lambda m: say("en", "cancelled") in m.content, PATIENCE)
    assert not running.files
    await fay.command("/cancel", channel)
    await slow_place.standin.until(lambda: all(map(ended, public(channel))), PATIENCE)
    assert (await fay.command("/queue", channel)).message.content == say("en", "queue_empty")  # type: ignore[union-attr]
    retried = await posted(await fay.click(message, "Try again"))
    assert "2 bars added to 1" in retried.content


async def test_history_links_to_what_was_composed(place: Place) -> None:
    gus = place.standin.user("gus")
    empty = await gus.command("/history", place.channel)
    assert empty.message is not None
    assert empty.message.content == say("en", "history_empty")
    message = await compose(gus, place.channel, name="waltz.mid", seed=77)
    history = (await gus.command("/history", place.channel)).message
    assert history is not None
    assert history.ephemeral
    assert f"/{place.channel.id}/{message.id}" in history.content
    assert "`77`" in history.content


async def test_all_of_a_users_data_can_be_seen_and_deleted(place: Place) -> None:
    hal, channel = place.standin.user("hal"), place.guild.channel("privacy")
    await hal.command("/settings temperature pitch 0.3", channel)
    await hal.command("/settings preset save mine", channel)
    messages = [await compose(hal, channel), await compose(hal, hal.dm), await compose(hal, channel, private=True)]
    kept = (await hal.command("/privacy show", channel)).message
    assert kept is not None
    assert "settings (1), presets (1), votes (0) and pieces (3: " in kept.content
    sure = (await hal.command("/privacy delete", channel)).message
    assert sure is not None
    assert sure.ephemeral
    reply = await hal.click(sure, "Delete everything about me")
    told = await reply.followup(timeout=PATIENCE)
    assert told.content == say("en", "forgotten", messages=3, left=0)
    assert all(message.deleted for message in messages)
    for table, column in (("people", "id"), ("presets", "owner"), ("pieces", "owner"), ("jobs", "owner")):
        assert place.bot.rows(f"select count(*) from {table} where {column} = '{hal.id}'") == [(0,)]


async def test_help_is_short_and_in_ones_own_language(place: Place) -> None:
    reply = await place.standin.user("li", locale="zh-CN").command("/帮助", place.channel)
    assert reply.ephemeral
    assert reply.message is not None
    assert reply.message.content == say("zh", "help")
