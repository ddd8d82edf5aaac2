"""Migrations, on both engines: from every version that people's databases may have, on rows as they are there."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import versions
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage import Storage
from bot.storage.servers import Guild
from composer.database import Database, metadata
from composer.line.jobs import Jobs
from composer.line.schema import PERFORMANCE, Draft, Job, Kind, State
from composer.music.midi import parse_midi
from composer.music.words import Family, default_vocabulary
from composer.order import Order
from composer.request import Composed, Request
from composer.sampling import SamplingParams
from composer.transcription.performance import Performance

VOCABULARY = default_vocabulary()
CENTURY_DAYS = 36525
REVISIONS = versions.revisions()
SECOND_EDITION = "0006"  # what was asked for before it is in words that no worker speaks any more
each_version = pytest.mark.parametrize("revision", REVISIONS)


async def migrate(url: str, revision: str) -> None:
    """Bring a database that was at a version, with what people have in it, up to date."""
    async with Database(url) as database:
        await database.migrate(to=revision)
        async with database.write() as connection:
            await versions.load(connection, versions.read(revision))
        await database.migrate()


@pytest.fixture(scope="session")  # as long as the server: a worker may leave this file and come back to it
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the databases are that have been migrated, each of them once. Of PostgreSQL's it has the names."""
    return tmp_path_factory.mktemp("migrated")


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest, revision: str, migrated: Path, tmp_path: Path) -> Iterator[str]:
    """A database of the test's own, which was at a version and is up to date."""
    known = migrated / f"{request.param}_{revision}"
    if request.param == "sqlite":
        if not known.exists():
            asyncio.run(migrate(f"sqlite+aiosqlite:///{known}", revision))
        shutil.copy(known, tmp_path / "segue.db")
        yield f"sqlite+aiosqlite:///{tmp_path}/segue.db"
    else:
        postgres = request.getfixturevalue("postgres")
        if not known.exists():
            postgres.create(known.name)
            asyncio.run(migrate(postgres.url(known.name), revision))
            known.touch()
        postgres.create("migrated_copy", known.name)
        yield postgres.url("migrated_copy")
        postgres.drop("migrated_copy")


async def contents(database: Database) -> tuple[versions.Rows, Any, list[str]]:
    """Rows, tables and version of a database."""
    async with database.read() as connection:
        version = await connection.execute(sa.text("SELECT version_num FROM alembic_version"))
        return await versions.dump(connection), await schema(connection), list(version.scalars())


async def schema(connection: AsyncConnection) -> dict[str, Any]:
    """Columns, keys and indexes of all tables, as the database itself tells them."""

    def inspected(sync: sa.Connection) -> dict[str, Any]:
        database = sa.inspect(sync)
        return {
            name: {
                "columns": {
                    column["name"]: (repr(column["type"]), column["nullable"], column["default"])
                    for column in database.get_columns(name)
                },
                "key": database.get_pk_constraint(name)["constrained_columns"],
                "indexes": sorted(
                    (str(i["name"]), i["column_names"], bool(i["unique"])) for i in database.get_indexes(name)
                ),
                "unique": database.get_unique_constraints(name),
                "foreign": database.get_foreign_keys(name),
            }
            for name in database.get_table_names()
            if name not in versions.TECHNICAL
        }

    return await connection.run_sync(inspected)


# ---------------------------------------------------------------------- the data that the others rely on


def test_every_version_has_its_rows() -> None:
    assert sorted(path.stem for path in versions.FOLDER.iterdir()) == sorted(REVISIONS)


@each_version
async def test_the_rows_of_a_version_fill_all_its_tables_and_columns(empty_database_url: str, revision: str) -> None:
    rows = versions.read(revision)
    async with Database(empty_database_url) as database:
        await database.migrate(to=revision)
        async with database.read() as connection:
            tables = await versions.tables(connection)
    assert set(rows) == set(tables)
    for name, table in tables.items():
        for column in table.columns:
            assert any(row[column.name] is not None for row in rows[name]), f"{name}.{column.name} is in no row"
        assert all(set(row) == set(table.columns.keys()) for row in rows[name])
    assert {row["state"] for row in rows["jobs"]} == set(State)


# ---------------------------------------------------------------------- from there to here


@each_version
async def test_every_value_is_still_there_and_a_second_migration_changes_nothing(
    migrated_url: str, revision: str
) -> None:
    before = versions.read(revision)
    async with Database(migrated_url) as database:
        after, _, version = once = await contents(database)
        async with database.read() as connection:
            tables = await versions.tables(connection)
        await database.migrate()
        assert await contents(database) == once
    assert version == [REVISIONS[-1]]
    openings = {row["digest"]: row["midi"] for row in after["openings"]}
    for name, rows in before.items():
        key = tables[name].primary_key.columns.keys()
        now = {tuple(row[part] for part in key): row for row in after[name]}
        assert len(now) == len(rows)
        for row in rows:
            found = now[tuple(row[part] for part in key)]
            if "opening" in row:  # which stands in a table of its own since 0005
                found = found | {"opening": openings.get(found["opening_digest"], "")}
            assert {column: found[column] for column in row} == row
    assert len(set(openings.values())) == len(openings)


@each_version
async def test_the_tables_are_those_that_the_code_takes_them_for(migrated_url: str) -> None:
    async with Database(migrated_url) as database, database.write() as connection:
        there = await schema(connection)
        await connection.run_sync(metadata.drop_all)
        assert await schema(connection) == {}
        await connection.run_sync(metadata.create_all)
        expected = await schema(connection)
    bots = {"people", "presets", "guilds", "pieces", "openings", "hearings", "marks", "votes", "comparisons", "ballots"}
    assert {"jobs", "workers", "recordings", "losses"} | bots == set(expected)
    assert there == expected


# ---------------------------------------------------------------------- what the code makes of it


@each_version
async def test_jobs_of_every_version_can_be_read(migrated_url: str, revision: str) -> None:
    async with Database(migrated_url) as database:
        jobs = Jobs(database)
        for row in versions.read(revision)["jobs"]:
            job = await jobs.get(row["id"])
            assert isinstance(job, Job)
            assert {name: getattr(job, name) for name in vars(job)} == {name: row[name] for name in vars(job)}
            if job.kind is Kind.TRANSCRIBE:
                if job.state is State.DONE:
                    assert Performance.from_json(job.result or {}).to_json() == row["result"]
                else:
                    assert await jobs.recording(job) == b"OggS\x00\x02"
                continue
            assert (job.vocabulary == VOCABULARY.digest) == (revision >= SECOND_EDITION)
            if not job.payload or revision < SECOND_EDITION:  # forgotten, with the piece; or in words that none speaks
                continue
            request = Request.from_json(job.payload, VOCABULARY)
            now = json.loads(json.dumps(request.to_json()))
            assert {name: now[name] for name in row["payload"]} == row["payload"]
            if job.state is State.DONE:
                told = json.loads(json.dumps(Composed.from_json(job.result or {}).to_json()))
                assert {name: told[name] for name in row["result"]} == row["result"]
                assert Composed.from_json(told).words[-1].family == Family.END


@each_version
async def test_what_was_under_way_at_a_version_goes_on_where_it_was(migrated_url: str, revision: str) -> None:
    rows = {row["id"]: row for row in versions.read(revision)["jobs"]}
    async with Database(migrated_url) as database:
        jobs = Jobs(database)
        undelivered = [number for number, row in rows.items() if row["delivered_at"] is None]
        assert [job.id for job in await jobs.tend("bot", 100)] == undelivered

        wanted = [
            row
            for row in rows.values()
            if row["state"] == State.QUEUED or (row["state"] == State.RUNNING and not row["cancel_requested"])
        ]
        in_line = sorted(wanted, key=lambda row: (-row["priority"], row["turn"], row["id"]))
        (spoken,) = {row["vocabulary"] for row in rows.values() if row["kind"] == Kind.COMPOSE}
        for kind, language in ((Kind.COMPOSE, spoken), (Kind.TRANSCRIBE, PERFORMANCE)):
            claimed = []
            while some := await jobs.claim("worker", language, 100, kind):  # those that came back alone
                claimed += some
                for job in some:
                    assert await jobs.finish(job, {"words": []})
            mine = [row for row in in_line if row["kind"] == kind]
            assert [(job.id, job.attempt) for job in claimed] == [(row["id"], row["attempt"] + 1) for row in mine]
        assert all([await jobs.delivered(number, "bot") for number in undelivered])

        async with database.write() as connection:
            (new,) = await jobs.submit(connection, [Draft("new", "ann", VOCABULARY.digest, {}, bars=1)])
        assert new.id == max(rows) + 1
        assert await jobs.sweep(CENTURY_DAYS) == 0
        assert await jobs.sweep(1) == len(rows) - len(undelivered)


@pytest.mark.parametrize("revision", [revision for revision in REVISIONS if "pieces" in versions.read(revision)])
async def test_what_the_bot_remembers_from_every_version_can_be_read(migrated_url: str, revision: str) -> None:
    rows = versions.read(revision)
    async with Database(migrated_url) as database:
        storage = Storage(database)
        for row in rows["people"]:
            assert await storage.own_settings(row["id"]) == row["sampling"]
            expected = {(knob, name): value for knob, own in row["sampling"].items() for name, value in own.items()}
            found = (await storage.sampling(row["id"])).to_json()
            assert {(knob, name): found[knob][name] for knob, name in expected} == expected
        for row in rows["presets"]:
            assert await storage.preset(row["owner"], row["name"]) == SamplingParams.from_json(row["sampling"])
        for row in rows["guilds"]:
            assert await storage.guild(row["id"]) == Guild(
                row["in_line"], row["a_day"], tuple(row["channels"]), bool(row.get("votes", True))
            )
        for row in rows.get("comparisons", []):
            comparison = await storage.comparison(row["id"])
            assert comparison is not None
            assert {name: getattr(comparison, name) for name in row} == row
            votes = [vote["choice"] for vote in rows["ballots"] if vote["comparison"] == row["id"]]
            assert await storage.tell(row["id"]) == Counter(votes)
        for row in rows["marks"]:
            assert await storage.mark(row["name"]) == row["value"]
        for row in rows["pieces"]:
            piece = await storage.piece(row["id"])
            assert piece is not None
            assert (piece.title.raw, piece.parent, piece.receipt) == (row["title"], row["parent"], row["receipt"])
            assert piece.loves == sum(vote["piece"] == piece.id for vote in rows.get("votes", []))
            assert (piece.place.message, piece.place.token) == (row["message"], row["token"])
            assert json.loads(json.dumps(piece.sampling.to_json())) == row["sampling"]
            assert piece.task == row.get("task", {})
            assert json.loads(json.dumps(Order.doing(piece.task).task)) == piece.task
            asked = [row for row in rows.get("hearings", []) if row["id"] == piece.id]
            assert (piece.hearing is not None) == bool(asked)
            assert piece.heard == row.get("heard")
            if piece.hearing is not None:
                hearing = piece.hearing
                told = {"takes": hearing.takes, "seeded": hearing.seeded, "go": hearing.go}
                listening = {name: hearing.listening.to_json()[name] for name in asked[0]["listening"]}
                assert [{"id": piece.id, **told, "listening": listening}] == asked
            opening, midi = await storage.opening_of(piece.id), await storage.midi_of(piece.id)
            assert (opening is None) == (piece.deleted or (piece.hearing is not None and piece.heard is None))
            assert (midi is None) == (piece.receipt is None)
            if opening and midi:
                assert len(parse_midi(midi).notes) > len(parse_midi(opening).notes)
        owners = {row["owner"] for row in rows["pieces"]}
        listed = [piece.id for owner in owners for piece in await storage.pieces_of(owner, None)]
        assert sorted(listed) == [row["id"] for row in rows["pieces"] if not row["deleted"]]
        assert await storage.sweep(CENTURY_DAYS) == 0
        assert await storage.sweep(1) == len(rows["pieces"])
