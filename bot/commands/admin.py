"""/admin: what a server allows, for those who may manage it."""

from __future__ import annotations

from dataclasses import replace

import discord
from discord import app_commands
from discord.app_commands import AppCommandContext, AppInstallationType, Range

from bot.commands import Command
from bot.messages import say, say_channels
from bot.replies import Interaction, language, whisper
from bot.storage.servers import Guild

Channel = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.ForumChannel


def commands() -> list[Command]:
    admin = app_commands.Group(
        name="admin",
        description="For those who run this server",
        default_permissions=discord.Permissions(manage_guild=True),
        allowed_contexts=AppCommandContext(guild=True, dm_channel=False, private_channel=False),
        allowed_installs=AppInstallationType(guild=True, user=False),
    )
    admin.add_command(
        app_commands.Command(name="limits", description="How much one user may ask for", callback=_limits)
    )
    admin.add_command(app_commands.Command(name="votes", description="Whether pieces have hearts", callback=_votes))
    channels = app_commands.Group(name="channels", description="Where pieces may be asked for", parent=admin)
    for name, description, callback in (
        ("allow", "Add this channel", _allow),
        ("forbid", "Take this channel off the list", _forbid),
        ("everywhere", "Allow every channel again", _everywhere),
    ):
        channels.add_command(app_commands.Command(name=name, description=description, callback=callback))
    return [admin]


@app_commands.describe(in_line="Pieces in line", a_day="Pieces a day")
async def _limits(
    interaction: Interaction, in_line: Range[int, 1, 100] | None = None, a_day: Range[int, 1, 10000] | None = None
) -> None:
    services, guild = interaction.client.services, interaction.guild_id or 0
    allowed = await services.storage.guild(guild)
    allowed = replace(allowed, in_line=in_line or allowed.in_line, a_day=a_day or allowed.a_day)
    await services.storage.set_guild(guild, allowed)
    limits = await services.intake.limits(allowed)
    text = say(language(interaction), "limits_set", in_line=limits.in_line, a_day=limits.a_day)
    await whisper(interaction, text)


@app_commands.describe(allowed="Whether people may vote")
async def _votes(interaction: Interaction, allowed: bool) -> None:
    storage, guild = interaction.client.services.storage, interaction.guild_id or 0
    await storage.set_guild(guild, replace(await storage.guild(guild), votes=allowed))
    await whisper(interaction, say(language(interaction), "votes_on" if allowed else "votes_off_now"))


@app_commands.describe(channel="Add this channel")
async def _allow(interaction: Interaction, channel: Channel) -> None:
    guild = await interaction.client.services.storage.guild(interaction.guild_id)
    await _set_channels(interaction, guild, (*guild.channels, channel.id))


@app_commands.describe(channel="Take this channel off the list")
async def _forbid(interaction: Interaction, channel: Channel) -> None:
    guild = await interaction.client.services.storage.guild(interaction.guild_id)
    await _set_channels(interaction, guild, tuple(kept for kept in guild.channels if kept != channel.id))


async def _everywhere(interaction: Interaction) -> None:
    await _set_channels(interaction, await interaction.client.services.storage.guild(interaction.guild_id), ())


async def _set_channels(interaction: Interaction, guild: Guild, channels: tuple[int, ...]) -> None:
    kept = tuple(dict.fromkeys(channels))
    await interaction.client.services.storage.set_guild(interaction.guild_id or 0, replace(guild, channels=kept))
    spoken = language(interaction)
    text = say(spoken, "channels_some", channels=say_channels(spoken, kept)) if kept else say(spoken, "channels_all")
    await whisper(interaction, text)
