"""What costs CPU time in the bot, in processes of its own: reading openings, and rendering pieces.

The loop that talks to Discord is never held up by it. A child that dies is replaced, and its work done again once.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from bot.errors import PieceFullError
from composer.chords import find_chords
from composer.errors import CompositionError, OpeningTooLongError
from composer.key import find_key
from composer.midi import MAX_EVENTS, dump_midi, parse_midi, read_midi, sift_midi
from composer.opening import LONGEST_BARS, to_opening
from composer.piece import Order, command_line, finish, receipt
from composer.rendering.audio import LIMIT_SECONDS, duration_seconds, render_mp3
from composer.rendering.instruments import INSTRUMENTS
from composer.rendering.piano_roll import draw_piano_roll
from composer.request import MAX_BARS, Composed, Request
from composer.sandbox import environment
from composer.score import BEATS_PER_BAR, TICKS_PER_BAR, Score
from composer.transcription.beats import SLOWEST
from composer.transcription.performance import Performance
from composer.transcription.recording import read_recording
from composer.transcription.synchronise import Heard, Listening, on_its_grid, performance_of, synchronise
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

READERS = 2  # so that whoever has a slow file read, for seconds, keeps nobody waiting
# Far more than anything takes; as a net below it.
READ_SECONDS = 60.0
RENDER_SECONDS = 600.0

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Read:
    """An opening that can be continued.

    midi: what was understood of its file, nothing else   requests: one a take   heard: of a file that was played
    without a click, see Card
    """

    midi: bytes
    requests: tuple[Request, ...]
    bars: int
    notes: int
    key: str | None
    bpm: float
    heard: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Card:
    """What was heard in a performance, to be looked at.

    midi: bars and beats, as they were found   heard: kind, tempo, key, bars, notes and accompanied, as JSON
    """

    midi: bytes
    bars: int
    picture: bytes
    heard: Mapping[str, Any]


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
    """Runs the functions below in children: `processes` that render, and READERS that read.

    Whoever hands in an opening waits neither for somebody else's piece to be rendered nor for all of another's
    openings: those of one owner are read one after the other, and the owners take turns.
    """

    def __init__(self, vocabulary: Vocabulary, processes: int = 1, soundfont: Path | None = None) -> None:
        self.vocabulary = vocabulary
        self._soundfont = soundfont
        self._readers, self._renderers = _Children(READERS, READ_SECONDS), _Children(processes, RENDER_SECONDS)

    async def read(
        self, data: bytes, order: Order, listening: Listening | None = None, owner: int | None = None
    ) -> Read:
        """A stranger's MIDI file. Raises OpeningError."""
        return await self._readers.run(owner, read_opening, data, order, self.vocabulary, listening)

    async def check(self, recording: bytes, owner: int | None = None) -> None:
        """Raises OpeningError if a stranger's recording cannot be read or is too long: nobody need wait for that."""
        await self._readers.run(owner, check_recording, recording)

    async def hear(
        self, performance: Mapping[str, Any], listening: Listening, title: str, owner: int | None = None
    ) -> Card:
        """performance: as JSON. Raises OpeningError."""
        return await self._readers.run(owner, hear_performance, performance, listening, title, self.vocabulary)

    async def read_again(self, midi: bytes, bars: int, order: Order, owner: int | None = None) -> Read:
        """An opening or a piece of ours. Raises PieceFullError where it has grown too long."""
        return await self._readers.run(owner, reread_opening, midi, bars, order, self.vocabulary)

    async def finish(
        self, opening: bytes, bars: int, request: Request, composed: Composed, program: int, title: str
    ) -> Finished:
        """bars: of the opening"""
        return await self._renderers.run(
            None, finish_piece, opening, bars, request, composed, self.vocabulary, program, title
        )

    async def sound(self, midi: bytes, program: int, title: str, limit: int) -> Sound:
        """The piece as an MP3 of at most `limit` bytes."""
        return await self._renderers.run(None, render_sound, midi, program, title, limit, self._soundfont)

    async def warm_up(self) -> None:
        """Start the children and have them import what they need: the first person would wait for it."""
        await asyncio.gather(self._readers.warm_up(), self._renderers.warm_up())

    async def close(self) -> None:
        for children in (self._readers, self._renderers):
            await children.close()


class _Children:
    """Some children, and the line of those who wait for one: one call of an owner at a time, and the owners in turn."""

    def __init__(self, processes: int, seconds: float) -> None:
        self._all = [_Child(seconds) for _ in range(processes)]
        self._idle = list(self._all)
        self._line: dict[int | None, deque[asyncio.Future[_Child]]] = {}  # by owner, the next one first
        self._served: set[int | None] = set()

    async def run(self, owner: int | None, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """owner: None for a call that waits for nothing but an idle child   Raises what _Child.call does."""
        child = await self._turn(owner)
        call = asyncio.ensure_future(child.call(function, *args, **kwargs))

        def ended(_: object) -> None:
            call.cancelled() or call.exception()  # it is known, even if nobody waits for it any more
            self._give_back(owner, child)

        call.add_done_callback(ended)
        return await asyncio.shield(call)  # whoever goes away leaves a child that is busy

    async def warm_up(self) -> None:
        await asyncio.gather(*[self.run(None, _wake) for _ in self._all])

    async def close(self) -> None:
        for child in self._all:
            await asyncio.to_thread(child.pool.shutdown, cancel_futures=True)

    async def _turn(self, owner: int | None) -> _Child:
        mine: asyncio.Future[_Child] = asyncio.get_running_loop().create_future()
        self._line.setdefault(owner, deque()).append(mine)
        self._call_next()
        try:
            return await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # it had just been called
                self._give_back(owner, mine.result())
            raise

    def _give_back(self, owner: int | None, child: _Child) -> None:
        self._idle.append(child)
        self._served.discard(owner)
        if owner in self._line:
            self._line[owner] = self._line.pop(owner)  # behind everybody else
        self._call_next()

    def _call_next(self) -> None:
        """Give the idle children to those whose turn it is."""
        for owner in [owner for owner in self._line if owner not in self._served]:
            if not self._idle:
                break
            waiting = self._line[owner]
            while waiting and waiting[0].done():  # has gone away
                waiting.popleft()
            if waiting:
                waiting.popleft().set_result(self._idle.pop())
                if owner is not None:
                    self._served.add(owner)
            if not waiting:
                del self._line[owner]


class _Child:
    """A process that is replaced when it dies, or does not come to an end. It is given one call at a time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.pool = self._new_pool()

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises CompositionError if the process dies twice on it or takes too long."""
        for _ in range(2):
            try:
                async with asyncio.timeout(self._seconds):
                    return await asyncio.wrap_future(self.pool.submit(function, *args, **kwargs))
            except BrokenProcessPool:
                self._replace()
            except TimeoutError as error:
                self._replace()
                raise CompositionError(f"{function.__name__} took more than {self._seconds:g} s.") from error
        raise CompositionError("The process that reads and renders music has died twice.")

    def _replace(self) -> None:
        old, self.pool = self.pool, self._new_pool()
        for process in list((old._processes or {}).values()):  # the pool itself waits for them for ever
            process.kill()
        old.shutdown(wait=False)

    def _new_pool(self) -> ProcessPoolExecutor:
        # spawn: a child of this process, with its threads and sockets, must not be forked from the middle of it.
        return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)


# ------------------------------------------------------------------ in a child


def _begin() -> None:
    """Know no secret, nor tell one to what is started from here, ffmpeg for instance; and live with the parent: Ctrl-C
    is for the bot, and where the bot is killed, its children end too."""
    kept = environment()
    os.environ.clear()
    os.environ.update(kept)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _wake() -> None:
    """Nothing: to find this function, the child has imported all that the others need."""


def read_opening(data: bytes, order: Order, vocabulary: Vocabulary, listening: Listening | None = None) -> Read:
    score = read_midi(data)
    told = listening is not None and (listening.bpm is not None or listening.downbeat is not None)
    if score.notes and (told or not on_its_grid(score)):
        performance = performance_of(score)
        # Looking for beats costs by the second, so what is too long at any tempo is refused before.
        if (fewest := math.ceil(performance.seconds * SLOWEST / 60 / BEATS_PER_BAR)) > LONGEST_BARS:
            raise OpeningTooLongError(fewest, LONGEST_BARS)
        heard = synchronise(performance, listening)
        midi, bars = _taken_down(heard, vocabulary)
        return replace(_read(midi, bars, order, vocabulary), heard=_tell(heard))
    opening = to_opening(score, pitch_range=_pitch_range(vocabulary))
    return _read(sift_midi(data), opening.bars, order, vocabulary)


def check_recording(recording: bytes) -> None:
    read_recording(recording)


def hear_performance(performance: Mapping[str, Any], listening: Listening, title: str, vocabulary: Vocabulary) -> Card:
    heard = synchronise(Performance.from_json(performance), listening)
    midi, bars = _taken_down(heard, vocabulary)
    score = _score(midi, bars)
    picture = draw_piano_roll(replace(score, chords=tuple(find_chords(score.sounding, score.end))), bars, title)
    return Card(midi, bars, picture, _tell(heard))


def _taken_down(heard: Heard, vocabulary: Vocabulary) -> tuple[bytes, int]:
    """As a MIDI file that can be continued, and its bars."""
    opening = to_opening(heard.score, pitch_range=_pitch_range(vocabulary))
    return dump_midi(opening.score), opening.bars


def _tell(heard: Heard) -> Mapping[str, Any]:
    return {
        "kind": heard.kind,
        "tempo": round(heard.tempo, 1),
        "key": heard.key,
        "bars": heard.bars,
        "notes": heard.notes,
        "accompanied": heard.accompanied,
    }


def _pitch_range(vocabulary: Vocabulary) -> tuple[int, int]:
    return vocabulary.pitches[0], vocabulary.pitches[-1]


def reread_opening(midi: bytes, bars: int, order: Order, vocabulary: Vocabulary) -> Read:
    if bars + order.bars > MAX_BARS:
        raise PieceFullError(bars + order.bars, MAX_BARS)
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
    """A file that was read before, or one of ours. Of silent bars at its end the file itself says nothing."""
    return replace(
        to_opening(parse_midi(midi), max_bars=MAX_BARS, max_notes=MAX_EVENTS).score, end=bars * TICKS_PER_BAR
    )


def finish_piece(
    opening: bytes, bars: int, request: Request, composed: Composed, vocabulary: Vocabulary, program: int, title: str
) -> Finished:
    take = finish(_score(opening, bars), request, composed, vocabulary)
    options = ["--instrument", INSTRUMENTS[program]]
    order = Order(request.bars, 1, request.seed, request.sampling, request.guards, request.ending)
    command = command_line(f"{title}.mid", order, options)
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
