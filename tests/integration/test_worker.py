"""The worker, on both engines: the real one with a small model, beside what breaks in service."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa
import torch
from engine_models import random_checkpoint
from job_line import ENDED, PATIENCE, begun, opened, until
from postgres import Postgres

from composer.engine.checkpoint import Checkpoint, save_checkpoint
from composer.engine.generator import Generator
from composer.engine.scheduler import Piece
from composer.errors import DatabaseError, PieceError
from composer.line.jobs import Jobs
from composer.line.schema import Draft, Job, State
from composer.line.schema import jobs as jobs_table
from composer.line.schema import workers as workers_table
from composer.music.words import END, Family, Word, default_vocabulary
from composer.request import MAX_BARS, Composed, Request
from composer.sampling import SamplingParams
from composer.worker import EngineHangsError, Worker

CHECKPOINT = random_checkpoint(positions="rotary", alibi=False)  # left to torch: slow enough to be interrupted
VOCABULARY = CHECKPOINT.vocabulary
BAR = Word(Family.BAR, meter=VOCABULARY.meters.index("4/4") + 1)
BREAKING = Path(__file__).with_name("breaking_worker.py")
SLOTS = 2
LONG = 32  # bars: some seconds, in which much can happen to a piece that shall be finished


@asynccontextmanager
async def working(
    jobs: Jobs, checkpoint: Checkpoint = CHECKPOINT, slots: int = SLOTS, **settings: float
) -> AsyncIterator[Worker]:
    """A worker until the block ends, which it survives by no more than a step. If it breaks, so does the block."""
    async with asyncio.TaskGroup() as group:
        worker = Worker(jobs, checkpoint, slots, torch.device("cpu"), **settings)
        group.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            worker.stop()


def asked(seed: int, bars: int = 2, words: Sequence[Word] = (BAR,)) -> Request:
    return Request(tuple(words), bars, seed, SamplingParams().with_setting("temperature", "pitch", 1.2))


def draft(wanted: Request | dict[str, Any], key: object = None, **changes: Any) -> Draft:
    payload = wanted.to_json() if isinstance(wanted, Request) else wanted
    bars = wanted.bars if isinstance(wanted, Request) else 2
    key = wanted if key is None else key
    return replace(Draft(f"{key}", "ann", VOCABULARY.digest, payload, bars), **changes)


async def submit(jobs: Jobs, *drafts: Draft) -> list[Job]:
    async with jobs.database.write() as connection:
        return await jobs.submit(connection, drafts)


async def run_out(jobs: Jobs, *of: Job) -> None:
    """The leases of some jobs are over, as if nobody had beaten for them."""
    over = sa.update(jobs_table).where(jobs_table.c.id.in_([job.id for job in of])).values(lease_until=0.0)
    async with jobs.database.write() as connection:
        await connection.execute(over)


async def have_died(jobs: Jobs, *of: Job) -> None:
    """Their leases are over, and no worker was heard of for so long that it cannot be merely slow."""
    await run_out(jobs, *of)
    async with jobs.database.write() as connection:
        await connection.execute(sa.update(workers_table).values(seen_at=0.0))


def done(job: Job) -> bool:
    return job.state is State.DONE


def words_of(job: Job) -> list[Word]:
    return list(Composed.from_json(job.result or {}).words)


def composed(*wanted: Request, slots: int = SLOTS) -> list[list[Word]]:
    """What the generator makes of requests that nothing disturbs."""
    *_, pieces = Generator(CHECKPOINT, slots).compose(wanted)
    return [piece.words for piece in pieces]


# ---------------------------------------------------------------------- composing


async def test_what_was_asked_for_is_composed_as_the_generator_does(database_url: str) -> None:
    wanted = [asked(seed, bars=1 + seed % 3) for seed in range(5)]
    async with opened(database_url) as jobs, working(jobs):
        submitted = await submit(jobs, *map(draft, wanted))
        finished = await until(jobs, submitted, done)
        after = await jobs.statistics()
    assert [words_of(job) for job in finished] == composed(*wanted)
    assert all((job.bars_done, job.attempt) == (job.bars, 1) for job in finished)
    for job in finished:
        answer = Composed.from_json(job.result or {})
        assert (answer.checkpoint, answer.digest, answer.device) == (CHECKPOINT.name, CHECKPOINT.digest, "cpu")
        assert answer.seconds > 0
    assert (after.workers, after.slots) == (1, SLOTS)


async def test_a_worker_that_has_gone_is_no_longer_counted_upon(database_url: str) -> None:
    async with opened(database_url) as jobs:
        (long,) = await submit(jobs, draft(asked(1, bars=MAX_BARS)))
        async with working(jobs):
            await until(jobs, [long], begun)
            seconds = (await jobs.progress([long.id]))[long.id].seconds
            assert seconds is not None
            assert seconds > 0
        assert (await jobs.statistics()).workers == 0
        assert (await jobs.progress([long.id]))[long.id].seconds is None


def unusable() -> Iterator[dict[str, Any]]:
    good = asked(1).to_json()
    yield {}
    yield {"words": [1]}
    for name, values in {
        "words": ([], None, "bars", [1, 0], list(END), [*BAR, *END], [*BAR, Family.NOTE, 0, 999, 1, 1, 0, 0, 0, 1]),
        "bars": (0, -1, None, "many", MAX_BARS + 1, 10**30),
        "seed": (-1, 2**63, None, [7]),
        "given": (None, [[]], [[*BAR], [*BAR], [*BAR]], [[*END], [*BAR]]),
        "meters": (None, [1], [1, 99], "many"),
        "wishes": (None, [[0, "weather", 1, False]], [7]),
        "sampling": (None, 5, {"temperature": {"pitch": 9}}, {"top_k": {"pitch": 1}}, {"top_p": {"pitch": 10**400}}),
    }.items():
        if name in ("words", "bars", "seed", "sampling"):  # the others may be left out
            yield {key: value for key, value in good.items() if key != name}
        for value in values:
            yield good | {name: value}


async def test_a_row_that_is_no_request_fails_and_the_others_are_served(database_url: str) -> None:
    async with opened(database_url) as jobs, working(jobs):
        rows = [draft(payload, f"bad {number}") for number, payload in enumerate(unusable())]
        middle = len(rows) // 2
        submitted = await submit(jobs, *rows[:middle], draft(asked(3)), *rows[middle:], draft(asked(4)))
        ended = await until(jobs, submitted, lambda job: job.state in ENDED)
    good = {job.id: job for job in (ended[middle], ended[-1])}
    assert [words_of(job) for job in good.values()] == composed(asked(3), asked(4))
    bad = [job for job in ended if job.id not in good]
    assert {(job.state, job.reason, job.attempt, job.result) for job in bad} == {(State.FAILED, "request", 1, None)}


async def test_a_piece_that_breaks_off_fails_alone(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Generator.composed

    def breaks(generator: Generator, piece: Piece, seconds: float) -> Composed:
        if piece.request.seed == 66:
            raise PieceError("nowhere to go")
        return sound(generator, piece, seconds)

    monkeypatch.setattr(Generator, "composed", breaks)
    seeds = (65, 66, 67, 68)  # of which two are composed at once
    async with opened(database_url) as jobs, working(jobs):
        submitted = await submit(jobs, *(draft(asked(seed)) for seed in seeds))
        first, broken, *others = await until(jobs, submitted, lambda job: job.state in ENDED)
    assert (broken.state, broken.reason, broken.attempt, broken.result) == (State.FAILED, "nowhere to go", 1, None)
    assert [words_of(job) for job in (first, *others)] == composed(*(asked(seed) for seed in (65, 67, 68)))


async def test_who_speaks_another_language_claims_nothing(database_url: str) -> None:
    foreign = random_checkpoint(replace(default_vocabulary(), durations=tuple(range(1, 9))))
    async with opened(database_url) as jobs:
        async with working(jobs, foreign):
            ours, theirs = await submit(
                jobs, draft(asked(1)), draft(asked(1), "theirs", vocabulary=foreign.vocabulary.digest)
            )
            await until(jobs, [theirs], done)
        waits = await jobs.get(ours.id)
        assert waits is not None
        assert (waits.state, waits.attempt) == (State.QUEUED, 0)
        async with working(jobs):
            (ended,) = await until(jobs, [ours], done)
    assert [words_of(ended)] == composed(asked(1))


async def test_a_piece_cancelled_while_it_is_composed_frees_its_slot(database_url: str) -> None:
    async with opened(database_url) as jobs, working(jobs, slots=1) as worker:
        long, short = await submit(jobs, draft(asked(1, bars=MAX_BARS)), draft(asked(2)))
        await until(jobs, [long], begun)
        assert worker.busy == 1
        assert await jobs.cancel(long.id)
        (ended,) = await until(jobs, [short], done)
        cancelled = await jobs.get(long.id)
    assert [words_of(ended)] == composed(asked(2), slots=1)
    assert cancelled is not None
    assert (cancelled.state, cancelled.result) == (State.CANCELLED, None)
    assert 0 < cancelled.bars_done < MAX_BARS


async def test_what_is_forgotten_while_it_is_composed_frees_its_slot(database_url: str) -> None:
    async with opened(database_url) as jobs, working(jobs, slots=1):
        long, short = await submit(jobs, draft(asked(1, bars=MAX_BARS)), draft(asked(2), owner="bob"))
        await until(jobs, [long], begun)
        async with jobs.database.write() as connection:
            await jobs.forget(connection, "ann")
        await until(jobs, [short], done)
        assert await jobs.get(long.id) is None


# ---------------------------------------------------------------------- many workers, and none


async def test_two_workers_share_the_work_and_compose_nothing_twice(database_url: str) -> None:
    wanted = [asked(seed, bars=4) for seed in range(8)]
    async with opened(database_url) as here, opened(database_url) as there:
        submitted = await submit(here, *map(draft, wanted))
        async with working(here) as one, working(there) as two:
            finished = await until(here, submitted, done)
            drawn = one.words + two.words
    assert [words_of(job) for job in finished] == composed(*wanted)
    assert {job.worker for job in finished} == {one.name, two.name}
    assert {job.attempt for job in finished} == {1}
    assert drawn == sum(len(words_of(job)) - 1 for job in finished), "the first bar word is given, not drawn"


async def test_a_piece_whose_lease_ran_out_under_a_living_worker_goes_on(database_url: str) -> None:
    async with opened(database_url) as jobs, working(jobs) as worker:
        (job,) = await submit(jobs, draft(asked(1, bars=LONG)))
        await until(jobs, [job], begun)
        for _ in range(5):
            await run_out(jobs, job)
        (finished,) = await until(jobs, [job], done)
        drawn = worker.words
    assert finished.worker == worker.name
    assert [words_of(finished)] == composed(asked(1, bars=LONG))
    assert drawn == len(words_of(finished)) - 1, "nothing was composed twice"


async def test_an_engine_that_hangs_lets_its_leases_run_out_and_ends_its_worker(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked, step = threading.Event(), Generator.step
    lease = 2.0  # far more than a step takes on a busy machine
    async with opened(database_url, lease_seconds=lease) as jobs:
        worker = Worker(jobs, CHECKPOINT, SLOTS, torch.device("cpu"), hang=2.5 * lease)
        monkeypatch.setattr("composer.worker.LAST_STEP_SECONDS", 0.1)

        def block(generator: Generator) -> Any:
            in_service = threading.current_thread() is worker._engine  # not the warm-up
            if in_service and any(piece.bars_done for piece in generator.scheduler.running):
                blocked.wait()
            return step(generator)

        monkeypatch.setattr(Generator, "step", block)
        task = asyncio.create_task(worker.run())
        try:
            (job,) = await submit(jobs, draft(asked(1, bars=6)))
            async with asyncio.timeout(PATIENCE):
                while not worker.stalled:
                    await asyncio.sleep(0.02)
            with pytest.raises(EngineHangsError):
                await asyncio.wait_for(task, PATIENCE)
            async with working(jobs):
                (finished,) = await until(jobs, [job], done)
        finally:
            blocked.set()
    assert (finished.attempt, finished.worker == worker.name) == (2, False)


async def test_an_engine_that_hangs_before_the_first_piece_ends_its_worker(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked, step = threading.Event(), Generator.step

    def block(generator: Generator) -> Any:
        blocked.wait()
        return step(generator)

    async with opened(database_url) as jobs:
        (job,) = await submit(jobs, draft(asked(1)))
        worker = Worker(jobs, CHECKPOINT, SLOTS, torch.device("cpu"))
        monkeypatch.setattr("composer.worker.WARM_UP_SECONDS", 0.5)
        monkeypatch.setattr(Generator, "step", block)
        try:
            with pytest.raises(EngineHangsError):
                await asyncio.wait_for(worker.run(), PATIENCE)
        finally:
            blocked.set()
        assert (await jobs.statistics()).workers == 0
        assert await jobs.get(job.id) == job


async def test_what_cannot_be_finished_in_the_grace_is_handed_back_as_if_it_had_never_been_begun(
    database_url: str,
) -> None:
    async with opened(database_url) as jobs:
        worker = Worker(jobs, CHECKPOINT, SLOTS, torch.device("cpu"), grace=0.3)
        task = asyncio.create_task(worker.run())
        (long,) = await submit(jobs, draft(asked(1, bars=MAX_BARS)))
        await until(jobs, [long], begun)
        worker.stop()
        (late,) = await submit(jobs, draft(asked(2)))
        await asyncio.wait_for(task, PATIENCE)
        for job in (long, late):
            found = await jobs.get(job.id)
            assert found == replace(job, state=State.QUEUED)
        assert (await jobs.statistics()).workers == 0
        assert {job.id: job.attempt for job in await jobs.claim("heir", VOCABULARY.digest, 2)} == {
            long.id: 1,
            late.id: 1,
        }


@contextmanager
def process(url: str, folder: Path, *command: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A worker's process; if it has not ended by itself by the end of the block, it is killed."""
    save_checkpoint(folder / "tiny", CHECKPOINT.model, VOCABULARY)
    told = {"DATABASE_URL": url, "CHECKPOINT": str(folder / "tiny"), "SLOTS": str(SLOTS), "OMP_NUM_THREADS": "1"}
    started = subprocess.Popen(
        [sys.executable, *command, "worker"],
        env=os.environ | told | settings,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # a process ends alike on both
async def test_sigterm_finishes_what_is_begun_and_twice_hands_back_the_rest(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as jobs:
        short, long = await submit(jobs, draft(asked(1, bars=20)), draft(asked(2, bars=MAX_BARS)))
        with process(database_url, tmp_path, "-m", "composer.cli") as worker:
            await until(jobs, [long], begun)
            await until(jobs, [short], lambda job: job.bars_done >= 10)  # the rest fits into the grace on any machine
            worker.send_signal(signal.SIGTERM)
            (late,) = await submit(jobs, draft(asked(3)))
            (finished,) = await until(jobs, [short], done)
            worker.send_signal(signal.SIGTERM)
            _, log = await asyncio.to_thread(worker.communicate, timeout=PATIENCE)
            assert worker.returncode == 0, log
        said = [json.loads(line) for line in log.splitlines()]
        assert [line["job"] for line in said if line["event"] == "begun"] == [short.id, long.id]
        assert finished.attempt == 1
        assert len(words_of(finished)) > 20
        assert [await jobs.get(job.id) for job in (long, late)] == [long, late]
        assert (await jobs.statistics()).workers == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_broken_engine_ends_the_process_and_another_worker_takes_over(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url) as jobs:
        wanted = [asked(1, bars=4), asked(2, bars=6)]
        submitted = await submit(jobs, *map(draft, wanted))
        with process(database_url, tmp_path, str(BREAKING)) as broken:
            _, log = await asyncio.to_thread(broken.communicate, timeout=PATIENCE)
        assert broken.returncode not in (0, 2)
        assert "the engine has broken" in log
        found = [await jobs.get(job.id) for job in submitted]
        assert [(job.state, job.attempt) for job in found if job] == [(State.RUNNING, 1)] * 2
        await have_died(jobs, *submitted)
        async with working(jobs):
            finished = await until(jobs, submitted, done)
    assert [words_of(job) for job in finished] == composed(*wanted)
    assert {job.attempt for job in finished} == {2}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_process_whose_engine_hangs_says_that_it_is_not_well(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, lease_seconds=0.5) as jobs:
        port = free_port()
        settings = {"LEASE_SECONDS": "0.5", "WORKER_METRICS_PORT": str(port), "HANGS": "1"}
        with process(database_url, tmp_path, str(BREAKING), **settings):
            await until_health(port, 200)
            (job,) = await submit(jobs, draft(asked(1, bars=6)))
            await until_health(port, 503)
            async with working(jobs):
                (finished,) = await until(jobs, [job], done)
            await until_health(port, 503)
    assert [words_of(finished)] == composed(asked(1, bars=6))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def until_health(port: int, status: int) -> None:
    async with aiohttp.ClientSession() as client, asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):  # it is not served yet
                async with client.get(f"http://127.0.0.1:{port}/healthz") as answer:
                    if answer.status == status:
                        return
            await asyncio.sleep(0.05)


# ---------------------------------------------------------------------- when the database is away


@pytest.fixture
def server(database_url: str, request: pytest.FixtureRequest) -> Postgres | None:
    """The server that the database is on; None for SQLite."""
    found: Postgres | None = request.getfixturevalue("postgres") if database_url.startswith("postgresql") else None
    return found


@asynccontextmanager
async def away(url: str, server: Postgres | None) -> AsyncIterator[None]:
    """PostgreSQL breaks every connection and takes none; SQLite's file is held by somebody who does not let go."""
    name = url.rpartition("/")[2]
    if server is None:
        path = url.removeprefix("sqlite+aiosqlite:///")
        holder = sqlite3.connect(path, PATIENCE, isolation_level=None, check_same_thread=False)
        await asyncio.to_thread(holder.execute, "BEGIN EXCLUSIVE")  # after the worker's own, which this loop has to end
        yield
        holder.execute("ROLLBACK")
        holder.close()
    else:
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        await asyncio.to_thread(server.execute, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await asyncio.to_thread(server.execute, end)
        yield
        await asyncio.to_thread(server.execute, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


async def test_a_database_that_goes_away_for_a_while_loses_nothing(
    database_url: str, server: Postgres | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("composer.database.BUSY_MILLISECONDS", 50)
    wanted, lease = [asked(seed, bars=LONG) for seed in range(2)], 2.0
    async with opened(database_url, lease_seconds=lease) as jobs, working(jobs, slots=3) as worker:
        submitted = await submit(jobs, *map(draft, wanted))
        await until(jobs, submitted, begun)
        async with away(database_url, server):
            with pytest.raises(DatabaseError):
                await submit(jobs, draft(asked(7)))
            await asyncio.sleep(1.1 * lease)  # nobody can look when the leases run out
        submitted += await submit(jobs, draft(asked(9)))
        finished = await until(jobs, submitted, done)
    assert [words_of(job) for job in finished] == composed(*wanted, asked(9), slots=3)
    assert {job.worker for job in finished} == {worker.name}
