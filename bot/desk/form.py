"""What the forms about a piece have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import discord

from bot.errors import NotFinishedError
from bot.messages import Language, say
from bot.replies import Interaction, language, refusing
from bot.storage.piece import Piece

FORM_SECONDS = 900.0  # then a form that was dismissed is forgotten; Discord does not tell of it


class Form(discord.ui.Modal):
    """Asks about a piece. Subclasses have the fields, and say in `submitted` what is done with them.

    Args:
        piece: that it is about.
        title: the name of a text.
        spoken: the language of it.
    """

    def __init__(self, piece: Piece, title: str, spoken: Language) -> None:
        super().__init__(title=say(spoken, title), timeout=FORM_SECONDS)
        self.piece = piece

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        async with refusing(interaction):
            await self.submitted(interaction)

    async def submitted(self, interaction: Interaction) -> None:
        raise NotImplementedError


def asking(form: Callable[[Piece, Language], Form]) -> Callable[[Interaction, Piece], Awaitable[None]]:
    """What shows a form about a piece."""

    async def ask(interaction: Interaction, piece: Piece) -> None:
        await interaction.response.send_modal(form(piece, language(interaction)))

    return ask


def of_finished(form: Callable[[Piece, Language], Form]) -> Callable[[Interaction, Piece], Awaitable[None]]:
    """The same, of a piece that has to be finished."""
    show = asking(form)

    async def ask(interaction: Interaction, piece: Piece) -> None:
        if piece.receipt is None:
            raise NotFinishedError
        await show(interaction, piece)

    return ask
