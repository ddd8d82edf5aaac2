"""Who brings the answer: a tender, the process that holds a job by a lease until the person has its result.

    untended -- submit, tend --> tended -- delivered, once the job has ended --> delivered
        ^                          |
        '- let_go, the lease ran out

A job is tended in whatever state it is, for the person wants to see how far it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement

from composer.database import now
from composer.line.schema import IN_LINE, JOB_COLUMNS, UNDELIVERED, Job, jobs, to_job
from composer.line.table import JobTable

_UNTENDED = UNDELIVERED & (jobs.c.tender.is_(None) | (jobs.c.tended_until < now()))


class Delivering(JobTable):
    """The table for those who bring answers."""

    async def tend(self, tender: str, count: int) -> list[Job]:
        """Take over jobs, in whatever state, that are not delivered and that nobody tends.

        Args:
            tender: A name that no other process has, nor had.
            count: How many at most, the oldest first.

        Returns:
            Those that are the tender's now, the oldest first.
        """
        untended = sa.select(jobs.c.id).where(_UNTENDED).order_by(jobs.c.id).limit(count)
        async with self._alone() as connection:
            taken = await connection.execute(
                sa.update(jobs)
                .where(jobs.c.id.in_(untended), _UNTENDED)
                .values(tender=tender, tended_until=self._lease)
                .returning(*JOB_COLUMNS)
            )
            return sorted(map(to_job, taken), key=lambda job: job.id)

    async def hold(self, tender: str, ids: Collection[int]) -> None:
        """Renew a tender's leases on these. Others that stand in its name lapse: it may not know that it has them."""
        await self._tended(tender, {"tended_until": self._lease}, jobs.c.id.in_(ids))

    async def let_go(self, tender: str) -> None:
        """Give back all that a tender has, at a clean stop: another may take it at once."""
        await self._tended(tender, {"tender": None, "tended_until": None})

    async def delivered(self, job_id: int, tender: str) -> bool:
        """Say that the person has the answer.

        Returns:
            False if another tends the job now, it was delivered before, or it has not ended.
        """
        ended_here = (jobs.c.id == job_id) & (jobs.c.tender == tender) & UNDELIVERED & ~IN_LINE
        return await self._change(ended_here, {"delivered_at": now()})

    async def _tended(self, tender: str, values: Mapping[str, Any], which: ColumnElement[bool] | None = None) -> None:
        theirs = (jobs.c.tender == tender) & UNDELIVERED
        async with self._alone() as connection:
            await connection.execute(sa.update(jobs).where(theirs if which is None else theirs & which).values(values))
