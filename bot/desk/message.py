"""What happens to a piece and its own message: cancelled, deleted, handed over once more."""

from __future__ import annotations

from bot.errors import DeliveredError, EndedError
from bot.replies import Interaction
from bot.storage.piece import Piece


async def delete(interaction: Interaction, number: int) -> None:
    """The message first: as long as it is there it can be tried again, also when nothing of the piece is kept."""
    await interaction.response.defer()
    await interaction.delete_original_response()
    await interaction.client.services.storage.delete_piece(number)
    await interaction.client.services.jobs.strip(number)


async def cancel(interaction: Interaction, piece: Piece) -> None:
    """Wherever it stands in line.

    Raises:
        EndedError: there is nothing left to cancel.
    """
    if not await interaction.client.services.jobs.cancel(piece.id):
        raise EndedError
    await interaction.response.defer()  # the message itself tells it


async def deliver(interaction: Interaction, piece: Piece) -> None:
    """With the click's token, which may be the only way there is.

    Raises:
        DeliveredError: there is nothing left to hand over.
    """
    await interaction.response.defer()
    await interaction.client.services.storage.set_token(piece.id, interaction.token)
    if not interaction.client.services.attendance.deliver_now(piece.id):
        raise DeliveredError
