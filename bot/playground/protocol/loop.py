"""A thread with an event loop of its own, in which everything of the stand-in happens."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

PATIENCE = 300.0  # seconds until something must have happened, on a busy machine; where it happens, they cost nothing
LOOK_SECONDS = 0.05  # what changes outside the stand-in wakes nobody, so everybody looks this often

T = TypeVar("T")
P = ParamSpec("P")


class LoopThread:
    """Runs calls and coroutines in its own thread, and wakes those who wait for a change there.

    Nothing is bound to the caller's loop: a test may call asyncio.run as often as it likes.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="discord stand-in", daemon=True)
        self._waiters: set[asyncio.Event] = set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Cancel what still runs and end the thread."""
        self.submit(self._cancel_all()).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _cancel_all(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.loop.shutdown_asyncgens()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work`, done in the thread, from any other loop."""
        return await asyncio.wrap_future(self.submit(work))

    def call(self, function: Callable[[], T]) -> T:
        """Call `function` in the thread and wait for its result (at once when already there)."""
        if threading.current_thread() is self._thread:
            return function()

        async def work() -> T:
            return function()

        return self.submit(work()).result()

    def changed(self) -> None:
        """Something changed: let everybody who waits look again. Callable from any thread."""
        if threading.current_thread() is self._thread:
            for waiter in self._waiters:
                waiter.set()
        elif not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.changed)

    async def until(self, predicate: Callable[[], T], timeout: float | Callable[[], float]) -> T:
        """Wait, inside the thread, until `predicate()` is true and give its value.

        timeout: seconds, or a function that says how many are left. Raises TimeoutError.
        """
        end = 0.0 if callable(timeout) else self.loop.time() + timeout
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        try:
            while not (value := predicate()):
                seconds = timeout() if callable(timeout) else end - self.loop.time()
                if seconds <= 0:
                    raise TimeoutError
                waiter.clear()
                try:
                    await asyncio.wait_for(waiter.wait(), min(seconds, LOOK_SECONDS))
                except TimeoutError:
                    continue  # the next turn decides whether the time is up
            return value
        finally:
            self._waiters.discard(waiter)


class HasThread(Protocol):
    @property
    def thread(self) -> LoopThread: ...


S = TypeVar("S", bound=HasThread)


def in_thread(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """The method runs in the stand-in's thread, whoever calls it, and wakes those who wait."""

    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        def work() -> T:
            result = method(self, *args, **kwargs)
            self.thread.changed()
            return result

        return self.thread.call(work)

    functools.update_wrapper(call, method)
    return call
