"""Back: to the piece that this one came from."""

from __future__ import annotations

from bot.errors import ParentGoneError
from bot.messages import say
from bot.replies import Interaction, begin, language, whisper
from bot.storage.pieces import Piece


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
    elif parent.receipt is None:  # of a recording there is nothing but what its message held
        raise ParentGoneError
    else:
        await services.attendance.post_again(parent, await begin(interaction, piece.place.private))
