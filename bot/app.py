"""The client: what it may hear, its commands, what happens to failures, and staying connected."""

from __future__ import annotations

import asyncio
import hashlib
import json

import discord
import structlog
import yarl
from discord import app_commands
from discord.app_commands import AppCommandContext, AppInstallationType

from bot.commands import about, admin, compose, queue, settings, tree, votes
from bot.desk.press import PieceButton
from bot.messages import CHINESE_COMMANDS
from bot.replies import ServingClient, refuse
from bot.services import Services
from bot.settings import ConfigurationError, Settings
from composer.pauses import Pauses

LONGEST_PAUSE = 60.0  # seconds between two tries to connect
PATIENCE = 60.0  # seconds that a request waits where Discord says "later"; told to wait longer, it fails
REGISTER_PAUSE = 60.0  # seconds until refused commands are handed in again, twice as many each time
LONGEST_REGISTER_PAUSE = 6 * 3600.0

# Close codes that no new try mends; each costs one of the thousand logins of a day.
REFUSED = {
    4010: "SHARD_IDS and SHARD_COUNT do not fit each other",
    4011: "the bot is on so many servers that it needs more shards; raise SHARD_COUNT, or leave it out",
    4012: "this version of discord.py is too old for it; upgrade it",
    4013: "it does not know the intents that were asked for",
    4014: "it does not allow the intents that were asked for",
}

log = structlog.get_logger("app")


class SegueClient(ServingClient):
    """The client of this bot, with its commands and its buttons."""

    def __init__(self, services: Services) -> None:
        settings = services.settings
        super().__init__(
            services,
            intents=discord.Intents(guilds=True),  # none that is privileged
            allowed_mentions=discord.AllowedMentions.none(),  # nobody is pinged, whatever a file is called
            shard_ids=settings.shard_ids,  # None: all
            shard_count=settings.shard_count,
            max_messages=None,
            max_ratelimit_timeout=PATIENCE,
        )
        self.tree = Tree(self)
        self._registering: asyncio.Task[None] | None = None

    async def setup_hook(self) -> None:
        await self.tree.set_translator(Chinese())
        for module in (compose, settings, queue, tree, votes, about, admin):
            for command in module.commands():
                self.tree.add_command(command)
        self.add_dynamic_items(PieceButton)
        self._registering = asyncio.create_task(self.tree.register(), name="commands")
        self.services.delivery.client = self

    async def close(self) -> None:
        if self._registering is not None:
            self._registering.cancel()
            await asyncio.wait([self._registering])  # it may be at the database, which is closed next
        await super().close()

    async def on_ready(self) -> None:
        log.info("connected", guilds=len(self.guilds), shards=len(self.shards))


class Tree(app_commands.CommandTree[SegueClient]):
    """Commands that work everywhere: in servers, threads and direct messages, and where a user brings the bot along."""

    def __init__(self, client: SegueClient) -> None:
        super().__init__(
            client,
            allowed_installs=AppInstallationType(guild=True, user=True),
            allowed_contexts=AppCommandContext(guild=True, dm_channel=True, private_channel=True),
        )

    async def on_error(
        self, interaction: discord.Interaction[SegueClient], error: app_commands.AppCommandError, /
    ) -> None:
        await refuse(interaction, getattr(error, "original", error))

    async def register(self) -> None:
        """Hand the commands to Discord until it takes them; meanwhile it has the earlier ones, and they are served."""
        pauses = Pauses(REGISTER_PAUSE, LONGEST_REGISTER_PAUSE)
        while True:
            wait = pauses.next()
            try:
                await self.sync_if_changed()
                return
            except discord.RateLimited as error:
                wait = max(wait, error.retry_after)
                why = f"Discord takes no commands for {error.retry_after:.0f} s"
                log.error("commands not registered", why=why, again_in=round(wait))
            except discord.HTTPException as error:
                log.error(
                    "commands not registered",
                    why=f"Discord refuses them ({error.status}, code {error.code}): {_refusal(error)}",
                    again_in=round(wait),
                )
            except Exception as error:  # of the network, of the library, of the database
                why = f"{type(error).__name__}: {error}"
                log.error("commands not registered", why=why, again_in=round(wait))
            await asyncio.sleep(wait)

    async def sync_if_changed(self) -> None:
        """Hand the commands to Discord unless it has them: it takes 200 changes a day."""
        self._keep_to_what_is_ticked()
        storage = self.client.services.storage
        translator = self.translator
        assert translator is not None
        payload = [await command.get_translated_payload(self, translator) for command in self._get_all_commands()]
        digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
        mark = f"commands:{self.client.application_id}"
        if await storage.mark(mark) != digest:
            await self.sync()
            await storage.set_mark(mark, digest)
            log.info("commands registered", count=len(payload))

    def _keep_to_what_is_ticked(self) -> None:
        """Discord refuses all commands where one is for an installation that the application does not have."""
        application = self.client.application
        if application is None:
            return
        guild, user = application.guild_integration_config is not None, application.user_integration_config is not None
        if guild != user:  # neither: Discord does not tell
            what = "User Install" if guild else "Guild Install"
            log.warning("not offered everywhere", why=f"{what} is not ticked in the portal, under Installation")
            self.allowed_installs = AppInstallationType(guild=guild, user=user)


class Chinese(app_commands.Translator):
    """Names and descriptions of commands, for clients in Simplified Chinese."""

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, _: app_commands.TranslationContextTypes
    ) -> str | None:
        return CHINESE_COMMANDS.get(string.message) if locale is discord.Locale.chinese else None


def _refusal(error: discord.HTTPException) -> str:
    """Which command or option it is about, and what is wrong with it."""
    told = str(error).splitlines() if isinstance(error, app_commands.CommandSyncFailure) else []
    return "; ".join(line.strip() for line in told[1:]) or error.text or "no reason is given"


def point_at(settings: Settings) -> None:
    """Talk to the Discord that the settings name."""
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # nothing is ever played in a voice channel
    discord.http.Route.BASE = settings.discord_api
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.discord_gateway)


async def stay_connected(services: Services) -> None:
    """Log in and serve until cancelled; whatever breaks the connection, a new client is made.

    discord.py reconnects by itself, but not when the very first handshake fails. Raises ConfigurationError if Discord
    does not know the token.
    """
    token, pauses = services.settings.discord_token.get_secret_value(), Pauses(1.0, LONGEST_PAUSE)
    while True:
        lost: dict[str, object] = {}  # by what
        client = SegueClient(services)
        began = asyncio.get_running_loop().time()
        try:
            async with client:
                await client.start(token)
        except discord.LoginFailure as error:
            raise ConfigurationError(
                "DISCORD_TOKEN: Discord does not know this token. Copy it again from the portal, Bot -> Reset Token."
            ) from error
        except discord.ConnectionClosed as error:
            if error.code in REFUSED:
                raise ConfigurationError(f"Discord refuses the connection: {REFUSED[error.code]}.") from error
            lost = {"code": error.code}
        except Exception as error:  # of the network, of the library, of the database at the log-in: try again
            lost = {"error": f"{type(error).__name__}: {error}"}
        if asyncio.get_running_loop().time() - began > LONGEST_PAUSE:
            pauses.reset()
        pause = pauses.next()
        if lost:
            log.warning("connection lost", **lost, pause=pause)
        await asyncio.sleep(pause)
