"""About a piece: how it was made."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import discord

from bot.errors import NotFinishedError
from bot.letters import descent
from bot.messages import Language, Stranger, say, say_key, say_settings
from bot.replies import Interaction, language, whisper
from bot.storage.piece import Piece


async def tell(interaction: Interaction, piece: Piece) -> None:
    """The receipt: the main things as text, all of it as a file.

    Raises:
        NotFinishedError: there is none yet.
    """
    if piece.receipt is None:
        raise NotFinishedError
    parent = await interaction.client.services.storage.piece(piece.parent) if piece.parent is not None else None
    file = discord.File(io.BytesIO(json.dumps(dict(piece.receipt), indent=2).encode()), "receipt.json")
    await whisper(interaction, summary(piece, parent, language(interaction)), file=file)


def summary(piece: Piece, parent: Piece | None, spoken: Language) -> str:
    """The main things of a receipt.

    Args:
        piece: that has one.
        parent: the piece that it came from.
        spoken: the language of the person who asks.
    """
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
