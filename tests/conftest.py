from __future__ import annotations

import asyncio
import inspect
import itertools
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import postgres as server
import pytest
from hypothesis import settings

from composer.database import Database

# A machine that is busy with something else is no failure: no test asserts a time, hypothesis neither.
settings.register_profile("segue", deadline=None)
settings.load_profile("segue")

# The tests run side by side: one thread of torch's for each, here and in the processes that they start. It is read when
# torch is loaded, which is after this file.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Whatever the caller's environment says: each file is compiled once, not by each of all the processes.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
MOST_WORKERS = 8  # each takes half a gigabyte, and as much again for a bot beside it

# What takes longest, in groups whose tests share a bot. Each worker of xdist begins with groups of its own, so that
# what is left in the end is short and can be taken over by whoever is idle.
LONGEST = (
    ("test_bot_survives.py",),
    ("test_bot.py", "test_bot_hears.py"),
    ("test_delivery.py", "test_places.py", "test_texts.py", "test_worker.py", "test_transcription.py"),
)

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _denormals() -> Iterator[None]:
    """Training takes them for 0 in its thread from then on; hypothesis refuses to draw numbers in such a one."""
    yield
    if torch := sys.modules.get("torch"):
        torch.set_flush_denormal(False)


def pytest_xdist_auto_num_workers() -> int:
    """How many run side by side: one more than there are cores, for in the longest tests a bot is waited for."""
    return min(len(os.sched_getaffinity(0)) + 1, MOST_WORKERS)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest first, on every worker: xdist gives each an equal stretch of the list to begin with."""
    workers: int = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers == 1:
        return
    piles: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for number, names in enumerate(LONGEST):
        piles[number % workers] += [item for name in names for item in items if item.path.name == name]
    long = {item for pile in piles for item in pile}
    rest = [item for item in items if item not in long]
    for number, pile in enumerate(piles):
        missing = max(0, (number + 1) * len(items) // workers - number * len(items) // workers - len(pile))
        pile += rest[:missing]
        del rest[:missing]
    items[:] = [*itertools.chain(*piles), *rest]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that is `async def` runs in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(scope="session")
def postgres() -> Iterator[server.Postgres]:
    """The server that all tests of a process share. Without PostgreSQL they fail: what only SQLite bears is no good."""
    try:
        with server.started() as running:
            yield running
    except server.PostgresError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of its own for the test, once on each engine, with no table in it."""
    if request.param == "sqlite":
        yield _sqlite_url(tmp_path / "segue.db")
    else:
        yield from _fresh(request.getfixturevalue("postgres"), "template0")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The same with all tables in it, as Database.migrate leaves them."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("_sqlite_template"), tmp_path / "segue.db")
        yield _sqlite_url(tmp_path / "segue.db")
    else:
        yield from _fresh(request.getfixturevalue("postgres"), request.getfixturevalue("_postgresql_template"))


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "segue.db"
    asyncio.run(_migrate(_sqlite_url(path)))
    return path


@pytest.fixture(scope="session")
def _postgresql_template(postgres: server.Postgres) -> str:
    postgres.create("migrated")
    asyncio.run(_migrate(postgres.url("migrated")))
    return "migrated"


def _fresh(postgres: server.Postgres, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    postgres.create(name, template)
    yield postgres.url(name)
    postgres.drop(name)


def _sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


async def _migrate(url: str) -> None:
    async with Database(url) as database:
        await database.migrate()
