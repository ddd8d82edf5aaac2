"""The form of "Redo": which bars are composed again, and to which chords."""

from __future__ import annotations

from typing import Any

import discord

from bot.desk.composing import work_on
from bot.desk.form import Form
from bot.intake import new_seed
from bot.messages import Language, say
from bot.replies import Interaction
from bot.storage.piece import Piece
from composer.order import Order
from composer.parsing import bars_from, chords_from

PHRASE = 4  # bars


class RedoForm(Form):
    """Bars, and if they are wished for their chords and their key.

    Args:
        piece: that they are in.
        spoken: the language of the labels.
    """

    def __init__(self, piece: Piece, spoken: Language) -> None:
        super().__init__(piece, "redo_title", spoken)

        def field(name: str, default: str | None = None, *, required: bool = False) -> discord.ui.TextInput[Any]:
            return discord.ui.TextInput(label=say(spoken, name), default=default, required=required, max_length=200)

        self.bars = field("redo_bars", last_phrase(piece), required=True)
        self.chords, self.key = field("redo_chords"), field("redo_key")
        for item in (self.bars, self.chords, self.key):
            self.add_item(item)

    async def submitted(self, interaction: Interaction) -> None:
        order = Order(
            seed=new_seed(),
            sampling=self.piece.sampling,
            redo=bars_from(self.bars.value),
            chords=chords_from(self.chords.value),
            key=self.key.value.strip(),
        )
        await work_on(interaction, self.piece, order)


def last_phrase(piece: Piece) -> str:
    """The bars to begin with: those that were composed last, or of many the last phrase."""
    end = piece.all_bars
    if redo := piece.task.get("redo"):
        return "-".join(map(str, redo))
    return f"{max(piece.first_new + 1, end - PHRASE + 1)}-{end}"
