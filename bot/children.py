"""Processes beside the bot for what costs CPU time, and the line of those who wait for one.

The loop that talks to Discord is never held up by what a child does. One that dies is replaced, and its work done again
once.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from composer.errors import CompositionError
from composer.sandbox import environment

P = ParamSpec("P")
T = TypeVar("T")


class Children:
    """Some children, and the line of those who wait for one: one call of an owner at a time, and the owners in turn.

    Args:
        processes: how many.
        seconds: that a call may take, far more than any does.
    """

    def __init__(self, processes: int, seconds: float) -> None:
        self._all = [Child(seconds) for _ in range(processes)]
        self._idle = list(self._all)
        self._line: dict[int | None, deque[asyncio.Future[Child]]] = {}  # by owner, the next one first
        self._served: set[int | None] = set()

    @property
    def is_idle(self) -> bool:
        """Whether one of them has nothing to do."""
        return bool(self._idle)

    async def run(self, owner: int | None, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a child.

        Args:
            owner: whose turn it has to be; None for a call that waits for nothing but an idle child.
            function: found in the child by its name, as are the classes of what it takes and returns.
            args: for it.
            kwargs: for it.

        Returns:
            What it returns.

        Raises:
            CompositionError: as Child.call does; besides, whatever the function raises.
        """
        child = await self._turn(owner)
        call = asyncio.ensure_future(child.call(function, *args, **kwargs))

        def ended(_: object) -> None:
            call.cancelled() or call.exception()  # it is known, even if nobody waits for it any more
            self._give_back(owner, child)

        call.add_done_callback(ended)
        return await asyncio.shield(call)  # whoever goes away leaves a child that is busy

    async def warm_up(self, wake: Callable[[], object]) -> None:
        """Start all of them.

        Args:
            wake: what each is to call; to find it, a child imports the module that it is in.
        """
        await asyncio.gather(*[self.run(None, wake) for _ in self._all])

    async def close(self) -> None:
        for child in self._all:
            await asyncio.to_thread(child.pool.shutdown, cancel_futures=True)

    async def _turn(self, owner: int | None) -> Child:
        mine: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        self._line.setdefault(owner, deque()).append(mine)
        self._call_next()
        try:
            return await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # it had just been called
                self._give_back(owner, mine.result())
            raise

    def _give_back(self, owner: int | None, child: Child) -> None:
        self._idle.append(child)
        self._served.discard(owner)
        if owner in self._line:
            self._line[owner] = self._line.pop(owner)  # behind everybody else
        self._call_next()

    def _call_next(self) -> None:
        """Give the idle children to those whose turn it is."""
        for owner in [owner for owner in self._line if owner not in self._served]:
            if not self._idle:
                break
            waiting = self._line[owner]
            while waiting and waiting[0].done():  # has gone away
                waiting.popleft()
            if waiting:
                waiting.popleft().set_result(self._idle.pop())
                if owner is not None:
                    self._served.add(owner)
            if not waiting:
                del self._line[owner]


class Child:
    """A process that is replaced when it dies, or does not come to an end. It is given one call at a time.

    Args:
        seconds: that a call may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.pool = self._new_pool()

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in the process.

        Returns:
            What it returns.

        Raises:
            CompositionError: the process died twice on it, or took too long.
        """
        for _ in range(2):
            try:
                async with asyncio.timeout(self._seconds):
                    return await asyncio.wrap_future(self.pool.submit(function, *args, **kwargs))
            except BrokenProcessPool:
                self._replace()
            except TimeoutError as error:
                self._replace()
                raise CompositionError(f"{function.__name__} took more than {self._seconds:g} s.") from error
        raise CompositionError("The process that reads and renders music has died twice.")

    def _replace(self) -> None:
        old, self.pool = self.pool, self._new_pool()
        for process in list((old._processes or {}).values()):  # the pool itself waits for them for ever
            process.kill()
        old.shutdown(wait=False)

    def _new_pool(self) -> ProcessPoolExecutor:
        # spawn: a child of this process, with its threads and sockets, must not be forked from the middle of it.
        return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)


def _begin() -> None:
    """Know no secret, nor tell one to what is started from here, ffmpeg for instance; and live with the parent: Ctrl-C
    is for the bot, and where the bot is killed, its children end too."""
    kept = environment()
    os.environ.clear()
    os.environ.update(kept)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
