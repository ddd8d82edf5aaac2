"""What a person in a channel waits for, and what the bot takes: `./run bench channel [--people N] [--each N]`.

The real bot and its real worker with the project's checkpoint, beside the stand-in for Discord on loopback. Three
tables: one piece on an idle bot, stage by stage; a channel full of people; a batch whose worker and bot are killed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "e2e")]

from bot_process import BotProcess  # noqa: E402 - tests/ is no package
from discord_standin import Standin  # noqa: E402

from bench.machine import resident_mb  # noqa: E402
from bot.playground.protocol import Attachment, Channel, Message, Reply, User  # noqa: E402

PATIENCE = 1800.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--each", type=int, default=4, help="pieces of one person, asked for at once")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    asyncio.run(run(options.people, options.each))


async def run(people: int, each: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        await one_piece(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        await full_channel(Path(folder), people, each)
    with tempfile.TemporaryDirectory() as folder:
        await killed(Path(folder))


async def one_piece(folder: Path) -> None:
    data = (ROOT / "examples" / "opening.mid").read_bytes()
    with Standin() as standin:
        ann, channel = standin.user("ann"), standin.guild("g").channel("c")
        async with BotProcess(standin, folder, {}) as bot:
            await posted(await ask(ann, channel, data, bars=2))
            idle = memory(bot)
            rows = []
            for _ in range(5):
                began = standin.clock.now()
                reply = await ask(ann, channel, data, bars=32)
                message = await posted(reply)
                told = next(v.at for v in message.versions if "place" in v.content or "bar" in v.content)
                rows.append([at - began for at in (message.versions[0].at, told, message.versions[-1].at)])
            after = memory(bot)
    print("| one piece of 32 bars, idle bot, median of 5 | s |\n| --- | ---: |")
    names = ("command to first answer", "to the place in line or the bar", "to the posted piece")
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        print(f"| {name} | {statistics.median(values):.2f} |")
    print("\n| resident memory, MB | before | after |\n| --- | ---: | ---: |")
    for name in idle:
        print(f"| {name} | {idle[name]:.0f} | {after[name]:.0f} |")


async def full_channel(folder: Path, people: int, each: int) -> None:
    data = (ROOT / "examples" / "opening.mid").read_bytes()
    with Standin() as standin:
        channel = standin.guild("g").channel("c")
        crowd = [standin.user(f"u{n}") for n in range(people)]
        async with BotProcess(standin, folder, {"SLOTS": "16", "LINE": "5000"}) as bot:
            await posted(await ask(crowd[0], channel, data, bars=2))
            began = time.monotonic()
            file = Attachment("opening.mid", data)
            sent = [user.send_command("compose", channel, opening=file, bars=8) for _ in range(each) for user in crowd]
            waits = await asyncio.gather(*(timed(reply, began) for reply in sent))
            seconds = time.monotonic() - began
            posts = sum(len(v.files) > 2 for m in channel.messages for v in m.versions) - 1
            used = memory(bot)
    waits.sort()
    print(f"\n| {people} people, {each} pieces of 8 bars each, at once | |\n| --- | ---: |")
    print(f"| asked for, posted | {len(sent)}, {posts} |")
    print(f"| all posted after, s | {seconds:.0f} |")
    print(f"| command to post, p50 and p95, s | {waits[len(waits) // 2]:.0f}, {waits[int(0.95 * len(waits))]:.0f} |")
    print(f"| bot, resident MB | {used['bot']:.0f} |")


async def killed(folder: Path) -> None:
    data = (ROOT / "examples" / "opening.mid").read_bytes()
    with Standin() as standin:
        channel = standin.guild("g").channel("c")
        async with BotProcess(standin, folder, {"SLOTS": "8", "LEASE_SECONDS": "6"}) as bot:
            await posted(await ask(standin.user("first"), channel, data, bars=2))
            began = time.monotonic()
            replies = [await ask(standin.user(f"u{n}"), channel, data, bars=16) for n in range(8)]
            await replies[0].until(lambda m: "Composing" in m.content, PATIENCE)
            await bot.kill_worker()
            first = await standin.until(
                lambda: next((r for r in replies if r.message and len(r.message.files) > 2), None), PATIENCE
            )
            resumed = time.monotonic() - began
            await bot.kill()
            await bot.start()
            messages = [await posted(reply) for reply in replies]
            seconds = time.monotonic() - began
    assert first in replies
    print("\n| 8 pieces of 16 bars; kill -9 of the worker in the batch, of the bot after a post | |\n| --- | ---: |")
    count = len(channel.messages) - 1
    print(f"| posted, messages in the channel | {len(messages)}, {count} |")
    print(f"| first posted after, s | {resumed:.0f} |")
    print(f"| all posted after, s | {seconds:.0f} |")


async def ask(user: User, channel: Channel, data: bytes, bars: int) -> Reply:
    return await user.command("compose", channel, opening=Attachment("opening.mid", data), bars=bars)


async def posted(reply: Reply) -> Message:
    """The message once it has become the piece."""
    return await reply.until(lambda message: len(message.files) > 2, PATIENCE)


async def timed(reply: Reply, began: float) -> float:
    await posted(reply)
    return time.monotonic() - began


def memory(bot: BotProcess) -> Mapping[str, float]:
    """Resident MB of the bot, of all its studio's children, and of its worker."""
    assert bot.process is not None
    workers = bot.workers()
    children = Path(f"/proc/{bot.process.pid}/task/{bot.process.pid}/children").read_text().split()
    studio = [int(pid) for pid in children if int(pid) not in workers]
    return {
        "bot": resident_mb(bot.process.pid),
        "studio": sum(map(resident_mb, studio)),
        "worker": sum(map(resident_mb, workers)),
    }


if __name__ == "__main__":
    main()
