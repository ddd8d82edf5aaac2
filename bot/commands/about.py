"""/help and /privacy."""

from __future__ import annotations

from discord import app_commands

from bot.commands import Command
from bot.desk.buttons import Act, row
from bot.messages import say
from bot.replies import Interaction, language, whisper


def commands() -> list[Command]:
    privacy = app_commands.Group(name="privacy", description="What is kept about you")
    privacy.add_command(app_commands.Command(name="show", description="What is kept about you", callback=_show))
    privacy.add_command(app_commands.Command(name="delete", description="Delete all of it", callback=_delete))
    return [
        app_commands.Command(name="help", description="What Segue does, in a minute", callback=_help),
        privacy,
    ]


async def _help(interaction: Interaction) -> None:
    await whisper(interaction, say(language(interaction), "help"))


async def _show(interaction: Interaction) -> None:
    services = interaction.client.services
    settings, presets, pieces, votes = await services.storage.kept_of(interaction.user.id)
    days = f"{services.settings.keep_days:g}"
    kept = {"settings": settings, "presets": presets, "pieces": pieces, "votes": votes}
    text = say(language(interaction), "privacy", **kept, days=days)
    await whisper(interaction, text)


async def _delete(interaction: Interaction) -> None:
    """Asks first: the button does it."""
    *_, pieces, votes = await interaction.client.services.storage.kept_of(interaction.user.id)
    spoken = language(interaction)
    sure = row((Act.FORGET,), 0, interaction.user.id, spoken)
    await whisper(interaction, say(spoken, "privacy_sure", pieces=pieces, votes=votes), view=sure)
