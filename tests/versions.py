"""Rows as people's databases hold them at each version: tests/data/versions/REVISION.json.

    python tests/versions.py

writes the file of the newest version by letting the real parts work for a while. Do so once, when a version is added;
from then on the file stays as it is, for so do people's databases.

The file has {table: [{column: value}]}; JSON columns are JSON, bytes are base64.
"""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import torch
from alembic.script import ScriptDirectory
from engine_models import random_checkpoint
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage import Storage
from bot.storage.piece import Hearing, Place
from bot.storage.servers import Guild
from bot.storage.votes import Comparison, making_of
from bot.workshop import Answered, finish_piece, hear_performance, read_opening
from composer.database import MIGRATIONS, Database
from composer.engine.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from composer.line.jobs import Jobs
from composer.line.schema import PERCENT, PERFORMANCE, Draft, Job, Kind, State
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import Lost
from composer.order import Order
from composer.request import Composed, Request, packed
from composer.transcription.synchronise import Listening, performance_of
from composer.worker import Worker

FOLDER = Path(__file__).parent / "data" / "versions"
EXAMPLE = Path(__file__).parents[1] / "examples" / "opening.mid"
YEAR_SECONDS = 365 * 86400
TECHNICAL = {"alembic_version"}

Rows = dict[str, list[dict[str, Any]]]

ANN, BOB = 1129861458214412349, 80351110224678912
PLACE = Place(
    guild=613425648685547541,
    channel=613425648685547545,
    application=1311005463170842684,
    token="aW50ZXJhY3Rpb246MTMxMTAwNTQ2MzE3MDg0MjY4NDpleGFtcGxl" * 4,
    private=False,
    reachable=True,
    filesize_limit=10 * 2**20,
    language="en",
    message=1311010203455258654,
    by_webhook=True,
)


def revisions() -> list[str]:
    """All versions, the oldest first."""
    return [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]


def read(revision: str) -> Rows:
    rows: Rows = json.loads((FOLDER / f"{revision}.json").read_text())
    return rows


async def tables(connection: AsyncConnection) -> Mapping[str, sa.Table]:
    """As they are in the database now, whatever the code takes them for."""
    found = sa.MetaData()
    await connection.run_sync(found.reflect)
    return {name: table for name, table in sorted(found.tables.items()) if name not in TECHNICAL}


async def dump(connection: AsyncConnection) -> Rows:
    """Every row of every table."""
    rows: Rows = {}
    for name, table in (await tables(connection)).items():
        found = await connection.execute(sa.select(table).order_by(*table.primary_key))
        rows[name] = [{key: _text(value) for key, value in row._mapping.items()} for row in found]
    return rows


async def load(connection: AsyncConnection, rows: Rows) -> None:
    """Put the rows into the tables, as if they had been written there one after the other."""
    there = await tables(connection)
    for name, some in rows.items():
        for row in some:
            values = {key: _value(there[name].c[key], value) for key, value in row.items()}
            await connection.execute(sa.insert(there[name]).values(values))
    if connection.dialect.name == "postgresql":  # which does not count what comes with a number
        highest = max(row["id"] for row in rows["jobs"])
        await connection.execute(sa.text(f"SELECT setval(pg_get_serial_sequence('jobs', 'id'), {highest})"))


def _text(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _value(column: sa.Column[Any], value: Any) -> Any:
    if value is None:
        return sa.null()  # in a column of JSON too
    return base64.b64decode(value) if isinstance(column.type, sa.LargeBinary) else value


# ------------------------------------------------------------------ what the bot and a worker leave behind


class Life:
    """Some days of a bot with its worker, short of Discord."""

    def __init__(self, database: Database, checkpoint: Checkpoint) -> None:
        self.database, self.checkpoint = database, checkpoint
        self.jobs, self.storage = Jobs(database), Storage(database)
        self.asleep = Jobs(database, lease_seconds=-1.0, max_attempts=1)  # whose leases have always run out
        example = parse_midi(EXAMPLE.read_bytes())
        self.opening = dump_midi(example.excerpt(0, 2))
        self.asked = 1311010203455258000

    async def ask(
        self, user: int, bars: int, seed: int, place: Place = PLACE, task: Mapping[str, Any] | None = None, **more: Any
    ) -> Job:
        """What bot.intake does with an upload."""
        self.asked += 7919
        vocabulary = self.checkpoint.vocabulary
        sampling = await self.storage.sampling(user)
        order = Order.doing(task or {}, bars=bars, seed=seed, sampling=sampling)
        opened = read_opening(self.opening, order, vocabulary)
        payload = opened.requests[0].to_json()
        scope = str(place.guild or "")
        draft = Draft(f"{self.asked}:0", str(user), vocabulary.digest, payload, bars=bars, scope=scope)
        async with self.database.write() as connection:
            (job,) = await self.jobs.submit(connection, [draft], tender="bot-5ab9d1c05e7f")
            piece = {"parent": None, "title": "Für Elise (v2)", "program": 0} | more
            await self.storage.add_piece(
                connection,
                number=job.id,
                owner=user,
                opening=opened.midi,
                opening_bars=opened.bars,
                bars=bars,
                seed=seed,
                sampling=sampling,
                task=order.task,
                place=place,
                **piece,
            )
        return job

    async def compose(self) -> None:
        """A real worker, until nothing is in line."""
        worker = Worker(self.jobs, self.checkpoint, slots=2, device=torch.device("cpu"))
        worker.name = "worker-a-18-77aa01"  # as on any machine
        task = asyncio.create_task(worker.run())
        while (left := await self.jobs.statistics()).queued or left.running:
            await asyncio.sleep(0.1)
        worker.stop()
        await task

    async def deliver(self, job: Job) -> None:
        done = await self.jobs.get(job.id)
        piece = await self.storage.piece(job.id)
        opening = await self.storage.opening_of(job.id)
        assert done is not None
        assert piece is not None
        assert opening is not None
        if done.state is State.DONE:
            vocabulary = self.checkpoint.vocabulary
            request, composed = Request.from_json(done.payload, vocabulary), Composed.from_json(done.result or {})
            what = (opening, piece.opening_bars, request, composed, piece.program, piece.title.bare, piece.task)
            finished = finish_piece(Answered(*what), vocabulary)
            await self.storage.set_result(job.id, finished.midi, finished.receipt)
        if piece.place.message is None:
            await self.storage.set_posting(job.id)
            await self.storage.set_place(job.id, replace(piece.place, message=1311010203455258655 + job.id))
        assert await self.jobs.delivered(job.id, "bot-5ab9d1c05e7f")

    async def hum(self, user: int, hearing: Hearing, place: Place = PLACE) -> Job:
        """What bot.intake does with a recording."""
        self.asked += 7919
        sampling = await self.storage.sampling(user)
        about = {"vocabulary": PERFORMANCE, "payload": {}, "bars": PERCENT, "kind": Kind.TRANSCRIBE}
        draft = Draft(f"{self.asked}:ear", str(user), scope=str(place.guild or ""), recording=b"OggS\x00\x02", **about)
        async with self.database.write() as connection:
            (job,) = await self.jobs.submit(connection, [draft], tender="bot-5ab9d1c05e7f")
            await self.storage.add_piece(
                connection,
                number=job.id,
                owner=user,
                parent=None,
                title="voice-message",
                opening=None,
                opening_bars=0,
                bars=16,
                seed=4,
                program=0,
                sampling=sampling,
                task={},
                place=place,
                hearing=hearing,
            )
        return job

    async def hear(self, hummed: Job, hearing: Hearing) -> None:
        """What a listener does, and the bot with what was heard."""
        (job,) = await self.jobs.claim("worker-b-21-ab12cd-ear", PERFORMANCE, 1, Kind.TRANSCRIBE)
        assert job.id == hummed.id
        performance = performance_of(parse_midi(self.opening)).to_json()
        await self.jobs.finish(job, performance)
        card = hear_performance(performance, hearing.listening, "voice-message", Order().place)
        await self.storage.set_heard(job.id, card.midi, card.bars, card.heard, hearing.listening)
        assert await self.jobs.delivered(job.id, "bot-5ab9d1c05e7f")

    async def live(self) -> None:
        for user, value in ((ANN, 0.85), (BOB, 1.1)):
            await self.storage.set(user, "temperature", "pitch", value)
        await self.storage.save_preset(ANN, "calm")
        await self.storage.set(ANN, "top_p", "all", 0.9)
        await self.storage.save_preset(ANN, "Läuft 🎹")
        await self.storage.save_preset(BOB, "calm")
        await self.storage.set_guild(
            613425648685547541, Guild(4, 20, (613425648685547545, 613425648685547999), votes=False)
        )
        await self.storage.set_guild(41771983423143937, Guild())
        await self.storage.set_mark("commands:1311005463170842684", "9f86d081884c7d65" * 4)

        # Composed and posted; a variation of it over chords; one that only its owner sees, not posted yet; one that was
        # deleted.
        first = await self.ask(ANN, 4, 7, title="Ständchen 小夜曲", program=73, written=self.opening, lost=Lost(1, 3))
        chords = {"chords": (("Am", "F"), ("C",)), "key": "A minor", "amounts": (("density", "fuller"),), "from_bar": 4}
        again = await self.ask(BOB, 4, 8, replace(PLACE, message=None), chords, parent=first.id)
        private = await self.ask(ANN, 3, 999_999_999, replace(PLACE, private=True, reachable=False, language="zh"))
        deleted = await self.ask(ANN, 2, 2**53 - 5)
        await self.asleep.claim("worker-a-17-0b5c6e", self.checkpoint.vocabulary.digest, 1)  # killed at the first
        await self.compose()
        for job in (first, again, deleted):
            await self.deliver(job)
        await self.storage.delete_piece(deleted.id)
        await self.jobs.strip(deleted.id)
        assert (await self.jobs.progress([private.id]))[private.id].state is State.DONE

        # Loved; compared, one of which is told.
        for user in (ANN, BOB):
            await self.storage.love(first.id, user)
        await self.storage.love(again.id, BOB)
        for number, told in ((1311010203455258001, True), (1311010203455258002, False)):
            takes = [making_of(piece) for job in (first, again) if (piece := await self.storage.piece(job.id))]
            about = {"guild": PLACE.guild, "channel": PLACE.channel, "message": number + 1}
            await self.storage.add_comparison(Comparison(number, ANN, **about, a=takes[told], b=takes[not told]))
            assert await self.storage.choose(number, ANN, "a")
            assert await self.storage.choose(number, BOB, "b")
            if told:
                await self.storage.tell(number)

        # Given up, one by its worker; cancelled, one after it had begun.
        digest = self.checkpoint.vocabulary.digest
        unusable, hopeless, begun = [await self.ask(BOB, bars, bars) for bars in (5, 6, 7)]
        for job in await self.jobs.claim("worker-a-19-31f0de", digest, 1):
            await self.jobs.fail(job, "request")
        await self.asleep.claim("worker-a-19-31f0de", digest, 1)
        assert await self.asleep.claim("worker-a-20-c0ffee", digest, 0) == []
        (job,) = await self.jobs.claim("worker-a-20-c0ffee", digest, 1)
        await self.jobs.beat("worker-a-20-c0ffee", {job.id: 2})
        await self.jobs.cancel(job.id)
        await self.jobs.drop(job)
        waited = await self.ask(ANN, 8, 3)
        await self.jobs.cancel(waited.id)
        for job in (unusable, hopeless, begun, waited):
            await self.deliver(job)

        # Heard and shown; a recording whose listener was killed; one in line.
        await self.jobs.enlist("worker-b-21-ab12cd-ear", 1, PERFORMANCE, 5.5, Kind.TRANSCRIBE)
        played = Hearing(takes=2, seeded=True, listening=Listening(bpm=84.0, downbeat=3))
        await self.hear(await self.hum(ANN, played), played)
        await self.hum(BOB, Hearing(go=True, listening=Listening(accompany=False)))
        await self.hum(ANN, Hearing())
        await self.jobs.claim("worker-b-21-ab12cd-ear", PERFORMANCE, 1, Kind.TRANSCRIBE)

        # The machine went down while these were composed, one of them already unwanted, and the others in line.
        here = replace(PLACE, guild=None, channel=1311010203455259001, message=1311010203455259002)
        running, unwanted = await self.ask(ANN, 64, 11, here), await self.ask(BOB, 32, 12)
        await self.jobs.claim("worker-b-21-ab12cd", digest, 2)
        # One more that another worker died on.
        await self.ask(BOB, 6, 13)
        await self.asleep.claim("worker-a-22-dead00", digest, 1)
        await Jobs(self.database).claim("worker-c-4-5e6f70", digest, 1)
        so_far = {running.id: packed(Request.from_json(running.payload, self.checkpoint.vocabulary).words)}
        await self.jobs.beat("worker-b-21-ab12cd", {running.id: 17, unwanted.id: 3}, so_far)
        await self.jobs.cancel(unwanted.id)
        for seed in (21, 22):
            await self.ask(ANN, 16, seed)
        await self.ask(BOB, 16, 23)
        await self.jobs.enlist("worker-b-21-ab12cd", 4, digest, 5.125)
        await self.jobs.enlist("worker-c-4-5e6f70", 8, digest, None)


async def _live(folder: Path) -> Rows:
    model = random_checkpoint(seed=5)  # one that plays much
    save_checkpoint(folder / "tiny", model.model, model.vocabulary)
    async with Database(f"sqlite+aiosqlite:///{folder}/segue.db") as database:
        await database.migrate()
        await Life(database, load_checkpoint(folder / "tiny")).live()
        async with database.read() as connection:
            return await dump(connection)


def _aged(rows: Rows) -> Rows:
    """As if it had been a year ago, so that by every clock all leases have run out."""
    for row in (row for some in rows.values() for row in some):
        for name in row:
            if name.endswith(("_at", "_until")) and row[name] is not None:
                row[name] -= YEAR_SECONDS
    return rows


def _write(path: Path, rows: Rows) -> None:
    """A row a line, for the eyes of who reviews it."""
    parts = [
        f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(row) for row in some) + "\n]" for name, some in rows.items()
    ]
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        _write(FOLDER / f"{revisions()[-1]}.json", _aged(asyncio.run(_live(Path(name)))))
