"""What people are told of a recording: how far it is, what was heard in it, and why nothing was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.buttons import Act
from bot.delivery import Letter
from bot.messages import Language, describe, progress_bar, say, say_key, say_time
from bot.storage import Piece
from bot.studio import Card
from composer.errors import from_reason
from composer.line.asking import Progress
from composer.line.schema import PERCENT, Job, State
from composer.transcription.beats import FASTEST, SLOWEST

NOBODY_LISTENS = "nobody listens"  # the reason of a job that no worker came for


def tell_hearing(piece: Piece, progress: Progress) -> str:
    """How far it is, for its message."""
    return about(piece, _tell(piece.place.language, progress))


def about(piece: Piece, text: str) -> str:
    return say(piece.place.language, "recording", title=piece.title, text=text)


def _tell(language: Language, progress: Progress) -> str:
    if progress.seconds is None:
        return say(language, "waits_for_ears")
    time = say_time(language, progress.seconds)
    if progress.state is State.RUNNING:
        done = progress.bars_done
        return say(language, "listening", done=done, time=time, bar=progress_bar(done, PERCENT))
    return say(language, "in_line_about", place=progress.place, time=time)


def unheard(piece: Piece, job: Job) -> str:
    """Why there is nothing to hear in it, and what the person can do."""
    language = piece.place.language
    if job.state is State.CANCELLED:
        return about(piece, say(language, "cancelled"))
    if job.reason == NOBODY_LISTENS:
        return about(piece, say(language, "nobody_listens"))
    refusal = from_reason(job.reason or "")
    return about(piece, describe(refusal, language) if refusal else say(language, "not_transcribed"))


def heard_letter(piece: Piece, card: Card, file_name: str, note: str = "") -> Letter:
    """What was heard, to be looked at and agreed to. note: what else there is to say"""
    language = piece.place.language
    kind = "heard_melody" if card.heard["accompanied"] else "heard"
    lines = [say(language, kind, title=piece.title, heard=say_heard(language, card.heard)), note]
    lines.append(say(language, "heard_right", bars=piece.bars))
    files = {f"{file_name}.mid": card.midi, f"{file_name}.png": card.picture}
    return Letter("\n".join(filter(None, lines)), heard_acts(card.heard["tempo"]), files)


def heard_acts(tempo: float) -> tuple[Act, ...]:
    """Half and double where there are such tempos."""
    return (Act.GO, *[Act.HALF] * (tempo / 2 >= SLOWEST), *[Act.DOUBLE] * (2 * tempo <= FASTEST), Act.DELETE)


def say_heard(language: Language, heard: Mapping[str, Any]) -> str:
    """heard: of a Card"""
    key = say_key(language, heard["key"])
    return say(
        language, "heard_figures", tempo=round(heard["tempo"]), key=key, bars=heard["bars"], notes=heard["notes"]
    )


def tell_of_opening(language: Language, heard: Mapping[str, Any]) -> str:
    """That a piece's opening was played to no click, and what was made of it."""
    return say(language, "unclicked" if heard["kind"] == "midi" else "by_ear", heard=say_heard(language, heard))
