"""From the press of a button to what it does."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import discord

from bot.desk.again import AgainForm
from bot.desk.back import back
from bot.desk.buttons import PATTERN, Act, ButtonId, custom_id
from bot.desk.chords import ChordsForm
from bot.desk.compare import choose_a, choose_b, drop, tell_which
from bot.desk.composing import accompany, as_written, carry_on, go_on, retry, vary
from bot.desk.forget import forget
from bot.desk.form import asking, of_finished
from bot.desk.hearing import double, half
from bot.desk.love import love
from bot.desk.message import cancel, delete, deliver
from bot.desk.receipt import tell
from bot.desk.redo import RedoForm
from bot.desk.sheet import show
from bot.desk.sound import loop, parts
from bot.errors import GoneError
from bot.replies import Interaction, refusing
from bot.storage.piece import Piece

Action = Callable[[Interaction, int], Awaitable[None]]


def _kept(action: Callable[[Interaction, Piece], Awaitable[None]]) -> Action:
    """The same, for the number of a piece that has to be still kept."""

    async def press(interaction: Interaction, number: int) -> None:
        piece = await interaction.client.services.storage.piece(number)
        if piece is None or piece.deleted:
            raise GoneError
        await action(interaction, piece)

    return press


ACTIONS: Mapping[Act, Action] = {
    Act.CONTINUE: _kept(carry_on),
    Act.CHORDS: _kept(of_finished(ChordsForm)),
    Act.ACCOMPANY: _kept(accompany),
    Act.VARY: _kept(vary),
    Act.AGAIN: _kept(asking(AgainForm)),
    Act.REDO: _kept(of_finished(RedoForm)),
    Act.SHEET: _kept(show),
    Act.PARTS: _kept(parts),
    Act.LOOP: _kept(loop),
    Act.INFO: _kept(tell),
    Act.LOVE: _kept(love),
    Act.BACK: _kept(back),
    Act.DELETE: delete,
    Act.CANCEL: _kept(cancel),
    Act.RETRY: _kept(retry),
    Act.DELIVER: _kept(deliver),
    Act.FORGET: forget,
    Act.GO: _kept(go_on),
    Act.HALF: _kept(half),
    Act.DOUBLE: _kept(double),
    Act.WRITTEN: _kept(as_written),
    Act.A: choose_a,
    Act.B: choose_b,
    Act.TELL: tell_which,
    Act.DROP: drop,
}


class PieceButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=PATTERN):
    """Any button of ours: what it does stands in its custom_id."""

    def __init__(self, act: Act, piece: int, owner: int) -> None:
        super().__init__(discord.ui.Button(custom_id=custom_id(act, piece, owner)))
        self.act, self.piece, self.owner = act, piece, owner

    @classmethod
    async def from_custom_id(
        cls,
        interaction: discord.Interaction[Any],  # noqa: ARG003 - as discord.py calls it
        item: discord.ui.Item[Any],  # noqa: ARG003
        match: re.Match[str],
        /,
    ) -> Self:
        act, piece, owner = ButtonId.of(match)
        return cls(Act(act), piece, owner)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        async with refusing(interaction):
            if self.act.refusal is not None and interaction.user.id != self.owner:
                raise self.act.refusal
            await ACTIONS[self.act](interaction, self.piece)
