"""What a person asks for, checked and put into the line. No Discord objects: places, orders and pieces.

    admit, read, check          before anything is put into the line
    take, listen, ask           an opening, or what is heard first                 (a command)
    work_on, compose_again      from a piece that there is                          (a button)
    compose_as_written          from a file, however it was played                  (a button)

What has been put into the line is handed on in `taken`; bot.attendance sees to it from there.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from bot.errors import GoneError, NobodyListensError, NotFinishedError
from bot.messages import Stranger
from bot.storage import Storage
from bot.storage.piece import MAX_TITLE, Hearing, Piece, Place
from bot.storage.servers import Guild
from bot.studio import Studio
from bot.workshop import Doubtful, Read
from composer.database import Database
from composer.errors import OpeningError, to_reason
from composer.line.asking import Limits
from composer.line.jobs import Jobs
from composer.line.schema import PERCENT, PERFORMANCE, Draft, Kind
from composer.music.score import NOTHING_LOST, Lost
from composer.order import Order
from composer.transcription.synchronise import Listening

AS_WRITTEN = Listening(as_written=True)
MAX_BARS = 128  # of one request; a piece goes on with Continue

log = structlog.get_logger("intake")


def new_seed() -> int:
    """One that people can read out to each other."""
    return secrets.randbelow(10**9)


@dataclass(frozen=True)
class Ask:
    """What a person wants.

    Attributes:
        key: of the command or click that asked; the same key twice is one request.
        user: who asked.
        place: where the answer goes.
        title: of the piece.
        order: what to compose.
        program: General MIDI, 0-127, of the one part that plays; None for its own.
        parent: the piece that this one continues or varies.
        heard: what was heard in the opening, if it was played.
        written: its file on its own beats, if others were found in it.
        lost: what of its file could not be read.
    """

    key: str
    user: int
    place: Place
    title: Stranger
    order: Order
    program: int | None = None
    parent: int | None = None
    heard: Mapping[str, Any] | None = None
    written: bytes | None = None
    lost: Lost = NOTHING_LOST


@dataclass(frozen=True)
class _Row:
    """A piece on its way into the table, with its job."""

    draft: Draft
    opening: bytes | None
    opening_bars: int
    order: Order


class Intake:
    """Checks what is asked and puts it into the line.

    Args:
        database: in whose transactions a job and its piece are written.
        jobs: the line.
        storage: the pieces.
        studio: where openings are read.
        defaults: what a user may have in line and ask for, where a server does not say otherwise.

    Attributes:
        name: under which this bot holds its pieces.
        taken: what has been put into the line, for whoever attends to it.
    """

    def __init__(self, database: Database, jobs: Jobs, storage: Storage, studio: Studio, defaults: Limits) -> None:
        self.name = f"bot-{secrets.token_hex(6)}"
        self.taken: asyncio.Queue[Piece] = asyncio.Queue()
        self._database, self._jobs, self._storage = database, jobs, storage
        self._studio, self._defaults = studio, defaults

    # ------------------------------------------------------------------ before the line

    async def limits(self, guild: Guild) -> Limits:
        """What holds on a server: its own limits, and the bot's over all servers together."""
        most = self._defaults
        return replace(most, in_line=guild.in_line or most.in_line_anywhere, a_day=guild.a_day or most.a_day_anywhere)

    async def admit(self, user: int, guild: int | None) -> None:
        """Before anything of theirs is fetched and read.

        Raises:
            LineFullError: no piece of theirs would be taken.
        """
        await self._jobs.check(str(user), _scope(guild), await self.limits(await self._storage.guild(guild)))

    async def read(self, user: int, data: bytes, order: Order, listening: Listening, asks: bool) -> Read | Doubtful:
        """A stranger's MIDI file.

        Args:
            user: whose it is.
            data: the file.
            order: what to compose on.
            listening: where it was played without a click.
            asks: whether the person is asked where its bars are in doubt.

        Raises:
            OpeningError: it cannot be continued.
        """
        return await self._studio.read(data, order, listening, user, asks)

    async def check(self, key: str, user: int, guild: int | None, recording: bytes) -> None:
        """A stranger's recording, before it is put into the line.

        One that is refused counts for the day, for it has cost something.

        Raises:
            OpeningError: it cannot be heard.
            NobodyListensError: no worker that lives can transcribe.
        """
        # Where no worker is there at all, one is expected to come back.
        if not await self._jobs.hands(Kind.TRANSCRIBE) and await self._jobs.hands(Kind.COMPOSE):
            raise NobodyListensError
        try:
            await self._studio.check(recording, owner=user)
        except OpeningError as error:
            await self._jobs.refuse(_to_be_heard(key, user, guild), to_reason(error))
            raise

    # ------------------------------------------------------------------ into the line

    async def take(self, ask: Ask, read: Read, instead_of: Piece | None = None) -> list[Piece]:
        """Put the continuations of what was read into the line.

        Args:
            ask: what is wanted.
            read: the opening, with a request for each take.
            instead_of: the recording that it was heard in, whose message they take over.

        Returns:
            The pieces; if it was asked before, those of then.

        Raises:
            LineFullError: there is no room for them.
        """
        program = read.program if ask.program is None else ask.program
        lost = read.lost if any(read.lost) else ask.lost
        ask = replace(ask, heard=ask.heard or read.heard, program=program, written=read.written, lost=lost)
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
                replace(ask.order, seed=request.seed, bars=request.bars),
            )
            for take, request in enumerate(read.requests)
        ]
        return await self._into_line(ask, rows, instead_of=instead_of)

    async def listen(self, ask: Ask, recording: bytes, hearing: Hearing) -> Piece:
        """Put a recording into the line, to be heard before anything is composed.

        Raises:
            LineFullError: there is no room for it.
        """
        draft = replace(_to_be_heard(ask.key, ask.user, ask.place.guild), recording=recording)
        (piece,) = await self._into_line(ask, [_Row(draft, None, 0, ask.order)], hearing=hearing)
        return piece

    async def ask(self, ask: Ask, doubtful: Doubtful, hearing: Hearing) -> Piece:
        """Have the person look at the bars that were found in a MIDI file, as in a recording.

        Raises:
            LineFullError: there is no room for it.
        """
        draft = replace(_to_be_heard(ask.key, ask.user, ask.place.guild), result=doubtful.performance)
        ask = replace(ask, written=doubtful.midi, lost=doubtful.lost)
        (piece,) = await self._into_line(ask, [_Row(draft, None, 0, ask.order)], hearing=hearing)
        return piece

    async def compose_as_written(self, ask: Ask, parent: Piece) -> list[Piece]:
        """Go on from a MIDI file on its own beats, where others were found in it.

        Raises:
            GoneError: the file is no longer kept.
            OpeningError: on its own beats it cannot be continued.
            LineFullError: there is no room for another.
        """
        midi = await self._storage.written_of(parent.id)
        if midi is None:
            raise GoneError
        read = await self._studio.read(midi, ask.order, AS_WRITTEN, ask.user)
        assert isinstance(read, Read)
        return await self.take(ask, read)

    async def work_on(self, ask: Ask, parent: Piece) -> list[Piece]:
        """Go on from where a finished piece ends, or do with it what else is asked for.

        Raises:
            GoneError: the piece is no longer kept.
            NotFinishedError: it is still being composed.
            OpeningError: it cannot be continued.
            SettingsError: there is nothing in it to do what is asked for.
            LineFullError: there is no room for another.
        """
        if parent.receipt is None:
            raise NotFinishedError
        midi = await self._storage.midi_of(parent.id)
        if midi is None:
            raise GoneError
        return await self.take(ask, await self._studio.read_again(midi, parent.all_bars, ask.order, owner=ask.user))

    async def compose_again(self, ask: Ask, parent: Piece) -> list[Piece]:
        """Another continuation of the opening that a piece was made from.

        Raises:
            GoneError: the opening is no longer kept.
            LineFullError: there is no room for another.
        """
        opening = await self._storage.opening_of(parent.id)
        if opening is None:
            raise GoneError
        read = await self._studio.read_again(opening, parent.opening_bars, ask.order, owner=ask.user)
        return await self.take(ask, read)

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
                    program=ask.program or 0,
                    sampling=row.order.sampling,
                    task=row.order.task,
                    # The reply to the command is the message of the first take; the others get one of their own.
                    place=ask.place if take == 0 else replace(ask.place, message=None),
                    asked_at=instead_of.asked_at if instead_of else None,
                    heard=ask.heard,
                    hearing=hearing,
                    written=ask.written,
                    lost=ask.lost,
                )
            if instead_of is not None:
                await self._storage.replace(connection, instead_of.id)
        pieces = [piece for job in submitted if (piece := await self._storage.piece(job.id))]
        for piece in pieces:
            log.info("in line", job=piece.id, user=piece.owner, guild=piece.place.guild, bars=piece.bars)
            self.taken.put_nowait(piece)
        return pieces


def order_of(piece: Piece) -> Order:
    """What a recording shall be continued by."""
    hearing = piece.hearing or Hearing()
    seed = piece.seed if hearing.seeded else new_seed()
    return Order.doing(piece.task, bars=piece.bars, takes=hearing.takes, seed=seed, sampling=piece.sampling)


def _scope(guild: int | None) -> str:
    """Within which a server's limits count."""
    return str(guild or "")


def _to_be_heard(key: str, user: int, guild: int | None) -> Draft:
    return Draft(
        key=f"{key}:ear",
        owner=str(user),
        scope=_scope(guild),
        vocabulary=PERFORMANCE,
        payload={},
        bars=PERCENT,
        kind=Kind.TRANSCRIBE,
    )
