"""Who asks: puts requests in the line within limits, sees how far they are, and takes them out again.

    submit ---> QUEUED ---- claim ----> RUNNING     (DONE at once, where the result is known already)
                 |  |                    |  |
                 |  '------ abandon -----'--|-------> FAILED      where nobody works on it
                 '--------- cancel ---------'-------> CANCELLED
    refuse -----------------------------------------> FAILED, and delivered

The line is fair in bars: a job's turn is where the last of its owner's jobs in line ends, its turn and its bars, and at
least the lowest of anybody's (start-time fair queueing). So nobody's tenth stands before another's first, who asks for
long pieces waits longer for the next, and nobody starves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from composer.database import JOBS_LOCK, now
from composer.errors import REFUSED_AS, CannotHearError, LineFullError
from composer.line.schema import (
    DAY_SECONDS,
    IN_LINE,
    IN_ORDER,
    JOB_COLUMNS,
    QUEUED,
    RAN_OUT,
    RUNNING,
    Draft,
    Job,
    Kind,
    State,
    jobs,
    recordings,
    to_job,
    workers,
)
from composer.line.table import JobTable

_DRAFT_COLUMNS = [each.name for each in fields(Draft) if each.name in jobs.c]
# What counts for a day: what was refused for what it is, but neither our failures (not to be able to hear is one) nor
# what was taken back before it had cost anything.
_REFUSED = jobs.c.reason.startswith(REFUSED_AS) & ~jobs.c.reason.startswith(REFUSED_AS + CannotHearError.__name__)
_COUNTS = sa.case(
    (jobs.c.state == State.FAILED, _REFUSED),
    (jobs.c.state == State.CANCELLED, jobs.c.started_at.is_not(None)),
    else_=sa.true(),
)


@dataclass(frozen=True)
class Limits:
    """How many at most; None is no limit."""

    in_line: int | None = None  # an owner's jobs, queued or running, in the scope
    a_day: int | None = None  # an owner's jobs of the last 24 hours in the scope; see _COUNTS
    in_line_anywhere: int | None = None  # the same, over all scopes
    a_day_anywhere: int | None = None
    table: int | None = None  # everybody's queued jobs


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    id: int
    kind: Kind
    state: State
    bars: int
    bars_done: int
    place: int  # 1 is next of its kind, 0 once it runs or has ended
    seconds: float | None  # until it is done; None if nobody is there who can do it


class Asking(JobTable):
    """The table for those who ask."""

    # ---- into the line

    async def submit(
        self,
        connection: AsyncConnection,
        drafts: Sequence[Draft],
        limits: Limits = Limits(),
        tender: str | None = None,
    ) -> list[Job]:
        """Put requests in the line, all or none.

        A draft whose key is in the table already is the job of that key, as it now is, and counts against no limit.

        Args:
            connection: The caller's write transaction.
            drafts: Of any owners and scopes.
            limits: That hold for each owner.
            tender: Who will bring the answers, from the start.

        Returns:
            Their jobs, in that order.

        Raises:
            LineFullError: A limit is met; roll back then.
        """
        await self.database.lock(connection, JOBS_LOCK)
        found = await connection.execute(sa.select(*JOB_COLUMNS).where(jobs.c.key.in_({draft.key for draft in drafts})))
        by_key = {row.key: to_job(row) for row in found}
        fresh = {draft.key: draft for draft in drafts if draft.key not in by_key}
        await self._check(connection, Counter((draft.owner, draft.scope) for draft in fresh.values()), limits)
        for key, draft in fresh.items():
            by_key[key] = await self._insert(connection, draft, tender)
        return [by_key[draft.key] for draft in drafts]

    async def check(self, owner: str, scope: str, limits: Limits) -> None:
        """See whether one more job of the owner's would be taken now. `submit` looks again.

        Raises:
            LineFullError: It would not.
        """
        async with self.database.read() as connection:
            await self._check(connection, Counter([(owner, scope)]), limits)

    async def refuse(self, draft: Draft, reason: str) -> None:
        """Write down what is not taken into the line for what it is, so that it counts for the day, and nothing else.

        Args:
            draft: What was asked for; its payload and recording are not kept.
            reason: Of composer.errors.to_reason.
        """
        ended = {"state": State.FAILED, "reason": reason, "finished_at": now(), "delivered_at": now()}
        async with self.database.write() as connection:
            (job,) = await self.submit(connection, [replace(draft, payload={}, recording=None)])
            await connection.execute(sa.update(jobs).where(jobs.c.id == job.id, QUEUED).values(ended))

    # ---- how far it is

    async def get(self, job_id: int) -> Job | None:
        """The job as it is now. None: it is gone."""
        async with self.database.read() as connection:
            row = (await connection.execute(sa.select(*JOB_COLUMNS).where(jobs.c.id == job_id))).first()
        return to_job(row) if row else None

    async def progress(self, ids: Collection[int]) -> dict[int, Progress]:
        """How far those jobs are, by id. One query; jobs that are gone are left out."""
        async with self.database.read() as connection:
            return await self._progress(connection, jobs.c.id.in_(ids))

    async def so_far(self, job_id: int) -> bytes | None:
        """What there is of the answer to a job that runs, as its worker packed it, where it takes long."""
        async with self.database.read() as connection:
            return await connection.scalar(sa.select(jobs.c.so_far).where(jobs.c.id == job_id, RUNNING))

    async def hands(self, kind: Kind) -> int:
        """Workers that do such jobs, alive."""
        async with self.database.read() as connection:
            alive = sa.select(sa.func.count()).where(self._alive, workers.c.kind == kind)
            return await connection.scalar(alive) or 0

    # ---- out of the line, and out of the table

    async def cancel(self, job_id: int) -> bool:
        """Take a job out of the line; one that runs is dropped at its worker's next beat. False: it has ended."""
        values = {
            "state": sa.case((QUEUED, State.CANCELLED), else_=jobs.c.state),
            "finished_at": sa.case((QUEUED, now())),
            "cancel_requested": True,
        }
        return await self._change((jobs.c.id == job_id) & IN_LINE, values)

    async def abandon(self, job_id: int, reason: str) -> bool:
        """Fail a job that nobody works on. False: somebody does, or it has ended."""
        values = {"state": State.FAILED, "reason": reason, "finished_at": now(), "so_far": None, "lease_until": None}
        return await self._change((jobs.c.id == job_id) & (QUEUED | RAN_OUT), values)

    async def strip(self, job_id: int) -> None:
        """Forget what a job that has ended was about; that it was there stays."""
        async with self.database.write() as connection:
            self.database.forgetting()
            ended = sa.update(jobs).where(jobs.c.id == job_id, ~IN_LINE)
            await connection.execute(ended.values(payload={}, result=None))

    async def forget(self, connection: AsyncConnection, owner: str) -> list[int]:
        """Delete every job of an owner, those that run too: their workers' finish finds nothing. Returns the ids."""
        await self.database.lock(connection, JOBS_LOCK)
        deleted = await connection.execute(sa.delete(jobs).where(jobs.c.owner == owner).returning(jobs.c.id))
        gone = sorted(deleted.scalars())
        await self._discard(connection)
        self.database.forgetting()
        return gone

    # ---- turns

    async def _insert(self, connection: AsyncConnection, draft: Draft, tender: str | None) -> Job:
        theirs = sa.case((jobs.c.owner == draft.owner, jobs.c.turn + jobs.c.bars))
        turns = sa.select(sa.func.min(jobs.c.turn), sa.func.max(theirs)).where(IN_LINE, jobs.c.kind == draft.kind)
        lowest, highest = (await connection.execute(turns)).one()
        row = {name: getattr(draft, name) for name in _DRAFT_COLUMNS} | {
            "payload": dict(draft.payload),
            "turn": max(lowest or 0, highest or 0),
            "state": State.QUEUED if draft.result is None else State.DONE,
            "submitted_at": now(),
            "finished_at": None if draft.result is None else now(),
            "tender": tender,
            "tended_until": self._lease if tender else None,
        }
        job = to_job((await connection.execute(sa.insert(jobs).values(row).returning(*JOB_COLUMNS))).one())
        if draft.recording is not None:
            await connection.execute(sa.insert(recordings).values(job=job.id, data=draft.recording))
        return job

    # ---- limits

    async def _check(self, connection: AsyncConnection, wanted: Counter[tuple[str, str]], limits: Limits) -> None:
        """Raises LineFullError if so many more, by owner and scope, would be too many."""
        by_owner: Counter[str] = Counter()
        for (owner, scope), count in wanted.items():
            by_owner[owner] += count
            here = (jobs.c.owner == owner) & (jobs.c.scope == scope)
            await self._check_owner(connection, here, count, limits.in_line, limits.a_day)
        for owner, count in by_owner.items():
            anywhere = jobs.c.owner == owner
            await self._check_owner(connection, anywhere, count, limits.in_line_anywhere, limits.a_day_anywhere)
        if limits.table is not None and wanted:
            queued = await _count(connection, QUEUED)
            if queued + wanted.total() > limits.table:
                _, seconds = await self._foremost(connection, RUNNING)
                raise LineFullError("table", limits.table, queued + 1, seconds)

    async def _check_owner(
        self,
        connection: AsyncConnection,
        theirs: ColumnElement[bool],
        wanted: int,
        in_line: int | None,
        a_day: int | None,
    ) -> None:
        if in_line is not None and await _count(connection, theirs & IN_LINE) + wanted > in_line:
            place, seconds = await self._foremost(connection, theirs & IN_LINE)
            raise LineFullError("in_line", in_line, place, seconds)
        if a_day is not None:
            await _check_day(connection, theirs, wanted, a_day)

    async def _foremost(
        self, connection: AsyncConnection, which: ColumnElement[bool]
    ) -> tuple[int | None, float | None]:
        """The place of the first of some jobs in line, and in how many seconds one of them will be done."""
        found = (await self._progress(connection, which)).values()
        seconds = [each.seconds for each in found if each.seconds is not None]
        return min((each.place for each in found), default=None), min(seconds, default=None)

    # ---- places

    async def _progress(self, connection: AsyncConnection, which: ColumnElement[bool]) -> dict[int, Progress]:
        line = (
            sa.select(
                jobs.c.id,
                sa.func.row_number().over(partition_by=jobs.c.kind, order_by=IN_ORDER).label("place"),
                (sa.func.sum(jobs.c.bars).over(partition_by=jobs.c.kind, order_by=IN_ORDER) - jobs.c.bars).label(
                    "bars_before"
                ),
            )
            .where(QUEUED)
            .subquery("line")
        )
        other = jobs.alias("other")
        running = (
            sa.select(sa.func.sum(other.c.bars - other.c.bars_done))
            .where(other.c.state == State.RUNNING, other.c.kind == jobs.c.kind)
            .correlate(jobs)
        )
        able = self._alive & (workers.c.kind == jobs.c.kind) & (workers.c.vocabulary == jobs.c.vocabulary)
        together = sa.select(sa.func.sum(workers.c.slots * workers.c.bars_per_second)).where(able).correlate(jobs)
        each = sa.select(sa.func.avg(workers.c.bars_per_second)).where(able).correlate(jobs)
        found = await connection.execute(
            sa.select(
                *(jobs.c.id, jobs.c.kind, jobs.c.state, jobs.c.bars, jobs.c.bars_done),
                *(line.c.place, line.c.bars_before),
                running.scalar_subquery().label("bars_running"),
                together.scalar_subquery().label("together"),
                each.scalar_subquery().label("each"),
            )
            .select_from(jobs.outerjoin(line, line.c.id == jobs.c.id))
            .where(which)
        )
        return {row.id: _to_progress(row._mapping) for row in found}


def _to_progress(row: sa.RowMapping) -> Progress:
    return Progress(
        id=row["id"],
        kind=Kind(row["kind"]),
        state=State(row["state"]),
        bars=row["bars"],
        bars_done=row["bars_done"],
        place=row["place"] or 0,
        seconds=_forecast(row),
    )


def _forecast(row: sa.RowMapping) -> float | None:
    """Seconds until it is done: the bars before it by all slots `together`, its own by one slot (`each`)."""
    if not row["each"] or not row["together"] or row["state"] not in (State.QUEUED, State.RUNNING):
        return None
    before = (row["bars_running"] or 0) + row["bars_before"] if row["state"] == State.QUEUED else 0
    return float(before / row["together"] + (row["bars"] - row["bars_done"]) / row["each"])


async def _count(connection: AsyncConnection, which: ColumnElement[bool]) -> int:
    return await connection.scalar(sa.select(sa.func.count()).where(which)) or 0


async def _check_day(connection: AsyncConnection, theirs: ColumnElement[bool], wanted: int, limit: int) -> None:
    """Raises LineFullError if an owner had too much of the last 24 hours."""
    counts_for = jobs.c.submitted_at - now() + DAY_SECONDS
    recent = sa.select(counts_for).where(theirs, _COUNTS, counts_for > 0).order_by(jobs.c.submitted_at)
    seconds = (await connection.execute(recent)).scalars().all()
    too_many = len(seconds) + wanted - limit
    if too_many > 0:
        raise LineFullError("a_day", limit, None, seconds[too_many - 1] if too_many <= len(seconds) else None)
