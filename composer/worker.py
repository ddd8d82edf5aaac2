"""The worker: claims requests from the table of jobs, composes them in one batch, and writes the words back.

    main thread     asyncio: the loop of any claimant, see composer.line.claimant; torch cannot hold it up
    engine thread   the generator: a step at a time as long as there is something to compose

A worker may be killed at any moment: its leases run out, and another composes the same pieces, to the same words. It
knows neither Discord nor MIDI.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog
import torch

from composer.candidates import Candidates
from composer.database import Database
from composer.ear import Ear
from composer.engine.checkpoint import Checkpoint, load_checkpoint
from composer.engine.generator import Generator, why_slow
from composer.engine.scheduler import Piece
from composer.errors import CannotHearError, PieceError, SegueError
from composer.line.claimant import GRACE_SECONDS, Claimant, Claimed
from composer.line.jobs import Jobs
from composer.line.schema import Job, Kind
from composer.listener import Listener
from composer.music.words import Family, Word
from composer.request import Composed, Request, packed
from composer.sampling import SamplingParams
from composer.telemetry import Exposition
from composer.transcription.transcriber import check_can_hear

PROGRESS_SECONDS = 0.2  # between two writes of how far the pieces are, for all of them together
SO_FAR_AFTER, SO_FAR_SECONDS = 3.0, 2.5  # of composing before it is told what there is so far, and between two times
LAST_STEP_SECONDS = 10.0  # at the end, for the step that is under way: torch aborts a process that ends within one
HANG_SECONDS = 120.0  # without a step while there is something to compose, after which the process ends itself
HUNG_STATUS = 70  # of a process that has ended itself because its engine hung
WARM_UP_BARS = 2
WARM_UP_SECONDS = 300.0  # for these bars in every slot, after which the process ends itself too

log = structlog.get_logger("worker")


class EngineStoppedError(Exception):
    """The engine's thread has ended with an error; the process cannot go on."""


class EngineHangsError(Exception):
    """The engine's thread has been within one step for long; only the end of the process can end that."""


@dataclass(eq=False)
class Task(Claimed):
    """A job on its way through the engine."""

    request: Request
    candidates: Candidates | None = None  # once the engine has taken it
    began: float = field(default_factory=time.monotonic)
    told: float = 0.0  # when it was last told what there is so far
    composed: Composed | None = None  # once it is finished
    broken: PieceError | None = None  # once it has broken off

    @property
    def bars_done(self) -> int:
        return self.candidates.bars_done if self.candidates else 0

    def so_far(self) -> bytes | None:
        now = time.monotonic()
        if self.candidates is None or now < max(self.began + SO_FAR_AFTER, self.told + SO_FAR_SECONDS):
            return None
        self.told = now
        words = self.candidates.so_far
        return packed(words) if words else None

    @property
    def ended(self) -> bool:
        return self.composed is not None or self.broken is not None


class Engine(threading.Thread):
    """The generator in a thread of its own. All methods but `run` may be called from any other thread.

    on_news: called in this thread whenever a task has its words, or the thread has ended
    """

    def __init__(self, generator: Generator, on_news: Callable[[], None]) -> None:
        super().__init__(name="engine", daemon=True)  # a step cannot be interrupted; the process may end all the same
        self.error: BaseException | None = None
        self._generator, self._on_news = generator, on_news
        self._stamp: float | None = None  # when the present step began; None while there is nothing to compose
        self._orders: queue.SimpleQueue[tuple[str, Task | None]] = queue.SimpleQueue()
        self._tasks: dict[Piece, Task] = {}

    @property
    def seconds_in_step(self) -> float:
        """For how long it has been within one step; 0 while it waits for something to compose."""
        stamp = self._stamp
        return 0.0 if stamp is None else time.monotonic() - stamp

    def submit(self, task: Task) -> None:
        self._orders.put(("submit", task))

    def cancel(self, task: Task) -> None:
        self._orders.put(("cancel", task))

    def stop(self) -> None:
        self._orders.put(("stop", None))

    def run(self) -> None:
        try:
            while self._obey():
                self._stamp = time.monotonic()
                for task in dict.fromkeys(self._tasks[piece] for piece in self._generator.step()):
                    if task.candidates and task.candidates.ended:
                        self._finish(task, task.candidates)
        except BaseException as error:
            self.error = error
        finally:
            self._on_news()

    def _obey(self) -> bool:
        """Carry out what was ordered, waiting while there is nothing to compose. False: stop."""
        while not self._orders.empty() or not self._tasks:
            if not self._tasks:
                self._stamp = None
            order, task = self._orders.get()
            self._stamp = time.monotonic()
            if task is None:
                return False
            if order == "submit":
                task.candidates = Candidates(self._generator, task.request)
                self._tasks |= dict.fromkeys(task.candidates.pieces, task)
            elif task.candidates and not task.ended:
                task.candidates.cancel()
                self._forget(task.candidates)
        return True

    def _forget(self, candidates: Candidates) -> None:
        for piece in candidates.pieces:
            del self._tasks[piece]

    def _finish(self, task: Task, candidates: Candidates) -> None:
        self._forget(candidates)
        try:
            task.composed = candidates.composed(round(time.monotonic() - task.began, 3))
        except PieceError as error:
            task.broken = error
        self._on_news()


class Worker(Claimant[Task]):
    """One process' share of the composing, from the first claim until it is asked to stop.

    Args:
        jobs: The table.
        checkpoint: What composes; its vocabulary says which jobs are claimed.
        slots: How many pieces are composed at once.
        device: Where.
        grace: Seconds for what is begun, once it is asked to stop.
        hang: Seconds within one step of the engine that are too many.
    """

    kind, role, beat_seconds = Kind.COMPOSE, "worker", PROGRESS_SECONDS

    def __init__(
        self,
        jobs: Jobs,
        checkpoint: Checkpoint,
        slots: int,
        device: torch.device,
        grace: float = GRACE_SECONDS,
        hang: float = HANG_SECONDS,
    ) -> None:
        name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._generator = Generator(checkpoint, slots, device)
        maker = f"{checkpoint.digest} {self._generator.steps.arithmetic} {device.type}"
        super().__init__(jobs, name, checkpoint.vocabulary.digest, slots, maker, grace)
        self._speaks, self._hang = checkpoint.vocabulary, hang
        self._warm_up_words = 0
        loop = asyncio.get_running_loop()
        self._engine = Engine(self._generator, lambda: _tell(loop, self.wake))

    @property
    def words(self) -> int:
        """Drawn since the start, of all pieces."""
        return self._generator.drawn - self._warm_up_words

    @property
    def stalled(self) -> bool:
        """The engine has not ended a step for a lease: then it counts as dead until it does."""
        return self._engine.seconds_in_step > self._jobs.lease_seconds

    async def run(self) -> None:
        """Work until stopped.

        Raises:
            EngineStoppedError: The engine has broken; then the leases run out.
            EngineHangsError: It hangs; then too.
            DatabaseError: The database is still away when the grace is over.
        """
        try:
            async with asyncio.timeout(WARM_UP_SECONDS):
                await asyncio.to_thread(self._warm_up)
        except TimeoutError:
            log.error("the engine hangs in its first steps; this process ends, to be started again")
            raise EngineHangsError from None
        self._engine.start()
        log.info("ready", worker=self.name, slots=self.slots, bars_per_second=self.bars_per_second)
        await super().run()
        log.info("stopped", worker=self.name)

    def check(self) -> None:
        if self._engine.error is not None:
            raise EngineStoppedError from self._engine.error
        if (seconds := self._engine.seconds_in_step) > self._hang:
            jobs = sorted(self._claimed)
            log.error("the engine hangs; this process ends, to be started again", seconds=round(seconds), jobs=jobs)
            raise EngineHangsError

    async def begin(self, job: Job) -> Task | None:
        try:
            request = Request.from_json(job.payload, self._speaks)
        except SegueError as error:
            log.error("unusable request", job=job.id, error=str(error))
            await self._jobs.fail(job, "request")
            return None
        log.info("begun", job=job.id, attempt=job.attempt, bars=request.bars)
        task = Task(job, request)
        self._engine.submit(task)
        return task

    async def cancel(self, task: Task) -> None:
        self._engine.cancel(task)

    async def conclude(self, task: Task) -> None:
        if task.composed is not None:
            kept = await self._jobs.finish(task.job, task.composed.to_json())
            speed = task.request.bars / task.composed.seconds
            self.bars_per_second = round(0.8 * (self.bars_per_second or speed) + 0.2 * speed, 3)
            log.info("finished" if kept else "too late", job=task.job.id, seconds=task.composed.seconds)
        elif (error := task.broken) is not None:  # it would break off again: a piece is determined by its row
            kept = await self._jobs.fail(task.job, error.reason)
            log.error("broken off" if kept else "too late", job=task.job.id, error=str(error), exc_info=error)

    async def close(self) -> None:
        self._engine.stop()
        await asyncio.to_thread(self._engine.join, LAST_STEP_SECONDS)

    def _warm_up(self) -> None:
        """A few bars in every slot, as in service: what the first steps cost is paid, and the speed is known.

        Raises PieceError where not even these can be composed.
        """
        bar = Word(Family.BAR, meter=1)
        requests = [Request((bar,), WARM_UP_BARS, seed, SamplingParams()) for seed in range(self.slots)]
        began = time.monotonic()
        *_, pieces = self._generator.compose(requests)
        for piece in pieces:
            self._generator.composed(piece, 0)
        self.bars_per_second = round(WARM_UP_BARS / (time.monotonic() - began), 3)
        self._warm_up_words = self._generator.drawn


def _tell(loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
        loop.call_soon_threadsafe(wake)


def _at_the_end_of_input(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        loop.remove_reader(sys.stdin)
        stop()


def _can_hear() -> bool:
    try:
        check_can_hear()
    except CannotHearError as error:
        log.info("recordings are not taken", missing=error.missing)
        return False
    return True


@contextlib.asynccontextmanager
async def _listening(listener: Listener | None, worker: Worker) -> AsyncIterator[None]:
    """Transcribe beside what the worker does in the block. If one of them breaks, so does the other."""
    if listener is None:
        yield
        return
    task = asyncio.create_task(listener.run())
    task.add_done_callback(lambda ended: worker.stop() if ended.exception() else None)
    try:
        yield
    except BaseException:
        listener.stop()
        listener.stop()
        raise
    finally:
        if not listener.stopping:
            listener.stop()
        await task


async def work(
    database_url: str,
    checkpoint: Path,
    slots: int,
    device: torch.device,
    lease_seconds: float,
    metrics_port: int | None = None,
    attached: bool = False,
    transcribe: bool = True,
) -> None:
    """Run a worker until SIGTERM or SIGINT. Raises CheckpointError or DatabaseError if it cannot start.

    attached: stop also when standard input ends, as it does when the process at its other end is gone
    transcribe: recordings too, one at a time, if the packages for it are installed
    """
    loaded = load_checkpoint(checkpoint)
    if slow := why_slow(loaded, device):
        log.warning(slow)
    async with Database(database_url) as database:
        await database.migrate()
        jobs = Jobs(database, lease_seconds)
        worker = Worker(jobs, loaded, slots, device)
        listener = Listener(jobs, f"{worker.name}-ear", Ear()) if transcribe and _can_hear() else None

        def stop() -> None:
            worker.stop()
            if listener is not None:
                listener.stop()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        if attached:
            loop.add_reader(sys.stdin, _at_the_end_of_input, loop, stop)
        exposition = Exposition()
        exposition.counter("segue_words", "Words drawn since the start.", lambda: worker.words)
        exposition.gauge("segue_slots_busy", "Slots that compose now.", lambda: worker.busy)
        exposition.gauge("segue_slots", "Slots there are.", lambda: worker.slots)
        exposition.gauge("segue_bars_per_second", "Speed of one slot.", lambda: worker.bars_per_second or 0)
        exposition.gauge("segue_listening", "Recordings transcribed now.", lambda: bool(listener and listener.busy))
        try:
            async with exposition.served(metrics_port, lambda: not worker.stalled), _listening(listener, worker):
                await worker.run()
        except EngineHangsError:
            os._exit(HUNG_STATUS)  # whatever else would be waited for at the end might hang as well
