"""Things that go wrong on demand, and the log of every request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import overload

from bot.playground.protocol import Request
from bot.playground.protocol.limits import refused
from bot.playground.protocol.loop import PATIENCE, LoopThread, in_thread
from bot.playground.protocol.posts import Json


class Log:
    """All requests so far, oldest first."""

    def __init__(self) -> None:
        self._requests: list[Request] = []

    def add(self, request: Request) -> None:
        self._requests.append(request)

    def clear(self) -> None:
        self._requests.clear()

    def to(self, method: str, pattern: str) -> list[Request]:
        """Those that match, as in `Request.matches`."""
        return [request for request in list(self._requests) if request.matches(method, pattern)]

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[Request]:
        return iter(list(self._requests))

    @overload
    def __getitem__(self, index: int) -> Request: ...
    @overload
    def __getitem__(self, index: slice) -> list[Request]: ...
    def __getitem__(self, index: int | slice) -> Request | list[Request]:
        return self._requests[index]


class Kind(Enum):
    ANSWER = auto()  # this status and body, the request is not carried out
    HANG = auto()  # wait first, then carry it out
    CUT = auto()  # drop the connection, the request is not carried out
    CARRY_OUT_AND_CUT = auto()


@dataclass(eq=False)
class Fault:
    """What happens to the next requests of a kind."""

    thread: LoopThread = field(repr=False)
    method: str
    pattern: str
    times: int
    kind: Kind
    status: int = 0
    body: Json | None = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None  # how long to hang; None until released
    met: list[Request] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @in_thread
    def release(self) -> None:
        """Let the hanging requests go on, and end the fault."""
        self.times = 0
        self.released.set()

    @in_thread
    def remove(self) -> None:
        """End the fault; what hangs hangs on."""
        self.times = 0

    async def hit(self, count: int = 1, timeout: float = PATIENCE) -> None:
        """Wait until `count` requests have met the fault. Raises TimeoutError."""
        await self.thread.run(self.thread.until(lambda: len(self.met) >= count, timeout))


class Faults:
    """The faults that lie in wait; the first that fits a request takes it.

    Every method takes an HTTP method (or "*", or "UPLOAD") and a pattern as `Request.matches` does, and how many times.
    """

    def __init__(self, thread: LoopThread) -> None:
        self.thread = thread
        self._faults: list[Fault] = []

    @in_thread
    def _add(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    def fail(
        self, method: str, pattern: str, status: int = 503, code: int = 0, message: str = "Refused", times: int = 1
    ) -> Fault:
        """Answer with a status (500, 502, 503; or 403 with Discord's code 50013 ...)."""
        body = {"code": code, "message": message}
        return self._add(Fault(self.thread, method, pattern, times, Kind.ANSWER, status=status, body=body))

    def rate_limit(
        self, method: str, pattern: str, retry_after: float = 0.3, everywhere: bool = False, times: int = 1
    ) -> Fault:
        """Answer 429: wait `retry_after` seconds; everywhere: with all other requests too."""
        headers, body = refused(retry_after, everywhere)
        return self._add(Fault(self.thread, method, pattern, times, Kind.ANSWER, 429, body, headers))

    def hang(self, method: str, pattern: str, seconds: float | None = None, times: int = 1) -> Fault:
        """Carry the request out only after `seconds`, or when the fault is released."""
        return self._add(Fault(self.thread, method, pattern, times, Kind.HANG, seconds=seconds))

    def cut(self, method: str, pattern: str, times: int = 1) -> Fault:
        """Drop the connection without doing what was asked."""
        return self._add(Fault(self.thread, method, pattern, times, Kind.CUT))

    def carry_out_and_cut(self, method: str, pattern: str, times: int = 1) -> Fault:
        """Do what was asked, then drop the connection without an answer."""
        return self._add(Fault(self.thread, method, pattern, times, Kind.CARRY_OUT_AND_CUT))

    def take(self, request: Request) -> Fault | None:
        for fault in self._faults:
            if fault.times > 0 and request.matches(fault.method, fault.pattern):
                fault.times -= 1
                fault.met.append(request)
                return fault
        return None

    @in_thread
    def clear(self) -> None:
        """End all faults and let everything that hangs go on."""
        release_all(self._faults)
        self._faults.clear()


def release_all(faults: Iterable[Fault]) -> None:
    for fault in faults:
        fault.times = 0
        fault.released.set()
