"""/top: what a server likes best."""

from __future__ import annotations

import contextlib

import discord
from discord import app_commands
from discord.app_commands import AppCommandContext

from bot.commands import Command
from bot.errors import VotesOffError
from bot.letters import Letter
from bot.messages import lines_of, say
from bot.replies import Interaction, language

LOOKED_AT = 100  # the most loved pieces, among which those are that the person may see
SHOWN = 10
SHOWN_TITLE = 30  # characters


def commands() -> list[Command]:
    here = AppCommandContext(guild=True, dm_channel=False, private_channel=False)
    what = "The pieces that this server likes best"
    return [app_commands.Command(name="top", description=what, callback=_top, allowed_contexts=here)]


async def _top(interaction: Interaction) -> None:
    storage, spoken, guild = interaction.client.services.storage, language(interaction), interaction.guild_id or 0
    if not (await storage.guild(guild)).votes:
        raise VotesOffError
    await interaction.response.defer(thinking=True, ephemeral=True)
    seen: dict[int, bool] = {}
    lines: list[str] = []
    for piece in await storage.loved(guild, LOOKED_AT):
        number = piece.place.channel
        if number not in seen:
            seen[number] = await _may_see(interaction, number)
        if seen[number]:
            title = piece.title.first(SHOWN_TITLE)
            lines.append(f"♥ **{piece.loves}** · [{title}]({piece.link}) · <@{piece.owner}>")
        if len(lines) == SHOWN:
            break
    text = lines_of(spoken, say(spoken, "top_title"), lines) if lines else say(spoken, "top_empty")
    letter = Letter(text)
    await interaction.edit_original_response(content=letter.text)


async def _may_see(interaction: Interaction, number: int) -> bool:
    """Whether the person can look into a channel, as far as the bot knows: of hidden ones not even titles are told."""
    if number == interaction.channel_id:
        return True
    guild, person = interaction.guild, interaction.user
    if guild is None or not isinstance(person, discord.Member) or not interaction.is_guild_integration():
        return False
    with contextlib.suppress(discord.DiscordException):  # it is gone, or hidden from the bot too
        channel = guild.get_channel_or_thread(number) or await guild.fetch_channel(number)  # a thread that sleeps
        is_hidden = isinstance(channel, discord.Thread) and channel.is_private()
        return not is_hidden and channel.permissions_for(person).view_channel
    return False
