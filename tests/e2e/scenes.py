"""Where the end-to-end tests take place: a server with the bot in it and somebody who types; and what they wait for."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from bot_process import BotProcess
from discord_standin import Standin

from bot.messages import LANGUAGES, say
from bot.playground.protocol import Attachment, Channel, Message, Reply, User, Version
from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import dump_midi
from composer.music.score import Note, in_four

PATIENCE = 300.0  # seconds until something must have happened, on a busy machine
MADE_OF_IT = ["Continue", "Redo bars …", "Chords …", "Vary", "Again with …"]  # buttons under a piece
GIVEN_OF_IT = ["Sheet music", "Parts", "Loop", "Info"]
DELIVERED = "delivered_at is not null"  # of a job


def opening() -> bytes:
    notes = tuple(Note(beat * 480, 60 + (0, 4, 7, 12)[beat], beat * 480 + 400, 80) for beat in range(4))
    return dump_midi(in_four(notes, end=TICKS_PER_BAR))


class Scene:
    """A server, a channel and a person of one test's own, and what has been asked for since it began.

    last_job: the number of the last one before.
    """

    def __init__(self, standin: Standin, bot: BotProcess, last_job: int = 0) -> None:
        self.standin, self.bot = standin, bot
        self.guild = standin.guild("Conservatory")
        self.channel = self.guild.channel("piano")
        self.ann = standin.user("ann")
        self._requests_before = len(standin.requests)
        self._last_job = last_job

    async def ask(self, user: User | None = None, channel: Channel | None = None, **options: Any) -> Reply:
        options.setdefault("bars", 2)
        file = Attachment("opening.mid", opening())
        return await (user or self.ann).command("compose", channel or self.channel, opening=file, **options)

    def not_found(self) -> list[str]:
        """What the bot has asked for that was not there."""
        requests = list(self.standin.requests)[self._requests_before :]
        return [request.path for request in requests if request.status == 404]

    def jobs(self, where: str) -> int:
        """How many jobs of this scene are so."""
        return int(self.bot.rows(self._counting(where))[0][0])

    async def until_jobs(self, where: str, count: int) -> None:
        """Until so many are."""
        await self.bot.until_rows(self._counting(where), [(count,)], PATIENCE)

    async def until_any(self, where: str) -> None:
        """Until one is."""
        await self.bot.until_rows(f"select exists ({self._counting(where)} having count(*) > 0)", [(1,)], PATIENCE)

    def _counting(self, where: str) -> str:
        return f"select count(*) from jobs where id > {self._last_job} and ({where})"


@asynccontextmanager
async def running(folder: Path, checkpoint: Path, shards: int = 1, **settings: str) -> AsyncIterator[Scene]:
    """A bot of the test's own."""
    with Standin(shards=shards, max_concurrency=shards) as standin:
        bot = BotProcess(standin, folder, {"CHECKPOINT": str(checkpoint), **settings}, shards)
        scene = Scene(standin, bot)
        async with bot:
            yield scene
        assert standin.token not in bot.log.read_text()


async def posted(reply: Reply) -> Message:
    """The message once it has become the piece."""
    return await reply.until(is_music, PATIENCE)


def is_music(message: Message | Version) -> bool:
    """Whether it is a piece by now, or what was heard, and not how far it is, nor without the sound that follows."""
    is_silent = any(say(language, "sound_follows") in message.content for language in LANGUAGES)
    return not is_silent and any(name.endswith(".mid") for name in message.files)


def file_of(message: Message, suffix: str) -> bytes:
    return next(data for name, data in message.files.items() if name.endswith(suffix))


def finished(channel: Channel) -> list[Message]:
    return [message for message in channel.messages if len(message.files) == 3 and not message.deleted]


async def takes_of(scene: Scene, user: User, channel: Channel, count: int, **options: object) -> list[Message]:
    """All takes of one request, once they are there."""
    before = len(finished(channel))
    await scene.ask(user, channel, takes=count, **options)
    await scene.standin.until(lambda: len(finished(channel)) == before + count, PATIENCE)
    return finished(channel)[before:]


@contextmanager
def working(scene: Scene, *program: str) -> Iterator[None]:
    """With a worker that the bot did not start.

    program: what of Python's it is, where it is not the usual one
    """
    environment = scene.bot.environment | {"DATABASE_URL": f"sqlite+aiosqlite:///{scene.bot.folder}/segue.db"}
    command = [sys.executable, *(program or ("-m", "composer.cli")), "worker"]
    with (scene.bot.folder / "worker.log").open("ab") as log:
        worker = subprocess.Popen(command, env=environment, stderr=log)
    try:
        yield
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0
