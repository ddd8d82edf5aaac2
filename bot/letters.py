"""A result as a message, its files and its buttons; and what stands there until then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import discord

from bot.desk.buttons import COMPARED, ENDED, TOLD, UNDELIVERED, UNDER_WAY, UNHEARD, Act, under
from bot.messages import Language, Stranger, describe, fit, progress_bar, say, say_key, say_settings, say_time
from bot.storage.piece import MAX_TITLE, Piece
from bot.storage.votes import CHOICES, Comparison
from bot.workshop import Card, Finished, Sound
from composer.errors import SegueError, from_reason
from composer.line.asking import Progress
from composer.line.schema import PERCENT, Job, Kind, State
from composer.music.score import Lost
from composer.rendering.instruments import INSTRUMENTS
from composer.rendering.sheet import Sheet
from composer.sampling import SamplingParams
from composer.transcription.beats import FASTEST, SLOWEST

MOST_FILES = 10  # in a message
MOST_TRACKS, LONGEST_TRACK = 12, 24  # that are told of, and letters of the name of each
NOBODY_LISTENS = "nobody listens"  # the reason of a job that no worker came for


@dataclass(frozen=True)
class Letter:
    """What a message is to be.

    Attributes:
        text: what stands in it, cut to what Discord takes.
        acts: its buttons.
        files: name -> bytes, in the order in which they are shown; None: leave those that are there, such as a
            picture of what there is so far.
    """

    text: str
    acts: Sequence[Act] = ()
    files: Mapping[str, bytes] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", fit(self.text))

    def attachments(self) -> list[discord.File]:
        return [discord.File(BytesIO(data), name) for name, data in (self.files or {}).items()]

    def replacements(self) -> Any:
        """What an edit takes for attachments: all of them, or discord.py's word for none to be changed."""
        return discord.utils.MISSING if self.files is None else self.attachments()


# ------------------------------------------------------------------ on its way


def progress_letter(piece: Piece, progress: Progress) -> Letter:
    """How far a piece is, or a recording."""
    if progress.kind is Kind.COMPOSE:
        return Letter(headed(piece, _composing(piece.place.language, progress)), UNDER_WAY)
    return Letter(_about(piece, _listening(piece.place.language, progress)), UNDER_WAY)


def headed(piece: Piece, text: str) -> str:
    """Below what it is about: several of a person's pieces may be on their way."""
    return say(piece.place.language, "headed", title=piece.title, bars=piece.bars, text=text)


def _composing(language: Language, progress: Progress) -> str:
    if progress.state is State.RUNNING:
        values = {
            "done": progress.bars_done,
            "bars": progress.bars,
            "bar": progress_bar(progress.bars_done, progress.bars),
        }
        if progress.seconds is None:
            return say(language, "composing", **values)
        return say(language, "composing_about", **values, time=say_time(language, progress.seconds))
    if progress.seconds is None:
        return say(language, "no_worker", place=progress.place)
    return say(language, "in_line_about", place=progress.place, time=say_time(language, progress.seconds))


def _about(piece: Piece, text: str) -> str:
    """The same of a recording, whose bars nobody knows yet."""
    return say(piece.place.language, "recording", title=piece.title, text=text)


def _listening(language: Language, progress: Progress) -> str:
    if progress.seconds is None:
        return say(language, "waits_for_ears")
    time = say_time(language, progress.seconds)
    if progress.state is State.RUNNING:
        done = progress.bars_done
        return say(language, "listening", done=done, time=time, bar=progress_bar(done, PERCENT))
    return say(language, "in_line_about", place=progress.place, time=time)


# ------------------------------------------------------------------ a piece


def piece_letter(
    piece: Piece,
    finished: Finished,
    sound: Sound | None,
    parent: Piece | None,
    votes: bool = True,
    sheet: Sheet | None = None,
) -> Letter:
    """The finished piece.

    Args:
        piece: what was asked for.
        finished: its MIDI, its picture and its receipt.
        sound: its MP3, where there is one; None while it is being made.
        parent: the piece that it came from.
        votes: whether it may be given hearts.
        sheet: of it, where it was asked for.
    """
    language, receipt = piece.place.language, finished.receipt
    caption = say(
        language,
        "redone" if "redo" in piece.task else "accompanied" if "accompany" in piece.task else "piece",
        title=piece.title,
        first=receipt["bars"]["composed"][0],
        last=receipt["bars"]["composed"][1],
        added=receipt["bars"]["added"],
        opening=receipt["bars"]["opening"],
        tempo=round(receipt["tempo"]["continuation"][-1]),
        key=say_key(language, receipt["key"]["continuation"]),
        seed=piece.seed,
        settings=say_settings(language, piece.sampling),
    ) + (f" · {INSTRUMENTS[piece.program]}" if piece.program else "")
    lines = [caption]
    if parent is not None and parent.link:
        lines.append(descent(language, piece, parent))
    elif piece.heard:
        lines.append(_tell_of_opening(language, piece.heard))
    lines += _tell_of_file(language, piece.lost)
    if receipt["opening"].get("ends_early"):
        lines.append(say(language, "ends_early"))
    if len(receipt["opening"]["tracks"]) > 1:
        lines.append(say(language, "tracks", tracks=_tell_tracks(receipt["opening"]["tracks"])))
    if sound is None:
        lines.append(say(language, "sound_follows"))
    elif sound.mp3 is None:
        lines.append(say(language, "no_sound"))
    elif sound.shortened is not None:
        lines.append(say(language, "shortened", time=say_time(language, sound.shortened)))
    name = file_name(piece.title.bare)
    files = {f"{name}.mp3": sound.mp3} if sound and sound.mp3 else {}
    files |= {f"{name}.mid": finished.midi, f"{name}.png": finished.picture}
    if sheet is not None:
        pages, more = _sheet_files(piece, sheet, MOST_FILES - len(files), language)
        lines, files = [*lines, *more], files | pages
    return Letter("\n".join(lines), under(piece, receipt, votes), files)


def sheet_letter(piece: Piece, sheet: Sheet, language: Language) -> Letter:
    """A finished piece as sheet music alone."""
    files, more = _sheet_files(piece, sheet, MOST_FILES, language)
    return Letter("\n".join([say(language, "sheet", title=piece.title), *more]), files=files)


def _sheet_files(piece: Piece, sheet: Sheet, room: int, language: Language) -> tuple[dict[str, bytes], list[str]]:
    """Files to print and to edit, and as many pages as pictures as there is room for; and what there is to say."""
    name, shown = file_name(piece.title.bare), min(room - 2, len(sheet.pages))
    files = {f"{name}.pdf": sheet.pdf, f"{name}.musicxml": sheet.musicxml}
    files |= {f"{name}-{number}.png": page for number, page in enumerate(sheet.pages[:shown], start=1)}
    all_shown = shown == len(sheet.pages)
    return files, [] if all_shown else [say(language, "sheet_pages", shown=shown, pages=len(sheet.pages))]


def ended_letter(piece: Piece, how: str) -> Letter:
    """That nothing came of a piece.

    Args:
        piece: which.
        how: the name of a text.
    """
    return Letter(headed(piece, say(piece.place.language, how)), ENDED, {})


def undelivered_letter(piece: Piece, why: str) -> Letter:
    """That a piece is finished and not here.

    Args:
        piece: which.
        why: the name of a text.
    """
    return Letter(headed(piece, say(piece.place.language, why)), UNDELIVERED, {})


def descent(language: Language, piece: Piece, parent: Piece) -> str:
    """What a piece has to do with the one that it came from, and who asked: after a click nobody would know."""
    if parent.hearing is not None:
        how = "from_recording"
    elif is_another(piece, parent) and ("accompany" in parent.task or "accompany" not in piece.task):
        how = "another"
    else:
        how = "worked_on" if piece.task else "continues"
    return say(language, how, link=parent.link, person=f"<@{piece.owner}>")


def is_another(piece: Piece, parent: Piece) -> bool:
    """Whether a piece was made from what its parent was made from, not from the parent itself."""
    return piece.opening_bars != parent.all_bars or bool(piece.task and piece.task == parent.task)


def deed(language: Language, piece: Piece, parent: Piece | None) -> str:
    """What was done to make a piece, in a few words.

    Args:
        language: of these words.
        piece: that was made.
        parent: the piece that it came from, where it is known.
    """
    if piece.hearing is not None:
        return say(language, "deed_heard")
    if redo := piece.task.get("redo"):
        return say(language, "deed_redone", first=redo[0], last=redo[1])
    if "accompany" in piece.task:
        return say(language, "deed_accompanied")
    if parent is not None and parent.hearing is None:
        return say(language, "deed_varied" if is_another(piece, parent) else "deed_continued", bars=piece.bars)
    return say(language, "deed_begun", bars=piece.bars)


def wishes_of(task: Mapping[str, Any]) -> str:
    """The chords and the key that were asked for, as they are written."""
    chords = " | ".join(" ".join(bar) for bar in task.get("chords", ()))
    return ", ".join(filter(None, (chords, task.get("key"))))


def parts_beside(piece: Piece) -> int:
    """How many parts were composed beside those that there were; 0 where it was not so done."""
    tracks = piece.receipt["opening"]["tracks"] if piece.receipt and "accompany" in piece.task else ()
    return sum(not track["notes"] for track in tracks)


def _tell_of_opening(language: Language, heard: Mapping[str, Any]) -> str:
    """That a piece's opening was played to no click, and what was made of it."""
    return say(language, "unclicked" if heard["kind"] == "midi" else "by_ear", heard=say_heard(language, heard))


def _tell_of_file(language: Language, lost: Lost) -> list[str]:
    """What of it could not be read, if anything."""
    return [say(language, "lost", **lost._asdict())] if any(lost) else []


def _tell_tracks(tracks: Sequence[Mapping[str, Any]]) -> str:
    """How many notes each has more than before, as far as a line goes."""
    told = [
        f"{Stranger(track['name'] or INSTRUMENTS[track['program']]).first(LONGEST_TRACK)} {track['added']:+}"
        for track in tracks[:MOST_TRACKS]
    ]
    return ", ".join([*told, *["…"] * (len(tracks) > MOST_TRACKS)])


def file_name(title: str) -> str:
    """A name that Discord keeps as it is: it drops what is not ASCII."""
    kept = "".join(character if character.isascii() and character.isalnum() else "_" for character in title)
    return kept.strip("_")[:MAX_TITLE] or "piece"


# ------------------------------------------------------------------ two takes


def compared_letter(language: Language, owner: int, title: Stranger, files: Mapping[str, bytes]) -> Letter:
    """Two takes of one opening, of which nothing is said."""
    return Letter(say(language, "compare", title=title, person=f"<@{owner}>"), COMPARED, files)


def told_letter(
    language: Language, comparison: Comparison, counts: Mapping[str, int], pieces: Sequence[Piece | None]
) -> Letter:
    """Which was which.

    Args:
        language: of the text.
        comparison: of two takes.
        counts: the votes for each choice.
        pieces: the two takes, as far as they are kept.
    """
    lines = [say(language, "told", person=f"<@{comparison.owner}>")]
    for choice, made, piece in zip(CHOICES, (comparison.a, comparison.b), pieces, strict=True):
        settings = say_settings(language, SamplingParams.from_json(made["settings"]))
        about = {"model": f"{made['checkpoint']} `{made['digest'][:12]}`", "seed": made["seed"], "settings": settings}
        line = say(language, "told_take", choice=choice.upper(), votes=counts.get(choice, 0), **about)
        link = f"<{piece.link}>" if piece is not None and piece.link else ""
        lines.append(" · ".join(filter(None, (line, wishes_of(made["task"]), link))))
    return Letter("\n".join(lines), TOLD)


# ------------------------------------------------------------------ a recording


def heard_letter(piece: Piece, card: Card, note: str = "") -> Letter:
    """What was heard, to be looked at and agreed to.

    Args:
        piece: the recording.
        card: what was heard in it.
        note: what else there is to say.
    """
    language, name = piece.place.language, file_name(piece.title.bare)
    kind = "heard_melody" if card.heard["accompanied"] else "heard"
    lines = [say(language, kind, title=piece.title, heard=say_heard(language, card.heard)), note]
    lines += _tell_of_file(language, piece.lost)
    if piece.as_written:
        lines.append(say(language, "doubtful"))
    lines.append(say(language, "heard_right", bars=piece.bars))
    files = {f"{name}.mid": card.midi, f"{name}.png": card.picture}
    return Letter("\n".join(filter(None, lines)), _heard_acts(card.heard, piece.as_written), files)


def _heard_acts(heard: Mapping[str, Any], written: bool) -> tuple[Act, ...]:
    """An accompaniment for a melody; half and double where there are such tempos; its own beats of what has some."""
    slower, faster = heard["tempo"] / 2 >= SLOWEST, 2 * heard["tempo"] <= FASTEST
    other = (*[Act.HALF] * slower, *[Act.DOUBLE] * faster, *[Act.WRITTEN] * written)
    return (Act.GO, *[Act.ACCOMPANY] * (heard["kind"] == "melody"), *other, Act.DELETE)


def say_heard(language: Language, heard: Mapping[str, Any]) -> str:
    """In figures.

    Args:
        language: of the text.
        heard: of a Card.
    """
    key = say_key(language, heard["key"])
    return say(
        language,
        "heard_figures",
        tempo=round(heard["tempo"]),
        key=key,
        bars=heard["bars"],
        notes=heard["notes"],
        sure=round(100 * heard["sure"]),
    )


def unheard_letter(piece: Piece, job: Job) -> Letter:
    """Why there is nothing to hear in a recording, and what the person can do."""
    language = piece.place.language
    if job.state is State.CANCELLED:
        return Letter(_about(piece, say(language, "cancelled")), UNHEARD)
    if job.reason == NOBODY_LISTENS:
        return Letter(_about(piece, say(language, "nobody_listens")), UNHEARD)
    if refusal := from_reason(job.reason or ""):
        return refusal_letter(piece, refusal)
    return Letter(_about(piece, say(language, "not_transcribed")), UNHEARD)


def refusal_letter(piece: Piece, error: SegueError) -> Letter:
    """That a recording is none that can be continued."""
    return Letter(_about(piece, describe(error, piece.place.language)), UNHEARD)
