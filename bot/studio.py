"""What costs CPU time in the bot, in processes of its own: reading openings, and rendering pieces.

The loop that talks to Discord is never held up by it. A child that dies is replaced, and its work done again once.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from composer.errors import CompositionError, OpeningTooLongError
from composer.key import find_key
from composer.midi import dump_midi, parse_midi, read_midi
from composer.opening import to_opening
from composer.piece import Order, command_line, finish, receipt
from composer.rendering.audio import LIMIT_SECONDS, duration_seconds, render_mp3
from composer.rendering.instruments import INSTRUMENTS
from composer.rendering.piano_roll import draw_piano_roll
from composer.request import MAX_BARS, Composed, Request
from composer.score import TICKS_PER_BAR, Score
from composer.words import Vocabulary

# Tried one after the other until the file is small enough: (bitrate, seconds at most).
QUALITIES = (
    ("128k", LIMIT_SECONDS),
    ("64k", LIMIT_SECONDS),
    ("64k", 300.0),
    ("48k", 120.0),
    ("32k", 60.0),
    ("32k", 20.0),
)

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Read:
    """An opening that can be continued.

    midi: the opening as it was checked, from its first bar that sounds   request: of one take
    """

    midi: bytes
    requests: tuple[Request, ...]
    bars: int
    notes: int
    key: str | None
    bpm: float


@dataclass(frozen=True)
class Finished:
    midi: bytes
    picture: bytes
    receipt: Mapping[str, Any]


@dataclass(frozen=True)
class Sound:
    """mp3: None if none small enough could be made   shortened: its seconds, if it is not the whole piece"""

    mp3: bytes | None
    shortened: float | None


class Studio:
    """Runs the functions below in `processes` children."""

    def __init__(self, vocabulary: Vocabulary, processes: int = 1, soundfont: Path | None = None) -> None:
        self.vocabulary = vocabulary
        self._soundfont, self._processes = soundfont, processes
        self._pool = self._new_pool()

    async def read(self, data: bytes, order: Order) -> Read:
        """A stranger's MIDI file. Raises OpeningError."""
        return await self._run(read_opening, data, order, self.vocabulary)

    async def read_again(self, midi: bytes, bars: int, order: Order) -> Read:
        """An opening or a piece of ours. Raises OpeningTooLongError where it has grown too long."""
        return await self._run(reread_opening, midi, bars, order, self.vocabulary)

    async def finish(
        self, opening: bytes, bars: int, request: Request, composed: Composed, program: int, title: str
    ) -> Finished:
        """bars: of the opening"""
        return await self._run(finish_piece, opening, bars, request, composed, self.vocabulary, program, title)

    async def sound(self, midi: bytes, program: int, title: str, limit: int) -> Sound:
        """The piece as an MP3 of at most `limit` bytes."""
        return await self._run(render_sound, midi, program, title, limit, self._soundfont)

    async def warm_up(self) -> None:
        """Start the children and have them import what they need: the first person would wait for it."""
        await asyncio.gather(*(self._run(_wake) for _ in range(self._processes)))

    async def close(self) -> None:
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    def _new_pool(self) -> ProcessPoolExecutor:
        # spawn: a child of this process, with its threads and sockets, must not be forked from the middle of it.
        return ProcessPoolExecutor(self._processes, mp_context=multiprocessing.get_context("spawn"))

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        pool = self._pool
        try:
            return await asyncio.wrap_future(pool.submit(function, *args, **kwargs))
        except BrokenProcessPool:
            if pool is self._pool:
                self._pool = self._new_pool()
                pool.shutdown(wait=False)
        try:
            return await asyncio.wrap_future(self._pool.submit(function, *args, **kwargs))
        except BrokenProcessPool as error:
            raise CompositionError("The process that reads and renders music has died twice.") from error


# ------------------------------------------------------------------ in a child


def _wake() -> None:
    """Nothing: to find this function, the child has imported all that the others need."""


def read_opening(data: bytes, order: Order, vocabulary: Vocabulary) -> Read:
    pitches = vocabulary.pitches
    opening = to_opening(read_midi(data), pitch_range=(pitches[0], pitches[-1]))
    return _read(dump_midi(opening.score), opening.bars, order, vocabulary)


def reread_opening(midi: bytes, bars: int, order: Order, vocabulary: Vocabulary) -> Read:
    if bars + order.bars > MAX_BARS:
        raise OpeningTooLongError(bars, MAX_BARS - order.bars)
    return _read(midi, bars, order, vocabulary)


def _read(midi: bytes, bars: int, order: Order, vocabulary: Vocabulary) -> Read:
    # What the model hears and what is played in the end are made from the same bytes.
    score = _score(midi, bars)
    key = find_key(score.notes)
    return Read(
        midi=midi,
        requests=tuple(order.requests(score, vocabulary)),
        bars=score.bars,
        notes=len(score.notes),
        key=key and key.name,
        bpm=score.tempos[-1].bpm,
    )


def _score(midi: bytes, bars: int) -> Score:
    """A MIDI file of ours. Of silent bars at its end the file itself says nothing."""
    return replace(parse_midi(midi), end=bars * TICKS_PER_BAR)


def finish_piece(
    opening: bytes, bars: int, request: Request, composed: Composed, vocabulary: Vocabulary, program: int, title: str
) -> Finished:
    take = finish(_score(opening, bars), request, composed, vocabulary)
    options = ["--instrument", INSTRUMENTS[program]]
    command = command_line(f"{title}.mid", request.bars, request.seed, 1, request.sampling, options)
    picture = draw_piano_roll(take.score, take.opening_bars, title)
    return Finished(dump_midi(take.score, program, title), picture, receipt(take, command))


def render_sound(midi: bytes, program: int, title: str, limit: int, soundfont: Path | None) -> Sound:
    score = parse_midi(midi)
    length = duration_seconds(score, math.inf)
    for bitrate, seconds in QUALITIES:
        if _bytes_a_second(bitrate) * min(length, seconds) > 1.1 * limit:
            continue  # it cannot come out small enough
        mp3 = render_mp3(score, program, title, bitrate, soundfont, seconds)
        if len(mp3) <= limit:
            return Sound(mp3, seconds if length > seconds else None)
    return Sound(None, None)


def _bytes_a_second(bitrate: str) -> float:
    return int(bitrate.removesuffix("k")) * 1000 / 8
