"""Answering an interaction: refusals and settings that only the person sees, and the message that becomes a piece."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import discord
import structlog
from discord import app_commands

from bot.errors import NotHereError
from bot.messages import LONGEST_CHOICE, Language, describe, fit, language_of, say
from bot.services import Services
from bot.storage.piece import Place
from composer.errors import SegueError

CHOICES = 25  # as many suggestions as Discord shows
UNKNOWN_INTERACTION = 10062  # answered later than 3 s, or the person has gone

V = TypeVar("V", int, str)

log = structlog.get_logger("replies")


class ServingClient(discord.AutoShardedClient):
    """A connection to Discord, with what commands and buttons call upon.

    Args:
        services: these.
        options: of discord.py's client.
    """

    def __init__(self, services: Services, **options: Any) -> None:
        super().__init__(**options)
        self.services = services


Interaction = discord.Interaction[ServingClient]


def language(interaction: Interaction) -> Language:
    return language_of(interaction.locale.value)


async def whisper(interaction: Interaction, text: str, **more: Any) -> None:
    """Answer so that only the person sees it, whatever has been answered before and however long it is."""
    text = fit(text)
    if not interaction.response.is_done():
        await interaction.response.send_message(text, ephemeral=True, **more)
        return
    if interaction.response.type is discord.InteractionResponseType.deferred_channel_message:
        # The first answer to a deferral takes its visibility: a public one has to go first.
        await interaction.delete_original_response()
    await interaction.followup.send(text, ephemeral=True, **more)


def suggestions(found: Iterable[tuple[str, V]], typed: str) -> list[app_commands.Choice[V]]:
    """What the person may mean who has typed so much, for a list under an option. found: names and values"""
    fitting = [(name, value) for name, value in found if typed.lower() in name.lower()]
    return [app_commands.Choice(name=fit(name, LONGEST_CHOICE), value=value) for name, value in fitting[:CHOICES]]


async def refuse(interaction: Interaction, error: BaseException) -> None:
    """Say what went wrong, or that it was ours; what was ours is logged."""
    if isinstance(error, discord.HTTPException) and error.code == UNKNOWN_INTERACTION:
        log.warning("answered too late", user=interaction.user.id)
        return
    if isinstance(error, SegueError):
        text = describe(error, language(interaction))
    else:
        text = say(language(interaction), "ours")
    if not isinstance(error, SegueError) or text == say(language(interaction), "ours"):
        log.error("command failed", user=interaction.user.id, guild=interaction.guild_id, exc_info=error)
    else:
        log.info("refused", user=interaction.user.id, guild=interaction.guild_id, error=type(error).__name__)
    try:
        await whisper(interaction, text)
    except discord.DiscordException as failure:
        log.warning("refusal not delivered", user=interaction.user.id, error=type(failure).__name__)


@asynccontextmanager
async def refusing(interaction: Interaction) -> AsyncIterator[None]:
    """For buttons and forms: what the command tree's error handler does for commands."""
    try:
        yield
    except Exception as error:
        await refuse(interaction, error)


async def begin(interaction: Interaction, private: bool) -> Place:
    """Answer at once that work has begun; the answer's message is the piece's from now on.

    Raises NotHereError where the server wants pieces asked for elsewhere. A thread counts as its channel.
    """
    allowed = (await interaction.client.services.storage.guild(interaction.guild_id)).channels
    channel = interaction.channel
    here = {interaction.channel_id, channel.parent_id if isinstance(channel, discord.Thread) else None}
    if allowed and not here & set(allowed):
        raise NotHereError(allowed)
    done = await interaction.response.defer(thinking=True, ephemeral=private)
    message = done.message_id if done else None
    if message is None:
        message = (await interaction.original_response()).id
    return Place(
        guild=interaction.guild_id,
        channel=interaction.channel_id or 0,
        application=interaction.application_id,
        token=interaction.token,
        private=private,
        reachable=_reachable(interaction),
        filesize_limit=interaction.filesize_limit,
        language=language(interaction),
        message=message,
        by_webhook=True,
    )


def _reachable(interaction: Interaction) -> bool:
    """Whether the bot itself may write where it was called."""
    if interaction.guild_id is None:
        return interaction.context.dm_channel
    may = interaction.app_permissions
    send = may.send_messages_in_threads if isinstance(interaction.channel, discord.Thread) else may.send_messages
    return interaction.is_guild_integration() and may.view_channel and send and may.attach_files
