"""Votes: hearts of pieces, and which of two takes is better; and the pieces that are asked for by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from bot.storage.piece import Piece
from bot.storage.pieces import PIECE, piece_of
from bot.storage.schema import Part, ballots, comparisons, pieces, put, votes

Choice = Literal["a", "b"]
CHOICES: tuple[Choice, ...] = ("a", "b")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two takes of one opening, posted without saying which is which.

    Attributes:
        id: of the command that asked for it.
        owner: who asked.
        guild: where its message stands; None: in direct messages.
        a: how the first one was made, see making_of; that stays when the piece goes.
        b: how the second one was.
        told: whether everybody knows by now.
    """

    id: int
    owner: int
    guild: int | None
    channel: int
    message: int
    a: Mapping[str, Any]
    b: Mapping[str, Any]
    told: bool = False


def making_of(piece: Piece) -> Mapping[str, Any]:
    """How a finished piece was made, as a comparison keeps it."""
    checkpoint = (piece.receipt or {}).get("checkpoint", {"name": "", "digest": ""})
    return {
        "piece": piece.id,
        "checkpoint": checkpoint["name"],
        "digest": checkpoint["digest"],
        "seed": piece.seed,
        "settings": piece.sampling.to_json(),
        "task": dict(piece.task),
    }


class Votes(Part):
    """One row a vote. Who has voted is told to nobody."""

    async def love(self, piece: int, person: int) -> int:
        """Give a piece a person's heart, or take it back where it has it.

        Returns:
            How many it has now.
        """
        mine = {"piece": piece, "person": person}
        async with self._database.write() as connection:
            given = sa.delete(votes).where(votes.c.piece == piece, votes.c.person == person)
            if not (await connection.execute(given)).rowcount:
                await connection.execute(sa.insert(votes).values(mine))
            its = sa.select(sa.func.count()).select_from(votes).where(votes.c.piece == piece)
            return await connection.scalar(its) or 0

    async def loved(self, guild: int, count: int) -> list[Piece]:
        """The pieces of a server that have the most hearts, the most loved first; none that is private or deleted.

        Args:
            guild: the server.
            count: at most so many.
        """
        public = (pieces.c.guild == guild, ~pieces.c.deleted, ~pieces.c.private, pieces.c.message.is_not(None))
        query = PIECE.where(*public, sa.exists().where(votes.c.piece == pieces.c.id))
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(sa.desc("loves"), pieces.c.id.desc()).limit(count))
            return [piece_of(row) for row in rows]

    async def takes_of(self, owner: int, opening_of: int | None = None) -> list[Piece]:
        """The user's newest finished pieces of one opening, the newest first.

        Args:
            owner: the user.
            opening_of: of the opening that this piece begins with; None: that of the newest which others can see and
                which has such a sibling.
        """
        finished = [pieces.c.owner == owner, ~pieces.c.deleted, pieces.c.receipt.is_not(sa.null())]
        if opening_of is None:
            finished.append(~pieces.c.private)
            openings_of = sa.select(pieces.c.opening_digest).where(*finished).group_by(pieces.c.opening_digest)
            several = openings_of.having(sa.func.count() > 1)
            its = several.order_by(sa.func.max(pieces.c.id).desc()).limit(1).scalar_subquery()
        else:
            its = sa.select(pieces.c.opening_digest).where(pieces.c.id == opening_of).scalar_subquery()
        query = PIECE.where(*finished, pieces.c.opening_digest == its).order_by(pieces.c.id.desc())
        async with self._database.read() as connection:
            return [piece_of(row) for row in await connection.execute(query)]

    async def add_comparison(self, comparison: Comparison) -> None:
        values = {name: getattr(comparison, name) for name in Comparison.__dataclass_fields__}
        async with self._database.write() as connection:
            await connection.execute(sa.insert(comparisons).values(values))

    async def comparison(self, number: int) -> Comparison | None:
        async with self._database.read() as connection:
            row = (await connection.execute(sa.select(comparisons).where(comparisons.c.id == number))).first()
        return Comparison(**row._mapping) if row else None

    async def comparisons_of(self, owner: int) -> list[Comparison]:
        async with self._database.read() as connection:
            rows = await connection.execute(sa.select(comparisons).where(comparisons.c.owner == owner))
            return [Comparison(**row._mapping) for row in rows]

    async def choose(self, number: int, person: int, choice: Choice) -> bool:
        """Take a person's vote, in the place of an earlier one.

        Returns:
            False if it comes too late: everybody has been told, or the comparison is gone.
        """
        untold = sa.select(comparisons.c.id).where(comparisons.c.id == number, ~comparisons.c.told).with_for_update()
        async with self._database.write() as connection:
            if await connection.scalar(untold) is None:
                return False
            await put(connection, ballots, {"comparison": number, "person": person}, {"choice": choice})
        return True

    async def tell(self, number: int) -> Mapping[str, int]:
        """Take no more votes for a comparison.

        Returns:
            How many each choice has.
        """
        theirs = sa.select(ballots.c.choice).where(ballots.c.comparison == number)
        async with self._database.write() as connection:
            await connection.execute(sa.update(comparisons).where(comparisons.c.id == number).values(told=True))
            return Counter(await connection.scalars(theirs))

    async def delete_comparison(self, number: int) -> None:
        async with self._database.write() as connection:
            await connection.execute(sa.delete(comparisons).where(comparisons.c.id == number))
            await connection.execute(sa.delete(ballots).where(ballots.c.comparison == number))
