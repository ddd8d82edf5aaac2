"""The durable table of requests: who asked for what, who composes it, and who brings the answer.

    submit ---> QUEUED ---- claim ----> RUNNING ---- finish --------------------> DONE
                 |  ^                   | | | ^
                 |  |                   | | | '- claim by another, the lease ran out
                 |  |                   | | '-- fail, or too many attempts -----> FAILED
                 |  '- release, retire -' |
                 '------------------------'--- cancel --------------------------> CANCELLED

A worker claims a job for `lease_seconds` and beats to keep it. A lease that has run out is claimed by whoever is alive,
which is one attempt more. What a worker says about a job counts only while worker and attempt are still those of the
row, so one that was asleep cannot overwrite; one that nobody missed beats and goes on. A job that runs is cancelled
once its worker has heard of it and dropped it.

An attempt is lost by a worker's death, never by its slowness: whom a job was taken from stands in `losses` until that
worker is heard of again, and a job fails when it has cost so many workers, all of them silent for long. A job that came
back may have killed its worker, so it is claimed alone, and its neighbours of then share one loss with it at most.

Beside the state, each job has a tender: the process that brings the answer to the person, which holds it by a lease of
the same kind until it is delivered. All times are the database's.

Jobs are of two kinds, and whoever works does one of them. A transcription's recording lies beside its row as long as it
is in line, and not a moment longer.

The line is fair in bars: a job's turn is where the last of its owner's jobs in line ends, its turn and its bars, and at
least the lowest of anybody's (start-time fair queueing). So nobody's tenth stands before another's first, who asks for
long pieces waits longer for the next, and nobody starves.

On PostgreSQL a transaction that looks at many rows before it writes, or writes many, takes one lock first: limits hold
and no two such transactions can be in each other's way. On SQLite a transaction that writes is alone anyway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from itertools import takewhile
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from composer.database import JOBS_LOCK, Database, metadata, now
from composer.errors import REFUSED_AS, CannotHearError, LineFullError

DAY_SECONDS = 86400.0
SILENT_LEASES = 4  # a worker not heard of for so many is taken for dead; before that, for slow
PERFORMANCE = "performance-1"  # the "vocabulary" of a transcription: how composer.transcription.performance writes
PERCENT = 100  # the "bars" of a transcription, which nobody knows before it is done
TOO_MANY_ATTEMPTS = "attempts"  # the reason of a job whose workers all died on it


class Kind(StrEnum):
    COMPOSE = "compose"  # the words of an opening -> those of its continuation
    TRANSCRIBE = "transcribe"  # a recording -> the notes that are heard in it


class State(StrEnum):
    QUEUED = "queued"  # waits for a worker
    RUNNING = "running"  # a worker has it, or had it until its lease ran out
    DONE = "done"  # the result is there
    FAILED = "failed"  # given up; the reason says why
    CANCELLED = "cancelled"  # nobody wants it any more


@dataclass(frozen=True)
class Draft:
    """A request before it is in the table."""

    key: str  # submitted again, it is the same job
    owner: str  # who asked: fairness and limits go by it
    vocabulary: str  # digest: only a worker that speaks it may claim
    payload: Mapping[str, Any]  # JSON: all that the worker needs
    bars: int  # how much work it is; of a transcription PERCENT
    kind: Kind = Kind.COMPOSE
    scope: str = ""  # where it was asked; limits count within it
    priority: int = 0  # higher goes first, whoever asked
    recording: bytes | None = None  # what a transcription is made from


@dataclass(frozen=True)
class Limits:
    """How many at most; None is no limit."""

    in_line: int | None = None  # an owner's jobs, queued or running, in the scope
    a_day: int | None = None  # an owner's jobs of the last 24 hours in the scope; see _COUNTS
    in_line_anywhere: int | None = None  # the same, over all scopes
    a_day_anywhere: int | None = None
    table: int | None = None  # everybody's queued jobs


@dataclass(frozen=True)
class Job:
    """One row, as it was when it was read."""

    id: int
    key: str
    kind: Kind
    owner: str
    scope: str
    vocabulary: str
    bars: int
    bars_done: int  # by the present attempt
    state: State
    attempt: int  # 1 is the first; 0 before
    reason: str | None  # of a failure
    cancel_requested: bool
    submitted_at: float
    started_at: float | None  # of the present attempt
    finished_at: float | None
    delivered_at: float | None
    worker: str | None
    payload: dict[str, Any]
    result: dict[str, Any] | None


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    place: 1 is next of its kind, 0 once it runs or has ended   seconds: until it is done, None if nobody is there who
    can do it
    """

    id: int
    kind: Kind
    state: State
    bars: int
    bars_done: int
    place: int
    seconds: float | None


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


jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("scope", sa.String, nullable=False),
    sa.Column("vocabulary", sa.String, nullable=False),
    sa.Column("bars", sa.Integer, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("bars_done", sa.Integer, nullable=False, default=0),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("reason", sa.Text),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, default=False),
    sa.Column("submitted_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("delivered_at", sa.Double),
    sa.Column("worker", sa.String),
    sa.Column("maker", sa.String, nullable=False, server_default=sa.text("''")),  # see Jobs.claim
    sa.Column("lease_until", sa.Double),
    sa.Column("tender", sa.String),
    sa.Column("tended_until", sa.Double),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("result", sa.JSON(none_as_null=True)),
    sqlite_autoincrement=True,  # an id is never used again, not even that of a job that was deleted
)
sa.Index("jobs_by_key", jobs.c.key, unique=True)
sa.Index("jobs_in_line", jobs.c.state, jobs.c.priority, jobs.c.turn, jobs.c.id)
sa.Index("jobs_by_owner", jobs.c.owner, jobs.c.scope, jobs.c.submitted_at)
sa.Index("jobs_by_end", jobs.c.finished_at)
sa.Index("jobs_by_delivery", jobs.c.delivered_at)
recordings = sa.Table(
    "recordings",
    metadata,
    sa.Column("job", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
losses = sa.Table(  # whom a job that is in line was taken from, and who has not been heard of since
    "losses",
    metadata,
    sa.Column("job", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("worker", sa.String, primary_key=True),
)
workers = sa.Table(
    "workers",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False, server_default=Kind.COMPOSE),  # of the jobs that it does
    sa.Column("slots", sa.Integer, nullable=False),
    sa.Column("vocabulary", sa.String, nullable=False),
    sa.Column("maker", sa.String, nullable=False, server_default=sa.text("''")),
    sa.Column("bars_per_second", sa.Double),  # of one slot; of one that transcribes, percent
    sa.Column("seen_at", sa.Double, nullable=False),
)

_JOB = [jobs.c[each.name] for each in fields(Job)]
_DRAFT = [each.name for each in fields(Draft) if each.name in jobs.c]
_ORDER = (jobs.c.priority.desc(), jobs.c.turn, jobs.c.id)
_QUEUED = jobs.c.state == State.QUEUED
_RUNNING = jobs.c.state == State.RUNNING
_IN_LINE = jobs.c.state.in_([State.QUEUED, State.RUNNING])
_RAN_OUT = _RUNNING & (jobs.c.lease_until < now())
_UNDELIVERED = jobs.c.delivered_at.is_(None)
_LOST = sa.select(sa.func.count()).where(losses.c.job == jobs.c.id).correlate(jobs).scalar_subquery()
_UNTENDED = _UNDELIVERED & (jobs.c.tender.is_(None) | (jobs.c.tended_until < now()))
# What counts for a day: what was refused for what it is, but neither our failures (not to be able to hear is one) nor
# what was taken back before it had cost anything.
_REFUSED = jobs.c.reason.startswith(REFUSED_AS) & ~jobs.c.reason.startswith(REFUSED_AS + CannotHearError.__name__)
_COUNTS = sa.case(
    (jobs.c.state == State.FAILED, _REFUSED),
    (jobs.c.state == State.CANCELLED, jobs.c.started_at.is_not(None)),
    else_=sa.true(),
)

_BACK_IN_LINE = {  # or, if it was cancelled meanwhile, out of it
    "state": sa.case((jobs.c.cancel_requested, State.CANCELLED), else_=State.QUEUED),
    "finished_at": sa.case((jobs.c.cancel_requested, now())),
    "started_at": sa.case((jobs.c.cancel_requested, jobs.c.started_at)),
    "attempt": jobs.c.attempt - 1,
    "bars_done": 0,
    "worker": None,
    "lease_until": None,
}


class Jobs:
    """The table, for those who ask, those who bring answers, and those who compose.

    Each method is one transaction, but for those that take a connection: they join the caller's write transaction.
    lease_seconds: how long a worker or a tender that says nothing is taken to be alive; beat every third of it
    max_attempts: how many workers may die on a job before it fails; taken for dead who is silent for SILENT_LEASES
    """

    def __init__(self, database: Database, lease_seconds: float = 15.0, max_attempts: int = 5) -> None:
        self.database, self.lease_seconds, self.max_attempts = database, lease_seconds, max_attempts
        self._lease = now() + lease_seconds
        self._alive = workers.c.seen_at > now() - lease_seconds
        heard_of = workers.c.seen_at > now() - SILENT_LEASES * lease_seconds
        self._worker_lives = sa.exists().where(workers.c.name == jobs.c.worker, heard_of)
        self._maker_lives = sa.exists().where(workers.c.maker == jobs.c.maker, heard_of)
        self._last_try = max_attempts <= _LOST + 1
        self._hopeless = _RAN_OUT & (jobs.c.cancel_requested | (self._last_try & ~self._worker_lives))

    # ---- who asks

    async def submit(
        self,
        connection: AsyncConnection,
        drafts: Sequence[Draft],
        limits: Limits = Limits(),
        tender: str | None = None,
    ) -> list[Job]:
        """Put requests in the line, all or none, and return their jobs in that order.

        A draft whose key is in the table already is the job of that key, as it now is, and counts against no limit.
        tender: who will bring the answers, from the start. Raises LineFullError; then roll back.
        """
        await self.database.lock(connection, JOBS_LOCK)
        found = await connection.execute(sa.select(*_JOB).where(jobs.c.key.in_({draft.key for draft in drafts})))
        by_key = {row.key: _job(row) for row in found}
        fresh = {draft.key: draft for draft in drafts if draft.key not in by_key}
        await self._check(connection, Counter((draft.owner, draft.scope) for draft in fresh.values()), limits)
        for key, draft in fresh.items():
            by_key[key] = await self._insert(connection, draft, tender)
        return [by_key[draft.key] for draft in drafts]

    async def check(self, owner: str, scope: str, limits: Limits) -> None:
        """Raises LineFullError if not one more job of the owner's would be taken now. `submit` looks again."""
        async with self.database.read() as connection:
            await self._check(connection, Counter([(owner, scope)]), limits)

    async def refuse(self, draft: Draft, reason: str) -> None:
        """Write down what is not taken into the line for what it is, so that it counts for the day, and nothing else.

        reason: of composer.errors.to_reason
        """
        ended = {"state": State.FAILED, "reason": reason, "finished_at": now(), "delivered_at": now()}
        async with self.database.write() as connection:
            (job,) = await self.submit(connection, [replace(draft, payload={}, recording=None)])
            await connection.execute(sa.update(jobs).where(jobs.c.id == job.id, _QUEUED).values(ended))

    async def get(self, job_id: int) -> Job | None:
        async with self.database.read() as connection:
            row = (await connection.execute(sa.select(*_JOB).where(jobs.c.id == job_id))).first()
        return _job(row) if row else None

    async def progress(self, ids: Collection[int]) -> dict[int, Progress]:
        """How far those jobs are, by id. One query; jobs that are gone are left out."""
        async with self.database.read() as connection:
            return await self._progress(connection, jobs.c.id.in_(ids))

    async def cancel(self, job_id: int) -> bool:
        """Take a job out of the line; one that runs is dropped at its worker's next beat. False: it has ended."""
        values = {
            "state": sa.case((_QUEUED, State.CANCELLED), else_=jobs.c.state),
            "finished_at": sa.case((_QUEUED, now())),
            "cancel_requested": True,
        }
        return await self._change((jobs.c.id == job_id) & _IN_LINE, values)

    async def forget(self, connection: AsyncConnection, owner: str) -> list[int]:
        """Delete every job of an owner, those that run too: their workers' finish finds nothing. Returns the ids."""
        await self.database.lock(connection, JOBS_LOCK)
        deleted = await connection.execute(sa.delete(jobs).where(jobs.c.owner == owner).returning(jobs.c.id))
        gone = sorted(deleted.scalars())
        await self._discard(connection)
        self.database.forgetting()
        return gone

    async def abandon(self, job_id: int, reason: str) -> bool:
        """Fail a job that nobody works on. False: somebody does, or it has ended."""
        values = {"state": State.FAILED, "reason": reason, "finished_at": now(), "lease_until": None}
        return await self._change((jobs.c.id == job_id) & (_QUEUED | _RAN_OUT), values)

    async def hands(self, kind: Kind) -> int:
        """Workers that do such jobs, alive."""
        async with self.database.read() as connection:
            alive = sa.select(sa.func.count()).where(self._alive, workers.c.kind == kind)
            return await connection.scalar(alive) or 0

    async def strip(self, job_id: int) -> None:
        """Forget what a job that has ended was about; that it was there stays."""
        async with self.database.write() as connection:
            self.database.forgetting()
            ended = sa.update(jobs).where(jobs.c.id == job_id, ~_IN_LINE)
            await connection.execute(ended.values(payload={}, result=None))

    # ---- who brings the answer

    async def tend(self, tender: str, count: int) -> list[Job]:
        """Take over jobs, in whatever state, that are not delivered and that nobody tends: the oldest `count`."""
        untended = sa.select(jobs.c.id).where(_UNTENDED).order_by(jobs.c.id).limit(count)
        async with self._alone() as connection:
            taken = await connection.execute(
                sa.update(jobs)
                .where(jobs.c.id.in_(untended), _UNTENDED)
                .values(tender=tender, tended_until=self._lease)
                .returning(*_JOB)
            )
            return sorted(map(_job, taken), key=lambda job: job.id)

    async def hold(self, tender: str, ids: Collection[int]) -> None:
        """Renew a tender's leases on these. Others that stand in its name lapse: it may not know that it has them."""
        await self._tended(tender, {"tended_until": self._lease}, jobs.c.id.in_(ids))

    async def let_go(self, tender: str) -> None:
        """Give back all that a tender has, at a clean stop: another may take it at once."""
        await self._tended(tender, {"tender": None, "tended_until": None})

    async def delivered(self, job_id: int, tender: str) -> bool:
        """The person has the answer. False: another tends it now, it was delivered before, or it has not ended."""
        ended_here = (jobs.c.id == job_id) & (jobs.c.tender == tender) & _UNDELIVERED & ~_IN_LINE
        return await self._change(ended_here, {"delivered_at": now()})

    # ---- who works

    async def enlist(
        self,
        worker: str,
        slots: int,
        vocabulary: str,
        bars_per_second: float | None,
        kind: Kind = Kind.COMPOSE,
        maker: str = "",
    ) -> None:
        """Say that a worker is alive, what it can do, and how fast one slot is. Once every third of a lease.

        worker: a name that no other process has, nor had   maker: see claim
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
            held = (jobs.c.worker == worker) & _RUNNING
            await connection.execute(sa.update(jobs).where(held).values(_BACK_IN_LINE))
            await self._discard(connection)

    async def claim(
        self, worker: str, vocabulary: str, count: int, kind: Kind = Kind.COMPOSE, maker: str = ""
    ) -> list[Job]:
        """Take up to `count` jobs that this worker can do, the first in line first.

        maker: what the same seed gives the same words by, checkpoint and precision. A job that was begun waits for
        another worker of its maker as long as one is heard of; then anybody's will do.
        A job that came back after its lease ran out is given to a worker that has nothing else, and nothing beside it;
        until it is, nothing behind it is given to those who could take it.
        Jobs whose lease has run out are among them, and nothing rings when that happens: call this now and then, with
        0 too. A worker that slept may get a job that it still has; the one with the higher attempt is the right one.
        """
        mine = jobs.c.worker == worker
        free = _QUEUED | (_RAN_OUT & (mine | ~self._last_try))
        same = jobs.c.maker.in_(["", maker]) | ~self._maker_lives
        claimable = (jobs.c.kind == kind) & (jobs.c.vocabulary == vocabulary) & free & same
        async with self.database.read() as connection:  # so that workers with nothing to do are in nobody's way
            if not await connection.scalar(sa.select(sa.exists().where(claimable | self._hopeless))):
                return []
        first = sa.select(jobs.c.id, jobs.c.attempt, jobs.c.worker).where(claimable).order_by(*_ORDER).limit(count)
        values = {
            "state": State.RUNNING,
            "worker": worker,
            "maker": maker,
            "attempt": jobs.c.attempt + 1,
            "bars_done": 0,
            "started_at": now(),
            "lease_until": self._lease,
        }
        async with self._alone() as connection:
            await self._give_up(connection)
            held = await connection.execute(sa.select(jobs.c.attempt).where(mine, _RUNNING, ~_RAN_OUT))
            chosen = _together((await connection.execute(first)).all(), held.scalars().all())
            if not chosen:
                return []
            taken = await connection.execute(
                sa.update(jobs)
                .where(jobs.c.id.in_([row.id for row in chosen]), claimable)
                .values(values)
                .returning(jobs.c.priority, jobs.c.turn, *_JOB)
            )
            in_order = sorted(taken, key=lambda row: (-row.priority, row.turn, row.id))
            await self._lose(connection, chosen, worker)
        return [_job(row) for row in in_order]

    async def recording(self, job: Job) -> bytes | None:
        """What a transcription is made from. None: it is no longer wanted."""
        async with self.database.read() as connection:
            return await connection.scalar(sa.select(recordings.c.data).where(recordings.c.job == job.id))

    async def beat(self, worker: str, bars_done: Mapping[int, int]) -> set[int]:
        """Say how far a worker's jobs are, by id, and renew their leases. Returns those that it shall drop.

        They were cancelled, taken over by another, or are gone. A job that is not named runs out: the worker may
        never have heard that it was given it.
        """
        if not bars_done:
            return set()
        async with self._alone() as connection:
            held = await connection.execute(
                sa.update(jobs)
                .where(jobs.c.id.in_(bars_done), jobs.c.worker == worker, _RUNNING)
                .values(bars_done=sa.case(dict(bars_done), value=jobs.c.id), lease_until=self._lease)
                .returning(jobs.c.id, jobs.c.cancel_requested)
            )
            kept = {row.id for row in held if not row.cancel_requested}
        return set(bars_done) - kept

    async def finish(self, job: Job, result: Mapping[str, Any]) -> bool:
        """The answer is there, even if it was cancelled meanwhile. False: the job is somebody else's now, or gone."""
        return await self._end(job, State.DONE, result=dict(result), bars_done=jobs.c.bars)

    async def fail(self, job: Job, reason: str) -> bool:
        """Give a job up. False as with finish."""
        return await self._end(job, State.FAILED, reason=reason)

    async def drop(self, job: Job) -> bool:
        """The worker has stopped a job that was cancelled. False as with finish."""
        return await self._end(job, State.CANCELLED)

    async def release(self, job: Job) -> bool:
        """Back in line, as if it had never been claimed; or out of it, if it was cancelled. False as with finish."""
        return await self._change(_held(job), _BACK_IN_LINE)

    # ---- who runs it all

    async def statistics(self) -> Statistics:
        lately = jobs.c.finished_at > now() - DAY_SECONDS
        async with self.database.read() as connection:
            active = await connection.execute(
                sa.select(jobs.c.state, sa.func.count(), now() - sa.func.min(jobs.c.submitted_at))
                .where(_IN_LINE)
                .group_by(jobs.c.state)
            )
            by_state = {State(state): (count, oldest) for state, count, oldest in active}
            undelivered = await connection.scalar(sa.select(sa.func.count()).where(_UNDELIVERED, ~_IN_LINE))
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
        """Delete jobs that were delivered longer ago than that, and workers not heard of for a day. Returns how many
        jobs. Of a job that still counts against a day's limit what it was about is forgotten, and the row a day old."""
        old = jobs.c.delivered_at < now() - days * DAY_SECONDS
        counted = jobs.c.submitted_at > now() - DAY_SECONDS
        async with self._alone() as connection:
            await connection.execute(sa.delete(workers).where(workers.c.seen_at < now() - DAY_SECONDS))
            await connection.execute(sa.update(jobs).where(old, counted).values(payload={}, result=None))
            gone = (await connection.execute(sa.delete(jobs).where(old, ~counted))).rowcount
            self.database.forgetting()
        return gone

    # ---- parts of the above

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[AsyncConnection]:
        async with self.database.write() as connection:
            await self.database.lock(connection, JOBS_LOCK)
            yield connection

    async def _change(self, one: ColumnElement[bool], values: Mapping[str, Any]) -> bool:
        """Change the one row that fits, in one statement. False if none does."""
        async with self.database.write() as connection:
            changed = (await connection.execute(sa.update(jobs).where(one).values(values))).rowcount > 0
            await self._discard(connection)
        return changed

    async def _end(self, job: Job, state: State, **values: Any) -> bool:
        return await self._change(_held(job), {"state": state, "finished_at": now(), "lease_until": None, **values})

    async def _tended(self, tender: str, values: Mapping[str, Any], which: ColumnElement[bool] | None = None) -> None:
        theirs = (jobs.c.tender == tender) & _UNDELIVERED
        async with self._alone() as connection:
            await connection.execute(sa.update(jobs).where(theirs if which is None else theirs & which).values(values))

    async def _give_up(self, connection: AsyncConnection) -> None:
        """End the jobs whose lease has run out and that shall not be tried again."""
        values = {
            "state": sa.case((jobs.c.cancel_requested, State.CANCELLED), else_=State.FAILED),
            "reason": sa.case((jobs.c.cancel_requested, None), else_=TOO_MANY_ATTEMPTS),
            "finished_at": now(),
            "lease_until": None,
        }
        await connection.execute(sa.update(jobs).where(self._hopeless).values(values))
        await self._discard(connection)

    async def _lose(self, connection: AsyncConnection, taken: Sequence[Any], worker: str) -> None:
        """Write down from whom jobs are taken whose lease ran out."""
        lost = [{"job": row.id, "worker": row.worker} for row in taken if row.worker not in (None, worker)]
        for row in lost:
            there = sa.exists().where(losses.c.job == row["job"], losses.c.worker == row["worker"])
            if not await connection.scalar(sa.select(there)):
                await connection.execute(sa.insert(losses).values(row))

    async def _discard(self, connection: AsyncConnection) -> None:
        """Forget the recordings and the losses of jobs that have ended or are gone."""
        for table in (losses, recordings):
            no_longer_needed = ~sa.exists().where(jobs.c.id == table.c.job, _IN_LINE)
            gone = await connection.execute(sa.delete(table).where(no_longer_needed))
            if table is recordings and gone.rowcount:
                self.database.forgetting()

    async def _insert(self, connection: AsyncConnection, draft: Draft, tender: str | None) -> Job:
        theirs = sa.case((jobs.c.owner == draft.owner, jobs.c.turn + jobs.c.bars))
        turns = sa.select(sa.func.min(jobs.c.turn), sa.func.max(theirs)).where(_IN_LINE, jobs.c.kind == draft.kind)
        lowest, highest = (await connection.execute(turns)).one()
        row = {name: getattr(draft, name) for name in _DRAFT} | {
            "payload": dict(draft.payload),
            "turn": max(lowest or 0, highest or 0),
            "state": State.QUEUED,
            "submitted_at": now(),
            "tender": tender,
            "tended_until": self._lease if tender else None,
        }
        job = _job((await connection.execute(sa.insert(jobs).values(row).returning(*_JOB))).one())
        if draft.recording is not None:
            await connection.execute(sa.insert(recordings).values(job=job.id, data=draft.recording))
        return job

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
            queued = await _count(connection, _QUEUED)
            if queued + wanted.total() > limits.table:
                _, seconds = await self._foremost(connection, _RUNNING)
                raise LineFullError("table", limits.table, queued + 1, seconds)

    async def _check_owner(
        self,
        connection: AsyncConnection,
        theirs: ColumnElement[bool],
        wanted: int,
        in_line: int | None,
        a_day: int | None,
    ) -> None:
        if in_line is not None and await _count(connection, theirs & _IN_LINE) + wanted > in_line:
            place, seconds = await self._foremost(connection, theirs & _IN_LINE)
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

    async def _progress(self, connection: AsyncConnection, which: ColumnElement[bool]) -> dict[int, Progress]:
        line = (
            sa.select(
                jobs.c.id,
                sa.func.row_number().over(partition_by=jobs.c.kind, order_by=_ORDER).label("place"),
                (sa.func.sum(jobs.c.bars).over(partition_by=jobs.c.kind, order_by=_ORDER) - jobs.c.bars).label(
                    "bars_before"
                ),
            )
            .where(_QUEUED)
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
        return {row.id: _progress(row._mapping) for row in found}


def _held(job: Job) -> ColumnElement[bool]:
    """The row, as long as it is in the hands that this job is in."""
    return (jobs.c.id == job.id) & (jobs.c.worker == job.worker) & (jobs.c.attempt == job.attempt) & _RUNNING


def _progress(row: sa.RowMapping) -> Progress:
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


def _together(line: Sequence[Any], held: Sequence[int]) -> Sequence[Any]:
    """The first of a line that a worker may have at once, beside what it holds (attempts). What came back is alone."""
    if any(attempt > 1 for attempt in held):
        return []
    fresh = list(takewhile(lambda row: row.attempt == 0, line))
    return fresh if fresh or held else line[:1]


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


def _job(row: sa.Row[Any]) -> Job:
    values = {each.name: row._mapping[each.name] for each in fields(Job)}
    return Job(**values | {"kind": Kind(row.kind), "state": State(row.state)})
