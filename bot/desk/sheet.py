"""A piece as sheet music."""

from __future__ import annotations

from bot.errors import NotFinishedError
from bot.letters import sheet_letter
from bot.replies import Interaction, begin
from bot.storage.piece import Piece


async def show(interaction: Interaction, piece: Piece) -> None:
    """Its pages as pictures, and files to print and to edit, for all who see the piece.

    Raises:
        NotFinishedError: there is none yet.
    """
    services = interaction.client.services
    midi = await services.storage.midi_of(piece.id)
    if midi is None:
        raise NotFinishedError
    place = await begin(interaction, piece.place.private)
    letter = sheet_letter(piece, await services.studio.sheet(midi, piece.title.bare, piece.first_new), place.language)
    await interaction.edit_original_response(content=letter.text, attachments=letter.attachments())
