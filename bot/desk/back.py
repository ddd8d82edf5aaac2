"""Back: to the piece that this one came from."""

from __future__ import annotations

from dataclasses import replace

from bot.errors import ParentGoneError
from bot.letters import parts_beside
from bot.messages import say
from bot.replies import Interaction, begin, language, whisper
from bot.storage.piece import Piece
from bot.workshop import Finished


async def back(interaction: Interaction, piece: Piece) -> None:
    """Its link, where its message is still there; else it is posted once more, to go on from.

    Raises:
        ParentGoneError: it is no longer kept.
    """
    services = interaction.client.services
    parent = await services.storage.piece(piece.parent) if piece.parent is not None else None
    if parent is None or parent.deleted:
        raise ParentGoneError
    # One that has gone out as a direct message is there for one person alone.
    is_here = parent.place.channel == interaction.channel_id or parent.place.guild is not None
    if is_here and await services.delivery.is_there(parent):
        await whisper(interaction, say(language(interaction), "back", title=parent.title, link=parent.link))
    else:
        await _post(interaction, parent, piece.place.private)


async def _post(interaction: Interaction, piece: Piece, private: bool) -> None:
    """A finished piece once more, in a message that is its own from now on."""
    services = interaction.client.services
    midi, receipt = await services.storage.midi_of(piece.id), piece.receipt
    if midi is None or receipt is None:  # of a recording there is nothing but what its message held
        raise ParentGoneError
    place = await begin(interaction, private)
    await services.storage.set_token(piece.id, interaction.token)
    await services.storage.set_place(piece.id, place)
    piece = replace(await services.storage.piece(piece.id) or piece, place=place)
    picture = await services.studio.picture(midi, piece.title.bare, piece.first_new, piece.bars, parts_beside(piece))
    services.delivery.reopen(piece.id)
    await services.attendance.post_piece(piece, Finished(midi, picture, receipt))
