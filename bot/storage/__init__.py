"""What the bot remembers, and the only SQL of the bot.

schema.py     the tables
people.py     settings and presets
piece.py      what there is of one piece
pieces.py     pieces with their openings, and recordings that become some
servers.py    what a server allows
votes.py      hearts, and which of two takes is better
marks.py      what the bot has written down for itself
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage import schema
from bot.storage.marks import Marks
from bot.storage.people import People
from bot.storage.pieces import Pieces
from bot.storage.servers import Servers
from bot.storage.votes import Votes
from composer.database import OPENINGS_LOCK


class Storage(People, Pieces, Servers, Votes, Marks):
    """All parts, and what goes through more than one of them."""

    async def kept_of(self, user: int) -> tuple[int, int, int, int]:
        """How many settings, presets, pieces and votes of a user are kept."""
        settings = await self.own_settings(user)
        async with self._database.read() as connection:
            pieces, hearts, choices = [
                await connection.scalar(sa.select(sa.func.count()).where(whose == user)) or 0
                for whose in (schema.pieces.c.owner, schema.votes.c.person, schema.ballots.c.person)
            ]
        return sum(map(len, settings.values())), len(await self.presets(user)), pieces, hearts + choices

    async def forget(self, connection: AsyncConnection, user: int) -> None:
        """Delete every row about a user."""
        await self._database.lock(connection, OPENINGS_LOCK)
        asked = sa.select(schema.comparisons.c.id).where(schema.comparisons.c.owner == user)
        await connection.execute(sa.delete(schema.ballots).where(schema.ballots.c.comparison.in_(asked)))
        for whose in (
            schema.people.c.id,
            schema.presets.c.owner,
            schema.pieces.c.owner,
            schema.comparisons.c.owner,
            schema.votes.c.person,
            schema.ballots.c.person,
        ):
            await connection.execute(sa.delete(whose.table).where(whose == user))
        await self._discard(connection)
