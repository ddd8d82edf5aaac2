"""`segue doctor`: is all there that the bot needs? Every line says what was found and, if it is bad, what to do."""

from __future__ import annotations

import asyncio
import base64
import re
import sys
from collections.abc import Awaitable, Callable

from bot.services import load_vocabulary
from bot.settings import ConfigurationError, Settings, load_settings
from composer.database import Database
from composer.errors import SegueError
from composer.rendering.audio import check_installed, find_soundfont

PROBE_SECONDS = 120.0


async def examine() -> int:
    """Print a line a check. Returns the exit status: 0 if the bot can start."""
    try:
        settings = load_settings()
    except ConfigurationError as error:
        print(f"BAD   settings: {error}")
        return 2
    checks: tuple[tuple[str, Callable[[Settings], Awaitable[str]]], ...] = (
        ("token", _token),
        ("database", _database),
        ("sound", _sound),
        ("vocabulary", _vocabulary),
        ("model", _model),
    )
    well = True
    for name, check in checks:
        try:
            print(f"ok    {name}: {await check(settings)}", flush=True)
        except SegueError as error:
            well = False
            print(f"BAD   {name}: {error}", flush=True)
    return 0 if well else 2


async def _token(settings: Settings) -> str:
    """A token is three parts; the first is the bot's id in base64. Whether Discord knows it shows at the start."""
    first, *others = settings.discord_token.get_secret_value().split(".")
    try:
        user = base64.b64decode(first + "=" * (-len(first) % 4), validate=True).decode()
    except ValueError:  # what is no base64, no ASCII or no text
        user = ""
    if len(others) != 2 or not re.fullmatch(r"[0-9]{15,20}", user):
        raise ConfigurationError(
            "DISCORD_TOKEN does not look like a bot's token. It is not the client secret and not the public key: "
            "copy it from the portal, Bot -> Reset Token."
        )
    return f"looks right, for the application {user}"


async def _database(settings: Settings) -> str:
    async with Database(settings.database_url.get_secret_value()) as database:
        await database.migrate()
        await database.ping()
        return "it answers, and its tables are up to date"


async def _sound(settings: Settings) -> str:
    await asyncio.to_thread(check_installed, settings.soundfont)
    return f"FluidSynth and ffmpeg are there, and {find_soundfont(settings.soundfont)}"


async def _vocabulary(settings: Settings) -> str:
    return f"{settings.checkpoint} has vocabulary {load_vocabulary(settings).digest[:12]}"


async def _model(settings: Settings) -> str:
    """Asked of a worker: the bot itself never loads a model."""
    if not settings.workers:
        return "the workers run elsewhere, and load it there"
    words = ["-m", "composer.cli", "probe", "--checkpoint", str(settings.checkpoint), "--device", settings.device]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), PROBE_SECONDS)
    except TimeoutError:
        process.kill()
        raise ConfigurationError("CHECKPOINT: the model does not load within two minutes. Is the disk well?") from None
    if process.returncode:
        raise ConfigurationError(f"CHECKPOINT: {err.decode().removeprefix('segue:').strip()}")
    return out.decode().strip()
