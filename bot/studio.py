"""What costs CPU time in the bot: reading openings, and rendering pieces. Both are done in children of it."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot.children import Children
from bot.errors import PieceFullError
from composer.errors import RenderingError
from composer.music.chords import chords_of
from composer.music.key import find_key
from composer.music.midi import dump_midi, parse_midi
from composer.music.notation import read_written
from composer.music.score import Score
from composer.music.words import Vocabulary
from composer.opening import Place, to_opening
from composer.order import Order
from composer.piece import Take, command_line, finish, receipt
from composer.rendering.audio import LIMIT_SECONDS, duration_seconds, render_mp3
from composer.rendering.instruments import INSTRUMENTS
from composer.rendering.loop import render_loop
from composer.rendering.piano_roll import draw_piano_roll
from composer.rendering.sheet import Sheet, sheet_of
from composer.rendering.stems import Stem, stems_of
from composer.rendering.tree import Branch, draw_tree
from composer.request import Composed, Request
from composer.transcription.performance import Performance
from composer.transcription.recording import read_recording
from composer.transcription.synchronise import SURE, Heard, Listening, performance_of, synchronise

# Tried one after the other until the file is small enough: (bitrate, seconds at most).
QUALITIES = (
    ("128k", LIMIT_SECONDS),
    ("64k", LIMIT_SECONDS),
    ("64k", 300.0),
    ("48k", 120.0),
    ("32k", 60.0),
    ("32k", 20.0),
)

READERS = 2  # so that whoever has a slow file read, for seconds, keeps nobody waiting
FULL_BARS = 2048  # of a piece that has been continued again and again
# Far more than anything takes; as a net below it.
READ_SECONDS = 60.0
RENDER_SECONDS = 600.0


@dataclass(frozen=True)
class Read:
    """An opening that can be continued.

    Attributes:
        midi: what was understood of its file, nothing else.
        requests: one a take.
        program: General MIDI, of the one part that plays; 0 where there are several.
        heard: of a file that was played without a click, see Card.
    """

    midi: bytes
    requests: tuple[Request, ...]
    bars: int
    notes: int
    key: str | None
    bpm: float
    program: int = 0
    heard: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Card:
    """What was heard in a performance, to be looked at.

    Attributes:
        midi: bars and beats, as they were found.
        picture: a piano roll, as PNG.
        heard: as composer.transcription.synchronise.Heard tells it.
    """

    midi: bytes
    bars: int
    picture: bytes
    heard: Mapping[str, Any]


@dataclass(frozen=True)
class Doubtful:
    """An opening that was played without a click, and whose bars the person has to be asked about.

    Attributes:
        midi: what was understood of its file, on its own beats.
        performance: what it sounds like, as JSON.
    """

    midi: bytes
    performance: Mapping[str, Any]


@dataclass(frozen=True)
class Finished:
    """A piece as its person gets it, but for the sound.

    Attributes:
        midi: the opening and what was composed on to it.
        picture: a piano roll, as PNG.
        receipt: how it was made, as JSON.
    """

    midi: bytes
    picture: bytes
    receipt: Mapping[str, Any]


@dataclass(frozen=True)
class Sound:
    """A piece to listen to.

    Attributes:
        mp3: None if none small enough could be made.
        shortened: its seconds, if it is not the whole piece.
        failure: why there is none, if that is not its size.
    """

    mp3: bytes | None
    shortened: float | None = None
    failure: str = ""


class Studio:
    """Runs the functions below in children: `processes` that render, and READERS that read.

    Whoever hands in an opening waits neither for somebody else's piece to be rendered nor for all of another's
    openings: those of one owner are read one after the other, and the owners take turns.
    """

    def __init__(self, vocabulary: Vocabulary, processes: int = 1, soundfont: Path | None = None) -> None:
        self.vocabulary = vocabulary
        self._soundfont = soundfont
        self._readers, self._renderers = Children(READERS, READ_SECONDS), Children(processes, RENDER_SECONDS)

    async def read(
        self,
        data: bytes,
        order: Order,
        listening: Listening | None = None,
        owner: int | None = None,
        asks: bool = False,
    ) -> Read | Doubtful:
        """A stranger's MIDI file.

        Args:
            data: the file.
            order: what to compose on.
            listening: what the person says about its beats.
            owner: whose it is.
            asks: whether the person can be asked about bars that are found from the notes.

        Raises:
            OpeningError: it cannot be continued.
        """
        return await self._readers.run(owner, read_opening, data, order, self.vocabulary, listening, asks)

    async def check(self, recording: bytes, owner: int | None = None) -> None:
        """See whether a stranger's recording can be heard, for nobody need wait to be told that it cannot.

        Raises:
            OpeningError: it cannot be read, or is too long.
        """
        await self._readers.run(owner, check_recording, recording)

    async def hear(
        self, performance: Mapping[str, Any], listening: Listening, title: str, owner: int | None = None
    ) -> Card:
        """What was played in a recording.

        Args:
            performance: as JSON.
            listening: what the person says about its beats.
            title: for the picture.
            owner: whose it is.

        Raises:
            OpeningError: it cannot be continued.
        """
        return await self._readers.run(owner, hear_performance, performance, listening, title)

    async def read_again(self, midi: bytes, bars: int, order: Order, owner: int | None = None) -> Read:
        """An opening or a piece of ours.

        Raises:
            PieceFullError: it has grown too long.
        """
        return await self._readers.run(owner, reread_opening, midi, bars, order, self.vocabulary)

    async def finish(
        self,
        opening: bytes,
        bars: int,
        request: Request,
        composed: Composed,
        program: int,
        title: str,
        task: Mapping[str, Any] | None = None,
        heard: Mapping[str, Any] | None = None,
        limit: int = sys.maxsize,
    ) -> tuple[Finished, Sound]:
        """What a worker composed, as a piece.

        Args:
            opening: as MIDI.
            bars: of the opening.
            request: what was composed for it.
            composed: the words.
            program: General MIDI, 0-127, of the one part that plays, where only one does.
            title: for the file and the picture.
            task: what was asked for, as composer.order.Order.task.
            heard: what was found in an opening that was played, see Card.
            limit: bytes that the MP3 may have.
        """
        what = (opening, bars, request, composed, self.vocabulary, program, title, task or {}, heard)
        return await self._renderers.run(None, finish_with_sound, *what, limit, self._soundfont)

    async def sound(self, midi: bytes, title: str, limit: int) -> Sound:
        """A piece of ours as an MP3 of at most `limit` bytes."""
        return await self._renderers.run(None, render_sound, midi, title, limit, self._soundfont)

    async def sheet(self, midi: bytes, title: str, opening_bars: int) -> Sheet:
        """A piece of ours as sheet music."""
        return await self._renderers.run(None, engrave_sheet, midi, title, opening_bars)

    async def picture(self, midi: bytes, title: str, first: int, bars: int, parts: int = 0) -> bytes:
        """The piano roll of a finished piece of ours, its chords found anew.

        Args:
            midi: the piece.
            title: for the picture.
            first: number of the first new bar.
            bars: how many are new.
            parts: how many parts are new, where they stand beside those that there were; else 0.
        """
        return await self._renderers.run(None, draw_piece, midi, title, first, bars, parts)

    async def tree(self, branches: Sequence[Branch], owner: int) -> bytes:
        """Pieces that came from each other, as PNG."""
        return await self._renderers.run(owner, draw_tree, branches)

    async def parts(self, midi: bytes, title: str, limit: int, owner: int) -> tuple[Stem, ...]:
        """Each track of a piece of ours by itself, in at most `limit` bytes together."""
        return await self._renderers.run(owner, render_parts, midi, title, limit, self._soundfont)

    async def loop(self, midi: bytes, title: str, first: int, last: int, owner: int) -> bytes:
        """Bars of a piece of ours, counted from 1, as a FLAC file that repeats without a seam."""
        return await self._renderers.run(owner, render_bars, midi, title, first, last, self._soundfont)

    async def warm_up(self) -> None:
        """Start the children and have them import what they need: the first person would wait for it."""
        await asyncio.gather(self._readers.warm_up(_wake), self._renderers.warm_up(_wake))

    async def close(self) -> None:
        for children in (self._readers, self._renderers):
            await children.close()


# ------------------------------------------------------------------ in a child


def _wake() -> None:
    """Nothing: to find this function, the child has imported all that the others need."""


def read_opening(
    data: bytes, order: Order, vocabulary: Vocabulary, listening: Listening | None = None, asks: bool = False
) -> Read | Doubtful:
    listening = listening or Listening()
    score = read_written(data)
    if not score.notes or listening.takes(score):
        opening = to_opening(score, order.place)
        return _read(dump_midi(opening.score), opening.bars, order, vocabulary)
    performance = performance_of(score)
    heard = synchronise(performance, listening)
    if asks and heard.sure < SURE and not listening.told:
        return Doubtful(dump_midi(to_opening(score).score), performance.to_json())
    midi, bars = _taken_down(heard, order.place)
    return replace(_read(midi, bars, order, vocabulary), heard=heard.to_json(), program=_program(score))


def check_recording(recording: bytes) -> None:
    read_recording(recording)


def hear_performance(performance: Mapping[str, Any], listening: Listening, title: str) -> Card:
    heard = synchronise(Performance.from_json(performance), listening)
    midi, bars = _taken_down(heard)
    score = _score(midi, bars)
    picture = draw_piano_roll(replace(score, chords=chords_of(score)), bars, title)
    return Card(midi, bars, picture, heard.to_json())


def _taken_down(heard: Heard, place: Place | None = None) -> tuple[bytes, int]:
    """As a MIDI file that can be continued, and its bars."""
    opening = to_opening(heard.score, place)
    return dump_midi(opening.score), opening.bars


def reread_opening(midi: bytes, bars: int, order: Order, vocabulary: Vocabulary) -> Read:
    goes_on = order.redo is None and not order.accompany
    if goes_on and bars + order.bars > FULL_BARS:
        raise PieceFullError(bars + order.bars, FULL_BARS)
    return _read(midi, bars, order, vocabulary)


def _read(midi: bytes, bars: int, order: Order, vocabulary: Vocabulary) -> Read:
    # What the model hears and what is played in the end are made from the same bytes.
    score = _score(midi, bars)
    key = find_key(score.notes)
    return Read(
        midi=midi,
        requests=tuple(order.requests(score, vocabulary)),
        bars=len(score.bars),
        notes=len(score.notes),
        key=key and key.name,
        bpm=score.tempos[-1].bpm,
        program=_program(score),
    )


def _program(score: Score) -> int:
    return score.playing[0].program if len(score.playing) == 1 else 0


def _score(midi: bytes, bars: int) -> Score:
    """A file that was read before, or one of ours. Of silent bars at its end the file itself says nothing."""
    return to_opening(parse_midi(midi), max_minutes=math.inf, max_notes=sys.maxsize).score.lasting(bars)


def finish_piece(
    opening: bytes,
    bars: int,
    request: Request,
    composed: Composed,
    vocabulary: Vocabulary,
    program: int,
    title: str,
    task: Mapping[str, Any],
    heard: Mapping[str, Any] | None = None,
) -> Finished:
    """For whoever needs no sound."""
    take, midi, told = _finished(opening, bars, request, composed, vocabulary, program, title, task, heard)
    return Finished(midi, draw_piano_roll(take.score, take.first, title, request.bars, take.beside), told)


def finish_with_sound(
    opening: bytes,
    bars: int,
    request: Request,
    composed: Composed,
    vocabulary: Vocabulary,
    program: int,
    title: str,
    task: Mapping[str, Any],
    heard: Mapping[str, Any] | None,
    limit: int,
    soundfont: Path | None,
) -> tuple[Finished, Sound]:
    take, midi, told = _finished(opening, bars, request, composed, vocabulary, program, title, task, heard)
    with ThreadPoolExecutor(1) as beside:  # playing and encoding leave the interpreter alone
        picture = beside.submit(draw_piano_roll, take.score, take.first, title, request.bars, take.beside)
        sound = render_sound(midi, title, limit, soundfont)
    return Finished(midi, picture.result(), told), sound


def _finished(
    opening: bytes,
    bars: int,
    request: Request,
    composed: Composed,
    vocabulary: Vocabulary,
    program: int,
    title: str,
    task: Mapping[str, Any],
    heard: Mapping[str, Any] | None,
) -> tuple[Take, bytes, dict[str, Any]]:
    """The take, its MIDI and its receipt."""
    given = _score(opening, bars)
    played = given.played_on(program)
    take = finish(played, request, composed, vocabulary)
    options = [] if played is given else ["--instrument", INSTRUMENTS[program]]
    order = Order.doing(
        task,
        bars=request.bars,
        seed=request.seed,
        sampling=request.sampling,
        guards=request.guards,
        ending=request.ending,
    )
    command = command_line(f"{title}.mid", order, options)
    return take, dump_midi(take.score, title), receipt(take, command, heard)


def draw_piece(midi: bytes, title: str, first: int, bars: int, parts: int) -> bytes:
    score = parse_midi(midi)
    beside = len(score.parts) - parts if parts else None
    return draw_piano_roll(replace(score, chords=chords_of(score)), first, title, bars, beside)


def engrave_sheet(midi: bytes, title: str, opening_bars: int) -> Sheet:
    score = parse_midi(midi)
    return sheet_of(replace(score, chords=chords_of(score)), title, opening_bars)


def render_sound(midi: bytes, title: str, limit: int, soundfont: Path | None) -> Sound:
    score = parse_midi(midi)
    length = duration_seconds(score, math.inf)
    for bitrate, seconds in QUALITIES:
        if _bytes_a_second(bitrate) * min(length, seconds) > 1.1 * limit:
            continue  # it cannot come out small enough
        try:
            mp3 = render_mp3(score, title, bitrate, soundfont, seconds)
        except RenderingError as error:  # the MIDI goes all the same
            return Sound(None, failure=str(error))
        if len(mp3) <= limit:
            return Sound(mp3, seconds if length > seconds else None)
    return Sound(None)


def render_parts(midi: bytes, title: str, limit: int, soundfont: Path | None) -> tuple[Stem, ...]:
    return stems_of(parse_midi(midi), title, limit, soundfont)


def render_bars(midi: bytes, title: str, first: int, last: int, soundfont: Path | None) -> bytes:
    return render_loop(parse_midi(midi).lasting(last), first - 1, last, title, soundfont)


def _bytes_a_second(bitrate: str) -> float:
    return int(bitrate.removesuffix("k")) * 1000 / 8
