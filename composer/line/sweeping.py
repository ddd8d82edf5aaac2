"""Who runs it all: how the table is doing, and the end of old rows.

delivered -- sweep, some days later --> gone
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from composer.database import now
from composer.line.schema import DAY_SECONDS, IN_LINE, UNDELIVERED, Kind, State, jobs, workers
from composer.line.table import JobTable


@dataclass(frozen=True)
class Statistics:
    queued: int
    running: int
    undelivered: int  # ended, but its owner does not know yet
    oldest_wait_seconds: float | None  # of those queued
    ended: dict[State, int]  # in the last 24 hours
    workers: int  # that compose, alive
    slots: int  # of those
    listeners: int  # workers that transcribe, alive


class Sweeping(JobTable):
    """The table for those who run it."""

    async def statistics(self) -> Statistics:
        """How many jobs and workers there are, of all owners and scopes."""
        lately = jobs.c.finished_at > now() - DAY_SECONDS
        async with self.database.read() as connection:
            active = await connection.execute(
                sa.select(jobs.c.state, sa.func.count(), now() - sa.func.min(jobs.c.submitted_at))
                .where(IN_LINE)
                .group_by(jobs.c.state)
            )
            by_state = {State(state): (count, oldest) for state, count, oldest in active}
            undelivered = await connection.scalar(sa.select(sa.func.count()).where(UNDELIVERED, ~IN_LINE))
            ended = await connection.execute(
                sa.select(jobs.c.state, sa.func.count()).where(lately).group_by(jobs.c.state)
            )
            alive = await connection.execute(
                sa.select(workers.c.kind, sa.func.count(), sa.func.sum(workers.c.slots))
                .where(self._alive)
                .group_by(workers.c.kind)
            )
            by_kind = {Kind(kind): (count, slots) for kind, count, slots in alive}
        queued, oldest = by_state.get(State.QUEUED, (0, None))
        return Statistics(
            queued=queued,
            running=by_state.get(State.RUNNING, (0, None))[0],
            undelivered=undelivered or 0,
            oldest_wait_seconds=oldest,
            ended=dict.fromkeys((State.DONE, State.FAILED, State.CANCELLED), 0)
            | {State(state): count for state, count in ended},
            workers=by_kind.get(Kind.COMPOSE, (0, 0))[0],
            slots=by_kind.get(Kind.COMPOSE, (0, 0))[1],
            listeners=by_kind.get(Kind.TRANSCRIBE, (0, 0))[0],
        )

    async def sweep(self, days: float) -> int:
        """Delete jobs that were delivered long ago, and workers not heard of for a day.

        Of a job that still counts against a day's limit what it was about is forgotten, and the row when it is a day
        old.

        Args:
            days: Since the delivery.

        Returns:
            How many jobs were deleted.
        """
        old = jobs.c.delivered_at < now() - days * DAY_SECONDS
        counted = jobs.c.submitted_at > now() - DAY_SECONDS
        async with self._alone() as connection:
            await connection.execute(sa.delete(workers).where(workers.c.seen_at < now() - DAY_SECONDS))
            await connection.execute(sa.update(jobs).where(old, counted).values(payload={}, result=None))
            gone = (await connection.execute(sa.delete(jobs).where(old, ~counted))).rowcount
            self.database.forgetting()
        return gone
