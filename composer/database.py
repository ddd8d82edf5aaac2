"""The database: one engine, two kinds of transaction, and a bell that rings when anybody has committed.

    async with Database("sqlite+aiosqlite:///segue.db") as database:
        await database.migrate()
        async with database.write() as connection:
            await connection.execute(...)

SQLite (the default) is a file on a local disk, for any number of processes of one machine; PostgreSQL is for many
machines. Both do the same; what they do differently is said here and in composer.bell only. Each of their transactions
that writes is told to everybody who waits in `Changes`: by LISTEN and NOTIFY on PostgreSQL, by a glance at
`PRAGMA data_version` every 20 ms on SQLite.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from composer.bell import CHANNEL, LOST, Bell, Changes, ChannelBell, FileBell
from composer.errors import DatabaseError
from composer.places import HOME

SCHEMES = ("sqlite+aiosqlite", "postgresql+asyncpg")
MIGRATIONS = HOME / "migrations"
BUSY_MILLISECONDS = 30_000  # how long a transaction waits for those of other processes on SQLite
TRUNCATE_MILLISECONDS = 200  # how long the log of SQLite waits for readers before it is emptied; else at the next write

# Advisory locks of PostgreSQL: two integers, the first of which is ours.
LOCKS = 0x5E60E
MIGRATION_LOCK = 0
JOBS_LOCK = 1
OPENINGS_LOCK = 2  # after that of the jobs, where both are needed

T = TypeVar("T")

metadata = sa.MetaData()  # of all tables: whoever has one registers it here


class now(FunctionElement[float]):  # noqa: N801 - reads as the function of SQL that it is
    """The database's clock: seconds since 1970, the same throughout a statement. Clocks of processes differ."""

    type = sa.Double()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_on_sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _now_on_postgresql(*_: Any, **__: Any) -> str:
    # Not now(): that is when the transaction began, perhaps long ago if it has waited for a lock since.
    return "CAST(EXTRACT(EPOCH FROM statement_timestamp()) AS DOUBLE PRECISION)"


class Database:
    """All that the processes share. For one event loop; close it, or use it as a context manager.

    url: sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER:PASSWORD@HOST/NAME; the folder of FILE is created
    Raises DatabaseError if the URL is none of those; so do all methods where the database cannot be reached. No
    error and no representation of this object holds the password.
    """

    def __init__(self, url: str, echo: bool = False) -> None:
        self._url = _parse(url)
        self._is_sqlite = self._url.drivername == SCHEMES[0]
        self._engine = self._create_sqlite(echo) if self._is_sqlite else self._create_postgresql(echo)
        self._ears: set[Changes] = set()
        self._bell: Bell | None = None
        self._ringing: asyncio.Task[None] | None = None
        self._hanging = asyncio.Lock()
        self._under_way: set[asyncio.Future[Any]] = set()
        self._forgetting = False

    def __repr__(self) -> str:
        return f"Database({_address(self._url)})"

    async def __aenter__(self) -> Database:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- transactions

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees the database as it is when it begins, keeps nobody waiting, and writes nothing."""
        with self._told_as_sentences():
            async with self._connected(self._readers) as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that is committed at the end, or rolled back if an exception leaves it. Never inside another.

        On SQLite it is alone from its beginning. On PostgreSQL it is not; see `lock`.
        """
        with self._told_as_sentences():
            async with self._turn, self._connected(self._writers) as connection:
                async with connection.begin():
                    yield connection
                    if not self._is_sqlite:
                        # Only if something was written: a worker that finds nothing to claim wakes nobody.
                        await connection.execute(_NOTIFY)
                if self._forgetting:
                    self._forgetting = self._is_sqlite and not await _truncate_log(connection)

    def forgetting(self) -> None:
        """What this write transaction deletes shall be nowhere any more, not in SQLite's log of changes either.

        To be called within it, or another would take it for its own. The log is emptied after the transaction, or
        after a later one where somebody still reads it.
        """
        self._forgetting = True

    async def lock(self, connection: AsyncConnection, number: int) -> None:
        """From here to the end of this write transaction, wait for others that have called this with the number."""
        if not self._is_sqlite:
            await connection.execute(_LOCK, {"number": number})

    # ---- wake-ups

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[Changes]:
        """Listen for commits from here on. Enter before the first read, so that nothing slips in between."""
        await asyncio.shield(self._see_through(self._hang_bell()))
        changes = Changes()
        self._ears.add(changes)
        try:
            yield changes
        finally:
            self._ears.discard(changes)

    async def _hang_bell(self) -> None:
        """All of this database's readers share one, from the first of them until the database is closed."""
        async with self._hanging:
            if self._bell is not None:
                return
            bell = (FileBell if self._is_sqlite else ChannelBell)(self._url, self._ring)
            try:
                await bell.open()
            except (*LOST, sqlite3.Error) as error:
                raise self._error(error) from error
            self._bell, self._ringing = bell, asyncio.create_task(bell.run())

    def _ring(self) -> None:
        for changes in self._ears:
            changes.ring()

    # ---- keeping

    async def migrate(self, to: str = "head") -> None:
        """Bring the tables up to date. Any number of processes may do so at once. to: a version to stop at"""
        async with self.write() as connection:  # the lock is the transaction's, so it goes with the process
            await self.lock(connection, MIGRATION_LOCK)
            await connection.run_sync(_upgrade, to)

    async def ping(self) -> None:
        """Raises DatabaseError if the database does not answer."""
        async with self.read() as connection:
            await connection.execute(sa.select(1))

    async def close(self) -> None:
        while self._under_way:
            await asyncio.wait(self._under_way)
        if self._ringing is not None and self._bell is not None:
            self._ringing.cancel()
            await asyncio.wait([self._ringing])
            await self._bell.close()
            self._bell = self._ringing = None
        await self._engine.dispose()

    # ---- the two engines

    def _create_sqlite(self, echo: bool) -> AsyncEngine:
        try:
            Path(self._url.database or "").parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._error(error) from error
        engine = create_async_engine(self._url, echo=echo, hide_parameters=True)
        sa.event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        sa.event.listen(engine.sync_engine, "begin", _begin_sqlite)
        self._readers = engine.execution_options(begin="BEGIN")
        self._writers = engine.execution_options(begin="BEGIN IMMEDIATE")
        # Writers of one process queue here: woken in turn, where SQLite would have each of them poll in a thread.
        self._turn: contextlib.AbstractAsyncContextManager[object] = asyncio.Lock()
        return engine

    def _create_postgresql(self, echo: bool) -> AsyncEngine:
        engine = create_async_engine(self._url, echo=echo, hide_parameters=True, pool_pre_ping=True)
        self._readers = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._writers = engine.execution_options(isolation_level="READ COMMITTED")
        self._turn = contextlib.nullcontext()
        return engine

    # ---- when it is away

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """A connection of the pool. Opening and closing go on where whoever wanted it is cancelled meanwhile: drivers
        leak what they are interrupted in. And the database is not closed below somebody who holds one."""
        held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way.add(held)
        try:
            async with self._opened(engine) as connection:
                yield connection
        finally:
            self._under_way.discard(held)
            held.set_result(None)

    @asynccontextmanager
    async def _opened(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        opening = self._see_through(engine.connect().start())
        try:
            connection = await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._see_through(_close_unused(opening))
            raise
        except (OSError, SQLAlchemyError) as error:
            raise self._error(error) from error
        try:
            yield connection
        finally:
            await asyncio.shield(self._see_through(connection.close()))

    def _see_through(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Work that is done to its end before the database is closed."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    @contextmanager
    def _told_as_sentences(self) -> Iterator[None]:
        """Turn what a driver raises when it loses the database into DatabaseError."""
        try:
            yield
        except (ConnectionError, OperationalError, InterfaceError) as error:
            raise self._error(error) from error
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            raise self._error(error) from error

    def _error(self, error: Exception) -> DatabaseError:
        return DatabaseError(_address(self._url), _reason(error, self._url))


async def _close_unused(opening: asyncio.Task[AsyncConnection]) -> None:
    with contextlib.suppress(OSError, SQLAlchemyError):
        await (await opening).close()


_NOTIFY = sa.text(f"SELECT pg_notify('{CHANNEL}', '') WHERE pg_current_xact_id_if_assigned() IS NOT NULL")
_LOCK = sa.text(f"SELECT pg_advisory_xact_lock({LOCKS}, :number)")


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where _begin_sqlite says, not where the driver thinks fit
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_MILLISECONDS}",
        "journal_mode=WAL",  # readers and a writer side by side
        "synchronous=NORMAL",  # a power cut may cost the last commits, never the file
        "foreign_keys=ON",
        "secure_delete=ON",  # what is deleted is overwritten, however SQLite was built
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


async def _truncate_log(connection: AsyncConnection) -> bool:
    """Empty the write-ahead log, outside a transaction. False: somebody still reads or writes it."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    await driver.execute(f"PRAGMA busy_timeout={TRUNCATE_MILLISECONDS}")
    try:
        async with driver.execute("PRAGMA wal_checkpoint(TRUNCATE)") as cursor:
            busy, *_ = await cursor.fetchone()
    except sqlite3.OperationalError:
        return False
    finally:
        await driver.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
    return not busy


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options()["begin"])


def _upgrade(connection: sa.Connection, to: str) -> None:
    # A tenth of a second, which only those pay for who bring the tables up to date.
    import alembic.command
    import alembic.config

    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, to)


# ---------------------------------------------------------------------- addresses and errors without secrets


def _parse(text: str) -> sa.URL:
    """Raises DatabaseError with a sentence that holds nothing of the text but its scheme."""
    example = f"write {SCHEMES[0]}:///FILE or {SCHEMES[1]}://USER:PASSWORD@HOST/NAME"
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        raise DatabaseError("of DATABASE_URL", f"the URL cannot be read; {example}") from None
    if url.drivername not in SCHEMES:
        raise DatabaseError("of DATABASE_URL", f"{url.drivername}:// is not known here; {example}")
    if "@" in f"{url.host}{url.database}" and url.drivername == SCHEMES[1]:
        raise DatabaseError("of DATABASE_URL", "an @ in the user's name or password has to be written as %40")
    if url.drivername == SCHEMES[0] and (url.host or url.query or url.database in (None, "", ":memory:")):
        raise DatabaseError("of DATABASE_URL", f"SQLite needs a file, which all processes share; {example}")
    return url


def _address(url: sa.URL) -> str:
    """Where it is: scheme, host and name, without user, password and options, any of which may be a secret."""
    return str(sa.URL.create(url.drivername, host=url.host, port=url.port, database=url.database))


def _reason(error: BaseException, url: sa.URL) -> str:
    origin = getattr(error, "orig", None) or error
    lines = str(origin).strip().splitlines() or [type(origin).__name__]
    reason = lines[0].rstrip(".")
    return reason.replace(url.password, "***") if url.password else reason
