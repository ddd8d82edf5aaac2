"""`./run try`: the bot and its worker as they are, beside a Discord of their own in the browser."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import webbrowser
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from composer.places import HOME

from .protocol import Attachment
from .protocol.clock import SettledIds, Snowflakes
from .server import Playground

PATIENCE = 120.0  # seconds until the bot has to be there, on a busy machine
STOP_SECONDS = 40.0  # for the bot and its worker to end in good order
OWN = ("DISCORD_TOKEN", "DATABASE_URL", "SHARD_IDS", "SHARD_COUNT", "METRICS_PORT", "WORKER_METRICS_PORT")
PATHS = {"CHECKPOINT", "SOUNDFONT"}  # which somebody may have given as seen from here
HELLO = "This is how mine begins. Open the menu of this message, and let Segue go on with it."


class PlaygroundError(Exception):
    """Why there is no playground, in a sentence."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run try", description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="forget settings, presets and pieces of earlier times")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--folder", type=Path, default=Path(".playground"), help="for database and log (.playground)")
    options = parser.parse_args()
    try:
        with own_folder(options.folder, options.fresh):
            asyncio.run(run(options.folder, not options.no_browser and has_browser()))
    except PlaygroundError as error:
        sys.exit(f"try: {error}")


@contextlib.contextmanager
def own_folder(folder: Path, fresh: bool) -> Iterator[None]:
    """Two bots on one database would take each other's work. Raises PlaygroundError where one is there."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlaygroundError(f"{folder} is in use by another one. End it, or take another --folder.") from None
        for old in folder.glob("segue.db*") if fresh else ():
            old.unlink()
        yield


def has_browser() -> bool:
    """Whether somebody sits in front of a screen."""
    screen = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return screen and "CI" not in os.environ and "SSH_CONNECTION" not in os.environ


async def run(folder: Path, browser: bool) -> None:
    """Until it is told to stop, or the bot ends. Raises PlaygroundError."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with Playground() as playground:
        furnish(playground)
        async with bot_process(playground, folder) as bot:
            ready = asyncio.create_task(playground.until(lambda: is_there(playground), PATIENCE))
            ending = [asyncio.create_task(stop.wait()), asyncio.create_task(bot.wait())]
            await asyncio.wait([ready, *ending], return_when=asyncio.FIRST_COMPLETED)
            if ready.done() and not ready.exception():
                print(f"Segue is in a channel at {playground.address} (Ctrl-C ends it)", flush=True)
                if browser:
                    webbrowser.open(playground.address)
                await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            ending[0].cancel()
            if not stop.is_set():
                raise PlaygroundError(f"the bot has ended: {last_words(folder / 'bot.log')}")
            print("ending; what is being composed is put back", file=sys.stderr)


def last_words(log: Path) -> str:
    """What the bot has said last, which is a sentence where something can be mended."""
    lines = log.read_text(errors="replace").split("\n")
    found = [line for line in lines if line.startswith("segue: ")][-1:]
    return found[0].removeprefix("segue: ") if found else f"{log} says why."


def is_there(playground: Playground) -> bool:
    """Whether the bot is connected and its commands are known."""
    return bool(playground.connections.connected and playground.commands())


def furnish(playground: Playground) -> None:
    """A server, places to write in, and people, whose ids are always the same: what the bot keeps about them holds."""
    playground.world.ids = SettledIds()
    ann = playground.user("ann")
    guild = playground.guild("Conservatory", owner=ann)
    channel = guild.channel("piano")
    channel.open_thread("late night")
    people = [ann, playground.user("bob"), playground.user("li", "zh-CN")]
    for person in people:
        _ = person.dm
    playground.world.ids = Snowflakes(playground.clock)
    opening = HOME / "examples" / "opening.mid"
    people[1].post(channel, HELLO, Attachment(opening.name, opening.read_bytes()))


@contextlib.asynccontextmanager
async def bot_process(playground: Playground, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m bot`, as a service would run it. It works in the folder, where it finds no .env."""
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    for name in PATHS & environment.keys():
        environment[name] = str(Path(environment[name]).resolve())
    environment |= {"DISCORD_TOKEN": playground.token, "LOG_FORMAT": "json"} | playground.environment
    # Should this process be killed, the bot is told to stop.
    leash = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    with (folder / "bot.log").open("wb") as log:
        bot = await asyncio.create_subprocess_exec(
            *(*leash, sys.executable, "-m", "bot"),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for this process, which then asks the bot to stop
        )
    try:
        yield bot
    finally:
        if bot.returncode is None:
            bot.terminate()
        try:
            await asyncio.wait_for(bot.wait(), STOP_SECONDS)
        except TimeoutError:
            os.killpg(bot.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
