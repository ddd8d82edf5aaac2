"""Pieces: what was asked for, where the answer goes, what became of it.

A recording that is to be heard is a piece too: its row says where the answer goes and what shall be composed, and its
opening is there once it is transcribed. What only a recording has stands beside it, in `hearings`. An opening is kept
once, however many pieces begin with it, and goes with the last of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.messages import Stranger
from bot.storage.piece import Hearing, Piece, Place
from bot.storage.schema import Part, hearings, insert, openings, pieces, votes
from composer.database import OPENINGS_LOCK, now
from composer.music.score import NOTHING_LOST, Lost
from composer.sampling import SamplingParams
from composer.transcription.synchronise import Listening

_LIGHT = [column for column in pieces.c if column.name != "midi"]
_HEARING = [column for column in hearings.c if column.name != "id"]
_BESIDE_HEARINGS = pieces.outerjoin(hearings, hearings.c.id == pieces.c.id)
_LOVES = sa.select(sa.func.count()).select_from(votes).where(votes.c.piece == pieces.c.id).scalar_subquery()
_AS_WRITTEN = pieces.c.written_digest.is_not(None).label("as_written")
PIECE: sa.Select[Any] = sa.select(*_LIGHT, *_HEARING, _LOVES.label("loves"), _AS_WRITTEN).select_from(_BESIDE_HEARINGS)
# What a deleted piece is: its music, and what was told of it, are gone.
_EMPTY: dict[str, Any] = {"deleted": True} | dict.fromkeys(
    ("opening_digest", "written_digest", "midi", "receipt", "token", "heard", "lost")
)
_OF_NOTHING = ~sa.exists().where(pieces.c.id == hearings.c.id)
_VOTE_FOR_NOTHING = ~sa.exists().where(pieces.c.id == votes.c.piece, ~pieces.c.deleted)
_OPENING_OF_NOTHING = sa.and_(
    *(~sa.exists().where(digest == openings.c.digest) for digest in (pieces.c.opening_digest, pieces.c.written_digest))
)


class Pieces(Part):
    """Every change of a piece's opening holds the lock of openings."""

    async def add_piece(
        self,
        connection: AsyncConnection,
        number: int,
        owner: int,
        parent: int | None,
        title: str,
        opening: bytes | None,
        opening_bars: int,
        bars: int,
        seed: int,
        program: int,
        sampling: SamplingParams,
        task: Mapping[str, Any],
        place: Place,
        asked_at: float | None = None,
        heard: Mapping[str, Any] | None = None,
        hearing: Hearing | None = None,
        written: bytes | None = None,
        lost: Lost = NOTHING_LOST,
    ) -> None:
        """In the transaction that submits its job, so that there is never one without the other.

        Args:
            connection: of that transaction.
            number: of the job.
            owner: who asked.
            parent: the piece that it continues or varies.
            title: at most MAX_TITLE characters.
            opening: MIDI; None where it is still to be heard.
            opening_bars: silent ones at its end count.
            bars: to compose.
            seed: of its first word.
            program: General MIDI, 0-127.
            sampling: with which it is composed.
            task: see Piece.
            place: where the answer goes.
            asked_at: when the place's token was given, if not now.
            heard: see Piece.
            hearing: of a recording.
            written: the opening's file on its own beats, as MIDI, where others were found in it.
            lost: see Piece.
        """
        values = {name: getattr(place, name) for name in Place.__dataclass_fields__}
        await connection.execute(
            sa.insert(pieces).values(
                id=number,
                owner=owner,
                parent=parent,
                title=title,
                opening_digest=None if opening is None else await self._keep(connection, opening),
                opening_bars=opening_bars,
                bars=bars,
                seed=seed,
                program=program,
                sampling=sampling.to_json(),
                task=dict(task),
                asked_at=now() if asked_at is None else asked_at,
                deleted=False,
                heard=None if heard is None else dict(heard),
                written_digest=None if written is None else await self._keep(connection, written),
                lost=lost._asdict() if any(lost) else None,
                **values,
            )
        )
        if hearing is not None:
            await connection.execute(
                sa.insert(hearings).values(
                    id=number,
                    takes=hearing.takes,
                    seeded=hearing.seeded,
                    go=hearing.go,
                    listening=hearing.listening.to_json(),
                )
            )

    async def known(self, connection: AsyncConnection, numbers: Collection[int]) -> frozenset[int]:
        """Which of these pieces there are."""
        return frozenset(await connection.scalars(sa.select(pieces.c.id).where(pieces.c.id.in_(numbers))))

    async def piece(self, number: int) -> Piece | None:
        async with self._database.read() as connection:
            row = (await connection.execute(PIECE.where(pieces.c.id == number))).first()
        return piece_of(row) if row else None

    async def piece_at(self, channel: int, message: int) -> Piece | None:
        """That which a message holds."""
        there = (pieces.c.channel == channel, pieces.c.message == message)
        async with self._database.read() as connection:
            row = (await connection.execute(PIECE.where(*there))).first()
        return piece_of(row) if row else None

    async def pieces_of(self, owner: int, count: int | None) -> list[Piece]:
        """The user's newest pieces that were not deleted, newest first.

        Args:
            owner: the user.
            count: at most so many; None: all.
        """
        query = PIECE.where(pieces.c.owner == owner, pieces.c.deleted.is_(False))
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(pieces.c.id.desc()).limit(count))
            return [piece_of(row) for row in rows]

    async def branches_of(self, owner: int, channel: int | None, count: int) -> tuple[list[Piece], int]:
        """The user's pieces with those that they came from, whosever and deleted ones too; the oldest first.

        Args:
            owner: the user.
            channel: that they were asked for in; None: any.
            count: at most so many, the newest.

        Returns:
            These, and how many the user has.
        """
        there = pieces.c.receipt.is_not(sa.null()) | (hearings.c.id.is_not(None) & pieces.c.heard.is_not(sa.null()))
        mine = sa.select(pieces.c.id, pieces.c.parent).select_from(_BESIDE_HEARINGS)
        mine = mine.where(pieces.c.owner == owner, ~pieces.c.deleted, there)
        if channel is not None:
            mine = mine.where(pieces.c.channel == channel)
        line = mine.order_by(pieces.c.id.desc()).limit(count).subquery().select().cte("line", recursive=True)
        line = line.union(sa.select(pieces.c.id, pieces.c.parent).join(line, pieces.c.id == line.c.parent))
        newest = sa.select(line.c.id).order_by(line.c.id.desc()).limit(count)
        async with self._database.read() as connection:
            rows = await connection.execute(PIECE.where(pieces.c.id.in_(newest)).order_by(pieces.c.id))
            found = [piece_of(row) for row in rows]
            return found, await connection.scalar(sa.select(sa.func.count()).select_from(mine.subquery())) or 0

    async def opening_of(self, number: int) -> bytes | None:
        """Its opening as MIDI; None before it is heard and once it is gone."""
        return await self._opening(number, pieces.c.opening_digest)

    async def written_of(self, number: int) -> bytes | None:
        """Its opening's file on its own beats, as MIDI; None if no others were found in it, and once it is gone."""
        return await self._opening(number, pieces.c.written_digest)

    async def midi_of(self, number: int) -> bytes | None:
        """The finished piece as MIDI; None before it is finished and once it is gone."""
        async with self._database.read() as connection:
            return await connection.scalar(sa.select(pieces.c.midi).where(pieces.c.id == number, ~pieces.c.deleted))

    async def set_place(self, number: int, place: Place) -> None:
        """Where its message stands now, and whose it is."""
        await self._change(
            number, guild=place.guild, channel=place.channel, message=place.message, by_webhook=place.by_webhook
        )

    async def set_token(self, number: int, token: str) -> None:
        """A new interaction's, by which a piece that could not be delivered may be."""
        await self._change(number, token=token, asked_at=now())

    async def set_title(self, number: int, title: str) -> None:
        await self._change(number, title=title)

    async def set_result(self, number: int, midi: bytes, receipt: Mapping[str, Any]) -> bool:
        """What was composed.

        Returns:
            False if the piece is gone.
        """
        return await self._change(number, midi=midi, receipt=dict(receipt))

    async def set_heard(
        self, number: int, opening: bytes, bars: int, heard: Mapping[str, Any], listening: Listening
    ) -> bool:
        """What a recording came to, and how its notes were put into bars.

        Returns:
            False if it is gone.
        """
        there = sa.update(pieces).where(pieces.c.id == number, ~pieces.c.deleted)
        how = sa.update(hearings).where(hearings.c.id == number)
        async with self._database.write() as connection:
            digest = await self._keep(connection, opening)
            await connection.execute(how.values(listening=listening.to_json()))
            values = {"opening_digest": digest, "opening_bars": bars, "heard": dict(heard)}
            is_there = (await connection.execute(there.values(values))).rowcount > 0
            await self._discard(connection)
        return is_there

    async def replace(self, connection: AsyncConnection, number: int) -> None:
        """A recording has become pieces, in whose transaction this is, and they have its message now."""
        await self._database.lock(connection, OPENINGS_LOCK)
        gone = _EMPTY | {"message": None}
        await connection.execute(sa.update(pieces).where(pieces.c.id == number).values(gone))
        await self._discard(connection)

    async def set_posting(self, number: int) -> bool:
        """A message of its own is about to be sent: whoever takes over looks for it first.

        Returns:
            False if the piece is gone.
        """
        return await self._change(number, posting_at=now())

    async def delete_piece(self, number: int) -> None:
        """Forget its music; that it was there stays, for the pieces that came from it."""
        async with self._database.write() as connection:
            await self._database.lock(connection, OPENINGS_LOCK)
            await connection.execute(sa.update(pieces).where(pieces.c.id == number).values(_EMPTY))
            await self._discard(connection)

    async def _opening(self, number: int, digest: sa.Column[Any]) -> bytes | None:
        its = sa.select(openings.c.midi).join(pieces, digest == openings.c.digest)
        async with self._database.read() as connection:
            return await connection.scalar(its.where(pieces.c.id == number))

    async def _change(self, number: int, **values: Any) -> bool:
        """Nothing happens to a piece that was deleted: what comes too late for it is not kept."""
        one = sa.update(pieces).where(pieces.c.id == number, ~pieces.c.deleted)
        async with self._database.write() as connection:
            return (await connection.execute(one.values(**values))).rowcount > 0

    async def _keep(self, connection: AsyncConnection, opening: bytes) -> str:
        """Put an opening beside the others, unless it is there.

        Returns:
            Its digest.
        """
        await self._database.lock(connection, OPENINGS_LOCK)  # or it might go before its piece has come
        digest = hashlib.sha256(opening).hexdigest()
        row = insert(connection, openings).values(digest=digest, midi=opening)
        await connection.execute(row.on_conflict_do_nothing())
        return digest

    async def _discard(self, connection: AsyncConnection) -> None:
        """Forget what belongs to no piece any more. Their lock is held."""
        await connection.execute(sa.delete(hearings).where(_OF_NOTHING))
        await connection.execute(sa.delete(votes).where(_VOTE_FOR_NOTHING))
        if (await connection.execute(sa.delete(openings).where(_OPENING_OF_NOTHING))).rowcount:
            self._database.forgetting()

    async def sweep(self, days: float) -> int:
        """Delete pieces older than that.

        Returns:
            How many.
        """
        async with self._database.write() as connection:
            await self._database.lock(connection, OPENINGS_LOCK)
            gone = await connection.execute(sa.delete(pieces).where(pieces.c.asked_at < now() - days * 86400))
            await self._discard(connection)
            return gone.rowcount


def piece_of(row: sa.Row[Any]) -> Piece:
    at = row._asdict()
    put_together = ("title", "place", "sampling", "hearing", "lost")
    shared = {name: at[name] for name in Piece.__dataclass_fields__ if name not in put_together}
    place = Place(**{name: at[name] for name in Place.__dataclass_fields__})
    hearing = None
    if at["listening"] is not None:
        hearing = Hearing(at["takes"], at["seeded"], at["go"], Listening(**at["listening"]))
    sampling = SamplingParams.from_json(at["sampling"])
    lost = Lost(**at["lost"] or {})
    return Piece(**shared, title=Stranger(at["title"]), sampling=sampling, place=place, hearing=hearing, lost=lost)
