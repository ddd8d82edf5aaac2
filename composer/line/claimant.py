"""A claimant: the consumer of one kind of job, from the first claim until it is asked to stop.

    claim --> begin --> beat, beat ... --> conclude         each job in hand, as many at once as there are slots
                          |
                          '- nobody waits for it any more --> cancel

It enlists and beats in time, so that its leases hold; it is woken by every commit, and by `wake` when a job has come to
its end. While the database is away it goes on with what it has and asks again, later each time. It may be killed at any
moment: its leases run out, and another claimant begins the same jobs again.

What is done with a job is said by whoever inherits: composer.worker composes, composer.listener transcribes.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from composer.bell import Changes
from composer.errors import DatabaseError
from composer.line.jobs import Jobs
from composer.line.schema import Job, Kind
from composer.pauses import Pauses

GRACE_SECONDS = 20.0  # for what is begun, once the claimant is asked to stop
FIRST_PAUSE = 0.5  # seconds before the database that was out of reach is asked again


@dataclass(eq=False)  # a job that came back is another one in hand
class Claimed(ABC):
    """A job in hand."""

    job: Job  # as it was when it was last claimed

    @property
    @abstractmethod
    def bars_done(self) -> int:
        """How far it is, in the unit of the job's `bars`."""

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Nothing is left to do but to conclude it."""

    def so_far(self) -> bytes | None:
        """What there is of the answer, where there is something and it is time to tell it."""
        return None


T = TypeVar("T", bound=Claimed)


class Claimant(ABC, Generic[T]):
    """Claims jobs, keeps their leases, and hands them to `begin`, `cancel` and `conclude`. For one event loop.

    Args:
        jobs: The table.
        name: That no other process has, nor had.
        vocabulary: The digest that the vocabulary of a job must have.
        slots: How many jobs are in hand at most.
        maker: See Claiming.claim.
        grace: Seconds for what is begun, once it is asked to stop.
    """

    kind: ClassVar[Kind]  # of the jobs that are claimed
    beat_seconds: ClassVar[float]  # between two reports of how far the jobs are, for all of them together
    role: ClassVar[str]  # by which its lines in the log are told from those of others

    def __init__(
        self, jobs: Jobs, name: str, vocabulary: str, slots: int, maker: str = "", grace: float = GRACE_SECONDS
    ) -> None:
        self.name, self.slots, self.maker = name, slots, maker
        self.bars_per_second: float | None = None  # of one slot, once it is known; see the table of workers
        self.stopping = False
        self._jobs, self._vocabulary, self._grace = jobs, vocabulary, grace
        self._log = structlog.get_logger(self.role)
        self._claimed: dict[int, T] = {}
        self._news = asyncio.Event()
        self._beaten = self._enlisted = self._stop_by = float("-inf")

    # ---- what is done with a job

    @abstractmethod
    async def begin(self, job: Job) -> T | None:
        """Start to work on a job.

        Returns:
            The job in hand, at once and not when it has ended; None if it could not be begun, which is written down.
        """

    @abstractmethod
    async def cancel(self, claimed: T) -> None:
        """Stop to work on a job."""

    @abstractmethod
    async def conclude(self, claimed: T) -> None:
        """Write down how a job has ended. Called again if the database is out of reach."""

    @abstractmethod
    async def close(self) -> None:
        """Stop everything. Called once, at the end, whatever has happened."""

    def check(self) -> None:
        """Raises whatever this claimant cannot go on after. Called before each round."""

    @property
    def stalled(self) -> bool:
        """Whether nothing gets on, so that it shall be taken for dead: no leases are renewed meanwhile."""
        return False

    # ---- from outside

    @property
    def busy(self) -> int:
        """Jobs in hand."""
        return len(self._claimed)

    def wake(self) -> None:
        """There is something to do: a job has ended. To be called in the event loop's own thread."""
        self._news.set()

    def stop(self) -> None:
        """Claim nothing more, finish what can be finished in the grace and hand back the rest; twice: at once."""
        self._stop_by = time.monotonic() + (0 if self.stopping else self._grace)
        self.stopping = True
        self.wake()

    async def run(self) -> None:
        """Work until stopped.

        Raises:
            DatabaseError: The database is still away when the grace is over; then the leases run out.
        """
        async with self._jobs.database.changes() as changes:
            waking = asyncio.create_task(self._wake_at(changes))
            try:
                await self._work()
            finally:
                waking.cancel()
                await asyncio.gather(waking, return_exceptions=True)
                await self.close()

    # ---- parts of the above

    def _over(self) -> bool:
        return self.stopping and (not self._claimed or time.monotonic() >= self._stop_by)

    async def _wake_at(self, changes: Changes) -> None:
        while True:
            if await changes.wait(self._jobs.lease_seconds):
                self.wake()

    async def _work(self) -> None:
        pauses = Pauses(FIRST_PAUSE, max(FIRST_PAUSE, self._jobs.lease_seconds / 3))
        while True:
            self.check()
            over = self._over()
            try:
                if over:
                    return await self._jobs.retire(self.name)
                await self._round()
                pauses.reset()
            except (SQLAlchemyError, DatabaseError, OSError) as error:
                if over and time.monotonic() >= self._stop_by:
                    raise
                pause = pauses.next()
                self._log.warning("database out of reach", error=type(error).__name__, pause=pause)
                await asyncio.sleep(pause)

    async def _round(self) -> None:
        """Everything that is due: then wait until something is."""
        self._news.clear()
        if not self.stalled:
            await self._report()
        for claimed in [claimed for claimed in self._claimed.values() if claimed.ended]:
            await self.conclude(claimed)
            del self._claimed[claimed.job.id]
            self.wake()  # a slot is free
        await self._sleep()

    async def _report(self) -> None:
        """That this claimant lives and goes on with what it has, before it asks for more: so it keeps what it has."""
        await self._enlist()
        await self._beat()
        if not self.stopping and (free := self.slots - len(self._claimed)):
            for job in await self._jobs.claim(self.name, self._vocabulary, free, self.kind, self.maker):
                await self._take(job)

    async def _sleep(self) -> None:
        third = self._jobs.lease_seconds / 3
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), min(self.beat_seconds, third) if self._claimed else third)

    async def _enlist(self) -> None:
        """Tell that this claimant lives, and how fast it is."""
        if time.monotonic() - self._enlisted >= self._jobs.lease_seconds / 3:
            self._enlisted = time.monotonic()
            speed = self.bars_per_second
            await self._jobs.enlist(self.name, self.slots, self._vocabulary, speed, self.kind, self.maker)

    async def _take(self, job: Job) -> None:
        if overslept := self._claimed.get(job.id):  # its lease ran out meanwhile, and the claim was ours again
            overslept.job = job
        elif claimed := await self.begin(job):
            self._claimed[job.id] = claimed

    async def _beat(self) -> None:
        """Report how far the jobs are, keep their leases, and let go of those that nobody waits for any more."""
        if not self._claimed or time.monotonic() - self._beaten < self.beat_seconds / 2:
            return
        self._beaten = time.monotonic()
        done = {number: claimed.bars_done for number, claimed in self._claimed.items()}
        so_far = {number: words for number, claimed in self._claimed.items() if (words := claimed.so_far())}
        for number in await self._jobs.beat(self.name, done, so_far):
            claimed = self._claimed.pop(number)
            await self.cancel(claimed)
            dropped = await self._jobs.drop(claimed.job)
            self._log.info("cancelled" if dropped else "taken over", job=number)
            self.wake()  # a slot is free
