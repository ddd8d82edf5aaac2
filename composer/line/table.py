"""What everybody who comes to the table shares: its transactions, the length of a lease, and who counts as alive.

On PostgreSQL a transaction that looks at many rows before it writes, or writes many, takes one lock first: limits hold
and no two such transactions can be in each other's way. On SQLite a transaction that writes is alone anyway.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from composer.database import JOBS_LOCK, Database, now
from composer.line.schema import IN_LINE, jobs, losses, recordings, workers


class JobTable:
    """The table in one database, as everybody sees it.

    Each method is one transaction, but for those that take a connection: they join the caller's write transaction.

    Args:
        database: Where the table is.
        lease_seconds: How long a worker or a tender that says nothing is taken to be alive; beat every third of it.
        max_attempts: How many workers may die on a job before it fails.
    """

    def __init__(self, database: Database, lease_seconds: float = 15.0, max_attempts: int = 5) -> None:
        self.database, self.lease_seconds, self.max_attempts = database, lease_seconds, max_attempts
        self._lease = now() + lease_seconds  # the end of one that begins in this statement
        self._alive = workers.c.seen_at > now() - lease_seconds

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[AsyncConnection]:
        """A write transaction that no other of its kind runs beside."""
        async with self.database.write() as connection:
            await self.database.lock(connection, JOBS_LOCK)
            yield connection

    async def _change(self, one: ColumnElement[bool], values: Mapping[str, Any]) -> bool:
        """Change the one row that fits, in one statement.

        Returns:
            Whether one did.
        """
        async with self.database.write() as connection:
            changed = (await connection.execute(sa.update(jobs).where(one).values(values))).rowcount > 0
            await self._discard(connection)
        return changed

    async def _discard(self, connection: AsyncConnection) -> None:
        """Forget the recordings and the losses of jobs that have ended or are gone."""
        for table in (losses, recordings):
            no_longer_needed = ~sa.exists().where(jobs.c.id == table.c.job, IN_LINE)
            gone = await connection.execute(sa.delete(table).where(no_longer_needed))
            if table is recordings and gone.rowcount:
                self.database.forgetting()
