"""The form of "Again with ...", and how what is typed into it is understood."""

from __future__ import annotations

import re
from typing import Any

import discord

from bot.desk.composing import again
from bot.desk.form import Form
from bot.errors import FormError
from bot.intake import MAX_BARS, new_seed
from bot.messages import CHINESE_COMMANDS, MUSICAL_NAMES, Language, say
from bot.replies import Interaction
from bot.storage.piece import Piece
from composer.errors import OutOfRangeError, UnknownNameError
from composer.order import Order
from composer.sampling import ALL, Knob, SamplingParams

FROM_CHINESE = {CHINESE_COMMANDS[name]: name for name in (*MUSICAL_NAMES, ALL)}


class AgainForm(Form):
    """Bars, temperature and top-p; a field that is left empty stays as it was.

    Args:
        piece: whose opening is continued again.
        spoken: the language of the labels.
    """

    def __init__(self, piece: Piece, spoken: Language) -> None:
        super().__init__(piece, "form_title", spoken)

        def field(name: str, default: str | None = None) -> discord.ui.TextInput[Any]:
            return discord.ui.TextInput(label=say(spoken, name), default=default, required=False, max_length=200)

        self.bars = field("form_bars", str(piece.bars))
        self.temperature, self.top_p = field("form_temperature"), field("form_top_p")
        for item in (self.bars, self.temperature, self.top_p):
            self.add_item(item)

    async def submitted(self, interaction: Interaction) -> None:
        sampling = parse_knob(self.temperature.value, "temperature", self.piece.sampling)
        sampling = parse_knob(self.top_p.value, "top_p", sampling)
        bars = parse_bars(self.bars.value, self.piece.bars)
        await again(
            interaction, self.piece, Order.doing(self.piece.task, bars=bars, seed=new_seed(), sampling=sampling)
        )


def parse_bars(text: str, default: int) -> int:
    """A number of bars as a person types it.

    Args:
        text: what was typed.
        default: where nothing was.

    Raises:
        FormError: it is no whole number.
        OutOfRangeError: nobody may have so many.
    """
    if not text.strip():
        return default
    try:
        bars = int(text)
    except ValueError:
        raise FormError(text, whole=True) from None
    if not 1 <= bars <= MAX_BARS:
        raise OutOfRangeError("the number of bars", bars, 1, MAX_BARS)
    return bars


def parse_knob(text: str, knob: Knob, sampling: SamplingParams) -> SamplingParams:
    """ "0.9" for every attribute, or "pitch 0.5, beat 1".

    Args:
        text: what was typed.
        knob: that it is for.
        sampling: what holds where nothing was.

    Raises:
        FormError: it is not understood.
        SettingsError: there is no such attribute, or the knob does not go so far.
    """
    for part in filter(None, (part.strip() for part in re.split("[,;\n，；]", text))):  # noqa: RUF001
        try:
            *name, number = part.replace("=", " ").split()
            value = float(number)
        except ValueError:
            raise FormError(part) from None
        musical = name[0].lower() if name else ALL
        if len(name) > 1:
            raise FormError(part)
        musical = FROM_CHINESE.get(musical, musical)
        if musical not in (*MUSICAL_NAMES, ALL):
            raise UnknownNameError("attribute", musical, (*MUSICAL_NAMES, ALL))
        sampling = sampling.with_setting(knob, MUSICAL_NAMES.get(musical, ALL), value)
    return sampling
