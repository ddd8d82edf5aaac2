"""How quick the table of jobs is, with SQLite and with PostgreSQL, between real processes on this machine.

    ./run bench jobs [--rounds 200] [--kills 3] [--processes 4]

Prints a Markdown table, both engines side by side:

    submit -> start     from before the submit to when the claim has returned in a worker that waited for changes
    cancel -> dropped   from before the cancel to when the beat of the worker, woken by it, has told it to drop the job
    takeover            from a worker's kill -9 to when another has its job; the lease is 6 s, the other looks every 1 s
    claims a second     of all processes together, a job a claim, each finished before the next

PostgreSQL is started for it on loopback, with the settings it has in service.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from composer.database import Database
from composer.line.jobs import Jobs
from composer.line.schema import Draft, Job

sys.path.append(str(Path(__file__).parent.parent / "tests"))  # where the server for tests is

from postgres import started

LEASE_SECONDS = 6.0
LOOK_SECONDS = 1.0  # an expired lease is no commit: workers look for it by themselves
VOCABULARY = "words"
PAYLOAD = {"words": [random.Random(1).randrange(100) for _ in range(2000)]}  # as large as a usual opening's

processes = multiprocessing.get_context("spawn")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200, help="of submit and cancel")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--processes", type=int, default=4, help="that claim as fast as they can")
    options = parser.parse_args()

    with started(durable=True) as server, tempfile.TemporaryDirectory() as folder:
        server.create("bench")
        urls = {"SQLite": f"sqlite+aiosqlite:///{folder}/bench.db", "PostgreSQL": server.url("bench")}
        columns = {name: asyncio.run(measure(url, options)) for name, url in urls.items()}
    print(f"| | {' | '.join(columns)} |")
    print(f"| --- |{' ---: |' * len(columns)}")
    for what in next(iter(columns.values())):
        print(f"| {what} | {' | '.join(column[what] for column in columns.values())} |")


async def measure(url: str, options: argparse.Namespace) -> dict[str, str]:
    async with Database(url) as database:
        await database.migrate()
        jobs = Jobs(database, LEASE_SECONDS)
        starts = await submit_to_start(jobs, url, options.rounds)
        cancels = await cancel_to_dropped(jobs, url, options.rounds)
        takeovers = [await takeover(jobs, url, number) for number in range(options.kills)]
        rate = await claims_a_second(jobs, url, options.processes)
    milliseconds = sorted(1000 * seconds for seconds in starts)
    return {
        "submit -> start, p50 ms": f"{statistics.median(milliseconds):.0f}",
        "submit -> start, p95 ms": f"{milliseconds[int(0.95 * len(milliseconds))]:.0f}",
        "cancel -> dropped, p50 ms": f"{1000 * statistics.median(cancels):.0f}",
        f"takeover after kill -9, lease {LEASE_SECONDS:g} s, s": f"{statistics.median(takeovers):.1f}",
        f"claims a second, {options.processes} processes": f"{rate:.0f}",
    }


# ---------------------------------------------------------------------- what is measured


async def submit_to_start(jobs: Jobs, url: str, rounds: int) -> list[float]:
    seconds = []
    async with other(claimer, url) as worker:
        for number in range(rounds):
            await pause()
            began = time.monotonic()
            await submit(jobs, f"start {number}")
            seconds.append(await heard(worker) - began)
    return seconds


async def cancel_to_dropped(jobs: Jobs, url: str, rounds: int) -> list[float]:
    seconds = []
    async with other(holder, url) as worker:
        for number in range(rounds):
            job = await submit(jobs, f"cancel {number}")
            await heard(worker)  # it has it
            await pause()
            began = time.monotonic()
            await jobs.cancel(job.id)
            seconds.append(await heard(worker) - began)
    return seconds


async def takeover(jobs: Jobs, url: str, number: int) -> float:
    async with other(holder, url) as victim:
        await submit(jobs, f"takeover {number}")
        await heard(victim)
        await pause()
    killed = time.monotonic()
    async with other(claimer, url) as heir:
        return await heard(heir) - killed


async def claims_a_second(jobs: Jobs, url: str, count: int, each: int = 100) -> float:
    async with contextlib.AsyncExitStack() as stack:
        ready = [await stack.enter_async_context(other(racer, url)) for _ in range(count)]
        async with jobs.database.write() as connection:
            await jobs.submit(connection, [draft(f"race {number}") for number in range(count * each)])
        began = time.monotonic()
        for pipe in ready:
            pipe.send("go")
        ended = [await heard(pipe) for pipe in ready]
    return count * each / (max(ended) - began)


def draft(key: str) -> Draft:
    return Draft(key, f"owner {hash(key) % 10}", VOCABULARY, PAYLOAD, bars=8)


async def submit(jobs: Jobs, key: str) -> Job:
    async with jobs.database.write() as connection:
        (job,) = await jobs.submit(connection, [draft(key)])
    return job


async def pause() -> None:
    """Until a moment that nothing in the other process can be in step with."""
    await asyncio.sleep(random.uniform(0.02, 0.08))


async def heard(pipe: Connection) -> float:
    """When the other process got as far: seconds of a clock that all processes share."""
    return float(await asyncio.to_thread(pipe.recv))


# ---------------------------------------------------------------------- the other processes

Role = Callable[[Jobs, Connection], Coroutine[Any, Any, None]]


@asynccontextmanager
async def other(role: Role, url: str) -> AsyncIterator[Connection]:
    """A process that does something until it is killed, -9, at the end."""
    ours, theirs = processes.Pipe()
    process = processes.Process(target=play, args=(role, url, theirs), daemon=True)
    process.start()
    try:
        await heard(ours)  # it listens
        yield ours
    finally:
        process.kill()
        await asyncio.to_thread(process.join)


def play(role: Role, url: str, pipe: Connection) -> None:
    async def run() -> None:
        async with Database(url) as database:
            await role(Jobs(database, LEASE_SECONDS), pipe)

    asyncio.run(run())


async def claimer(jobs: Jobs, pipe: Connection) -> None:
    """Says when it has got a job, and finishes it."""
    async with jobs.database.changes() as changes:
        pipe.send(0)
        while True:
            for job in await jobs.claim("claimer", VOCABULARY, 8):
                when = time.monotonic()
                await jobs.finish(job, PAYLOAD)
                pipe.send(when)  # only now, so that a kill leaves nothing behind that another would take over
            await changes.wait(LOOK_SECONDS)


async def holder(jobs: Jobs, pipe: Connection) -> None:
    """Says when it has got a job, and when it is told to drop it; beats until then."""
    held: dict[int, Job] = {}
    async with jobs.database.changes() as changes:
        pipe.send(0)
        while True:
            for job in await jobs.claim("holder", VOCABULARY, 1):
                held[job.id] = job
                pipe.send(time.monotonic())
            for job_id in await jobs.beat("holder", dict.fromkeys(held, 0)):
                when = time.monotonic()
                await jobs.drop(held.pop(job_id))
                pipe.send(when)
            await changes.wait(LEASE_SECONDS / 3)


async def racer(jobs: Jobs, pipe: Connection) -> None:
    """Says when there was nothing left to claim."""
    pipe.send(0)
    await asyncio.to_thread(pipe.recv)
    while claimed := await jobs.claim(str(os.getpid()), VOCABULARY, 1):
        await jobs.finish(claimed[0], PAYLOAD)
    pipe.send(time.monotonic())
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
