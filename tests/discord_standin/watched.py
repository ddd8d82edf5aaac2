"""The playground's Discord as a test holds it: with a log, with faults, and held to Discord's own description."""

from __future__ import annotations

import contextlib
from asyncio import wait_for
from collections.abc import Callable
from typing import Any

from bot.playground import protocol
from bot.playground.protocol import Outcome, Request, Watch
from bot.playground.protocol.loop import LoopThread

from .contract import Contract
from .faults import Faults, Kind, Log


class Watcher(Watch):
    """Writes down, and lets the faults have their way."""

    def __init__(self, thread: LoopThread) -> None:
        self.thread, self.log, self.faults, self.contract = thread, Log(), Faults(thread), Contract()

    def arrived(self, request: Request) -> None:
        self.log.add(request)

    async def carry_out(self, request: Request, work: Callable[[], Outcome]) -> Outcome:
        fault = self.faults.take(request)
        self.thread.changed()
        if fault is None:
            return work()
        if fault.kind is Kind.ANSWER:
            return Outcome(fault.status, fault.body, fault.headers)
        if fault.kind is Kind.HANG:
            with contextlib.suppress(TimeoutError):
                await wait_for(fault.released.wait(), fault.seconds)
            return work()
        if fault.kind is Kind.CARRY_OUT_AND_CUT:
            work()
        return Outcome(0)

    def answered(self, request: Request, body: Any) -> None:
        self.contract.exchange(request, body)

    def event(self, name: str, body: Any) -> None:
        self.contract.event(name, body)


class Standin(protocol.Standin):
    """The same, and besides:

    requests       every REST request so far
    faults         what shall go wrong
    contract       what did not fit Discord's description of its API
    """

    def _watch(self) -> Watch:
        watcher = Watcher(self.thread)
        self.requests, self.faults, self.contract = watcher.log, watcher.faults, watcher.contract
        return watcher

    async def _stop(self) -> None:
        self.faults.clear()
        await super()._stop()
