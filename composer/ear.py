"""A child process that transcribes: of low priority, limited in time and memory, and dead as soon as nobody wants it.

What a recording holds is a stranger's, and what transcribes it takes a core for half a minute and more memory than
the worker itself. So it is done in a process of its own (composer.ear_process), which stays for a while in case
another recording comes, for the model takes seconds to load. Only JSON comes back from it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from composer import sandbox
from composer.errors import CompositionError, from_reason

CHILD = (sys.executable, "-m", "composer.ear_process")
CHILD_LIMITS = sandbox.Limits(data=4 * 2**30)  # transcribing takes less than half of it
LIMIT_SECONDS = 600.0  # for one recording: far more than it takes beside a busy batch
IDLE_SECONDS = 300.0  # then the process ends, and its memory is free again
LONGEST_LINE = 2**24  # bytes of an answer
LENGTH_BYTES = 8  # before each recording

log = structlog.get_logger("ear")


class EarError(CompositionError):
    """The process ended, broke or took too long. reason: which of it, a word for the table of jobs"""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The recording could not be transcribed: {reason}.")
        self.reason = reason


class Ear:
    """One recording at a time. command: of the process"""

    def __init__(
        self,
        command: Sequence[str] = CHILD,
        limit_seconds: float = LIMIT_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._command, self._limit, self._idle = command, limit_seconds, idle_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._end_of_idling: asyncio.TimerHandle | None = None

    async def hear(self, recording: bytes, on_progress: Callable[[float], None]) -> dict[str, Any]:
        """The Performance that is heard, as JSON. Cancelled, it ends the process.

        on_progress: called with the share that is done, 0 to 1   Raises OpeningError or EarError.
        """
        process = await self._running()
        try:
            async with asyncio.timeout(self._limit):
                answer = await _ask(process, recording, on_progress)
        except TimeoutError as error:
            await self.close()
            raise EarError("time") from error
        except BaseException:
            await self.close()
            raise
        self._end_of_idling = asyncio.get_running_loop().call_later(self._idle, _end, process)
        if "refused" in answer:
            raise from_reason(answer["refused"]) or EarError("refused")
        performance: dict[str, Any] = answer["performance"]
        return performance

    async def close(self) -> None:
        """End the process, whatever it does."""
        if self._end_of_idling is not None:
            self._end_of_idling.cancel()
        process, self._process = self._process, None
        if process is not None:
            _end(process)
            await process.wait()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._end_of_idling is not None:
            self._end_of_idling.cancel()
        if self._process is None or self._process.returncode is not None:
            try:
                self._process = await sandbox.start(self._command, CHILD_LIMITS, LONGEST_LINE)
            except OSError as error:  # no memory or no number is left for another process
                raise EarError("died") from error
            log.info("ear started", pid=self._process.pid)
        return self._process


def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:  # or its number may be another's
        sandbox.end(process.pid)


async def _ask(
    process: asyncio.subprocess.Process, recording: bytes, on_progress: Callable[[float], None]
) -> dict[str, Any]:
    """Hand a recording over and wait for the answer to it. Raises EarError."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(len(recording).to_bytes(LENGTH_BYTES, "big") + recording)
        await process.stdin.drain()
        while line := await process.stdout.readline():
            match json.loads(line):
                case {"progress": float() as share}:
                    on_progress(share)
                case {"performance": dict()} | {"refused": str()} as answer:
                    told: dict[str, Any] = answer
                    return told
                case {"broken": str() as reason}:
                    raise EarError(reason)
                case _:
                    break
    except (ConnectionError, ValueError) as error:  # it has ended, or what it says is no line of JSON
        raise EarError("died") from error
    raise EarError("died")
