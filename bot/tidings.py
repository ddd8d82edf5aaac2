"""How far pieces are, told in their messages until they have ended: in words, and as a picture where it takes long."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace

import structlog

from bot.delivery import Delivery
from bot.letters import NOBODY_LISTENS, Letter, file_name, progress_letter
from bot.storage import Storage
from bot.storage.piece import Piece
from bot.studio import Studio
from bot.workshop import Answered
from composer.database import Database
from composer.errors import SegueError
from composer.line.asking import Progress
from composer.line.jobs import Jobs
from composer.line.schema import Kind, State
from composer.request import Composed, Request, unpacked

EDIT_SECONDS = 2.5  # between two edits of one message
EDITS_A_SECOND = 10  # of all messages together; Discord takes 50 from a bot
DEAF_SECONDS = 90.0  # without a worker that transcribes; then a recording is given back with a sentence
NEWS_SECONDS = 5.0  # after which a piece is looked at again, though nothing has changed

log = structlog.get_logger("tidings")


class Tidings:
    """Tells of every piece that is on its way, the newest state only.

    Args:
        database: which tells when something has moved.
        jobs: the line.
        storage: where the openings are.
        studio: where what there is so far is drawn.
        delivery: which brings it to their persons.
    """

    def __init__(self, database: Database, jobs: Jobs, storage: Storage, studio: Studio, delivery: Delivery) -> None:
        self._database, self._jobs, self._storage = database, jobs, storage
        self._studio, self._delivery = studio, delivery
        self._told: dict[int, bytes] = {}  # pieces that are told of, and the words that were drawn last
        self._known: dict[int, Progress] = {}
        self._moved = asyncio.Condition()

    async def watch(self) -> None:
        """Keep `_known` up to date: one query for all pieces whenever the table has changed."""
        async with self._database.changes() as changes:
            while True:
                try:
                    if self._told:
                        self._known = await self._jobs.progress(list(self._told))
                        async with self._moved:
                            self._moved.notify_all()
                    await changes.wait(1.0)
                except SegueError as error:  # the database is away; it comes back
                    log.warning("table out of reach", error=str(error))
                    await asyncio.sleep(1)
                await asyncio.sleep(0.1)  # a worker that reports five times a second is not asked more often

    async def tell(self, piece: Piece) -> Piece:
        """Show how far it is until it has ended."""
        self._told[piece.id] = b""
        self._known.pop(piece.id, None)
        try:
            return await self._tell(piece)
        finally:
            del self._told[piece.id]

    async def _tell(self, piece: Piece) -> Piece:
        shown: Letter | None = None
        heard_of = time.monotonic()
        while (progress := await self._progress(piece.id)) and progress.state in (State.QUEUED, State.RUNNING):
            if progress.kind is Kind.COMPOSE or progress.seconds is not None:
                heard_of = time.monotonic()
            elif time.monotonic() - heard_of > DEAF_SECONDS and await self._jobs.abandon(piece.id, NOBODY_LISTENS):
                break
            letter = progress_letter(piece, progress)
            if letter == shown:
                await self._news(progress)
                continue
            picture = await self._picture(piece, progress)
            if not self._has_ended(piece.id):
                piece = await self._delivery.show(piece, replace(letter, files=picture))
                shown = letter
                await self._pause(piece.id)
        return piece

    async def _picture(self, piece: Piece, progress: Progress) -> Mapping[str, bytes] | None:
        """What there is of it so far, as a file; None where it is what it was, or is not drawn."""
        if progress.kind is not Kind.COMPOSE or progress.state is not State.RUNNING:
            return None
        words = await self._jobs.so_far(piece.id)
        if not words or words == self._told[piece.id]:
            return None
        job, opening = await self._jobs.get(piece.id), await self._storage.opening_of(piece.id)
        if job is None or opening is None or job.vocabulary != self._studio.vocabulary.digest:
            return None
        try:
            request = Request.from_json(job.payload, self._studio.vocabulary)
            composed = Composed(unpacked(words), "", "", "", 0.0)
            title = piece.title.bare
            so_far = Answered(opening, piece.opening_bars, request, composed, piece.program, title)
            drawn = await self._studio.so_far(so_far)
        except Exception:  # the piece goes all the same, and so does how far it is
            log.exception("not drawn", job=piece.id)
            return None
        if drawn is None:
            return None
        self._told[piece.id] = words
        return {f"{file_name(title)}.png": drawn}

    async def _progress(self, number: int) -> Progress | None:
        """The newest that is known.

        Returns:
            None if the job is gone.
        """
        if number not in self._known:
            self._known |= await self._jobs.progress([number])
        return self._known.get(number)

    async def _news(self, seen: Progress) -> None:
        """Until something else than that is known, or some time has passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(NEWS_SECONDS), self._moved:
                await self._moved.wait_for(lambda: self._known.get(seen.id) != seen)

    async def _pause(self, number: int) -> None:
        """Until the message may be edited again; the end is not waited for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(EDIT_SECONDS, len(self._told) / EDITS_A_SECOND)), self._moved:
                await self._moved.wait_for(lambda: self._has_ended(number))

    def _has_ended(self, number: int) -> bool:
        progress = self._known.get(number)  # None: the last look was taken before the piece was told of
        return progress is not None and progress.state not in (State.QUEUED, State.RUNNING)
