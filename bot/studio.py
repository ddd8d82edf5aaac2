"""What costs CPU time in the bot: reading openings, and rendering pieces. Both are done in children of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.children import Children
from bot.workshop import (
    Answered,
    Card,
    Doubtful,
    Finished,
    Read,
    Sound,
    check_recording,
    draw_piece,
    draw_so_far,
    engrave_sheet,
    finish_piece,
    hear_performance,
    read_opening,
    render_bars,
    render_parts,
    render_sound,
    reread_opening,
    wake,
)
from composer.music.words import Vocabulary
from composer.opening import Place
from composer.order import Order
from composer.rendering.sheet import Sheet
from composer.rendering.stems import Stem
from composer.rendering.tree import Branch, draw_tree
from composer.transcription.synchronise import Listening

READERS = 2  # so that whoever has a slow file read, for seconds, keeps nobody waiting
# Far more than anything takes; as a net below it.
READ_SECONDS = 60.0
RENDER_SECONDS = 600.0


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
        self, performance: Mapping[str, Any], listening: Listening, title: str, place: Place, owner: int | None = None
    ) -> Card:
        """What was played in a recording.

        Args:
            performance: as JSON.
            listening: what the person says about its beats.
            title: for the picture.
            place: which bars of it are the opening.
            owner: whose it is.

        Raises:
            OpeningError: it cannot be continued.
            TaskError: there are no such bars.
        """
        return await self._readers.run(owner, hear_performance, performance, listening, title, place)

    async def read_again(self, midi: bytes, bars: int, order: Order, owner: int | None = None) -> Read:
        """An opening or a piece of ours.

        Raises:
            PieceFullError: it has grown too long.
        """
        return await self._readers.run(owner, reread_opening, midi, bars, order, self.vocabulary)

    async def finish(self, answered: Answered) -> Finished:
        """What a worker composed, as a piece."""
        return await self._renderers.run(None, finish_piece, answered, self.vocabulary)

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

    async def so_far(self, answered: Answered) -> bytes | None:
        """The piano roll of bars of a piece that is being composed; None while there is more important work."""
        if not self._renderers.is_idle:
            return None
        return await self._renderers.run(None, draw_so_far, answered, self.vocabulary)

    async def tree(self, branches: Sequence[Branch], owner: int) -> bytes:
        """Pieces that came from each other, as PNG."""
        return await self._renderers.run(owner, draw_tree, branches)

    async def parts(self, midi: bytes, title: str, limit: int, owner: int) -> tuple[Stem, ...]:
        """Each track of a piece of ours by itself, in at most `limit` bytes together."""
        return await self._renderers.run(owner, render_parts, midi, title, limit, self._soundfont)

    async def loop(self, midi: bytes, title: str, first: int, last: int, owner: int) -> tuple[bytes, bytes]:
        """Bars of a piece of ours, counted from 1, as a FLAC file that repeats without a seam, and as MIDI."""
        return await self._renderers.run(owner, render_bars, midi, title, first, last, self._soundfont)

    async def warm_up(self) -> None:
        """Start the children and have them import what they need: the first person would wait for it."""
        await asyncio.gather(self._readers.warm_up(wake), self._renderers.warm_up(wake))

    async def close(self) -> None:
        for children in (self._readers, self._renderers):
            await children.close()
