"""The tables, what a job is before and in them, and the conditions on a row that have a name.

jobs         one row a request: its state, who has it until when, who brings the answer, the payload and the result
recordings   what a transcription is made from, as long as its job is in line and not a moment longer
losses       which workers a job in line has cost, see composer.line.claiming
workers      who works, on what, how fast, and when it was last heard of
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from composer.database import metadata, now

DAY_SECONDS = 86400.0
PERFORMANCE = "performance-1"  # the "vocabulary" of a transcription: how composer.transcription.performance writes
PERCENT = 100  # the "bars" of a transcription, which nobody knows before it is done


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
    result: Mapping[str, Any] | None = None  # where it is known already: nobody has to work for it


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
    sa.Column("maker", sa.String, nullable=False, server_default=sa.text("''")),  # see Claiming.claim
    sa.Column("lease_until", sa.Double),
    sa.Column("tender", sa.String),
    sa.Column("tended_until", sa.Double),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("result", sa.JSON(none_as_null=True)),
    sa.Column("so_far", sa.LargeBinary),  # what there is of it while it runs, where that takes long; see Claiming.beat
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

JOB_COLUMNS = [jobs.c[each.name] for each in fields(Job)]
IN_ORDER = (jobs.c.priority.desc(), jobs.c.turn, jobs.c.id)  # the line, the next to be claimed first
QUEUED = jobs.c.state == State.QUEUED
RUNNING = jobs.c.state == State.RUNNING
IN_LINE = jobs.c.state.in_([State.QUEUED, State.RUNNING])
RAN_OUT = RUNNING & (jobs.c.lease_until < now())  # nobody works on it, though the row says so
UNDELIVERED = jobs.c.delivered_at.is_(None)


def to_job(row: sa.Row[Any]) -> Job:
    """A row that holds JOB_COLUMNS, and maybe more, as a Job."""
    values = {each.name: row._mapping[each.name] for each in fields(Job)}
    return Job(**values | {"kind": Kind(row.kind), "state": State(row.state)})
