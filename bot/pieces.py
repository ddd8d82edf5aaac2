"""What happens when a button under a piece is pressed, today or after a restart."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Self

import discord

from bot.buttons import OF_RECORDINGS, OWNERS_ONLY, Act, buttons
from bot.errors import (
    DeliveredError,
    EndedError,
    FormError,
    GoneError,
    NotFinishedError,
    NotYourRecordingError,
    NotYoursError,
)
from bot.intake import MAX_BARS, Ask, new_seed, order_of
from bot.letters import descent
from bot.messages import CHINESE_COMMANDS, MUSICAL_NAMES, Language, Stranger, say, say_key, say_settings
from bot.privacy import forget
from bot.replies import Interaction, begin, language, refusing, whisper
from bot.storage.pieces import Piece
from composer.errors import OutOfRangeError, UnknownNameError
from composer.piece import Order
from composer.sampling import ALL, Knob, SamplingParams

FORM_SECONDS = 900.0  # then a form that was dismissed is forgotten; Discord does not tell of it
FROM_CHINESE = {CHINESE_COMMANDS[name]: name for name in (*MUSICAL_NAMES, ALL)}
PATTERN = r"c1:(?P<act>[a-z]+):(?P<piece>[0-9]+):(?P<owner>[0-9]+)"


class PieceButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=PATTERN):
    """Any button of ours: what it does stands in its custom_id."""

    def __init__(self, act: Act, piece: int, owner: int) -> None:
        super().__init__(discord.ui.Button(custom_id=f"c1:{act}:{piece}:{owner}"))
        self.act, self.piece, self.owner = act, piece, owner

    @classmethod
    async def from_custom_id(
        cls,
        interaction: discord.Interaction[Any],  # noqa: ARG003 - as discord.py calls it
        item: discord.ui.Item[Any],  # noqa: ARG003
        match: re.Match[str],
        /,
    ) -> Self:
        return cls(Act(match["act"]), int(match["piece"]), int(match["owner"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        async with refusing(interaction):
            if self.act in OWNERS_ONLY and interaction.user.id != self.owner:
                raise NotYourRecordingError if self.act in OF_RECORDINGS else NotYoursError
            if self.act is Act.FORGET:
                await forget(interaction)
            elif self.act is Act.DELETE:
                await _delete(interaction, self.piece)
            else:
                await ACTIONS[self.act](interaction, await _piece(interaction, self.piece))


async def _piece(interaction: Interaction, number: int) -> Piece:
    piece = await interaction.client.services.storage.piece(number)
    if piece is None or piece.deleted:
        raise GoneError
    return piece


# ------------------------------------------------------------------ a new piece from this one


async def carry_on(interaction: Interaction, piece: Piece) -> None:
    """From where it ended, for as many bars again."""
    ask = await _ask(interaction, piece, Order(bars=piece.bars, seed=new_seed(), sampling=piece.sampling))
    await interaction.client.services.intake.carry_on(ask, piece)


async def _vary(interaction: Interaction, piece: Piece) -> None:
    await _again(interaction, piece, Order(bars=piece.bars, seed=new_seed(), sampling=piece.sampling))


async def _retry(interaction: Interaction, piece: Piece) -> None:
    await _again(interaction, piece, Order(bars=piece.bars, seed=piece.seed, sampling=piece.sampling))


async def _again(interaction: Interaction, piece: Piece, order: Order) -> None:
    await interaction.client.services.intake.compose_again(await _ask(interaction, piece, order), piece)


async def _ask(interaction: Interaction, piece: Piece, order: Order) -> Ask:
    place = await begin(interaction, piece.place.private)
    return Ask(str(interaction.id), interaction.user.id, place, piece.title, order, piece.program, piece.id)


# ------------------------------------------------------------------ what was heard in a recording


async def go_on(interaction: Interaction, piece: Piece) -> None:
    """Compose on from what was heard, as it was asked for with the recording."""
    if piece.heard is None:
        raise NotFinishedError
    ask = replace(await _ask(interaction, piece, order_of(piece)), heard=piece.heard)
    await interaction.client.services.intake.compose_again(ask, piece)


async def _half(interaction: Interaction, piece: Piece) -> None:
    await _hear_again(interaction, piece, 0.5)


async def _double(interaction: Interaction, piece: Piece) -> None:
    await _hear_again(interaction, piece, 2.0)


async def _hear_again(interaction: Interaction, piece: Piece, factor: float) -> None:
    """In the same message."""
    await interaction.response.defer()
    letter = await interaction.client.services.attendance.hear_again(piece, factor)
    await interaction.edit_original_response(
        content=letter.text, view=buttons(piece, letter.acts), attachments=letter.attachments()
    )


# ------------------------------------------------------------------ the form


async def _ask_how(interaction: Interaction, piece: Piece) -> None:
    await interaction.response.send_modal(AgainForm(piece, language(interaction)))


class AgainForm(discord.ui.Modal):
    """Bars, temperature and top-p; a field that is left empty stays as it was."""

    def __init__(self, piece: Piece, spoken: Language) -> None:
        super().__init__(title=say(spoken, "form_title"), timeout=FORM_SECONDS)
        self.piece = piece

        def field(name: str, default: str | None = None) -> discord.ui.TextInput[Any]:
            return discord.ui.TextInput(label=say(spoken, name), default=default, required=False, max_length=200)

        self.bars = field("form_bars", str(piece.bars))
        self.temperature, self.top_p = field("form_temperature"), field("form_top_p")
        for item in (self.bars, self.temperature, self.top_p):
            self.add_item(item)

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        async with refusing(interaction):
            sampling = parse_knob(self.temperature.value, "temperature", self.piece.sampling)
            sampling = parse_knob(self.top_p.value, "top_p", sampling)
            bars = parse_bars(self.bars.value, self.piece.bars)
            await _again(interaction, self.piece, Order(bars=bars, seed=new_seed(), sampling=sampling))


def parse_bars(text: str, default: int) -> int:
    """Raises FormError or OutOfRangeError."""
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
    """ "0.9" for every attribute, or "pitch 0.5, beat 1". Raises FormError or SettingsError."""
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


# ------------------------------------------------------------------ about this piece


async def _tell(interaction: Interaction, piece: Piece) -> None:
    """The receipt: the main things as text, all of it as a file."""
    if piece.receipt is None:
        raise NotFinishedError
    parent = await interaction.client.services.storage.piece(piece.parent) if piece.parent is not None else None
    file = discord.File(io.BytesIO(json.dumps(dict(piece.receipt), indent=2).encode()), "receipt.json")
    await whisper(interaction, summary(piece, parent, language(interaction)), file=file)


def summary(piece: Piece, parent: Piece | None, spoken: Language) -> str:
    receipt: Mapping[str, Any] = piece.receipt or {}
    model = f"{receipt['checkpoint']['name']} `{receipt['checkpoint']['digest'][:12]}`"
    keys = " → ".join(say_key(spoken, receipt["key"][part]) for part in ("opening", "continuation"))
    lines = [
        f"**{say(spoken, 'info')}**",
        say(spoken, "info_model", model=model, device=receipt["device"]),
        say(spoken, "info_bars", **receipt["bars"], notes=receipt["notes"]["added"], key=keys),
        say(spoken, "info_settings", seed=piece.seed, settings=say_settings(spoken, piece.sampling)),
        say(spoken, "info_time", composing=receipt["seconds"]["composing"], music=receipt["seconds"]["music"]),
        f"`{Stranger(receipt['command']).code}`",
    ]
    if parent is not None and parent.link:
        lines.append(descent(spoken, piece, parent))
    return "\n".join(lines)


async def _delete(interaction: Interaction, number: int) -> None:
    """The message first: as long as it is there it can be tried again, also when nothing of the piece is kept."""
    await interaction.response.defer()
    await interaction.delete_original_response()
    await interaction.client.services.storage.delete_piece(number)
    await interaction.client.services.jobs.strip(number)


async def _cancel(interaction: Interaction, piece: Piece) -> None:
    if not await interaction.client.services.jobs.cancel(piece.id):
        raise EndedError
    await interaction.response.defer()  # the message itself tells it


async def _deliver(interaction: Interaction, piece: Piece) -> None:
    """With the click's token, which may be the only way there is."""
    await interaction.response.defer()
    await interaction.client.services.storage.set_token(piece.id, interaction.token)
    if not interaction.client.services.attendance.deliver_now(piece.id):
        raise DeliveredError


ACTIONS: Mapping[Act, Callable[[Interaction, Piece], Awaitable[None]]] = {
    Act.CONTINUE: carry_on,
    Act.VARY: _vary,
    Act.AGAIN: _ask_how,
    Act.RETRY: _retry,
    Act.INFO: _tell,
    Act.CANCEL: _cancel,
    Act.DELIVER: _deliver,
    Act.GO: go_on,
    Act.HALF: _half,
    Act.DOUBLE: _double,
}
