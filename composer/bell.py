"""How a process hears that another has committed: a bell for each kind of database, and the ears of those who wait."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from composer.pauses import Pauses

POLL_SECONDS = 0.02  # between two glances at SQLite's version: a tenth of a percent of one core
ALIVE_SECONDS = 10.0  # between two looks whether PostgreSQL's bell still has its connection
CHANNEL = "segue"
LOST = (OSError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Changes:
    """One reader's ear for commits; see Database.changes."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    async def wait(self, timeout: float) -> bool:
        """True as soon as anybody, in this process or another, has committed since the last wait returned True (or
        since the beginning); False after `timeout` seconds.

        No commit goes unnoticed. Several may be one return, and now and then there may be one for nothing.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True

    def ring(self) -> None:
        self._rung.set()


class Bell(ABC):
    """Calls `ring` whenever anybody has committed since `open`."""

    def __init__(self, url: sa.URL, ring: Callable[[], None]) -> None:
        self._url, self._ring = url, ring

    @abstractmethod
    async def open(self) -> None: ...

    @abstractmethod
    async def run(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...


class FileBell(Bell):
    """SQLite's: `data_version` differs once another connection, this process' included, has committed.

    A glance takes some microseconds and no lock, so it is made in the event loop's own thread.
    """

    async def open(self) -> None:
        self._connection = sqlite3.connect(str(self._url.database), timeout=0)
        try:
            self._version = self._look()
        except sqlite3.Error:
            self._connection.close()
            raise

    async def run(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            with contextlib.suppress(sqlite3.OperationalError):  # the file is being recovered: look again
                version = self._look()
                if version != self._version:
                    self._version = version
                    self._ring()

    async def close(self) -> None:
        self._connection.close()

    def _look(self) -> int:
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)


class ChannelBell(Bell):
    """PostgreSQL's: a connection of its own that listens. If it is lost it is made again, and that rings as well."""

    async def open(self) -> None:
        self._engine = create_async_engine(self._url, hide_parameters=True, poolclass=NullPool)
        self._connection = await self._connect()

    async def run(self) -> None:
        while True:
            await self._until_lost()
            with contextlib.suppress(*LOST):
                await self._connection.invalidate()
            await self._connection.close()
            self._connection = await self._reconnect()
            self._ring()  # for what was committed in between

    async def close(self) -> None:
        await self._connection.close()
        await self._engine.dispose()

    async def _connect(self) -> AsyncConnection:
        connection = await self._engine.connect()
        try:
            await (await _driver(connection)).add_listener(CHANNEL, lambda *_: self._ring())
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _reconnect(self) -> AsyncConnection:
        pauses = Pauses(0.05, ALIVE_SECONDS)
        while True:
            with contextlib.suppress(*LOST, TimeoutError):
                async with asyncio.timeout(ALIVE_SECONDS):
                    return await self._connect()
            await asyncio.sleep(pauses.next())

    async def _until_lost(self) -> None:
        driver = await _driver(self._connection)
        lost = asyncio.Event()
        driver.add_termination_listener(lambda _: lost.set())
        while not driver.is_closed():
            try:
                async with asyncio.timeout(ALIVE_SECONDS):
                    await lost.wait()
            except TimeoutError:  # a cable that was pulled says nothing: ask
                try:
                    await driver.execute("SELECT 1", timeout=ALIVE_SECONDS)
                except (*LOST, TimeoutError):
                    return


async def _driver(connection: AsyncConnection) -> Any:
    """What asyncpg calls a connection, under SQLAlchemy's."""
    return (await connection.get_raw_connection()).driver_connection
