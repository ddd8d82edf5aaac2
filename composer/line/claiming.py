"""Who works: a worker, which claims jobs and holds each by a lease until it says how the job ended.

    QUEUED ---- claim ----> RUNNING ---- finish ------------------> DONE
       ^                    | | | ^
       |                    | | | '- claim by another, the lease ran out
       |                    | | '-- fail, or too many attempts ---> FAILED
       '- release, retire --' '---- drop, after a cancel ---------> CANCELLED

A worker claims a job for `lease_seconds` and beats to keep it. A lease that has run out is claimed by whoever is alive,
which is one attempt more. What a worker says about a job counts only while worker and attempt are still those of the
row, so one that was asleep cannot overwrite; one that nobody missed beats and goes on. A job that runs is cancelled
once its worker has heard of it and dropped it.

An attempt is lost by a worker's death, never by its slowness: whom a job was taken from stands in `losses` until that
worker is heard of again, and a job fails when it has cost so many workers, all of them silent for long. A job that came
back may have killed its worker, so it is claimed alone, and its neighbours of then share one loss with it at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from composer.database import Database, now
from composer.line.schema import (
    IN_ORDER,
    JOB_COLUMNS,
    QUEUED,
    RAN_OUT,
    RUNNING,
    Job,
    Kind,
    State,
    jobs,
    losses,
    recordings,
    to_job,
    workers,
)
from composer.line.table import JobTable

SILENT_LEASES = 4  # a worker not heard of for so many is taken for dead; before that, for slow
TOO_MANY_ATTEMPTS = "attempts"  # the reason of a job whose workers all died on it

_LOST = sa.select(sa.func.count()).where(losses.c.job == jobs.c.id).correlate(jobs).scalar_subquery()
_BACK_IN_LINE = {  # or, if it was cancelled meanwhile, out of it
    "state": sa.case((jobs.c.cancel_requested, State.CANCELLED), else_=State.QUEUED),
    "finished_at": sa.case((jobs.c.cancel_requested, now())),
    "started_at": sa.case((jobs.c.cancel_requested, jobs.c.started_at)),
    "attempt": jobs.c.attempt - 1,
    "bars_done": 0,
    "so_far": None,
    "worker": None,
    "lease_until": None,
}
_GIVEN_UP = {  # or, if it was cancelled meanwhile, that
    "state": sa.case((jobs.c.cancel_requested, State.CANCELLED), else_=State.FAILED),
    "reason": sa.case((jobs.c.cancel_requested, None), else_=TOO_MANY_ATTEMPTS),
    "finished_at": now(),
    "so_far": None,
    "lease_until": None,
}


class Claiming(JobTable):
    """The table for those who work. Taken for dead is who is silent for SILENT_LEASES."""

    def __init__(self, database: Database, lease_seconds: float = 15.0, max_attempts: int = 5) -> None:
        super().__init__(database, lease_seconds, max_attempts)
        heard_of = workers.c.seen_at > now() - SILENT_LEASES * lease_seconds
        worker_lives = sa.exists().where(workers.c.name == jobs.c.worker, heard_of)
        self._maker_lives = sa.exists().where(workers.c.maker == jobs.c.maker, heard_of)
        self._last_try = max_attempts <= _LOST + 1
        self._hopeless = RAN_OUT & (jobs.c.cancel_requested | (self._last_try & ~worker_lives))

    # ---- that one works

    async def enlist(
        self,
        worker: str,
        slots: int,
        vocabulary: str,
        bars_per_second: float | None,
        kind: Kind = Kind.COMPOSE,
        maker: str = "",
    ) -> None:
        """Say that a worker is alive, what it can do and how fast it is. Once every third of a lease.

        Args:
            worker: A name that no other process has, nor had.
            slots: How many jobs it does at once.
            vocabulary: The digest of what it speaks.
            bars_per_second: Of one slot, percent a second if it transcribes; None if not known.
            kind: Of the jobs that it does.
            maker: See `claim`.
        """
        row = {"kind": kind, "slots": slots, "vocabulary": vocabulary, "bars_per_second": bars_per_second}
        row |= {"maker": maker, "seen_at": now()}
        async with self.database.write() as connection:
            known = await connection.execute(sa.update(workers).where(workers.c.name == worker).values(row))
            if not known.rowcount:
                await connection.execute(sa.insert(workers).values(name=worker, **row))
            await connection.execute(sa.delete(losses).where(losses.c.worker == worker))  # it was slow, not dead

    async def retire(self, worker: str) -> None:
        """A worker's clean stop: what it still has goes back in line, as if it had never been claimed."""
        async with self._alone() as connection:
            await connection.execute(sa.delete(workers).where(workers.c.name == worker))
            await connection.execute(sa.delete(losses).where(losses.c.worker == worker))
            held = (jobs.c.worker == worker) & RUNNING
            await connection.execute(sa.update(jobs).where(held).values(_BACK_IN_LINE))
            await self._discard(connection)

    # ---- taking and keeping

    async def claim(
        self, worker: str, vocabulary: str, count: int, kind: Kind = Kind.COMPOSE, maker: str = ""
    ) -> list[Job]:
        """Take jobs that this worker can do, the first in line first.

        A job that came back after its lease ran out is given to a worker that has nothing else, and nothing beside it;
        until it is, nothing behind it is given to those who could take it.

        Jobs whose lease has run out are among them, and nothing rings when that happens: call this now and then, with
        a count of 0 too. A worker that slept may get a job that it still has; the one with the higher attempt is the
        right one.

        Args:
            worker: Whose they shall be.
            vocabulary: The digest of what it speaks.
            count: How many at most.
            kind: Of which.
            maker: What the same seed gives the same words by, checkpoint and precision. A job that was begun waits for
                another worker of its maker as long as one is heard of; then anybody's will do.

        Returns:
            Those that are the worker's now, in the order of the line.
        """
        mine = jobs.c.worker == worker
        free = QUEUED | (RAN_OUT & (mine | ~self._last_try))
        same = jobs.c.maker.in_(["", maker]) | ~self._maker_lives
        claimable = (jobs.c.kind == kind) & (jobs.c.vocabulary == vocabulary) & free & same
        async with self.database.read() as connection:  # so that workers with nothing to do are in nobody's way
            if not await connection.scalar(sa.select(sa.exists().where(claimable | self._hopeless))):
                return []
        first = sa.select(jobs.c.id, jobs.c.attempt, jobs.c.worker).where(claimable).order_by(*IN_ORDER).limit(count)
        values = {
            "state": State.RUNNING,
            "worker": worker,
            "maker": maker,
            "attempt": jobs.c.attempt + 1,
            "bars_done": 0,
            "so_far": None,
            "started_at": now(),
            "lease_until": self._lease,
        }
        async with self._alone() as connection:
            await self._give_up(connection)
            held = await connection.execute(sa.select(jobs.c.attempt).where(mine, RUNNING, ~RAN_OUT))
            chosen = _together((await connection.execute(first)).all(), held.scalars().all())
            if not chosen:
                return []
            taken = await connection.execute(
                sa.update(jobs)
                .where(jobs.c.id.in_([row.id for row in chosen]), claimable)
                .values(values)
                .returning(jobs.c.priority, jobs.c.turn, *JOB_COLUMNS)
            )
            in_order = sorted(taken, key=lambda row: (-row.priority, row.turn, row.id))
            await _lose(connection, chosen, worker)
        return [to_job(row) for row in in_order]

    async def recording(self, job: Job) -> bytes | None:
        """What a transcription is made from. None: it is no longer wanted."""
        async with self.database.read() as connection:
            return await connection.scalar(sa.select(recordings.c.data).where(recordings.c.job == job.id))

    async def beat(
        self, worker: str, bars_done: Mapping[int, int], so_far: Mapping[int, bytes] = MappingProxyType({})
    ) -> set[int]:
        """Say how far a worker's jobs are, and renew their leases.

        A job that is not named runs out: the worker may never have heard that it was given it.

        Args:
            worker: Whose they are.
            bars_done: By the ids of the jobs.
            so_far: What there is of the answers that take long, by the ids of their jobs.

        Returns:
            Those that it shall drop: they were cancelled, taken over by another, or are gone.
        """
        if not bars_done:
            return set()
        async with self._alone() as connection:
            held = await connection.execute(
                sa.update(jobs)
                .where(jobs.c.id.in_(bars_done), jobs.c.worker == worker, RUNNING)
                .values(bars_done=sa.case(dict(bars_done), value=jobs.c.id), lease_until=self._lease)
                .returning(jobs.c.id, jobs.c.cancel_requested)
            )
            kept = {row.id for row in held if not row.cancel_requested}
            for number in kept & so_far.keys():
                told = sa.update(jobs).where(jobs.c.id == number)
                await connection.execute(told.values(so_far=so_far[number]))
        return set(bars_done) - kept

    # ---- how it ended; each returns False if the job is somebody else's now, or gone

    async def finish(self, job: Job, result: Mapping[str, Any]) -> bool:
        """The answer is there, even if it was cancelled meanwhile. result: JSON"""
        return await self._end(job, State.DONE, result=dict(result), bars_done=jobs.c.bars)

    async def fail(self, job: Job, reason: str) -> bool:
        """Give a job up."""
        return await self._end(job, State.FAILED, reason=reason)

    async def drop(self, job: Job) -> bool:
        """The worker has stopped a job that was cancelled."""
        return await self._end(job, State.CANCELLED)

    async def release(self, job: Job) -> bool:
        """Back in line, as if it had never been claimed; or out of it, if it was cancelled."""
        return await self._change(_held(job), _BACK_IN_LINE)

    async def _end(self, job: Job, state: State, **values: Any) -> bool:
        ended = {"state": state, "finished_at": now(), "so_far": None, "lease_until": None}
        return await self._change(_held(job), {**ended, **values})

    async def _give_up(self, connection: AsyncConnection) -> None:
        """End the jobs whose lease has run out and that shall not be tried again."""
        await connection.execute(sa.update(jobs).where(self._hopeless).values(_GIVEN_UP))
        await self._discard(connection)


def _held(job: Job) -> ColumnElement[bool]:
    """The row, as long as it is in the hands that this job is in."""
    return (jobs.c.id == job.id) & (jobs.c.worker == job.worker) & (jobs.c.attempt == job.attempt) & RUNNING


def _together(line: Sequence[Any], held: Sequence[int]) -> Sequence[Any]:
    """The first of a line that a worker may have at once, beside what it holds. What came back is alone.

    Args:
        line: Rows with their attempt, in order.
        held: The attempts of the jobs that it has.
    """
    if any(attempt > 1 for attempt in held):
        return []
    fresh = list(takewhile(lambda row: row.attempt == 0, line))
    return fresh if fresh or held else line[:1]


async def _lose(connection: AsyncConnection, taken: Sequence[Any], worker: str) -> None:
    """Write down from whom jobs are taken whose lease ran out."""
    lost = [{"job": row.id, "worker": row.worker} for row in taken if row.worker not in (None, worker)]
    for row in lost:
        there = sa.exists().where(losses.c.job == row["job"], losses.c.worker == row["worker"])
        if not await connection.scalar(sa.select(there)):
            await connection.execute(sa.insert(losses).values(row))
