"""Who transcribes: claims recordings from the table of jobs, one at a time, beside the worker that composes.

It has a row of its own among the workers and holds no slot, so the batch goes on as if it were not there. It may be
killed at any moment: the recording lies in the table until what is heard in it is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from composer.database import Changes
from composer.ear import Ear, EarError
from composer.errors import DatabaseError, OpeningError, to_reason
from composer.line.jobs import Jobs
from composer.line.schema import PERCENT, PERFORMANCE, Job, Kind

GRACE_SECONDS = 20.0  # for what is begun, once it is asked to stop
BEAT_SECONDS = 0.5  # between two words of how far it is
LONGEST_PAUSE = 30.0  # seconds between two tries to reach the database
FIRST_GUESS = 5.0  # percent a second, until one has been timed

log = structlog.get_logger("listener")


class Listener:
    """name: that no other process has, nor had   grace: seconds for what is begun, once it is asked to stop"""

    def __init__(self, jobs: Jobs, name: str, ear: Ear, grace: float = GRACE_SECONDS) -> None:
        self.name = name
        self.stopping = False
        self.percent_per_second = FIRST_GUESS
        self._jobs, self._ear, self._grace = jobs, ear, grace
        self._news = asyncio.Event()
        self._enlisted = self._stop_by = float("-inf")
        self._job: Job | None = None
        self._percent = 0

    @property
    def busy(self) -> bool:
        return self._job is not None

    def stop(self) -> None:
        """Claim nothing more, and finish what is begun if the grace is enough; twice: at once."""
        self._stop_by = time.monotonic() + (0 if self.stopping else self._grace)
        self.stopping = True
        self._news.set()

    async def run(self) -> None:
        """Listen until stopped."""
        async with self._jobs.database.changes() as changes:
            ears = asyncio.create_task(self._wake_at(changes))
            try:
                while not self.stopping:
                    await self._reaching(self._round)
                await self._reaching(lambda: self._jobs.retire(self.name))
            finally:
                ears.cancel()
                await asyncio.gather(ears, return_exceptions=True)
                await self._ear.close()

    async def _wake_at(self, changes: Changes) -> None:
        while True:
            if await changes.wait(self._jobs.lease_seconds):
                self._news.set()

    async def _round(self) -> None:
        self._news.clear()
        await self._enlist()
        claimed = await self._jobs.claim(self.name, PERFORMANCE, 1, Kind.TRANSCRIBE)
        for self._job in claimed:
            try:
                await self._transcribe(self._job)
            finally:
                self._job = None
        if not claimed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._jobs.lease_seconds / 3)

    async def _transcribe(self, job: Job) -> None:
        recording = await self._jobs.recording(job)
        if recording is None:  # cancelled or forgotten between the claim and now
            await self._jobs.drop(job)
            return
        log.info("listening", job=job.id, attempt=job.attempt, bytes=len(recording))
        self._percent, began = 0, time.monotonic()
        hearing = asyncio.create_task(self._ear.hear(recording, self._hear_progress))
        try:
            if not await self._see_through(job, hearing):
                return
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
        await self._reaching(lambda: self._conclude(job, hearing, time.monotonic() - began))

    def _hear_progress(self, share: float) -> None:
        self._percent = min(PERCENT - 1, int(share * PERCENT))

    async def _see_through(self, job: Job, hearing: asyncio.Task[object]) -> bool:
        """Keep the job's lease until it is done. False: nobody waits for it any more, or there is no time left."""
        while not (await asyncio.wait({hearing}, timeout=min(BEAT_SECONDS, self._jobs.lease_seconds / 3)))[0]:
            if self.stopping and time.monotonic() >= self._stop_by:
                await self._jobs.release(job)
                return False
            try:
                await self._enlist()
                if await self._jobs.beat(self.name, {job.id: self._percent}):
                    dropped = await self._jobs.drop(job)
                    log.info("cancelled" if dropped else "taken over", job=job.id)
                    return False
            except (SQLAlchemyError, DatabaseError, OSError) as error:  # what is heard meanwhile is not lost
                log.warning("database out of reach", error=type(error).__name__)
        return True

    async def _conclude(self, job: Job, hearing: asyncio.Task[dict[str, object]], seconds: float) -> None:
        try:
            kept = await self._jobs.finish(job, hearing.result())
        except OpeningError as refusal:
            kept = await self._jobs.fail(job, to_reason(refusal))
            log.info("refused", job=job.id, error=type(refusal).__name__)
        except EarError as error:
            kept = await self._jobs.fail(job, error.reason)
            log.error("not transcribed", job=job.id, reason=error.reason)
        else:
            self.percent_per_second = round(0.5 * self.percent_per_second + 0.5 * PERCENT / seconds, 3)
        log.info("heard" if kept else "too late", job=job.id, seconds=round(seconds, 3))

    async def _enlist(self) -> None:
        if time.monotonic() - self._enlisted >= self._jobs.lease_seconds / 3:
            self._enlisted = time.monotonic()
            await self._jobs.enlist(self.name, 1, PERFORMANCE, self.percent_per_second, Kind.TRANSCRIBE)

    async def _reaching(self, action: Callable[[], Awaitable[None]]) -> None:
        """Do it, again and again where the database is away; not for ever once it is asked to stop."""
        pause = 0.5
        while True:
            try:
                return await action()
            except (SQLAlchemyError, DatabaseError, OSError) as error:
                log.warning("database out of reach", error=type(error).__name__, pause=pause)
                if self.stopping and time.monotonic() >= self._stop_by:
                    return None
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)
