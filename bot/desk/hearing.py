"""What was heard in a recording, in other bars: half and double."""

from __future__ import annotations

from bot.desk.buttons import buttons
from bot.replies import Interaction
from bot.storage.piece import Piece


async def half(interaction: Interaction, piece: Piece) -> None:
    """At half the tempo."""
    await _hear_again(interaction, piece, 0.5)


async def double(interaction: Interaction, piece: Piece) -> None:
    """At twice the tempo."""
    await _hear_again(interaction, piece, 2.0)


async def _hear_again(interaction: Interaction, piece: Piece, factor: float) -> None:
    """In the same message."""
    await interaction.response.defer()
    letter = await interaction.client.services.attendance.hear_again(piece, factor)
    await interaction.edit_original_response(
        content=letter.text, view=buttons(piece, letter.acts), attachments=letter.attachments()
    )
