"""The form of "Chords": those of the piece, as text to edit, to which it is composed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord

from bot.desk.composing import again, work_on
from bot.desk.form import Form
from bot.intake import new_seed
from bot.messages import Language, say
from bot.replies import Interaction
from bot.storage.piece import Piece
from composer.errors import TaskError
from composer.order import MOST_REDONE, Order
from composer.parsing import chord_named, chords_from

MOST_LETTERS = 4000  # in a field of a form

Chords = tuple[tuple[str, ...], ...]  # of each bar


class ChordsForm(Form):
    """The chords of the last bars, as many as there is room for.

    Args:
        piece: that they are of.
        spoken: the language of the labels.
    """

    def __init__(self, piece: Piece, spoken: Language) -> None:
        super().__init__(piece, "chords_title", spoken)
        text = (piece.receipt or {}).get("chords", "")
        if len(text) > MOST_LETTERS:
            text = text[text.index("|", len(text) - MOST_LETTERS) :]
        self.shown = chords_from(text)
        self.chords: discord.ui.TextInput[Any] = discord.ui.TextInput(
            label=say(spoken, "chords_field", first=piece.all_bars - len(self.shown) + 1, last=piece.all_bars),
            style=discord.TextStyle.paragraph,
            default=text,
            max_length=MOST_LETTERS,
        )
        self.add_item(self.chords)

    async def submitted(self, interaction: Interaction) -> None:
        order, anew = to_chords(self.piece, self.shown, chords_from(self.chords.value))
        await (again if anew else work_on)(interaction, self.piece, order)


def to_chords(piece: Piece, shown: Chords, written: Chords) -> tuple[Order, bool]:
    """What is asked for by other chords: the bars whose chords have changed, and those between them, again.

    All that was composed is composed again where no chord has changed, where they are too many to be redone, and where
    a melody is accompanied, for it stays.

    Args:
        piece: that the chords are of.
        shown: those of its last bars.
        written: what has become of them; where there are fewer, they come in turn.

    Returns:
        The order, and whether it is for what the piece was made from; else it is for the piece.

    Raises:
        TaskError: more are written than there are bars.
    """
    if len(written) > len(shown):
        raise TaskError("chord_bars", {"bars": len(written), "most": len(shown)})
    offset = piece.all_bars - len(shown)
    chords = [written[number % len(written)] for number in range(len(shown))]
    pairs = enumerate(zip(shown, chords, strict=True), start=offset)
    changed = [number for number, (old, new) in pairs if _meant(old) != _meant(new)]
    composed = range(max(piece.first_new, offset), piece.first_new + piece.bars)
    many = bool(changed) and changed[-1] - changed[0] >= MOST_REDONE
    anew = not changed or "accompany" in piece.task or (many and set(changed) <= set(composed))
    bars = composed if anew else range(changed[0], changed[-1] + 1)
    asked = tuple(chords[number - offset] for number in bars)
    task = {**piece.task, "chords": asked} if anew else {"redo": (bars[0] + 1, bars[-1] + 1), "chords": asked}
    return Order.doing(task, bars=piece.bars, seed=new_seed(), sampling=piece.sampling), anew


def _meant(bar: Sequence[str]) -> list[str]:
    """However it is spelled."""
    return [chord_named(name) for name in bar]
