"""Pieces on their way: taken over, concluded, tried again. No Discord objects.

attend     tell how far it is, until it has ended; then render and post it      (one task a piece)
tend       attend to what a bot that is gone has left behind                    (always)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from bot.delivery import Delivery, TitleRefusedError, TooLargeError, UndeliverableError
from bot.errors import GoneError
from bot.intake import Ask, Intake, order_of
from bot.letters import (
    Letter,
    ended_letter,
    heard_letter,
    piece_letter,
    refusal_letter,
    undelivered_letter,
    unheard_letter,
)
from bot.messages import Stranger, describe, say
from bot.storage import Storage
from bot.storage.piece import Piece
from bot.studio import Studio
from bot.tidings import Tidings
from bot.workshop import Answered, Card, Finished, Sound
from composer.database import Database
from composer.errors import DatabaseError, LineFullError, OpeningError, SegueError, TaskError
from composer.line.jobs import Jobs
from composer.line.schema import PERFORMANCE, Job, Kind, State
from composer.pauses import Pauses
from composer.rendering.sheet import Sheet
from composer.request import Composed, Request
from composer.telemetry import Exposition
from composer.transcription.synchronise import Listening

TOLD_AFTER = 3  # tries to deliver a piece, where the fault is ours
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 3600.0  # seconds between two tries
SMALLER = 0.6  # of the size that was too large, for the next try
SOUND_SECONDS = 0.5  # that a message waits for sound, before it shows what there is
DATABASE_SECONDS = 2.5  # before a piece is looked at again, where the database was away

BUCKETS = (0.1, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 900, 3600)  # seconds

log = structlog.get_logger("attendance")


class Attendance:
    """Attends to every piece that this bot holds, until it is delivered.

    Args:
        database: which tells when something has moved.
        jobs: the line.
        storage: the pieces.
        studio: where they are rendered.
        delivery: which brings them to their persons.
        intake: whose pieces these are, and which takes what a recording becomes.
        exposition: where it is counted.
    """

    def __init__(
        self,
        database: Database,
        jobs: Jobs,
        storage: Storage,
        studio: Studio,
        delivery: Delivery,
        intake: Intake,
        exposition: Exposition,
    ) -> None:
        self._jobs, self._storage = jobs, storage
        self._studio, self._delivery, self._intake = studio, delivery, intake
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._presses: dict[int, asyncio.Event] = {}  # of pieces that wait for the next try to deliver them
        self._tidings = Tidings(database, jobs, storage, studio, delivery)
        self._ended = exposition.counted("segue_pieces_ended", "Pieces brought to an end.", ["how"])
        self._wait = exposition.histogram("segue_wait_seconds", "From the request to its first word.", BUCKETS)
        self._until_posted = exposition.histogram("segue_posted_seconds", "From the request to the post.", BUCKETS)

    # ------------------------------------------------------------------ tend

    async def run(self) -> None:
        """Attend to pieces until cancelled; then another bot may take them over at once."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive())
                group.create_task(self._tidings.watch())
                group.create_task(_always(self._tend, self._jobs.lease_seconds / 3))
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            with contextlib.suppress(SegueError):
                await self._jobs.let_go(self._intake.name)

    @property
    def attended(self) -> int:
        return len(self._tasks)

    async def _receive(self) -> None:
        """Attend to what is put into the line here."""
        while True:
            self._attend(await self._intake.taken.get())

    async def _tend(self) -> None:
        """Keep what is ours, and take over what nobody holds."""
        await self._jobs.hold(self._intake.name, list(self._tasks))
        for job in await self._jobs.tend(self._intake.name, 100):
            if job.id in self._tasks:
                continue
            if piece := await self._storage.piece(job.id):
                log.info("taken over", job=job.id, state=job.state)
                if self._is_foreign(job):
                    await self._jobs.cancel(job.id)
                self._attend(piece)
            else:  # its owner had everything deleted
                await self._jobs.delivered(job.id, self._intake.name)

    def _is_foreign(self, job: Job) -> bool:
        """Whether it is from before a change of the model, so that nobody here can make anything of it."""
        return job.vocabulary != (PERFORMANCE if job.kind is Kind.TRANSCRIBE else self._studio.vocabulary.digest)

    # ------------------------------------------------------------------ attend

    def _attend(self, piece: Piece) -> None:
        if piece.id in self._tasks:
            return
        task = asyncio.create_task(self._attend_to(piece), name=f"piece {piece.id}")
        self._tasks[piece.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(piece.id, None))

    async def _attend_to(self, piece: Piece) -> None:
        """Until it is delivered. What goes wrong on our side, or may not be handed over, is tried again, a little
        later each time, or as soon as its button is pressed."""
        tries, told, pauses = 0, "", Pauses(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            try:
                piece = await self._storage.piece(piece.id) or piece
                piece = await self._tidings.tell(piece)
                await self._conclude(piece)
                break
            except DatabaseError as error:  # it comes back
                log.warning("table out of reach", job=piece.id, error=str(error))
                await asyncio.sleep(DATABASE_SECONDS)
                continue
            except GoneError:
                log.info("gone before it was delivered", job=piece.id)
                await self._put_away(piece)
                break
            except (TitleRefusedError, UndeliverableError) as error:
                if isinstance(error, TitleRefusedError) and await self._untitle(piece):
                    continue
                log.warning("nowhere to deliver to", job=piece.id)
                why, tries = "undelivered", tries + 1
            except Exception:
                why, tries = "not_yet_delivered", tries + 1
                log.exception("delivery failed", job=piece.id, attempt=tries)
            if why != told and (why == "undelivered" or tries >= TOLD_AFTER):
                if await self._tell_undelivered(piece, why):
                    told = why
                elif why == "undelivered":  # every way is closed to a single word
                    await self._put_away(piece)
                    break
            await self._until_pressed(piece.id, pauses.next())
            self._delivery.reopen(piece.id)
        self._delivery.reopen(piece.id)

    async def _untitle(self, piece: Piece) -> bool:
        """Go on without a title that a server does not want to read.

        Returns:
            False if it is not the title's fault.
        """
        untitled = say(piece.place.language, "untitled")
        if piece.title == Stranger(untitled):
            return False
        await self._storage.set_title(piece.id, untitled)
        return True

    async def _tell_undelivered(self, piece: Piece, why: str) -> bool:
        """Say that it is finished and not here, where the files cannot go but text can.

        Returns:
            False if neither can.
        """
        try:
            piece = await self._storage.piece(piece.id) or piece
            await self._delivery.post(piece, undelivered_letter(piece, why))
        except Exception as error:
            log.warning("not told", job=piece.id, error=type(error).__name__)
            return False
        return True

    async def _until_pressed(self, number: int, seconds: float) -> None:
        self._presses[number] = pressed = asyncio.Event()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await pressed.wait()
        finally:
            del self._presses[number]

    def deliver_now(self, number: int) -> bool:
        """Do not wait any longer with the next try to deliver a piece.

        Returns:
            False if it does not wait for one.
        """
        if pressed := self._presses.get(number):
            pressed.set()
        return pressed is not None or number in self._tasks

    async def _put_away(self, piece: Piece) -> None:
        """Give up to deliver it; nobody can be told."""
        with contextlib.suppress(DatabaseError):  # then it is tended again
            if await self._jobs.delivered(piece.id, self._intake.name):
                self._ended.labels("undelivered").inc()

    # ------------------------------------------------------------------ conclude

    async def _conclude(self, piece: Piece) -> None:
        """Bring the end of a job to the person, whichever it is."""
        job = await self._jobs.get(piece.id)
        if job is None or job.delivered_at is not None:
            return
        if job.kind is Kind.TRANSCRIBE:
            piece = await self._deliver_hearing(piece, job)
        elif job.state is State.DONE and not self._is_foreign(job):
            piece = await self._deliver(piece, job)
        else:
            failed = "cancelled" if job.state is State.CANCELLED else "failed"
            how = "expired" if self._is_foreign(job) else failed
            await self._delivery.post(piece, ended_letter(piece, how))
        if await self._jobs.delivered(job.id, self._intake.name):
            self._ended.labels(job.state.value).inc()
            await self._time(job)
            log.info("delivered", job=job.id, user=piece.owner, state=job.state, message=piece.place.message)

    async def _time(self, job: Job) -> None:
        if job.started_at is not None:
            self._wait.observe(max(0.0, job.started_at - job.submitted_at))
        if (now := await self._jobs.get(job.id)) and now.delivered_at is not None:
            self._until_posted.observe(max(0.0, now.delivered_at - job.submitted_at))

    async def _deliver(self, piece: Piece, job: Job) -> Piece:
        """Render what was composed and make its message the piece."""
        opening = await self._storage.opening_of(piece.id)
        if opening is None:
            raise GoneError
        answered = Answered(
            opening=opening,
            bars=piece.opening_bars,
            request=Request.from_json(job.payload, self._studio.vocabulary),
            composed=Composed.from_json(job.result or {}),
            program=piece.program,
            title=piece.title.bare,
            task=piece.task,
            heard=piece.heard,
            lost=piece.lost,
        )
        finished = await self._studio.finish(answered)
        if not await self._storage.set_result(piece.id, finished.midi, finished.receipt):  # the buttons ask for it
            raise GoneError
        return await self.post_piece(piece, finished)

    async def post_piece(self, piece: Piece, finished: Finished) -> Piece:
        """Make its message a finished piece; what there is to see does not wait for what there is to hear."""
        title, limit = piece.title.bare, piece.place.filesize_limit
        rendering = asyncio.create_task(self._studio.sound(finished.midi, title, limit))
        try:
            if not (await asyncio.wait([rendering], timeout=SOUND_SECONDS))[0]:
                piece = await self._delivery.show(piece, await self._letter(piece, finished))
            sound = await rendering
        finally:
            rendering.cancel()
        sheet = await self._sheet(piece, finished)
        while True:
            if sound.failure:
                log.error("no sound", job=piece.id, error=sound.failure)
            try:
                return await self._delivery.post(piece, await self._letter(piece, finished, sound, sheet))
            except TooLargeError:
                if sound.mp3 is None:
                    raise
                sound = await self._studio.sound(finished.midi, title, int(SMALLER * len(sound.mp3)))

    async def _letter(
        self, piece: Piece, finished: Finished, sound: Sound | None = None, sheet: Sheet | None = None
    ) -> Letter:
        parent = await self._storage.piece(piece.parent) if piece.parent is not None else None
        votes = (await self._storage.guild(piece.place.guild)).votes
        return piece_letter(piece, finished, sound, parent, votes, sheet)

    async def _sheet(self, piece: Piece, finished: Finished) -> Sheet | None:
        """Where it was asked for."""
        if not piece.task.get("sheet"):
            return None
        try:
            return await self._studio.sheet(finished.midi, piece.title.bare, piece.first_new)
        except Exception:  # the piece goes all the same, and its button tells what is wrong
            log.exception("no sheet", job=piece.id)
            return None

    # ------------------------------------------------------------------ conclude what was heard

    async def _deliver_hearing(self, piece: Piece, job: Job) -> Piece:
        """Show what was heard, or, if so it was asked, have it composed on at once."""
        if piece.deleted or piece.hearing is None:  # pieces that were made of it have its message
            await self._jobs.strip(job.id)
            return piece
        if job.state is not State.DONE or self._is_foreign(job):
            return await self._delivery.post(piece, unheard_letter(piece, job))
        try:
            card = await self._card(piece, job, piece.hearing.listening)
        except (OpeningError, TaskError) as error:
            return await self._delivery.post(piece, refusal_letter(piece, error))
        note = ""
        if piece.hearing.go:
            try:
                await self._go_on_at_once(piece, card)
            except LineFullError as error:
                note = describe(error, piece.place.language)
            else:
                await self._jobs.strip(job.id)
                return piece
        return await self._delivery.post(piece, heard_letter(piece, card, note))

    async def _card(self, piece: Piece, job: Job, listening: Listening) -> Card:
        place = order_of(piece).place
        card = await self._studio.hear(job.result or {}, listening, piece.title.bare, place, owner=piece.owner)
        if not await self._storage.set_heard(piece.id, card.midi, card.bars, card.heard, listening):
            raise GoneError
        return card

    async def _go_on_at_once(self, piece: Piece, card: Card) -> None:
        """With a key of its own: if the bot dies now, the next one gets the same pieces."""
        order = order_of(piece)
        ask = Ask(f"go-{piece.id}", piece.owner, piece.place, piece.title, order, piece.program, heard=card.heard)
        read = await self._studio.read_again(card.midi, card.bars, order, owner=ask.user)
        await self._intake.take(ask, read, instead_of=piece)

    async def hear_again(self, piece: Piece, factor: float) -> Letter:
        """What was transcribed once, put into other bars.

        Args:
            piece: the recording.
            factor: at so many times the tempo.

        Returns:
            What its message is to be now.

        Raises:
            GoneError: it is no longer kept.
            SettingsError: the tempo would be none.
            OpeningError: in such bars it cannot be continued.
        """
        job = await self._jobs.get(piece.id)
        if piece.hearing is None or piece.heard is None or job is None or not job.result:
            raise GoneError
        listening = replace(piece.hearing.listening, bpm=factor * piece.heard["tempo"])
        card = await self._card(piece, job, listening)
        return heard_letter(piece, card)


async def _always(action: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        try:
            await action()
        except SegueError as error:  # the database is away; it comes back
            log.warning("table out of reach", error=str(error))
        await asyncio.sleep(seconds)
