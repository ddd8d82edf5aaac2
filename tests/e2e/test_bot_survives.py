"""The bot and its worker when something breaks: kill -9, a Discord that fails, a channel full of people."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bot_process import BotProcess
from discord_standin import Attachment, Channel, Message, Reply, Standin, User
from engine_models import SLOW, random_checkpoint

from bot.messages import say
from composer.engine.checkpoint import save_checkpoint
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import TICKS_PER_BAR, Note, in_four

PATIENCE = 300.0  # seconds until something must have happened, on a busy machine


def opening() -> bytes:
    notes = tuple(Note(beat * 480, 60 + (0, 4, 7, 12)[beat], beat * 480 + 400, 80) for beat in range(4))
    return dump_midi(in_four(notes, end=TICKS_PER_BAR))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _saved(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _saved(tmp_path_factory.mktemp("slow"), **SLOW)


def _saved(folder: Path, **config: object) -> Path:
    checkpoint = random_checkpoint(**config)
    save_checkpoint(folder, checkpoint.model, checkpoint.vocabulary)
    return folder


class Scene:
    def __init__(self, standin: Standin, bot: BotProcess) -> None:
        self.standin, self.bot = standin, bot
        self.guild = standin.guild("Conservatory")
        self.channel = self.guild.channel("piano")
        self.ann = standin.user("ann")

    async def ask(self, user: User | None = None, channel: Channel | None = None, **options: Any) -> Reply:
        options.setdefault("bars", 2)
        file = Attachment("opening.mid", opening())
        return await (user or self.ann).command("compose", channel or self.channel, opening=file, **options)


@asynccontextmanager
async def running(folder: Path, checkpoint: Path, shards: int = 1, **settings: str) -> AsyncIterator[Scene]:
    with Standin(shards=shards, max_concurrency=shards) as standin:
        bot = BotProcess(standin, folder, {"CHECKPOINT": str(checkpoint), **settings}, shards)
        scene = Scene(standin, bot)
        async with bot:
            yield scene
        assert standin.token not in bot.log.read_text()


async def posted(reply: Reply) -> Message:
    return await reply.until(lambda message: message.files, PATIENCE)


def midi_of(message: Message) -> bytes:
    return next(data for name, data in message.files.items() if name.endswith(".mid"))


# --- kill -9 ---


async def test_eight_of_eight_arrive_once_though_worker_and_bot_are_killed(slow: Path, tmp_path: Path) -> None:
    async with running(tmp_path, slow, SLOTS="8") as scene:
        people = [scene.standin.user(f"u{n}") for n in range(8)]
        replies = [await scene.ask(user, bars=24, seed=n) for n, user in enumerate(people)]
        await scene.bot.until_rows(
            "select count(*) from jobs where state = 'running' and bars_done > 2", [(8,)], PATIENCE
        )
        await scene.bot.kill_worker()
        await scene.bot.until_rows(
            "select count(*) > 0 from jobs where state = 'running' and attempt = 2", [(1,)], PATIENCE
        )
        await scene.bot.until_rows("select count(*) > 0 from jobs where state = 'done'", [(1,)], PATIENCE)
        await scene.bot.kill()
        assert scene.bot.rows("select count(*) from jobs where delivered_at is not null") != [(8,)]
        await scene.bot.start()
        messages = [await posted(reply) for reply in replies]
        await scene.bot.until_rows("select count(*) from jobs where delivered_at is not null", [(8,)], PATIENCE)

        again = [await scene.ask(user, bars=24, seed=n) for n, user in enumerate(people)]
        undisturbed = [midi_of(await posted(reply)) for reply in again]
        assert undisturbed == [midi_of(message) for message in messages], "the same pieces, killed or not"
        # Meanwhile a second delivery would have come.
        assert len(scene.channel.messages) == 16
        assert [len(message.files) for message in messages] == [3] * 8
        assert [sum(bool(version.files) for version in message.versions) for message in messages] == [1] * 8


async def test_a_bot_killed_between_the_upload_and_its_bookkeeping_posts_nothing_twice(
    tiny: Path, tmp_path: Path
) -> None:
    async with running(tmp_path, tiny) as scene:
        uploads = scene.standin.faults.carry_out_and_cut("UPLOAD", "*", times=9)
        reply = await scene.ask(takes=2, seed=4)  # the first is the reply, the second a message of its own
        await uploads.hit(3, timeout=PATIENCE)
        await scene.bot.kill()
        scene.standin.faults.clear()
        await scene.bot.start()
        await scene.bot.until_rows("select count(*) from jobs where delivered_at is not null", [(2,)], PATIENCE)
        assert len(scene.channel.messages) == 2
        assert all(len(message.files) == 3 for message in scene.channel.messages)
        assert (await posted(reply)) in scene.channel.messages


async def test_a_take_whose_first_message_got_no_answer_becomes_the_piece_all_the_same(
    tiny: Path, tmp_path: Path
) -> None:
    async with running(tmp_path, tiny) as scene:
        lost = scene.standin.faults.carry_out_and_cut("POST", "/channels/{channel}/messages", times=1)
        await scene.ask(takes=2)
        await lost.hit(timeout=PATIENCE)
        await scene.bot.until_rows("select count(*) from jobs where delivered_at is not null", [(2,)], PATIENCE)
        assert [len(message.files) for message in scene.channel.messages] == [3, 3]


async def test_buttons_work_after_a_restart_and_commands_are_not_registered_again(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny) as scene:
        message = await posted(await scene.ask(seed=1))
        creates = scene.standin.command_creates()
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
        assert len(scene.standin.requests.to("PUT", "/applications/*/commands")) == 1


async def test_a_worker_that_dies_is_started_again(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny) as scene:
        for _ in range(2):
            before = scene.bot.workers()
            await scene.bot.kill_worker()
            while not (now := scene.bot.workers()) or now == before:
                await asyncio.sleep(0.1)
            assert (await posted(await scene.ask())).files


async def test_a_worker_ends_with_the_bot_that_started_it(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny) as scene:
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
        reply = await scene.ask(bars=24)
        await scene.bot.until_rows(
            "select count(*) from jobs where state = 'running' and bars_done > 0", [(1,)], PATIENCE
        )
        assert scene.bot.end() == 0
        await scene.standin.gone()
        await scene.bot.start()
        assert (await posted(reply)).files
        assert len(scene.channel.messages) == 1


# --- a Discord that fails ---


async def test_discord_may_be_slow_limiting_failing_or_silent(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny) as scene:
        faults = scene.standin.faults
        for make in (
            lambda: faults.rate_limit("UPLOAD", "/webhooks/*", retry_after=0.5, times=7),
            lambda: faults.fail("UPLOAD", "/webhooks/*", 500, times=6),  # more than discord.py itself bears
            lambda: faults.hang("UPLOAD", "/webhooks/*", 65),
            lambda: faults.cut("UPLOAD", "/webhooks/*", times=3),
            lambda: faults.carry_out_and_cut("UPLOAD", "/webhooks/*", times=3),
        ):
            fault, reply = make(), await scene.ask()
            message = await posted(reply)
            assert len(message.files) == 3
            assert fault.met
            faults.clear()
        await scene.bot.until_rows("select count(*) from jobs where delivered_at is not null", [(5,)], PATIENCE)
        assert len(scene.channel.messages) == 5


async def test_a_piece_outlives_the_token_of_its_command(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny, WORKERS="0") as scene:
        public, private = await scene.ask(), await scene.ask(private=True)
        for reply in (public, private):
            await reply.until(lambda m: "In line" in m.content, PATIENCE)
        scene.standin.clock.advance(16 * 60)
        worker = start_worker(scene)
        try:
            message = await posted(public)
            assert message.files
            by_bot = scene.standin.requests.to("PATCH", f"/channels/{scene.channel.id}/messages/{message.id}")
            assert [request.status for request in by_bot][-1] == 200
            dm = scene.ann.dm
            await scene.standin.until(lambda: any(m.files for m in dm.messages), PATIENCE)
            assert say("en", "by_message") in dm.messages[0].content, "what only one person sees cannot be edited later"
        finally:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(PATIENCE) == 0


async def test_a_deleted_progress_message_does_not_lose_the_piece(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny, WORKERS="0") as scene:
        reply = await scene.ask()
        message = await reply.until(lambda m: "In line" in m.content, PATIENCE)
        message.delete()
        worker = start_worker(scene)
        try:
            await scene.standin.until(lambda: any(m.files and not m.deleted for m in scene.channel.messages), PATIENCE)
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(PATIENCE)


async def test_an_upload_that_is_too_large_is_made_smaller(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny) as scene:
        strict = scene.standin.guild("Strict", attachment_size_limit=150_000).channel("c")
        message = await posted(await scene.ask(channel=strict, bars=20, seed=3))
        whole = await posted(await scene.ask(bars=20, seed=3))
        small, large = [next(d for n, d in m.files.items() if n.endswith(".mp3")) for m in (message, whole)]
        assert len(small) <= 150_000 < len(large)
        assert parse_midi(midi_of(message)) == parse_midi(midi_of(whole)), "the MIDI always holds all of it"
        # A limit that Discord did not tell of beforehand:
        scene.standin.faults.fail("PATCH", "/webhooks/*", 413, code=40005, times=1)
        assert len((await posted(await scene.ask(bars=2))).files) == 3


async def test_the_connection_is_made_again_whatever_breaks_it(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny) as scene:
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


async def test_two_hundred_requests_of_fifty_people_are_all_served_once_and_fairly(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny, WORKERS="0", RENDERERS="2", A_DAY="10", LINE="500") as scene:
        scene.standin.timing.response_seconds = PATIENCE  # a busy machine needs more than 3 s for all of them
        people = [scene.standin.user(f"u{n}") for n in range(50)]
        file = Attachment("opening.mid", opening())
        sent = [
            user.send_command("compose", scene.channel, opening=file, bars=1, seed=n)
            for n in range(4)
            for user in people
        ]
        replies = [await reply.answered() for reply in sent]
        await scene.bot.until_rows("select count(*) from jobs where state = 'queued'", [(200,)], PATIENCE)
        await replies[-1].until(lambda m: "place" in m.content, PATIENCE)
        began = scene.standin.clock.now()
        worker = start_worker(scene, slots=16)
        try:
            messages = [await reply.until(lambda m: m.files, PATIENCE) for reply in replies]
            await scene.bot.until_rows("select count(*) from jobs where delivered_at is not null", [(200,)], PATIENCE)
        finally:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(PATIENCE) == 0

        assert len(scene.channel.messages) == 200
        assert all(sum(bool(v.files) for v in message.versions) == 1 for message in messages), "none twice"
        jobs = scene.bot.rows("select owner, started_at, attempt from jobs order by id")
        assert {attempt for *_, attempt in jobs} == {1}
        started: dict[str, list[float]] = defaultdict(list)
        for owner, at, _ in jobs:
            started[owner].append(at)
        assert Counter(map(len, started.values())) == {4: 50}
        for nth, after in pairwise(range(4)):
            assert max(times[nth] for times in started.values()) <= min(times[after] for times in started.values())
        for message in messages:
            told = [version.content for version in message.versions if version.at >= began]
            places = [int(found[1]) for text in told if (found := re.search(r"place \*\*(\d+)", text))]
            assert places == sorted(places, reverse=True), "the place in line goes down"


def start_worker(scene: Scene, slots: int = 4) -> subprocess.Popen[bytes]:
    """A worker that the bot did not start."""
    environment = scene.bot.environment | {"DATABASE_URL": f"sqlite+aiosqlite:///{scene.bot.folder}/segue.db"}
    command = [sys.executable, "-m", "composer.cli", "worker", "--slots", str(slots)]
    with (scene.bot.folder / "worker.log").open("ab") as log:
        return subprocess.Popen(command, env=environment, stderr=log)


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
