"""The database, on both engines: transactions, wake-ups, migrations, and errors that keep the password."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import alembic.autogenerate
import alembic.migration
import pytest
import sqlalchemy as sa
from postgres import PASSWORD, Postgres
from processes import hear, start, tell
from sqlalchemy.exc import IntegrityError

from composer.bell import Changes
from composer.database import Database, metadata, now
from composer.errors import DatabaseError
from composer.line.jobs import Jobs
from composer.line.schema import workers

PATIENCE = 60.0  # seconds that no test needs
QUIET = 0.3  # seconds in which nothing happens, if nothing is to happen

is_postgresql = pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)


async def write(database: Database, slots: int = 1) -> None:
    await Jobs(database).enlist("writer", slots, "words", None)


async def slots(database: Database) -> int | None:
    async with database.read() as connection:
        found: int | None = await connection.scalar(sa.select(workers.c.slots))
    return found


async def quiet(changes: Changes) -> None:
    """Hear out what is still to be heard of earlier commits."""
    while await changes.wait(QUIET):
        pass


@contextmanager
def running(what: str, url: str) -> Iterator[subprocess.Popen[str]]:
    process = start(what, url)
    try:
        assert hear(process) == "ready"
        yield process
    finally:
        process.kill()
        process.communicate()


# ---------------------------------------------------------------------- transactions


async def test_the_clock_is_the_databases(database_url: str) -> None:
    async with Database(database_url) as database, database.read() as connection:
        before = time.time()
        clock, later = (await connection.execute(sa.select(now(), now() + 15.0))).one()
        assert isinstance(clock, float)
        assert before - 0.1 <= clock <= time.time() + 0.1  # the same machine
        assert later - clock == pytest.approx(15, abs=1e-3)


async def test_the_clock_goes_on_while_a_transaction_waits(database_url: str) -> None:
    async with Database(database_url) as database, database.write() as connection:
        first = await connection.scalar(sa.select(now()))
        await asyncio.sleep(0.02)
        second = await connection.scalar(sa.select(now()))
        assert first is not None
        assert second is not None
        assert second > first


async def test_a_write_is_all_or_nothing(database_url: str) -> None:
    async with Database(database_url) as database:
        await write(database, 1)
        with contextlib.suppress(KeyError):
            async with database.write() as connection:
                await connection.execute(sa.update(workers).values(slots=2))
                raise KeyError
        assert await slots(database) == 1


async def test_a_read_sees_one_moment_and_keeps_nobody_waiting(database_url: str) -> None:
    async with Database(database_url) as database:
        await write(database, 1)
        async with database.read() as connection:
            query = sa.select(workers.c.slots)
            before = await connection.scalar(query)
            await write(database, 2)
            assert await connection.scalar(query) == before == 1
        assert await slots(database) == 2


async def test_a_mistake_in_a_statement_is_no_database_that_is_away(database_url: str) -> None:
    async with Database(database_url) as database:
        row = {"name": "w", "slots": 1, "vocabulary": "words", "seen_at": now()}
        async with database.write() as connection:
            await connection.execute(sa.insert(workers).values(row))
        with pytest.raises(IntegrityError):
            async with database.write() as connection:
                await connection.execute(sa.insert(workers).values(row))
        with pytest.raises(TimeoutError):
            async with database.write():
                raise TimeoutError
        await database.ping()


async def test_writers_of_many_processes_wait_for_each_other(database_url: str) -> None:
    async with Database(database_url) as here, Database(database_url) as there:
        await write(here, 0)

        async def count(database: Database) -> None:
            async with database.write() as connection:
                await database.lock(connection, 99)
                found = await connection.scalar(sa.select(workers.c.slots)) or 0
                await connection.execute(sa.update(workers).values(slots=found + 1))

        await asyncio.gather(*(count((here, there)[number % 2]) for number in range(40)))
        assert await slots(here) == 40


@pytest.mark.parametrize("seconds", [0.001, 0.003, 0.01, 0.03])
async def test_what_is_cut_short_leaves_no_lock_and_no_connection(database_url: str, seconds: float) -> None:
    threads = threading.active_count()
    async with Database(database_url) as database:

        async def write_for_ever() -> None:
            number = 0
            while True:
                await write(database, number := number + 1)

        tasks = [asyncio.create_task(write_for_ever()) for _ in range(8)]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with Database(database_url) as database:
        await write(database, -1)
        assert await slots(database) == -1
    while threading.active_count() > threads:  # each connection's thread ends a moment after it is closed
        await asyncio.sleep(0.01)


# ---------------------------------------------------------------------- wake-ups


async def test_it_is_not_closed_below_a_transaction(database_url: str) -> None:
    """What was cancelled meanwhile would be waited for by nobody, and its connection be closed by a loop that ends."""
    database, began, go_on = Database(database_url), asyncio.Event(), asyncio.Event()

    async def write() -> None:
        async with database.write() as connection:
            await connection.execute(sa.select(1))
            began.set()
            await go_on.wait()

    writing = asyncio.create_task(write())
    await began.wait()
    closing = asyncio.create_task(database.close())
    await asyncio.sleep(0.1)
    assert not closing.done()
    go_on.set()
    await closing
    assert writing.done()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_commit_is_heard_by_everybody(database_url: str) -> None:
    async with (
        Database(database_url) as here,
        Database(database_url) as there,
        here.changes() as one,
        here.changes() as two,
        there.changes() as three,
    ):
        assert not await one.wait(0.05)
        await write(here)
        assert await asyncio.gather(*(ear.wait(PATIENCE) for ear in (one, two, three))) == [True] * 3
        await quiet(one)
        assert not await one.wait(0)


async def test_a_commit_between_two_waits_is_not_lost(database_url: str) -> None:
    async with Database(database_url) as database, database.changes() as changes:
        await quiet(changes)
        await write(database)
        await asyncio.sleep(QUIET)  # nobody waits now
        assert await changes.wait(0)
        assert not await changes.wait(QUIET)


async def test_what_changes_nothing_wakes_nobody(database_url: str) -> None:
    """Else workers that look for something to do would keep each other awake."""
    async with Database(database_url) as database, database.changes() as changes:
        await quiet(changes)
        assert await Jobs(database).claim("w", "words", 4) == []
        assert await slots(database) is None
        with contextlib.suppress(KeyError):
            async with database.write() as connection:
                await connection.execute(sa.delete(workers))
                raise KeyError
        assert not await changes.wait(QUIET)


async def test_changes_of_another_process_are_heard(database_url: str) -> None:
    async with Database(database_url) as database, database.changes() as changes:
        with running("write", database_url) as writer:
            for count in range(20):
                tell(writer)
                while await slots(database) != count:
                    assert await changes.wait(PATIENCE)


async def test_another_process_hears_ours(database_url: str) -> None:
    async with Database(database_url) as database:
        with running("listen", database_url) as listener:
            for count in range(20):
                await write(database, count)
                while await asyncio.to_thread(hear, listener) != count:
                    pass


async def test_a_hundred_commits_in_a_row_end_with_a_wake_up(database_url: str) -> None:
    """Whoever waits, looks and waits again sees the last state: no wake-up falls between look and wait."""
    async with Database(database_url) as database, Database(database_url) as other, database.changes() as changes:

        async def follow() -> None:
            while await slots(database) != 99:
                assert await changes.wait(PATIENCE)

        follower = asyncio.create_task(follow())
        for number in range(100):
            await write(other, number)
            await asyncio.sleep(number % 7 / 1000)
        await follower


@is_postgresql
async def test_a_lost_connection_is_made_again_and_counts_as_a_change(empty_database_url: str) -> None:
    kill = sa.text("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()")
    others = sa.text(f"{kill.text} AND pid <> pg_backend_pid()")
    async with Database(empty_database_url) as database, database.changes() as changes:
        await database.migrate()
        await quiet(changes)
        async with Database(empty_database_url) as killer, killer.read() as connection:
            assert (await connection.scalar(others) or 0) >= 1
        assert await changes.wait(PATIENCE)
        await quiet(changes)
        await write(database, 5)  # the pool's connections are new as well
        assert await changes.wait(PATIENCE)
        assert await slots(database) == 5
        with pytest.raises(DatabaseError) as lost:  # one that is lost in the middle is told in a sentence
            async with database.write() as connection:
                await connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
        assert PASSWORD not in "".join(traceback.format_exception(lost.value))
        await database.ping()


# ---------------------------------------------------------------------- migrations


async def test_several_processes_may_migrate_at_once(empty_database_url: str) -> None:
    processes = [start("migrate", empty_database_url) for _ in range(3)]
    assert [hear(process) for process in processes] == ["ready"] * 3
    for process in processes:
        tell(process)
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 3
    async with Database(empty_database_url) as database:
        await database.migrate()
        await write(database, 3)
        assert await slots(database) == 3


async def test_a_migration_that_breaks_off_leaves_nothing(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_bytes((Path(__file__).parents[2] / "migrations" / "env.py").read_bytes())
    (tmp_path / "versions" / "1.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision, down_revision = '1', None\n"
        "def upgrade():\n    op.create_table('half', sa.Column('id', sa.Integer))\n    raise ZeroDivisionError\n"
    )
    async with Database(empty_database_url) as database:
        with monkeypatch.context() as patch:
            patch.setattr("composer.database.MIGRATIONS", tmp_path)
            with pytest.raises(ZeroDivisionError):
                await database.migrate()
        async with database.read() as connection:
            assert await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names()) == []
        await database.migrate()


async def test_what_is_migrated_is_what_the_code_takes_it_for(empty_database_url: str) -> None:
    ours = {"jobs", "workers"}

    def differences(connection: sa.Connection) -> list[Any]:
        def which(name: str | None, kind: str, parents: Any) -> bool:
            return kind == "schema" or (name if kind == "table" else parents.get("table_name")) in ours

        context = alembic.migration.MigrationContext.configure(
            connection, opts={"include_name": which, "compare_type": True, "compare_server_default": True}
        )
        only_ours = sa.MetaData()
        for name in ours:
            metadata.tables[name].to_metadata(only_ours)
        return list(alembic.autogenerate.compare_metadata(context, only_ours))

    async with Database(empty_database_url) as database:
        async with database.read() as connection:
            assert len(await connection.run_sync(differences)) > 2
        await database.migrate()
        async with database.read() as connection:
            assert await connection.run_sync(differences) == []


# ---------------------------------------------------------------------- addresses and errors


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a hunter2 that is no address",
        "mysql+aiomysql://segue:hunter2@localhost/segue",
        "postgresql://segue:hunter2@localhost/segue",
        "postgresql+asyncpg://segue:hunter2@localhost:hunter2/segue",
        "postgresql+asyncpg://segue:x@hunter2@localhost/segue",
        "postgresql+asyncpg://segue:x@hunter2/y@localhost/segue",
        "sqlite:///hunter2.db",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite://hunter2/segue.db",
    ],
)
def test_an_address_that_cannot_be_used_is_told_without_its_password(url: str) -> None:
    with pytest.raises(DatabaseError) as refused:
        Database(url)
    assert "DATABASE_URL" in str(refused.value)
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


async def test_the_password_is_in_no_representation_and_in_no_error(postgres: Postgres) -> None:
    for url in (
        postgres.url("postgres").replace(PASSWORD, "hunter2"),  # which is wrong
        "postgresql+asyncpg://segue:hunter2@127.0.0.1:1/segue?ssl=disable",  # where nothing listens
        f"postgresql+asyncpg://segue@127.0.0.1:{postgres.port}/postgres?password=hunter2",
    ):
        async with Database(url) as database:
            assert "hunter2" not in f"{database} {database!r}"
            assert "127.0.0.1" in repr(database)
            for attempt in (database.ping, database.migrate, database.changes().__aenter__):
                with pytest.raises(DatabaseError) as failed:
                    await attempt()
                assert "cannot be used" in str(failed.value)
                assert "hunter2" not in f"{failed.value} {failed.value!r}"
    async with Database(postgres.url("nowhere")) as database:
        with pytest.raises(DatabaseError, match='database "nowhere" does not exist'):
            await database.ping()


async def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "segue.db"
    async with Database(f"sqlite+aiosqlite:///{path}") as database:
        await database.ping()
    assert list(path.parent.iterdir()) == [path]  # what SQLite keeps beside it while it is open is gone too


async def test_a_file_that_is_no_database_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("This is not a database, nor a folder. " * 100)
    with pytest.raises(DatabaseError, match=r"File exists|Not a directory"):
        Database(f"sqlite+aiosqlite:///{tmp_path / 'file' / 'segue.db'}")
    async with Database(f"sqlite+aiosqlite:///{tmp_path / 'file'}") as database:
        for attempt in (database.ping, database.migrate, database.changes().__aenter__):
            with pytest.raises(DatabaseError, match="file is not a database"):
                await attempt()
