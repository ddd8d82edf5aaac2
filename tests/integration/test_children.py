"""The line before the bot's children, with calls that last until the test says that they may end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from bot.children import Children
from composer.errors import CompositionError

PATIENCE = 120.0  # seconds that no test needs
ANN, BOB, CLEO = 1, 2, 3


def be_busy(folder: Path, name: str) -> None:
    """In a child: until the test says that it is enough."""
    (folder / f"{name} has begun").touch()
    while not (folder / f"{name} may end").exists():
        time.sleep(0.02)


class Work:
    """Calls by their names, and which of them have been done, in that order."""

    def __init__(self, children: Children, folder: Path) -> None:
        self.children, self.folder = children, folder
        self.done: list[str] = []
        self.calls: dict[str, asyncio.Task[None]] = {}

    async def ask(self, owner: int, *names: str) -> None:
        """They stand in line, or have begun, when it returns."""
        for name in names:
            self.calls[name] = asyncio.create_task(self._call(owner, name))
            await asyncio.sleep(0)

    async def _call(self, owner: int, name: str) -> None:
        await self.children.run(owner, be_busy, self.folder, name)
        self.done.append(name)

    def has_begun(self, name: str) -> bool:
        return (self.folder / f"{name} has begun").exists()

    def let(self, *names: str) -> None:
        for name in names:
            (self.folder / f"{name} may end").touch()

    async def end(self, *names: str) -> None:
        """Let them end, one after the other."""
        async with asyncio.timeout(PATIENCE):
            for name in names:
                self.let(name)
                await self.calls[name]


@asynccontextmanager
async def working(processes: int, folder: Path, seconds: float = PATIENCE) -> AsyncIterator[Work]:
    children = Children(processes, seconds)
    await children.warm_up(os.getpid)
    work = Work(children, folder)
    try:
        yield work
    finally:
        for call in work.calls.values():
            call.cancel()
        await asyncio.gather(*work.calls.values(), return_exceptions=True)
        work.let(*work.calls)
        await children.close()


async def test_ones_calls_wait_for_one_another_and_the_others_take_turns(tmp_path: Path) -> None:
    async with working(2, tmp_path) as work:
        await work.ask(ANN, "ann 1", "ann 2", "ann 3")
        await work.ask(BOB, "bob 1", "bob 2")
        await work.ask(CLEO, "cleo 1")
        await work.end("bob 1", "cleo 1", "bob 2")
        assert work.done == ["bob 1", "cleo 1", "bob 2"]
        assert not work.has_begun("ann 2"), "there is an idle child, and yet"
        await work.end("ann 1", "ann 2")
        await work.ask(BOB, "bob 3")
        await work.end("bob 3", "ann 3")


async def test_time_does_not_run_while_a_call_stands_in_line(tmp_path: Path) -> None:
    async with working(1, tmp_path, seconds=15.0) as work:
        await work.ask(ANN, "endless")
        await work.ask(BOB, "behind it")
        with pytest.raises(CompositionError, match=r"be_busy took more than 15 s\."):
            await work.calls["endless"]
        await work.end("behind it")


async def test_whoever_goes_away_leaves_the_line_but_not_a_child_that_is_busy(tmp_path: Path) -> None:
    async with working(2, tmp_path) as work:
        await work.ask(ANN, "begun", "in line", "last")
        for name in ("begun", "in line"):
            work.calls[name].cancel()
            with suppress(asyncio.CancelledError):
                await work.calls[name]
        await work.ask(BOB, "bob's")
        await work.end("bob's")
        assert not work.has_begun("last")
        work.let("begun")
        await work.end("last")
        assert work.done == ["bob's", "last"]


async def test_a_call_that_kills_its_child_disturbs_no_other(tmp_path: Path) -> None:
    async with working(2, tmp_path) as work:
        await work.ask(ANN, "undisturbed")
        with pytest.raises(CompositionError, match="died twice"):
            await work.children.run(BOB, os._exit, 1)
        await work.end("undisturbed")
