"""What a button is: its act, its look, and its custom_id.

    c1:ACT:PIECE:OWNER     says all that there is to do, so it works hours and restarts later

Nothing here knows what a button does: letters name buttons, and what they do is built upon what sends letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Self

import discord

from bot.errors import NotYourComparisonError, NotYourRecordingError, NotYoursError
from bot.messages import Language, say
from bot.storage.piece import Piece
from composer.errors import SegueError

PLAIN, PROMINENT, DANGEROUS = (
    discord.ButtonStyle.secondary,
    discord.ButtonStyle.primary,
    discord.ButtonStyle.danger,
)


class Act(StrEnum):
    """What a button does. The values stand in messages that are out there: they cannot be renamed.

    Attributes:
        style: how the button looks.
        refusal: what anybody but the owner gets; None: everybody may press it.
    """

    style: discord.ButtonStyle
    refusal: type[SegueError] | None

    def __new__(cls, value: str, style: discord.ButtonStyle = PLAIN, refusal: type[SegueError] | None = None) -> Self:
        act = str.__new__(cls, value)
        act._value_ = value
        act.style, act.refusal = style, refusal
        return act

    CONTINUE = "continue", PROMINENT  # carry on from where the piece ended
    CHORDS = "chords"  # a form with the piece's chords, which is composed to them
    ACCOMPANY = "accompany"  # a left hand for a melody
    VARY = "vary"  # the same opening and settings, a new seed
    AGAIN = "again"  # a form with bars, temperature and top-p
    REDO = "redo"  # a form with bars that are composed again, and their chords
    SHEET = "sheet"  # sheet music
    PARTS = "parts"  # each track by itself
    LOOP = "loop"  # what is new, to be played over and over
    INFO = "info"  # the receipt
    LOVE = "love"  # a heart, or take it back
    BACK = "back"  # to the piece that this one came from
    DELETE = "delete", DANGEROUS, NotYoursError
    CANCEL = "cancel", DANGEROUS, NotYoursError
    RETRY = "retry", PROMINENT  # the same once more
    DELIVER = "deliver", PROMINENT  # once more, what is finished and could not be handed over
    FORGET = "forget", DANGEROUS, NotYoursError  # of /privacy delete, with piece 0
    GO = "go", PROMINENT, NotYourRecordingError  # compose on from what was heard in a recording
    HALF = "half", PLAIN, NotYourRecordingError  # the same notes in half as many bars
    DOUBLE = "double", PLAIN, NotYourRecordingError  # in twice as many
    WRITTEN = "written", PLAIN, NotYourRecordingError  # compose on from a MIDI file on its own beats
    # Of two takes; they stand with the number of the comparison, not of a piece.
    A = "a", PROMINENT  # the first one is better
    B = "b", PROMINENT  # the second one is
    TELL = "tell", PLAIN, NotYourComparisonError  # which was which
    DROP = "drop", DANGEROUS, NotYourComparisonError  # delete the comparison


MADE_OF_IT = (Act.CONTINUE, Act.REDO, Act.CHORDS, Act.VARY, Act.AGAIN)  # of a finished piece
GIVEN_OF_IT = (Act.SHEET, Act.PARTS, Act.LOOP, Act.INFO)
UNDER_WAY = (Act.CANCEL,)
ENDED = (Act.RETRY, Act.DELETE)  # cancelled or failed
UNDELIVERED = (Act.DELIVER, Act.DELETE)
COMPARED = (Act.A, Act.B, Act.TELL, Act.DROP)
TOLD = (Act.DROP,)
UNHEARD = (Act.DELETE,)  # a recording that was cancelled or failed: it is not kept


def under(piece: Piece, receipt: Mapping[str, Any], votes: bool = True) -> tuple[Act, ...]:
    """What can be done with a finished piece.

    Args:
        piece: which.
        receipt: how it was made.
        votes: whether it may be given hearts.
    """
    accompany, back = receipt.get("melody") is not None, piece.parent is not None
    more = (*[Act.WRITTEN] * piece.as_written, *[Act.BACK] * back, *[Act.LOVE] * votes)
    return (*MADE_OF_IT, *[Act.ACCOMPANY] * accompany, *GIVEN_OF_IT, *more, Act.DELETE)


# ------------------------------------------------------------------ custom ids

PATTERN = r"c1:(?P<act>[a-z]+):(?P<piece>[0-9]+):(?P<owner>[0-9]+)"


class ButtonId(NamedTuple):
    """What a custom_id says. The act may be one of another version of the bot."""

    act: str
    piece: int
    owner: int

    @classmethod
    def of(cls, match: re.Match[str]) -> Self:
        """That of a match of PATTERN."""
        return cls(match["act"], int(match["piece"]), int(match["owner"]))


def custom_id(act: str, piece: int, owner: int) -> str:
    """As PATTERN reads it."""
    return f"c1:{act}:{piece}:{owner}"


def ids_in(message: discord.Message) -> Iterator[ButtonId]:
    """Those of our buttons under a message that are about a piece."""
    for part in (part for row in message.components for part in getattr(row, "children", ())):
        match = re.fullmatch(PATTERN, getattr(part, "custom_id", None) or "")
        if match and match["act"] not in COMPARED:
            yield ButtonId.of(match)


# ------------------------------------------------------------------ rows


def buttons(piece: Piece, acts: Sequence[Act]) -> discord.ui.View:
    """A row of buttons, labelled in the language of the person who asked for the piece."""
    return row(acts, piece.id, piece.owner, piece.place.language, piece.loves)


def label(act: Act, language: Language, loves: int = 0) -> str:
    """What stands on a button: what it does, and how many hearts there are."""
    said = say(language, f"button_{act}")
    return f"{said} {loves}" if act is Act.LOVE and loves else said


def row(acts: Sequence[Act], piece: int, owner: int, language: Language, loves: int = 0) -> discord.ui.View:
    """A row of buttons.

    Args:
        acts: what they do, in the order in which they are shown.
        piece: that they are under; 0: none.
        owner: who may press those that are not for everybody.
        language: of the labels.
        loves: hearts that the piece has.
    """
    view = discord.ui.View(timeout=None)
    for act in acts:
        view.add_item(
            discord.ui.Button(
                label=label(act, language, loves), style=act.style, custom_id=custom_id(act, piece, owner)
            )
        )
    view.stop()  # else discord.py would keep every view that it ever sent
    return view
