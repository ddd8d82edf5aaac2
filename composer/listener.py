"""Who transcribes: a claimant of recordings, one at a time, beside the worker that composes.

It has a row of its own among the workers and holds no slot, so the batch goes on as if it were not there. It may be
killed at any moment: the recording lies in the table until what is heard in it is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from composer.ear import Ear, EarError
from composer.errors import OpeningError, to_reason
from composer.line.claimant import GRACE_SECONDS, Claimant, Claimed
from composer.line.jobs import Jobs
from composer.line.schema import PERCENT, PERFORMANCE, Job, Kind

BEAT_SECONDS = 0.5  # between two words of how far it is
FIRST_GUESS = 5.0  # percent a second, until one has been timed

log = structlog.get_logger("listener")


class Hearing(Claimed):
    """A recording on its way through the ear.

    Args:
        job: Whose recording it is.
        recording: The bytes of a sound file.
        ear: That has nothing else to do.
        on_end: Called when it has been heard, or has failed.
    """

    def __init__(self, job: Job, recording: bytes, ear: Ear, on_end: Callable[[], None]) -> None:
        super().__init__(job)
        self.began = time.monotonic()
        self.task = asyncio.create_task(ear.hear(recording, self._progress))
        self.task.add_done_callback(lambda _: on_end())
        self._percent = 0

    @property
    def bars_done(self) -> int:
        return self._percent

    @property
    def ended(self) -> bool:
        return self.task.done()

    def _progress(self, share: float) -> None:
        self._percent = min(PERCENT - 1, int(share * PERCENT))


class Listener(Claimant[Hearing]):
    """Transcribes recordings, from the first claim until it is asked to stop.

    Args:
        jobs: The table.
        name: That no other process has, nor had.
        ear: What transcribes; it is closed at the end.
        grace: Seconds for what is begun, once it is asked to stop.
    """

    kind, role, beat_seconds = Kind.TRANSCRIBE, "listener", BEAT_SECONDS

    def __init__(self, jobs: Jobs, name: str, ear: Ear, grace: float = GRACE_SECONDS) -> None:
        super().__init__(jobs, name, PERFORMANCE, slots=1, grace=grace)
        self.bars_per_second = FIRST_GUESS  # of a transcription a bar is a percent
        self._ear = ear

    async def begin(self, job: Job) -> Hearing | None:
        recording = await self._jobs.recording(job)
        if recording is None:  # cancelled or forgotten between the claim and now
            await self._jobs.drop(job)
            return None
        log.info("listening", job=job.id, attempt=job.attempt, bytes=len(recording))
        return Hearing(job, recording, self._ear, self.wake)

    async def cancel(self, hearing: Hearing) -> None:
        hearing.task.cancel()
        await asyncio.gather(hearing.task, return_exceptions=True)  # the ear takes one recording at a time

    async def conclude(self, hearing: Hearing) -> None:
        job, seconds = hearing.job, time.monotonic() - hearing.began
        try:
            performance = hearing.task.result()
        except OpeningError as refusal:
            kept = await self._jobs.fail(job, to_reason(refusal))
            log.info("refused", job=job.id, error=type(refusal).__name__)
        except EarError as error:
            kept = await self._jobs.fail(job, error.reason)
            log.error("not transcribed", job=job.id, reason=error.reason)
        else:
            kept = await self._jobs.finish(job, performance)
            speed = PERCENT / seconds
            self.bars_per_second = round(0.5 * (self.bars_per_second or speed) + 0.5 * speed, 3)
        log.info("heard" if kept else "too late", job=job.id, seconds=round(seconds, 3))

    async def close(self) -> None:
        for hearing in self._claimed.values():
            await self.cancel(hearing)
        await self._ear.close()
