"""How long a person waits to see what was heard in a voice message: `./run bench voice [--times N]`.

Fifteen seconds of piano, as Discord's client records them, are sent in the stand-in for Discord on loopback, where the
real bot with its real worker and the project's checkpoint listens: the first one after the start, the next ones, and
one beside a batch that composes. The last column is the ear's own CPU time, which says what an idle machine would take.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "e2e")]

from bot_process import BotProcess  # noqa: E402 - tests/ is no package
from discord_standin import Standin  # noqa: E402
from recordings import OPUS, piano, song  # noqa: E402

from bench.machine import resident_mb  # noqa: E402
from bot.playground.protocol import Attachment, Channel, User  # noqa: E402

BARS, BPM = 6, 96.0  # fifteen seconds
PATIENCE = 900.0
TICKS = os.sysconf("SC_CLK_TCK")


class Wait(NamedTuple):
    """Seconds."""

    answered: float
    heard: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="voice messages after the first")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}\n")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder), options.times))


async def run(folder: Path, times: int) -> None:
    data = piano(song(BARS, BPM), *OPUS)
    with Standin() as standin:
        ann, channel = standin.user("ann"), standin.guild("g").channel("c")
        # A lease that outlives a busy minute: what is measured is not who takes over.
        async with BotProcess(standin, folder, {"LEASE_SECONDS": "15"}) as bot:
            await bot.until_rows("select count(*) from workers", [(2,)], PATIENCE)
            first = await hear(ann, channel, data, bot)
            next_ones = [await hear(ann, channel, data, bot) for _ in range(times)]
            opening = Attachment("opening.mid", (ROOT / "examples" / "opening.mid").read_bytes())
            batch = await ann.command("compose", channel, opening=opening, bars=128, takes=4)
            await batch.until(lambda message: "Composing" in message.content, PATIENCE)
            beside = await hear(ann, channel, data, bot)
            ear = ear_of(bot)
            assert ear is not None
            peak = resident_mb(ear, peak=True)
            await ann.command("/cancel", channel)
    print("| a voice message of 15 s | to the first answer, s | to what was heard, s | of it the ear's CPU time, s |")
    print("| --- | ---: | ---: | ---: |")
    row("the first", first)
    row(f"the next ones, median of {times}", Wait(*map(statistics.median, zip(*next_ones, strict=True))))
    row("beside four pieces that are composed", beside)
    print(f"\nThe ear's process takes {peak:.0f} MB at most.")


def row(name: str, wait: Wait) -> None:
    print(f"| {name} | {wait.answered:.2f} | {wait.heard:.1f} | {wait.cpu:.1f} |")


async def hear(ann: User, channel: Channel, data: bytes, bot: BotProcess) -> Wait:
    """Send it, choose the menu's entry, and wait for the card."""
    before = cpu_seconds(bot)
    message = ann.speak(channel, data)
    began = ann.world.clock.now()
    reply = await ann.message_menu("Continue this", message)
    heard = await reply.until(lambda message: message.files, PATIENCE)
    return Wait(heard.versions[0].at - began, heard.versions[-1].at - began, cpu_seconds(bot) - before)


def ear_of(bot: BotProcess) -> int | None:
    """The process below the worker that listens, once there is one."""
    (worker,) = bot.workers()
    found = subprocess.run(
        ["pgrep", "-P", str(worker), "-f", "ear_process"], capture_output=True, text=True, check=False
    )
    return int(found.stdout) if found.stdout else None


def cpu_seconds(bot: BotProcess) -> float:
    """Of the ear, with what it has started and waited for."""
    pid = ear_of(bot)
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


if __name__ == "__main__":
    main()
