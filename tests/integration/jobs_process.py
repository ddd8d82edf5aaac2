"""What another process does with the database, for the tests: `python jobs_process.py WHAT URL ...`.

It writes a line of JSON for everything that a test wants to know, and reads a line before it goes on.
"""

from __future__ import annotations

import asyncio
import json
import sys

import sqlalchemy as sa

from composer.database import Database
from composer.line.jobs import Jobs
from composer.line.schema import State

PATIENCE = 60.0  # seconds that no test needs


def say(what: object) -> None:
    print(json.dumps(what), flush=True)


async def until_told() -> None:
    await asyncio.to_thread(sys.stdin.readline)


async def migrate(database: Database) -> None:
    say("ready")
    await until_told()
    await database.migrate()


async def write(database: Database) -> None:
    """Commit a change whenever told."""
    say("ready")
    for count in range(1000):
        await until_told()
        await Jobs(database).enlist("writer", count, "words", None)
        say(count)


async def listen(database: Database) -> None:
    """Say how many slots the writer has whenever it has changed."""
    async with database.changes() as changes:
        say("ready")
        while await changes.wait(PATIENCE):
            async with database.read() as connection:
                say(await connection.scalar(sa.text("SELECT slots FROM workers")))


async def compose(database: Database, worker: str, batch: str, lease_seconds: str) -> None:
    """Claim and finish until all jobs have ended; say the number of each as it is finished."""
    jobs = Jobs(database, float(lease_seconds))
    say("ready")
    await until_told()
    async with database.changes() as changes:
        while not await _all_ended(jobs):
            claimed = await jobs.claim(worker, "words", int(batch))
            say([job.id for job in claimed])
            for job in claimed:
                if await jobs.finish(job, {"by": worker}):
                    say(job.id)
            if not claimed:
                await changes.wait(0.1)


async def stall(database: Database, worker: str, batch: str, lease_seconds: str) -> None:
    """Claim a batch, finish three of it, and beat for ever with the rest."""
    jobs = Jobs(database, float(lease_seconds))
    claimed = await jobs.claim(worker, "words", int(batch))
    for job in claimed[:3]:
        await jobs.finish(job, {"by": worker})
    say([job.id for job in claimed])
    while True:
        await jobs.beat(worker, {job.id: 1 for job in claimed[3:]})
        await asyncio.sleep(float(lease_seconds) / 3)


async def tend(database: Database, tender: str, lease_seconds: str) -> None:
    """Tend all there is until everything is delivered; say the number of each that this process delivered."""
    jobs = Jobs(database, float(lease_seconds))
    mine = set()
    say("ready")
    await until_told()
    while (await jobs.statistics()).undelivered:
        mine |= {job.id for job in await jobs.tend(tender, 3)}
        for job_id in list(mine):
            if await jobs.delivered(job_id, tender):
                say(job_id)
            mine.discard(job_id)


async def _all_ended(jobs: Jobs) -> bool:
    now = await jobs.statistics()
    return not now.queued and not now.running and now.ended[State.DONE] > 0


async def main() -> None:
    what, url, *arguments = sys.argv[1:]
    async with Database(url) as database:
        await globals()[what](database, *arguments)


if __name__ == "__main__":
    asyncio.run(main())
