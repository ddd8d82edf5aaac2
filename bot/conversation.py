"""One request from attachment to posted piece, top to bottom. No Discord objects: places, pieces and letters.

take      check the opening, put a job for each take into the line          (a command or a button)
listen    the same for a recording, which is heard first                    (a command)
attend    tell how far it is, until it has ended; then render and post it   (one task a piece)
tend      attend to what a bot that is gone has left behind                 (always)
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from bot.buttons import ENDED, FINISHED, UNDELIVERED, UNDER_WAY, UNHEARD
from bot.delivery import Delivery, Letter, TitleRefusedError, TooLargeError, UndeliverableError
from bot.errors import GoneError, NobodyListensError, NotFinishedError
from bot.hearing import NOBODY_LISTENS, about, heard_letter, tell_hearing, tell_of_opening, unheard
from bot.messages import Language, Stranger, describe, progress_bar, say, say_key, say_settings, say_time
from bot.storage import Guild, Hearing, Piece, Place, Storage
from bot.studio import Card, Finished, Read, Sound, Studio
from composer.database import Database
from composer.errors import DatabaseError, LineFullError, OpeningError, RenderingError, SegueError, to_reason
from composer.line.asking import Limits, Progress
from composer.line.jobs import Jobs
from composer.line.schema import PERCENT, PERFORMANCE, Draft, Job, Kind, State
from composer.pauses import Pauses
from composer.piece import Order
from composer.rendering.instruments import INSTRUMENTS
from composer.request import Composed, Request
from composer.telemetry import Exposition
from composer.transcription.synchronise import Listening

EDIT_SECONDS = 2.5  # between two edits of one message
EDITS_A_SECOND = 10  # of all messages together; Discord takes 50 from a bot
TOLD_AFTER = 3  # tries to deliver a piece, where the fault is ours
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 3600.0  # seconds between two tries
SMALLER = 0.6  # of the size that was too large, for the next try
MAX_TITLE = 60  # characters
MAX_BARS = 128  # of one request; a piece goes on with Continue
DEAF_SECONDS = 90.0  # without a worker that transcribes; then a recording is given back with a sentence
NEWS_SECONDS = 5.0  # after which a piece is looked at again, though nothing has changed

log = structlog.get_logger("conversation")


def new_seed() -> int:
    """One that people can read out to each other."""
    return secrets.randbelow(10**9)


@dataclass(frozen=True)
class Ask:
    """What a person wants.

    key: of the command or click that asked; the same key twice is one request   program: General MIDI, 0-127
    heard: what was heard in the opening, if it was played
    """

    key: str
    user: int
    place: Place
    title: Stranger
    order: Order
    program: int = 0
    parent: int | None = None
    heard: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class _Row:
    """A piece on its way into the table, with its job."""

    draft: Draft
    opening: bytes | None
    opening_bars: int
    order: Order


class Conversations:
    """defaults: what a user may have in line and ask for, where a server does not say otherwise"""

    def __init__(
        self,
        database: Database,
        jobs: Jobs,
        storage: Storage,
        studio: Studio,
        delivery: Delivery,
        defaults: Limits,
        exposition: Exposition,
    ) -> None:
        self.name = f"bot-{secrets.token_hex(6)}"
        self._database, self._jobs, self._storage = database, jobs, storage
        self._studio, self._delivery, self._defaults = studio, delivery, defaults
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._known: dict[int, Progress] = {}
        self._presses: dict[int, asyncio.Event] = {}  # of pieces that wait for the next try to deliver them
        self._moved = asyncio.Condition()
        self._ended = exposition.counted("segue_pieces_ended", "Pieces brought to an end.", ["how"])
        self._wait = exposition.histogram("segue_wait_seconds", "From the request to its first word.", _BUCKETS)
        self._until_posted = exposition.histogram("segue_posted_seconds", "From the request to the post.", _BUCKETS)

    # ------------------------------------------------------------------ take

    async def admit(self, user: int, guild: int | None) -> None:
        """Before anything of theirs is fetched and read. Raises LineFullError if no piece of theirs would be taken."""
        await self._jobs.check(str(user), _scope(guild), await self.limits(await self._storage.guild(guild)))

    async def read(self, user: int, data: bytes, order: Order, listening: Listening) -> Read:
        """A stranger's MIDI file. listening: where it was played without a click   Raises OpeningError."""
        return await self._studio.read(data, order, listening, owner=user)

    async def check(self, key: str, user: int, guild: int | None, recording: bytes) -> None:
        """A stranger's recording, before it is put into the line. Raises OpeningError or NobodyListensError.

        One that is refused counts for the day, for it has cost something.
        """
        # Where no worker is there at all, one is expected to come back.
        if not await self._jobs.hands(Kind.TRANSCRIBE) and await self._jobs.hands(Kind.COMPOSE):
            raise NobodyListensError
        try:
            await self._studio.check(recording, owner=user)
        except OpeningError as error:
            await self._jobs.refuse(_to_be_heard(key, user, guild, recording), to_reason(error))
            raise

    async def carry_on(self, ask: Ask, parent: Piece) -> list[Piece]:
        """Go on from where a finished piece ends. Raises GoneError, NotFinishedError, OpeningError or LineFullError."""
        if parent.receipt is None:
            raise NotFinishedError
        midi = await self._storage.midi_of(parent.id)
        if midi is None:
            raise GoneError
        bars = parent.opening_bars + parent.bars
        return await self.take(ask, await self._studio.read_again(midi, bars, ask.order, owner=ask.user))

    async def compose_again(self, ask: Ask, parent: Piece) -> list[Piece]:
        """Another continuation of the opening that a piece was made from. Raises GoneError or LineFullError."""
        opening = await self._storage.opening_of(parent.id)
        if opening is None:
            raise GoneError
        read = await self._studio.read_again(opening, parent.opening_bars, ask.order, owner=ask.user)
        return await self.take(ask, read)

    async def limits(self, guild: Guild) -> Limits:
        """What holds on a server: its own limits, and the bot's over all servers together."""
        most = self._defaults
        return replace(most, in_line=guild.in_line or most.in_line_anywhere, a_day=guild.a_day or most.a_day_anywhere)

    async def take(self, ask: Ask, read: Read, instead_of: Piece | None = None) -> list[Piece]:
        """Put the continuations of what was read into the line. Raises LineFullError.

        instead_of: the recording that it was heard in, whose message they take over
        """
        ask = replace(ask, heard=ask.heard or read.heard)
        rows = [
            _Row(
                Draft(
                    key=f"{ask.key}:{take}",
                    owner=str(ask.user),
                    scope=_scope(ask.place.guild),
                    vocabulary=self._studio.vocabulary.digest,
                    payload=request.to_json(),
                    bars=request.bars,
                ),
                read.midi,
                read.bars,
                replace(ask.order, seed=request.seed),
            )
            for take, request in enumerate(read.requests)
        ]
        return await self._into_line(ask, rows, instead_of=instead_of)

    async def listen(self, ask: Ask, recording: bytes, hearing: Hearing) -> Piece:
        """Put a recording into the line, to be heard before anything is composed. Raises LineFullError."""
        draft = _to_be_heard(ask.key, ask.user, ask.place.guild, recording)
        (piece,) = await self._into_line(ask, [_Row(draft, None, 0, ask.order)], hearing=hearing)
        return piece

    async def _into_line(
        self, ask: Ask, rows: Sequence[_Row], hearing: Hearing | None = None, instead_of: Piece | None = None
    ) -> list[Piece]:
        limits = await self.limits(await self._storage.guild(ask.place.guild))
        async with self._database.write() as connection:
            submitted = await self._jobs.submit(connection, [row.draft for row in rows], limits, tender=self.name)
            known = await self._storage.known(connection, [job.id for job in submitted])  # from the same request
            for take, (job, row) in enumerate(zip(submitted, rows, strict=True)):
                if job.id in known:
                    continue
                await self._storage.add_piece(
                    connection,
                    number=job.id,
                    owner=ask.user,
                    parent=ask.parent,
                    title=ask.title.bare[:MAX_TITLE],
                    opening=row.opening,
                    opening_bars=row.opening_bars,
                    bars=row.order.bars,
                    seed=row.order.seed,
                    program=ask.program,
                    sampling=row.order.sampling,
                    # The reply to the command is the message of the first take; the others get one of their own.
                    place=ask.place if take == 0 else replace(ask.place, message=None),
                    asked_at=instead_of.asked_at if instead_of else None,
                    heard=ask.heard,
                    hearing=hearing,
                )
            if instead_of is not None:
                await self._storage.replace(connection, instead_of.id)
        pieces = [piece for job in submitted if (piece := await self._storage.piece(job.id))]
        for piece in pieces:
            log.info("in line", job=piece.id, user=piece.owner, guild=piece.place.guild, bars=piece.bars)
            self._attend(piece)
        return pieces

    # ------------------------------------------------------------------ tend

    async def run(self) -> None:
        """Attend to pieces until cancelled; then another bot may take them over at once."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch())
                group.create_task(_always(self._tend, self._jobs.lease_seconds / 3))
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            with contextlib.suppress(SegueError):
                await self._jobs.let_go(self.name)

    @property
    def attended(self) -> int:
        return len(self._tasks)

    async def _tend(self) -> None:
        """Keep what is ours, and take over what nobody holds."""
        await self._jobs.hold(self.name, list(self._tasks))
        for job in await self._jobs.tend(self.name, 100):
            if job.id in self._tasks:
                continue
            if piece := await self._storage.piece(job.id):
                log.info("taken over", job=job.id, state=job.state)
                if self._is_foreign(job):
                    await self._jobs.cancel(job.id)
                self._attend(piece)
            else:  # its owner had everything deleted
                await self._jobs.delivered(job.id, self.name)

    def _is_foreign(self, job: Job) -> bool:
        """Whether it is from before a change of the model, so that nobody here can make anything of it."""
        return job.vocabulary != (PERFORMANCE if job.kind is Kind.TRANSCRIBE else self._studio.vocabulary.digest)

    async def _watch(self) -> None:
        """Keep `_known` up to date: one query for all pieces whenever the table has changed."""
        async with self._database.changes() as changes:
            while True:
                try:
                    if self._tasks:
                        self._known = await self._jobs.progress(list(self._tasks))
                        async with self._moved:
                            self._moved.notify_all()
                    await changes.wait(1.0)
                except SegueError as error:  # the database is away; it comes back
                    log.warning("table out of reach", error=str(error))
                    await asyncio.sleep(1)
                await asyncio.sleep(0.1)  # a worker that reports five times a second is not asked more often

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
                piece = await self._tell_progress(piece)
                await self._conclude(piece)
                break
            except DatabaseError as error:  # it comes back
                log.warning("table out of reach", job=piece.id, error=str(error))
                await asyncio.sleep(EDIT_SECONDS)
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
        """Go on without a title that a server does not want to read. False: it is not the title's fault."""
        untitled = say(piece.place.language, "untitled")
        if piece.title == Stranger(untitled):
            return False
        await self._storage.set_title(piece.id, untitled)
        return True

    async def _tell_undelivered(self, piece: Piece, why: str) -> bool:
        """Say that it is finished and not here, where the files cannot go but text can. False: neither can."""
        try:
            piece = await self._storage.piece(piece.id) or piece
            text = say(piece.place.language, why)
            await self._delivery.post(piece, Letter(headed(piece, text), UNDELIVERED))
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
        """Do not wait any longer with the next try to deliver a piece. False: it does not wait for one."""
        if pressed := self._presses.get(number):
            pressed.set()
        return pressed is not None or number in self._tasks

    async def _put_away(self, piece: Piece) -> None:
        """Give up to deliver it; nobody can be told."""
        with contextlib.suppress(DatabaseError):  # then it is tended again
            if await self._jobs.delivered(piece.id, self.name):
                self._ended.labels("undelivered").inc()

    async def _tell_progress(self, piece: Piece) -> Piece:
        """Show how far it is until it has ended, the newest state only."""
        shown, heard_of = "", time.monotonic()
        while (progress := await self._progress(piece.id)) and progress.state in (State.QUEUED, State.RUNNING):
            if progress.kind is Kind.COMPOSE or progress.seconds is not None:
                heard_of = time.monotonic()
            elif time.monotonic() - heard_of > DEAF_SECONDS and await self._jobs.abandon(piece.id, NOBODY_LISTENS):
                break
            text = (tell if progress.kind is Kind.COMPOSE else tell_hearing)(piece, progress)
            if text != shown:
                piece = await self._delivery.show(piece, Letter(text, UNDER_WAY))
                shown = text
                await self._pause(piece.id)
            else:
                await self._news(progress)
        return piece

    async def _progress(self, number: int) -> Progress | None:
        """The newest that is known; None if the job is gone."""
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

        def ended() -> bool:
            progress = self._known.get(number)
            return progress is None or progress.state not in (State.QUEUED, State.RUNNING)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(EDIT_SECONDS, len(self._tasks) / EDITS_A_SECOND)), self._moved:
                await self._moved.wait_for(ended)

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
            await self._delivery.post(piece, Letter(headed(piece, say(piece.place.language, how)), ENDED))
        if await self._jobs.delivered(job.id, self.name):
            self._ended.labels(job.state.value).inc()
            await self._time(job)
            log.info("delivered", job=job.id, user=piece.owner, state=job.state, message=piece.place.message)

    async def _time(self, job: Job) -> None:
        if job.started_at is not None:
            self._wait.observe(max(0.0, job.started_at - job.submitted_at))
        if (now := await self._jobs.get(job.id)) and now.delivered_at is not None:
            self._until_posted.observe(max(0.0, now.delivered_at - job.submitted_at))

    # ------------------------------------------------------------------ deliver what was heard

    async def _deliver_hearing(self, piece: Piece, job: Job) -> Piece:
        """Show what was heard, or, if so it was asked, have it composed on at once."""
        if piece.deleted or piece.hearing is None:  # pieces that were made of it have its message
            await self._jobs.strip(job.id)
            return piece
        if job.state is not State.DONE or self._is_foreign(job):
            return await self._delivery.post(piece, Letter(unheard(piece, job), UNHEARD))
        try:
            card = await self._card(piece, job, piece.hearing.listening)
        except OpeningError as error:
            text = about(piece, describe(error, piece.place.language))
            return await self._delivery.post(piece, Letter(text, UNHEARD))
        note = ""
        if piece.hearing.go:
            try:
                await self._go_on_at_once(piece, card)
            except LineFullError as error:
                note = describe(error, piece.place.language)
            else:
                await self._jobs.strip(job.id)
                return piece
        return await self._delivery.post(piece, heard_letter(piece, card, _file_name(piece.title.bare), note))

    async def _card(self, piece: Piece, job: Job, listening: Listening) -> Card:
        card = await self._studio.hear(job.result or {}, listening, piece.title.bare, owner=piece.owner)
        if not await self._storage.set_heard(piece.id, card.midi, card.bars, card.heard, listening):
            raise GoneError
        return card

    async def _go_on_at_once(self, piece: Piece, card: Card) -> None:
        """With a key of its own: if the bot dies now, the next one gets the same pieces."""
        order = order_of(piece)
        ask = Ask(f"go-{piece.id}", piece.owner, piece.place, piece.title, order, piece.program, heard=card.heard)
        read = await self._studio.read_again(card.midi, card.bars, order, owner=ask.user)
        await self.take(ask, read, instead_of=piece)

    async def hear_again(self, piece: Piece, factor: float) -> Letter:
        """What was transcribed once, put into other bars: at so many times the tempo.

        Raises GoneError, or SettingsError where the tempo would be none.
        """
        job = await self._jobs.get(piece.id)
        if piece.hearing is None or piece.heard is None or job is None or not job.result:
            raise GoneError
        listening = replace(piece.hearing.listening, bpm=factor * piece.heard["tempo"])
        card = await self._card(piece, job, listening)
        return heard_letter(piece, card, _file_name(piece.title.bare))

    # ------------------------------------------------------------------ deliver

    async def _deliver(self, piece: Piece, job: Job) -> Piece:
        """Render what was composed and make its message the piece."""
        opening = await self._storage.opening_of(piece.id)
        if opening is None:
            raise GoneError
        request = Request.from_json(job.payload, self._studio.vocabulary)
        composed = Composed.from_json(job.result or {})
        finished = await self._studio.finish(
            opening, piece.opening_bars, request, composed, piece.program, piece.title.bare
        )
        if not await self._storage.set_result(piece.id, finished.midi, finished.receipt):  # the buttons ask for it
            raise GoneError
        limit = piece.place.filesize_limit
        while True:
            sound = await self._sound(piece, finished, limit)
            letter = await self._letter(piece, finished, sound)
            try:
                return await self._delivery.post(piece, letter)
            except TooLargeError:
                if sound.mp3 is None:
                    raise
                limit = int(SMALLER * len(sound.mp3))

    async def _sound(self, piece: Piece, finished: Finished, limit: int) -> Sound:
        try:
            return await self._studio.sound(finished.midi, piece.program, piece.title.bare, limit)
        except RenderingError as error:  # the MIDI goes all the same
            log.error("no sound", job=piece.id, error=str(error))
            return Sound(None, None)

    async def _letter(self, piece: Piece, finished: Finished, sound: Sound) -> Letter:
        language, receipt = piece.place.language, finished.receipt
        caption = say(
            language,
            "piece",
            title=piece.title,
            added=receipt["bars"]["added"],
            opening=receipt["bars"]["opening"],
            tempo=round(receipt["tempo"]["continuation"][-1]),
            key=say_key(language, receipt["key"]["continuation"]),
            seed=piece.seed,
            settings=say_settings(language, piece.sampling),
        ) + (f" · {INSTRUMENTS[piece.program]}" if piece.program else "")
        lines = [caption]
        parent = await self._storage.piece(piece.parent) if piece.parent is not None else None
        if parent is not None and parent.link:
            lines.append(descent(language, piece, parent))
        elif piece.heard:
            lines.append(tell_of_opening(language, piece.heard))
        if sound.mp3 is None:
            lines.append(say(language, "no_sound"))
        elif sound.shortened is not None:
            lines.append(say(language, "shortened", time=say_time(language, sound.shortened)))
        name = _file_name(piece.title.bare)
        files = {f"{name}.mp3": sound.mp3} if sound.mp3 else {}
        files |= {f"{name}.mid": finished.midi, f"{name}.png": finished.picture}
        return Letter("\n".join(lines), FINISHED, files)


_BUCKETS = (0.1, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 900, 3600)


def tell(piece: Piece, progress: Progress) -> str:
    """How far a piece is, for its message."""
    return headed(piece, _tell(piece.place.language, progress))


def descent(language: Language, piece: Piece, parent: Piece) -> str:
    """What a piece has to do with the one that it came from, and who asked: after a click nobody would know."""
    if parent.hearing is not None:
        how = "from_recording"
    else:
        how = "continues" if piece.opening_bars == parent.opening_bars + parent.bars else "another"
    return say(language, how, link=parent.link, person=f"<@{piece.owner}>")


def _scope(guild: int | None) -> str:
    """Within which a server's limits count."""
    return str(guild or "")


def _to_be_heard(key: str, user: int, guild: int | None, recording: bytes) -> Draft:
    return Draft(
        key=f"{key}:ear",
        owner=str(user),
        scope=_scope(guild),
        vocabulary=PERFORMANCE,
        payload={},
        bars=PERCENT,
        kind=Kind.TRANSCRIBE,
        recording=recording,
    )


def order_of(piece: Piece) -> Order:
    """What a recording shall be continued by."""
    hearing = piece.hearing or Hearing()
    return Order(piece.bars, hearing.takes, piece.seed if hearing.seeded else new_seed(), piece.sampling)


def headed(piece: Piece, text: str) -> str:
    """Below what it is about: several of a person's pieces may be on their way."""
    return say(piece.place.language, "headed", title=piece.title, bars=piece.bars, text=text)


def _tell(language: Language, progress: Progress) -> str:
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


def _file_name(title: str) -> str:
    """A name that Discord keeps as it is: it drops what is not ASCII."""
    kept = "".join(character if character.isascii() and character.isalnum() else "_" for character in title)
    return kept.strip("_")[:MAX_TITLE] or "piece"


async def _always(action: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        try:
            await action()
        except SegueError as error:  # the database is away; it comes back
            log.warning("table out of reach", error=str(error))
        await asyncio.sleep(seconds)
