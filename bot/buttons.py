"""The buttons under a piece. What a button does stands in its custom_id, so it works hours and restarts later."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import discord

from bot.messages import Language, say
from bot.storage.pieces import Piece


class Act(StrEnum):
    """What a button does. The values stand in messages that are out there: they cannot be renamed."""

    CONTINUE = "continue"  # carry on from where the piece ended
    VARY = "vary"  # the same opening and settings, a new seed
    AGAIN = "again"  # a form with bars, temperature and top-p
    INFO = "info"  # the receipt
    DELETE = "delete"  # owner only
    CANCEL = "cancel"  # owner only
    RETRY = "retry"  # the same once more
    DELIVER = "deliver"  # once more, what is finished and could not be handed over
    FORGET = "forget"  # owner only; of /privacy delete, with piece 0
    GO = "go"  # owner only, as the next two; compose on from what was heard in a recording
    HALF = "half"  # the same notes in half as many bars
    DOUBLE = "double"  # in twice as many


FINISHED = (Act.CONTINUE, Act.VARY, Act.AGAIN, Act.INFO, Act.DELETE)
UNDER_WAY = (Act.CANCEL,)
ENDED = (Act.RETRY, Act.DELETE)  # cancelled or failed
UNDELIVERED = (Act.DELIVER, Act.DELETE)
UNHEARD = (Act.DELETE,)  # a recording that was cancelled or failed: it is not kept

OF_RECORDINGS = {Act.GO, Act.HALF, Act.DOUBLE}
OWNERS_ONLY = {Act.CANCEL, Act.DELETE, Act.FORGET} | OF_RECORDINGS
STYLES = {
    Act.GO: discord.ButtonStyle.primary,
    Act.CONTINUE: discord.ButtonStyle.primary,
    Act.RETRY: discord.ButtonStyle.primary,
    Act.DELIVER: discord.ButtonStyle.primary,
    Act.DELETE: discord.ButtonStyle.danger,
    Act.CANCEL: discord.ButtonStyle.danger,
    Act.FORGET: discord.ButtonStyle.danger,
}


def custom_id(act: str, job: int, owner: int) -> str:
    return f"c1:{act}:{job}:{owner}"


def buttons(piece: Piece, acts: Sequence[Act]) -> discord.ui.View:
    """A row of buttons, labelled in the language of the person who asked for the piece."""
    return row(acts, piece.id, piece.owner, piece.place.language)


def row(acts: Sequence[Act], piece: int, owner: int, language: Language) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for act in acts:
        view.add_item(
            discord.ui.Button(
                label=say(language, f"button_{act}"),
                style=STYLES.get(act, discord.ButtonStyle.secondary),
                custom_id=custom_id(act, piece, owner),
            )
        )
    view.stop()  # else discord.py would keep every view that it ever sent
    return view
