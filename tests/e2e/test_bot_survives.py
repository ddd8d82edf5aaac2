"""The bot and its worker when something breaks: kill -9, a Discord that fails, a channel full of people."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from bot_process import BotProcess
from discord_standin import Standin
from engine_models import SLOW, random_checkpoint
from scenes import DELIVERED, PATIENCE, Scene, finished, is_music, opening, posted, running, working

from bot.messages import say
from bot.playground.protocol import Attachment, Message
from composer.engine.checkpoint import load_checkpoint, save_checkpoint
from composer.engine.generator import Generator
from composer.music.midi import parse_midi
from composer.request import Composed, Request


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, checkpoint = tmp_path_factory.mktemp("slow"), random_checkpoint(**SLOW)
    save_checkpoint(folder, checkpoint.model, checkpoint.vocabulary)
    return folder


def midi_of(message: Message) -> bytes:
    return next(data for name, data in message.files.items() if name.endswith(".mid"))


# --- kill -9 ---


async def test_all_arrive_once_though_worker_and_bot_are_killed(slow: Path, tmp_path: Path) -> None:
    async with running(tmp_path, slow, SLOTS="4") as scene:
        people = [scene.standin.user(f"u{n}") for n in range(4)]
        replies = [await scene.ask(user, bars=1 + 2 * n, seed=n) for n, user in enumerate(people)]
        await scene.until_any("state = 'running' and bars_done > 0")
        await scene.bot.kill_worker()
        await scene.until_any("state = 'running' and attempt = 2")
        await scene.until_any("state = 'done'")
        await scene.bot.kill()
        assert scene.jobs(DELIVERED) != 4
        await scene.bot.start()
        messages = [await posted(reply) for reply in replies]
        await scene.until_jobs(DELIVERED, 4)

        checkpoint = load_checkpoint(slow)
        rows = [map(json.loads, row) for row in scene.bot.rows("select payload, result from jobs")]
        jobs = [(Request.from_json(one, checkpoint.vocabulary), Composed.from_json(other)) for one, other in rows]
        *_, undisturbed = Generator(checkpoint, 4).compose([request for request, _ in jobs])
        assert [piece.words for piece in undisturbed] == [list(answer.words) for _, answer in jobs], "killed or not"
        # Meanwhile a second delivery would have come.
        assert len(scene.channel.messages) == 4
        assert [len(message.files) for message in messages] == [3] * 4
        assert [sum(map(is_music, message.versions)) for message in messages] == [1] * 4


async def test_a_bot_killed_between_the_upload_and_its_bookkeeping_posts_nothing_twice(scene: Scene) -> None:
    uploads = scene.standin.faults.carry_out_and_cut("UPLOAD", "*", times=9)
    reply = await scene.ask(takes=2, seed=4)  # the first is the reply, the second a message of its own
    await uploads.hit(3, timeout=PATIENCE)
    await scene.bot.kill()
    scene.standin.faults.clear()
    await scene.bot.start()
    await scene.until_jobs(DELIVERED, 2)
    assert len(scene.channel.messages) == 2
    assert all(len(message.files) == 3 for message in scene.channel.messages)
    assert (await posted(reply)) in scene.channel.messages


async def test_a_take_whose_first_message_got_no_answer_becomes_the_piece_all_the_same(scene: Scene) -> None:
    lost = scene.standin.faults.carry_out_and_cut("POST", "/channels/{channel}/messages", times=1)
    await scene.ask(takes=2)
    await lost.hit(timeout=PATIENCE)
    await scene.until_jobs(DELIVERED, 2)
    assert [len(message.files) for message in scene.channel.messages] == [3, 3]


async def test_buttons_work_after_a_restart_and_commands_are_not_registered_again(scene: Scene) -> None:
    message = await posted(await scene.ask(seed=1))
    creates = scene.standin.command_creates()
    registered = len(scene.standin.requests.to("PUT", "/applications/*/commands"))
    await scene.bot.kill()
    scene.standin.clock.advance(3 * 3600)
    await scene.bot.start()
    for label in ("Vary", "Continue"):
        assert (await posted(await scene.ann.click(message, label))).files
    assert (await scene.ann.click(message, "Again with …")).modal is not None
    info = (await scene.ann.click(message, "Info")).message
    assert info is not None
    assert json.loads(info.files["receipt.json"])["seed"] == 1
    await scene.ann.click(message, "Delete")
    await message.until(lambda m: m.deleted)
    assert scene.standin.command_creates() == creates
    assert len(scene.standin.requests.to("PUT", "/applications/*/commands")) == registered


async def test_a_worker_that_dies_is_started_again(scene: Scene) -> None:
    for _ in range(2):
        before = scene.bot.workers()
        await scene.bot.kill_worker()
        while not (now := scene.bot.workers()) or now == before:
            await asyncio.sleep(0.1)
        assert (await posted(await scene.ask())).files


async def test_a_worker_ends_with_the_bot_that_started_it(scene: Scene) -> None:
    assert (await posted(await scene.ask())).files
    (worker,) = scene.bot.workers()
    assert scene.bot.process is not None
    scene.bot.process.kill()
    scene.bot.process.wait()
    while Path(f"/proc/{worker}").exists() and "zombie" not in Path(f"/proc/{worker}/status").read_text():
        await asyncio.sleep(0.1)
    await scene.standin.gone()
    await scene.bot.start()
    assert len(scene.bot.workers()) == 1


async def test_a_piece_under_way_when_the_bot_is_stopped_goes_on_afterwards(slow: Path, tmp_path: Path) -> None:
    async with running(tmp_path, slow) as scene:
        reply = await scene.ask(bars=6)
        await scene.until_jobs("state = 'running' and bars_done > 0", 1)
        assert scene.bot.end() == 0
        await scene.standin.gone()
        await scene.bot.start()
        assert (await posted(reply)).files
        assert len(scene.channel.messages) == 1


# --- a Discord that fails ---


async def test_discord_may_be_slow_limiting_failing_or_silent(waiting: Scene) -> None:
    faults = waiting.standin.faults
    kinds = (
        lambda way: faults.rate_limit("UPLOAD", way, retry_after=0.5, times=7),
        lambda way: faults.fail("UPLOAD", way, 500, times=6),  # more than discord.py itself bears
        lambda way: faults.hang("UPLOAD", way, 65),
        lambda way: faults.cut("UPLOAD", way, times=3),
        lambda way: faults.carry_out_and_cut("UPLOAD", way, times=3),
    )
    # Each piece meets its own fault, all at once: an upload that hangs is given up after a minute.
    replies = [await waiting.ask(waiting.standin.user(f"u{number}")) for number in range(len(kinds))]
    met = [make(f"/webhooks/*/{reply.interaction.token}/*") for make, reply in zip(kinds, replies, strict=True)]
    with working(waiting):
        for reply in replies:
            assert len((await posted(reply)).files) == 3
    assert all(fault.met for fault in met)
    await waiting.until_jobs(DELIVERED, len(kinds))
    assert len(waiting.channel.messages) == len(kinds)


async def test_a_piece_outlives_the_token_of_its_command(waiting: Scene) -> None:
    public, private = await waiting.ask(), await waiting.ask(private=True)
    for reply in (public, private):
        await reply.until(lambda m: "In line" in m.content, PATIENCE)
    waiting.standin.clock.advance(16 * 60)
    with working(waiting):
        message = await posted(public)
        assert message.files
        by_bot = waiting.standin.requests.to("PATCH", f"/channels/{waiting.channel.id}/messages/{message.id}")
        assert [request.status for request in by_bot][-1] == 200
        dm = waiting.ann.dm
        await waiting.standin.until(lambda: any(map(is_music, dm.messages)), PATIENCE)
        assert say("en", "by_message") in dm.messages[0].content, "what only one person sees cannot be edited later"


async def test_a_deleted_progress_message_does_not_lose_the_piece(waiting: Scene) -> None:
    reply = await waiting.ask()
    message = await reply.until(lambda m: "In line" in m.content, PATIENCE)
    message.delete()
    with working(waiting):
        await waiting.standin.until(lambda: len(finished(waiting.channel)) == 1, PATIENCE)


async def test_an_upload_that_is_too_large_is_made_smaller(scene: Scene) -> None:
    strict = scene.standin.guild("Strict", attachment_size_limit=90_000).channel("c")
    message = await posted(await scene.ask(channel=strict, bars=12, seed=3))
    whole = await posted(await scene.ask(bars=12, seed=3))
    small, large = [next(d for n, d in m.files.items() if n.endswith(".mp3")) for m in (message, whole)]
    assert len(small) <= 90_000 < len(large)
    assert parse_midi(midi_of(message)) == parse_midi(midi_of(whole)), "the MIDI always holds all of it"
    # A limit that Discord did not tell of beforehand:
    scene.standin.faults.fail("PATCH", "/webhooks/*", 413, code=40005, times=1)
    assert len((await posted(await scene.ask(bars=2))).files) == 3


async def test_the_connection_is_made_again_whatever_breaks_it(scene: Scene) -> None:
    connections = scene.standin.connections
    connections.drop()
    await scene.standin.ready(timeout=PATIENCE)
    assert (await posted(await scene.ask())).files
    connections.close(4000)
    await scene.standin.ready(timeout=PATIENCE)
    assert (await posted(await scene.ask())).files


async def test_two_shards_serve_their_own_servers(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny, shards=2) as scene:
        channels = [scene.channel, scene.standin.guild("Second").channel("c")]
        for reply in [await scene.ask(channel=channel) for channel in channels]:
            assert (await posted(reply)).files
        assert {identify.shard for identify in scene.standin.connections.identifies} == {(0, 2), (1, 2)}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"DISCORD_TOKEN": ""}, "DISCORD_TOKEN"),
        ({"DISCORD_TOKEN": "wrong"}, "Discord does not know this token"),
        ({"CHECKPOINT": "nowhere"}, "CHECKPOINT"),
        ({"DATABASE_URL": "mysql://segue:hunter2@somewhere/db"}, "DATABASE_URL"),
        ({"WORKERS": "-1", "SLOTS": "many"}, "SLOTS"),
    ],
)
def test_what_has_to_be_mended_is_said_in_a_sentence(
    settings: dict[str, str], sentence: str, tiny: Path, tmp_path: Path
) -> None:
    with Standin() as standin:
        bot = BotProcess(standin, tmp_path, {"CHECKPOINT": str(tiny), "WORKERS": "0", **settings})
        done = subprocess.run(
            [sys.executable, "-m", "bot"],
            cwd=tmp_path,
            env=bot.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


# --- a channel full of people ---


async def test_fifteen_requests_of_five_people_are_all_served_once_and_fairly(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny, WORKERS="0", RENDERERS="2") as scene:
        scene.standin.timing.response_seconds = PATIENCE  # a busy machine needs more than 3 s for all of them
        people = [scene.standin.user(f"u{n}") for n in range(5)]
        file = Attachment("opening.mid", opening())
        sent = [
            user.send_command("compose", scene.channel, opening=file, bars=1, seed=n)
            for n in range(3)
            for user in people
        ]
        replies = [await reply.answered() for reply in sent]
        await scene.until_jobs("state = 'queued'", 15)
        await replies[-1].until(lambda m: "place" in m.content, PATIENCE)
        began = scene.standin.clock.now()
        with working(scene):
            messages = [await posted(reply) for reply in replies]
            await scene.until_jobs(DELIVERED, 15)

        assert len(scene.channel.messages) == 15
        assert all(sum(map(is_music, message.versions)) == 1 for message in messages), "none twice"
        jobs = scene.bot.rows("select owner, started_at, attempt from jobs order by id")
        assert {attempt for *_, attempt in jobs} == {1}
        started: dict[str, list[float]] = defaultdict(list)
        for owner, at, _ in jobs:
            started[owner].append(at)
        assert Counter(map(len, started.values())) == {3: 5}
        for nth, after in pairwise(range(3)):
            assert max(times[nth] for times in started.values()) <= min(times[after] for times in started.values())
        for message in messages:
            told = [version.content for version in message.versions if version.at >= began]
            places = [int(found[1]) for text in told if (found := re.search(r"place \*\*(\d+)", text))]
            assert places == sorted(places, reverse=True), "the place in line goes down"


# --- on PostgreSQL ---


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_all_of_it_runs_on_postgresql(database_url: str, tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny, DATABASE_URL=database_url) as scene:
        await scene.ann.command("/settings temperature pitch 0.5", scene.channel)
        message = await posted(await scene.ask())
        assert "temperature pitch 0.5" in message.content
        await scene.bot.kill_worker()
        longer = await posted(await scene.ann.click(message, "Continue"))
        assert "2 bars added to 3" in longer.content
        await scene.bot.kill()
        await scene.bot.start()
        assert (await posted(await scene.ann.click(longer, "Vary"))).files
        history = (await scene.ann.command("/history", scene.channel)).message
        assert history is not None
        assert history.content.count("seed") == 0
        assert history.content.count("https://") == 3
