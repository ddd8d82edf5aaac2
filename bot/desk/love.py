"""A heart for a piece."""

from __future__ import annotations

import discord

from bot.desk.buttons import Act, custom_id, label
from bot.errors import VotesOffError
from bot.replies import Interaction
from bot.storage.piece import Piece


async def love(interaction: Interaction, piece: Piece) -> None:
    """Give it, or take it back; of the message only its buttons change.

    Raises:
        VotesOffError: the server wants none.
    """
    storage, message = interaction.client.services.storage, interaction.message
    if message is None or not (await storage.guild(interaction.guild_id)).votes:
        raise VotesOffError
    await interaction.response.defer()
    loves = await storage.love(piece.id, interaction.user.id)
    view = discord.ui.View.from_message(message, timeout=None)  # it may be of another version, with other buttons
    for item in view.children:
        if isinstance(item, discord.ui.Button) and item.custom_id == custom_id(Act.LOVE, piece.id, piece.owner):
            item.label = label(Act.LOVE, piece.place.language, loves)
    view.stop()  # else discord.py would keep it
    await interaction.edit_original_response(view=view)
