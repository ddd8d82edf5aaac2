"""The jobs table in tests: opened, watched until something is so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from composer.database import Database
from composer.line.jobs import Jobs
from composer.line.schema import Job, State

PATIENCE = 300.0  # seconds that no test needs
ENDED = {State.DONE, State.FAILED, State.CANCELLED}


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[Jobs]:
    async with Database(url) as database:
        yield Jobs(database, **settings)


async def until(jobs: Jobs, wanted: Sequence[Job], condition: Callable[[Job], bool]) -> list[Job]:
    """The jobs, once each of them is as it shall be."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = [found for job in wanted if (found := await jobs.get(job.id))]
            if all(map(condition, found)):
                return found
            await asyncio.sleep(0.02)


def begun(job: Job) -> bool:
    return job.state is State.RUNNING and job.bars_done > 0
