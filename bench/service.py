"""The real worker in a process of its own, on a table of jobs in a file of its own, as it is in service."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from composer.database import Database
from composer.line.jobs import Jobs
from composer.line.schema import Draft, Job, State

STOP_SECONDS = 60.0  # for a worker that was asked to stop


@dataclass(frozen=True)
class WorkerProcess:
    """pid: of the process   ready: seconds from its start until it said that it can compose"""

    pid: int
    ready: float


@asynccontextmanager
async def table() -> AsyncIterator[tuple[Jobs, str]]:
    """An empty table of jobs on SQLite, and its URL, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'bench.db'}"
        async with Database(url) as database:
            await database.migrate()
            yield Jobs(database), url


@asynccontextmanager
async def working(url: str, **settings: object) -> AsyncIterator[WorkerProcess]:
    """`segue worker` with the default checkpoint until the block ends. settings: as its environment names them."""
    told = {"DATABASE_URL": url, "LOG_FORMAT": "json"} | {name: str(value) for name, value in settings.items()}
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "composer.cli", "worker"), env=os.environ | told, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    said: list[str] = []
    listening: list[asyncio.Task[None]] = []
    try:
        while not said or said[-1] != "ready":
            line = await process.stderr.readline()
            if not line:
                raise RuntimeError(f"the worker ended before it was ready: {said}")
            said.append(_event(line))
        ready = time.perf_counter() - began
        listening.append(asyncio.create_task(_drained(process.stderr)))
        yield WorkerProcess(process.pid, ready)
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
        await asyncio.gather(*listening)


def _event(line: bytes) -> str:
    """What a line of the log tells; a line that is no log, as it is."""
    try:
        return str(json.loads(line)["event"])
    except (ValueError, KeyError, TypeError):
        return line.decode(errors="replace").strip()


async def _drained(stream: asyncio.StreamReader) -> None:
    """Read what is said, so that whoever says it never waits."""
    while await stream.readline():
        pass


async def submit(jobs: Jobs, drafts: Sequence[Draft]) -> list[Job]:
    async with jobs.database.write() as connection:
        return await jobs.submit(connection, drafts)


async def finished(jobs: Jobs, submitted: Sequence[Job]) -> list[Job]:
    """The jobs once all of them are done. Raises RuntimeError if one ends otherwise."""
    waiting = {job.id for job in submitted}
    async with jobs.database.changes() as changes:
        while waiting:
            progress = await jobs.progress(waiting)
            failed = [each for each in progress.values() if each.state in (State.FAILED, State.CANCELLED)]
            if failed:
                raise RuntimeError(f"not composed: {failed}")
            waiting = {each.id for each in progress.values() if each.state is not State.DONE}
            if waiting:
                await changes.wait(1.0)
    found = [await jobs.get(job.id) for job in submitted]
    return [job for job in found if job is not None]
