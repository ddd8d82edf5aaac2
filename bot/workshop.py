"""What the studio has done in children: plain functions of bytes, and what they give."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.errors import PieceFullError
from composer.errors import RenderingError
from composer.music.chords import chords_of
from composer.music.key import find_key
from composer.music.midi import dump_midi, parse_midi
from composer.music.notation import read_written
from composer.music.score import NOTHING_LOST, Lost, Score
from composer.music.words import END, Family, Vocabulary, Word, bars_in
from composer.opening import Place, to_opening
from composer.order import Order
from composer.piece import Take, command_line, finish, receipt
from composer.rendering.audio import LIMIT_SECONDS, duration_seconds, render_mp3
from composer.rendering.instruments import INSTRUMENTS
from composer.rendering.loop import render_loop
from composer.rendering.piano_roll import draw_piano_roll
from composer.rendering.sheet import Sheet, sheet_of
from composer.rendering.stems import Stem, stems_of
from composer.request import Composed, Request
from composer.transcription.accompaniment import without_chords
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

FULL_BARS = 2048  # of a piece that has been continued again and again


@dataclass(frozen=True)
class Read:
    """An opening that can be continued.

    Attributes:
        midi: what was understood of its file, nothing else.
        requests: one a take.
        program: General MIDI, of the one part that plays; 0 where there are several.
        heard: of a file that was played without a click, see Card.
        written: such a file, on its own beats.
        lost: what of the file could not be read.
    """

    midi: bytes
    requests: tuple[Request, ...]
    bars: int
    notes: int
    key: str | None
    bpm: float
    program: int = 0
    heard: Mapping[str, Any] | None = None
    written: bytes | None = None
    lost: Lost = NOTHING_LOST


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
        lost: what of the file could not be read.
    """

    midi: bytes
    performance: Mapping[str, Any]
    lost: Lost


@dataclass(frozen=True)
class Answered:
    """What a worker composed, and what for.

    Attributes:
        opening: as MIDI.
        bars: of the opening.
        program: General MIDI, 0-127, of the one part that plays, where only one does.
        title: for the file and the picture.
        task: what was asked for, as composer.order.Order.task.
        heard: of an opening that was played, see Card.
        lost: what of the opening's file could not be read.
    """

    opening: bytes
    bars: int
    request: Request
    composed: Composed
    program: int = 0
    title: str = ""
    task: Mapping[str, Any] = field(default_factory=dict)
    heard: Mapping[str, Any] | None = None
    lost: Lost = NOTHING_LOST


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


def wake() -> None:
    """Nothing: to find this function, the child has imported all that the others need."""


def read_opening(
    data: bytes, order: Order, vocabulary: Vocabulary, listening: Listening | None = None, asks: bool = False
) -> Read | Doubtful:
    listening = listening or Listening()
    score = read_written(data)
    if not score.notes or listening.takes(score):
        opening = to_opening(score, order.place)
        return replace(_read(dump_midi(opening.score), opening.bars, order, vocabulary), lost=score.lost)
    performance = performance_of(score)
    heard = synchronise(performance, listening)
    midi, bars = _taken_down(heard, order.place)
    written = dump_midi(score)
    if asks and heard.sure < SURE and not listening.told:
        return Doubtful(written, performance.to_json(), score.lost)
    read = _read(midi, bars, order, vocabulary)
    return replace(read, heard=heard.to_json(), program=_program(score), written=written, lost=score.lost)


def check_recording(recording: bytes) -> None:
    read_recording(recording)


def hear_performance(performance: Mapping[str, Any], listening: Listening, title: str, place: Place) -> Card:
    heard = synchronise(Performance.from_json(performance), listening)
    midi, bars = _taken_down(heard, place)
    score = _score(midi, bars)
    picture = draw_piano_roll(replace(score, chords=chords_of(score)), bars, title)
    return Card(midi, bars, picture, heard.to_json())


def _taken_down(heard: Heard, place: Place) -> tuple[bytes, int]:
    """As a MIDI file that can be continued, and its bars."""
    opening = to_opening(heard.score, place)
    return dump_midi(opening.score), opening.bars


def reread_opening(midi: bytes, bars: int, order: Order, vocabulary: Vocabulary) -> Read:
    goes_on = order.redo is None and not order.accompany
    if goes_on and bars + order.bars > FULL_BARS:
        raise PieceFullError(bars + order.bars, FULL_BARS)
    if order.accompany:  # instead of the plain chords that what was hummed has got
        midi = dump_midi(without_chords(_score(midi, bars)))
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


def finish_piece(answered: Answered, vocabulary: Vocabulary) -> Finished:
    request, title = answered.request, answered.title
    given = _score(answered.opening, answered.bars)
    played = given.played_on(answered.program)
    take = finish(played, request, answered.composed, vocabulary)
    options = [] if played is given else ["--instrument", INSTRUMENTS[answered.program]]
    order = Order.doing(
        answered.task,
        bars=request.bars,
        seed=request.seed,
        sampling=request.sampling,
        guards=request.guards,
        ending=request.ending,
        candidates=request.candidates,
    )
    command = command_line(f"{title}.mid", order, options)
    told = receipt(take, command, answered.heard, answered.lost)
    return Finished(dump_midi(take.score, title), _picture(take, title), told)


def _picture(take: Take, title: str) -> bytes:
    return draw_piano_roll(take.score, take.first, title, take.request.bars, take.beside)


def draw_so_far(answered: Answered, vocabulary: Vocabulary) -> bytes:
    """What there is of a piece that is being composed, as large as it will be: the bars to come are empty."""
    request, there = answered.request, answered.composed.words
    meters = [word.meter for word in there if word.family == Family.BAR]
    meters += request.meters[len(meters) :] or [bar[0].meter for bar in request.given[len(meters) :]]
    meters += meters[-1:] * (request.bars - len(meters))
    to_come = (Word(Family.BAR, meter=meter) for meter in meters[bars_in(there) :])
    composed = replace(answered.composed, words=(*there, *to_come, END))
    given = _score(answered.opening, answered.bars).played_on(answered.program)
    return _picture(finish(given, request, composed, vocabulary), answered.title)


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


def render_bars(midi: bytes, title: str, first: int, last: int, soundfont: Path | None) -> tuple[bytes, bytes]:
    score = parse_midi(midi).lasting(last)
    return render_loop(score, first - 1, last, title, soundfont), dump_midi(score.excerpt(first - 1, last), title)


def _bytes_a_second(bitrate: str) -> float:
    return int(bitrate.removesuffix("k")) * 1000 / 8
