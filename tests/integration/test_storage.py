"""What the bot remembers, on both engines: settings, presets, servers, pieces, and what is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from bot.errors import TooManyPresetsError
from bot.storage import Storage, people, pieces
from bot.storage import schema as tables
from bot.storage.people import MAX_PRESETS
from bot.storage.piece import Hearing, Place
from bot.storage.servers import Guild
from bot.storage.votes import Choice, Comparison, making_of
from composer.database import Database, metadata
from composer.errors import OutOfRangeError, SettingsError, UnknownNameError
from composer.line.jobs import Jobs
from composer.line.schema import DAY_SECONDS, Draft, Job
from composer.order import Order
from composer.sampling import KNOBS, SETTABLE, Nucleus, SamplingParams
from composer.transcription.synchronise import Listening

ANN, BOB = 2**63 - 1, 80351110224678912  # the largest that a snowflake can be, and a real one
TASK = {"chords": [["Am", "F"], ["C"]], "key": "A minor"}
PLACE = Place(
    guild=41771983423143937,
    channel=2**63 - 2,
    application=2**63 - 3,
    token="aW50ZXJhY3Rpb24" * 16,
    private=False,
    reachable=True,
    filesize_limit=2**29,
    language="zh",
    message=2**63 - 4,
)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Storage]:
    async with Database(url) as database:
        yield Storage(database)


ELSEWHERE = replace(PLACE, guild=1, channel=2)
LATER_PITCH, LATER_TEMPO = Nucleus(0.6, 0.7), Nucleus(0.1, 0.2)


@dataclass(frozen=True, slots=True)
class LaterParams(SamplingParams):
    """The defaults of another day."""

    pitch: Nucleus = LATER_PITCH
    tempo: Nucleus = LATER_TEMPO


# ---------------------------------------------------------------------- settings


async def test_one_setting_is_remembered_and_the_rest_are_the_defaults(database_url: str) -> None:
    async with opened(database_url) as storage:
        after = await storage.set(ANN, "temperature", "pitch", 0.5)
        assert after == SamplingParams().with_setting("temperature", "pitch", 0.5) == await storage.sampling(ANN)
        assert await storage.own_settings(ANN) == {"temperature": {"pitch": 0.5}}
        assert await storage.sampling(BOB) == SamplingParams()
        assert await storage.own_settings(BOB) == {}


async def test_settings_add_up_and_the_last_of_each_holds(database_url: str) -> None:
    async with opened(database_url) as storage:
        for knob, attribute, value in (
            ("temperature", "pitch", 0.5),
            ("top_p", "all", 0.8),
            ("temperature", "chord", 1.5),
            ("temperature", "pitch", 0.25),
            ("top_p", "tempo", 0.3),
        ):
            after = await storage.set(ANN, knob, attribute, value)
        expected = ["temperature.pitch=0.25", "temperature.chord=1.5", "top_p.all=0.8", "top_p.tempo=0.3"]
        assert after == SamplingParams().with_settings(expected) == await storage.sampling(ANN)


async def test_all_is_every_attribute_by_its_name(database_url: str) -> None:
    async with opened(database_url) as storage:
        await storage.set(ANN, "temperature", "all", 1.25)
        assert await storage.own_settings(ANN) == {"temperature": dict.fromkeys(SETTABLE, 1.25)}


async def test_what_was_set_survives_other_defaults_and_the_rest_follows_them(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database_url) as storage:
        await storage.set(ANN, "temperature", "pitch", SamplingParams().pitch.temperature)  # though it is the default
        await storage.set(ANN, "top_p", "all", 0.5)
        monkeypatch.setattr(people, "SamplingParams", LaterParams)
        found = await storage.sampling(ANN)
        assert found.pitch == Nucleus(SamplingParams().pitch.temperature, 0.5)
        assert found.tempo == Nucleus(LATER_TEMPO.temperature, 0.5)
        assert (await storage.set(ANN, "temperature", "chord", 0.4)).pitch == found.pitch
        assert await storage.sampling(BOB) == LaterParams()


async def test_two_at_the_same_time_lose_nothing(database_url: str) -> None:
    """The first settings of somebody as well, when there is no row yet to wait for."""
    async with opened(database_url) as here, opened(database_url) as there:
        changes = {(knob, name): 0.5 + number / 100 for number, (knob, name) in enumerate(product(KNOBS, SETTABLE))}
        for user in (ANN, BOB):
            both = ((here, there)[number % 2] for number in range(len(changes)))
            await asyncio.gather(
                *(each.set(user, *change, value) for each, (change, value) in zip(both, changes.items(), strict=True))
            )
            expected = {knob: {name: changes[knob, name] for name in SETTABLE} for knob in KNOBS}
            assert await here.own_settings(user) == expected


async def test_what_is_refused_changes_nothing(database_url: str) -> None:
    async with opened(database_url) as storage:
        before = await storage.set(ANN, "temperature", "pitch", 0.5)
        refused: tuple[tuple[tuple[str, str, float], type[SettingsError]], ...] = (
            (("temperature", "pitch", 2.5), OutOfRangeError),
            (("top_p", "all", 0.0), OutOfRangeError),
            (("temperature", "pich", 1.0), UnknownNameError),
            (("top_k", "pitch", 1.0), UnknownNameError),
        )
        for change, error in refused:
            with pytest.raises(error):
                await storage.set(ANN, *change)
            assert await storage.sampling(ANN) == before


async def test_a_reset_brings_the_defaults_back_to_one_person(database_url: str) -> None:
    async with opened(database_url) as storage:
        for user in (ANN, BOB):
            await storage.set(user, "temperature", "pitch", 0.5)
        await storage.reset(ANN)
        assert await storage.sampling(ANN) == SamplingParams() != await storage.sampling(BOB)


# ---------------------------------------------------------------------- presets


async def test_a_preset_is_the_settings_of_then(database_url: str) -> None:
    async with opened(database_url) as storage:
        calm = await storage.set(ANN, "temperature", "all", 0.5)
        await storage.save_preset(ANN, "calm")
        wild = await storage.set(ANN, "temperature", "all", 1.5)
        await storage.save_preset(ANN, "Wild 🎹")
        await storage.set(ANN, "top_p", "pitch", 0.1)
        assert await storage.preset(ANN, "calm") == calm
        assert await storage.preset(ANN, "Wild 🎹") == wild
        assert set(await storage.presets(ANN)) == {"calm", "Wild 🎹"}
        assert await storage.presets(BOB) == {}


async def test_loading_a_preset_replaces_the_settings(database_url: str) -> None:
    async with opened(database_url) as storage:
        await storage.set(ANN, "temperature", "pitch", 0.5)
        await storage.save_preset(ANN, "calm")
        await storage.reset(ANN)
        await storage.set(ANN, "top_p", "tempo", 0.3)
        loaded = await storage.load_preset(ANN, "calm")
        assert loaded == SamplingParams().with_setting("temperature", "pitch", 0.5) == await storage.sampling(ANN)


async def test_a_preset_of_no_settings_follows_the_defaults(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(database_url) as storage:
        await storage.save_preset(ANN, "usual")
        monkeypatch.setattr(people, "SamplingParams", LaterParams)
        assert await storage.load_preset(ANN, "usual") == LaterParams()


async def test_a_preset_is_saved_over_the_one_of_its_name_even_when_there_is_no_more_room(database_url: str) -> None:
    async with opened(database_url) as storage:
        for number in range(MAX_PRESETS):
            await storage.save_preset(ANN, f"{number}")
        loud = await storage.set(ANN, "temperature", "velocity", 1.5)
        await storage.save_preset(ANN, "7")
        assert await storage.preset(ANN, "7") == loud
        assert await storage.preset(ANN, "8") == SamplingParams()
        with pytest.raises(TooManyPresetsError) as full:
            await storage.save_preset(ANN, "one more")
        assert full.value.limit == MAX_PRESETS
        assert set(await storage.presets(ANN)) == {f"{number}" for number in range(MAX_PRESETS)}
        await storage.save_preset(BOB, "one more")
        await storage.delete_preset(ANN, "7")
        await storage.save_preset(ANN, "one more")


async def test_no_more_presets_than_there_is_room_for_are_saved_at_once(database_url: str) -> None:
    async with opened(database_url) as here, opened(database_url) as there:
        saves = [(here, there)[number % 2].save_preset(ANN, f"{number}") for number in range(MAX_PRESETS + 5)]
        results = await asyncio.gather(*saves, return_exceptions=True)
        assert [type(result) for result in results if result is not None] == [TooManyPresetsError] * 5
        assert len(await here.presets(ANN)) == MAX_PRESETS


async def test_an_unknown_preset_is_told_with_those_there_are(database_url: str) -> None:
    async with opened(database_url) as storage:
        mine = await storage.set(ANN, "temperature", "pitch", 0.5)
        for name in ("calm", "wild"):
            await storage.save_preset(ANN, name)
        await storage.save_preset(BOB, "clam")
        for attempt in (storage.preset, storage.load_preset, storage.delete_preset):
            with pytest.raises(UnknownNameError) as unknown:
                await attempt(ANN, "clam")
            assert (unknown.value.name, set(unknown.value.known)) == ("clam", {"calm", "wild"})
        assert await storage.sampling(ANN) == mine
        assert set(await storage.presets(BOB)) == {"clam"}


async def test_a_deleted_preset_is_gone_and_its_settings_stay(database_url: str) -> None:
    async with opened(database_url) as storage:
        mine = await storage.set(ANN, "temperature", "pitch", 0.5)
        for user, name in ((ANN, "calm"), (ANN, "wild"), (BOB, "calm")):
            await storage.save_preset(user, name)
        await storage.delete_preset(ANN, "calm")
        assert set(await storage.presets(ANN)) == {"wild"}
        assert set(await storage.presets(BOB)) == {"calm"}
        assert await storage.sampling(ANN) == mine


# ---------------------------------------------------------------------- servers


async def test_a_server_allows_what_was_last_said_and_everything_where_nothing_was_said(database_url: str) -> None:
    async with opened(database_url) as storage:
        assert await storage.guild(ANN) == Guild()
        for allowed in (Guild(3, 20, (2**63 - 1, 5)), Guild(None, 7, ()), Guild(votes=False), Guild()):
            await storage.set_guild(ANN, allowed)
            await storage.set_guild(BOB, Guild(1, 1, (1,)))
            assert await storage.guild(ANN) == allowed
            assert await storage.guild(BOB) == Guild(1, 1, (1,))
        assert await storage.guild(None) == Guild(), "a direct message"


# ---------------------------------------------------------------------- pieces


@dataclass(frozen=True)
class Desk:
    """Jobs and storage of one database, as the bot uses them together."""

    database: Database
    jobs: Jobs
    storage: Storage

    async def submit(self, owner: int = ANN, broken: bool = False, **changes: Any) -> Job:
        """A piece with its job, in one transaction; broken: which fails at its very end."""
        values: dict[str, Any] = {
            "parent": None,
            "title": "Ständchen",
            "opening": b"MThd\x00\xff opening",
            "opening_bars": 4,
            "bars": 8,
            "seed": 2**53 - 5,
            "program": 73,
            "sampling": SamplingParams().with_setting("top_p", "pitch", 0.5),
            "task": TASK,
            "place": PLACE,
        }
        async with self.database.write() as connection:
            key = f"{await connection.scalar(sa.select(sa.func.count()).select_from(tables.pieces))} of {owner}"
            draft = Draft(key, str(owner), "vocabulary", {"seed": 1}, bars=8)
            (job,) = await self.jobs.submit(connection, [draft], tender="bot")
            await self.storage.add_piece(connection, **({"number": job.id, "owner": owner} | values | changes))
            if broken:
                raise ZeroDivisionError
        return job

    async def finished(self, owner: int = ANN, **changes: Any) -> int:
        """The number of a piece that is composed and posted."""
        job = await self.submit(owner, **changes)
        await self.storage.set_result(job.id, b"MThd\x00\xff piece", {"bars": {"added": 8}})
        return job.id

    async def rows(self, table: str) -> int:
        async with self.database.read() as connection:
            found = await connection.scalar(sa.select(sa.func.count()).select_from(metadata.tables[table]))
        return found or 0

    async def openings(self) -> set[bytes]:
        """Those that are kept."""
        async with self.database.read() as connection:
            return set(await connection.scalars(sa.select(tables.openings.c.midi)))

    async def row(self, number: int) -> dict[str, Any]:
        async with self.database.read() as connection:
            found = await connection.execute(sa.select(tables.pieces).where(tables.pieces.c.id == number))
        return dict(found.one()._mapping)


@asynccontextmanager
async def desk(url: str) -> AsyncIterator[Desk]:
    async with Database(url) as database:
        yield Desk(database, Jobs(database), Storage(database))


async def test_a_piece_comes_back_as_it_was_asked_for(database_url: str) -> None:
    async with desk(database_url) as at:
        parent = await at.finished()
        job = await at.submit(parent=parent)
        piece = await at.storage.piece(job.id)
        assert piece is not None
        assert (piece.id, piece.owner, piece.parent, piece.title.raw) == (job.id, ANN, parent, "Ständchen")
        assert (piece.opening_bars, piece.bars, piece.seed, piece.program) == (4, 8, 2**53 - 5, 73)
        assert piece.sampling == SamplingParams().with_setting("top_p", "pitch", 0.5)
        assert Order.doing(piece.task) == Order.doing(TASK) == Order(chords=(("Am", "F"), ("C",)), key="A minor")
        assert (piece.first_new, piece.all_bars) == (4, 12)
        assert piece.place == PLACE
        assert (piece.receipt, piece.posting_at, piece.deleted) == (None, None, False)
        assert 0 <= piece.asked_at - job.submitted_at < 60
        assert await at.storage.opening_of(job.id) == b"MThd\x00\xff opening"
        assert await at.storage.midi_of(job.id) is None
        assert await at.storage.piece(job.id + 1) is None
        assert await at.storage.opening_of(job.id + 1) is None


@pytest.mark.parametrize(("task", "first"), [({"redo": [2, 3]}, 1), ({"accompany": True}, 0)])
async def test_what_is_composed_inside_of_a_piece_makes_it_no_longer(
    database_url: str, task: dict[str, Any], first: int
) -> None:
    async with desk(database_url) as at:
        piece = await at.storage.piece((await at.submit(task=task)).id)
        assert piece is not None
        assert (piece.first_new, piece.all_bars) == (first, 4)


async def test_the_settings_of_a_piece_do_not_follow_the_defaults(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(database_url) as at:
        job = await at.submit(sampling=SamplingParams())
        monkeypatch.setattr(pieces, "SamplingParams", LaterParams)
        piece = await at.storage.piece(job.id)
        assert piece is not None
        assert piece.sampling.to_json() == SamplingParams().to_json()


async def test_there_is_no_piece_without_its_job_and_no_job_without_its_piece(database_url: str) -> None:
    async with desk(database_url) as at:
        with contextlib.suppress(ZeroDivisionError):
            await at.submit(broken=True)
        assert (await at.rows("jobs"), await at.rows("pieces")) == (0, 0)
        first = await at.submit()
        with pytest.raises(IntegrityError):
            await at.submit(number=first.id)
        assert (await at.rows("jobs"), await at.rows("pieces")) == (1, 1)


async def test_what_happens_to_a_piece_is_remembered(database_url: str) -> None:
    async with desk(database_url) as at:
        job, other = await at.submit(), await at.submit()
        before = await at.storage.piece(job.id)
        untouched = await at.storage.piece(other.id)
        assert before is not None
        await at.storage.set_place(job.id, replace(PLACE, channel=123, message=456, by_webhook=True))
        assert await at.storage.set_result(job.id, b"\x00midi", {"seed": 1, "key": {"opening": None}})
        assert await at.storage.set_posting(job.id)
        after = await at.storage.piece(job.id)
        assert after is not None
        assert after.posting_at is not None
        assert 0 <= after.posting_at - before.asked_at < 60
        assert after == replace(
            before,
            place=replace(PLACE, channel=123, message=456, by_webhook=True),
            receipt={"seed": 1, "key": {"opening": None}},
            posting_at=after.posting_at,
        )
        assert await at.storage.midi_of(job.id) == b"\x00midi"
        assert await at.storage.piece(other.id) == untouched
        assert await at.storage.midi_of(other.id) is None


async def test_a_link_leads_to_the_message_that_others_can_open(database_url: str) -> None:
    links: tuple[tuple[dict[str, Any], str | None], ...] = (
        ({}, f"https://discord.com/channels/{PLACE.guild}/{PLACE.channel}/{PLACE.message}"),
        ({"guild": None}, f"https://discord.com/channels/@me/{PLACE.channel}/{PLACE.message}"),
        ({"message": None}, None),
        ({"private": True}, None),
    )
    async with desk(database_url) as at:
        for changes, link in links:
            number = await at.finished(place=replace(PLACE, **changes))
            piece = await at.storage.piece(number)
            assert piece is not None
            assert piece.link == link
            await at.storage.delete_piece(number)
            deleted = await at.storage.piece(number)
            assert deleted is not None
            assert deleted.link is None


async def test_a_deleted_piece_keeps_its_place_in_history_and_none_of_its_music(database_url: str) -> None:
    async with desk(database_url) as at:
        number, other = await at.finished(), await at.finished()
        await at.storage.delete_piece(number)
        piece = await at.storage.piece(number)
        assert piece is not None
        assert piece.deleted
        assert await at.storage.opening_of(number) is None
        assert await at.storage.midi_of(number) is None
        row = await at.row(number)
        assert (row["opening_digest"], row["midi"], row["receipt"], row["token"]) == (None, None, None, None)
        assert await at.storage.midi_of(other) == b"MThd\x00\xff piece"


async def test_a_piece_deleted_while_it_is_rendered_stays_without_music(database_url: str) -> None:
    async with desk(database_url) as at:
        job = await at.submit()
        await at.storage.delete_piece(job.id)
        assert not await at.storage.set_result(job.id, b"MThd late", {"late": True})
        assert not await at.storage.set_posting(job.id)
        row = await at.row(job.id)
        assert (row["opening_digest"], row["midi"], row["receipt"], row["deleted"]) == (None, None, None, True)


async def test_pieces_are_listed_the_newest_first(database_url: str) -> None:
    async with desk(database_url) as at:
        mine = []
        for owner in (ANN, BOB, ANN, ANN, BOB, ANN):
            number = await at.finished(owner)
            mine += [number] if owner == ANN else []
        await at.storage.delete_piece(mine[1])
        expected = [mine[3], mine[2], mine[0]]
        assert [piece.id for piece in await at.storage.pieces_of(ANN, None)] == expected
        assert [piece.id for piece in await at.storage.pieces_of(ANN, 2)] == expected[:2]
        assert await at.storage.pieces_of(5, None) == []


# ---------------------------------------------------------------------- openings


async def test_pieces_that_begin_alike_share_their_opening(database_url: str) -> None:
    async with desk(database_url) as at:
        takes = [await at.submit(opening=b"MThd mine") for _ in range(4)]
        again, theirs = await at.submit(BOB, opening=b"MThd mine"), await at.submit(BOB, opening=b"MThd theirs")
        assert await at.rows("openings") == 2
        for job in (*takes, again):
            assert await at.storage.opening_of(job.id) == b"MThd mine"
        assert await at.storage.opening_of(theirs.id) == b"MThd theirs"


@pytest.mark.parametrize("how", ["delete", "replace", "forget", "sweep"])
async def test_an_opening_goes_with_the_last_piece_that_begins_with_it(database_url: str, how: str) -> None:
    async with desk(database_url) as at:
        first, last = await at.submit(opening=b"MThd mine"), await at.submit(BOB, opening=b"MThd mine")
        await at.submit(5, opening=b"MThd theirs")
        for job, owner, left in ((first, ANN, {b"MThd mine", b"MThd theirs"}), (last, BOB, {b"MThd theirs"})):
            async with at.database.write() as connection:
                if how == "replace":
                    await at.storage.replace(connection, job.id)
                if how == "forget":
                    await at.storage.forget(connection, owner)
                if how == "sweep":
                    aged = sa.update(tables.pieces).where(tables.pieces.c.id == job.id)
                    await connection.execute(aged.values(asked_at=0.0))
            if how == "delete":
                await at.storage.delete_piece(job.id)
            if how == "sweep":
                await at.storage.sweep(90)
            assert await at.storage.opening_of(job.id) is None
            assert await at.openings() == left


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("how", ["delete", "forget", "sweep"])
async def test_an_opening_that_has_gone_is_in_no_file_of_sqlite(database_url: str, how: str) -> None:
    path = Path(database_url.removeprefix("sqlite+aiosqlite:///"))

    def found() -> bool:
        return any(b"MThd in private" in file.read_bytes() for file in path.parent.glob(f"{path.name}*"))

    async with desk(database_url) as at:
        job = await at.submit(opening=b"MThd in private " * 1000)
        assert found()
        if how == "delete":
            await at.storage.delete_piece(job.id)
        elif how == "forget":
            async with at.database.write() as connection:
                await at.storage.forget(connection, ANN)
        else:
            assert await at.storage.sweep(-1) == 1
        assert not found()


async def test_an_opening_that_is_put_into_other_bars_takes_the_place_of_the_first(database_url: str) -> None:
    async with desk(database_url) as at:
        job = await at.submit(opening=None, opening_bars=0, hearing=HEARING)
        for midi in (b"MThd slow", b"MThd fast", b"MThd fast"):
            assert await at.storage.set_heard(job.id, midi, 6, HEARD, Listening())
            assert await at.openings() == {midi}


async def test_an_opening_stays_for_a_piece_that_comes_while_the_last_one_goes(database_url: str) -> None:
    async with desk(database_url) as at:
        for _ in range(10):
            old = await at.submit(opening=b"MThd mine")
            _, new = await asyncio.gather(at.storage.delete_piece(old.id), at.submit(opening=b"MThd mine"))
            assert await at.storage.opening_of(new.id) == b"MThd mine"
            await at.storage.delete_piece(new.id)
            assert await at.openings() == set()


# ---------------------------------------------------------------------- recordings

HEARD = {"kind": "melody", "tempo": 84.5, "key": "A minor", "bars": 6, "notes": 31, "accompanied": True}
HEARING = Hearing(takes=3, seeded=True, go=True, listening=Listening(bpm=84.0, downbeat=2, accompany=False))
UNHEARD: dict[str, Any] = {"opening": None, "opening_bars": 0, "hearing": HEARING}


async def test_a_recording_comes_back_with_what_it_is_to_become_and_what_was_heard(database_url: str) -> None:
    async with desk(database_url) as at:
        job, piece = await at.submit(**UNHEARD), await at.submit()
        found = await at.storage.piece(job.id)
        assert found is not None
        assert (found.hearing, found.heard, found.opening_bars) == (HEARING, None, 0)
        plain = await at.storage.piece(piece.id)
        assert plain is not None
        assert (plain.hearing, plain.heard) == (None, None)
        slower = Listening(bpm=42.25)
        assert await at.storage.set_heard(job.id, b"MThd heard", 6, HEARD, slower)
        found = await at.storage.piece(job.id)
        assert found is not None
        assert (found.heard, found.opening_bars) == (HEARD, 6)
        assert found.hearing == replace(HEARING, listening=slower)
        assert await at.storage.opening_of(job.id) == b"MThd heard"
        assert [each.hearing for each in await at.storage.pieces_of(ANN, None)] == [None, found.hearing]


async def test_pieces_take_over_the_message_of_a_recording_with_its_age(database_url: str) -> None:
    async with desk(database_url) as at:
        job = await at.submit(**UNHEARD)
        await at.storage.set_heard(job.id, b"MThd heard", 6, HEARD, Listening())
        before = await at.storage.piece(job.id)
        assert before is not None
        heir = await at.submit(asked_at=before.asked_at - 500, heard=HEARD)
        async with at.database.write() as connection:
            await at.storage.replace(connection, job.id)
        piece, gone = await at.storage.piece(heir.id), await at.storage.piece(job.id)
        assert piece is not None
        assert gone is not None
        assert (piece.place, piece.heard, piece.asked_at) == (before.place, HEARD, before.asked_at - 500)
        assert (gone.deleted, gone.heard, gone.place.message, gone.place.token) == (True, None, None, None)
        assert not await at.storage.set_heard(job.id, b"MThd late", 6, HEARD, Listening())
        assert await at.openings() == {b"MThd\x00\xff opening"}
        assert [each.id for each in await at.storage.pieces_of(ANN, None)] == [heir.id]


async def test_of_a_deleted_recording_nothing_is_kept_that_was_heard(database_url: str) -> None:
    async with desk(database_url) as at:
        job = await at.submit(**UNHEARD)
        await at.storage.set_heard(job.id, b"MThd heard", 6, HEARD, Listening())
        await at.storage.delete_piece(job.id)
        row = await at.row(job.id)
        assert (row["opening_digest"], row["heard"], row["token"]) == (None, None, None)
        assert await at.openings() == set()


@pytest.mark.parametrize("how", ["forget", "sweep"])
async def test_what_a_recording_was_to_become_goes_with_it(database_url: str, how: str) -> None:
    async with desk(database_url) as at:
        mine, theirs = await at.submit(**UNHEARD), await at.submit(BOB, **UNHEARD)
        async with at.database.write() as connection:
            if how == "forget":
                await at.storage.forget(connection, ANN)
            else:
                aged = sa.update(tables.pieces).where(tables.pieces.c.id == mine.id)
                await connection.execute(aged.values(asked_at=0.0))
        if how == "sweep":
            assert await at.storage.sweep(90) == 1
        assert (await at.rows("hearings"), await at.rows("pieces")) == (1, 1)
        kept = await at.storage.piece(theirs.id)
        assert kept is not None
        assert kept.hearing == HEARING


# ---------------------------------------------------------------------- votes


async def vote(at: Desk) -> None:
    """Both persons for the newest piece of both, and in a comparison of each."""
    for number, owner in ((2**62, ANN), (2**62 + 1, BOB)):
        (piece, *_) = await at.storage.pieces_of(owner, None)
        await at.storage.add_comparison(Comparison(number, owner, None, 5, 6, making_of(piece), making_of(piece)))
        for person in (ANN, BOB):
            await at.storage.love(piece.id, person)
            assert await at.storage.choose(number, person, "b")


async def test_a_heart_is_given_once_and_taken_back(database_url: str) -> None:
    async with desk(database_url) as at:
        number, other = await at.finished(), await at.finished()
        loves = [await at.storage.love(number, person) for person in (ANN, BOB, ANN, BOB, BOB)]
        assert loves == [1, 2, 1, 0, 1]
        assert await at.storage.love(other, BOB) == 1
        piece = await at.storage.piece(number)
        assert piece is not None
        assert piece.loves == 1


async def test_the_most_loved_are_those_that_others_can_open(database_url: str) -> None:
    async with desk(database_url) as at:
        twice, once, later = [await at.finished() for _ in range(3)]
        private, elsewhere = await at.finished(place=replace(PLACE, private=True)), await at.finished(place=ELSEWHERE)
        gone, unloved = await at.finished(), await at.finished()
        for number in (twice, once, later, private, elsewhere, gone):
            await at.storage.love(number, ANN)
        for number in (twice, private, gone):
            await at.storage.love(number, BOB)
        await at.storage.delete_piece(gone)
        loved = await at.storage.loved(PLACE.guild or 0, 10)
        assert [(piece.id, piece.loves) for piece in loved] == [(twice, 2), (later, 1), (once, 1)]
        assert [piece.id for piece in await at.storage.loved(PLACE.guild or 0, 1)] == [twice]
        assert unloved not in [piece.id for piece in loved]
        assert await at.rows("votes") == 7, "those of the deleted piece are gone"
        await at.storage.sweep(-1)
        assert await at.rows("votes") == 0


async def test_one_vote_a_person_counts_in_a_comparison_until_it_is_told(database_url: str) -> None:
    async with desk(database_url) as at:
        first, second = [await at.storage.piece(await at.finished()) for _ in range(2)]
        assert first is not None
        assert second is not None
        comparison = Comparison(2**63 - 1, ANN, None, 5, 6, making_of(first), making_of(second))
        await at.storage.add_comparison(comparison)
        assert await at.storage.comparison(comparison.id) == comparison
        assert await at.storage.comparisons_of(ANN) == [comparison]
        votes: tuple[tuple[int, Choice], ...] = ((ANN, "a"), (BOB, "a"), (ANN, "b"), (5, "b"))
        for person, choice in votes:
            assert await at.storage.choose(comparison.id, person, choice)
        assert await at.storage.tell(comparison.id) == {"a": 1, "b": 2}
        assert await at.storage.comparison(comparison.id) == replace(comparison, told=True)
        assert not await at.storage.choose(comparison.id, ANN, "a")
        assert not await at.storage.choose(5, ANN, "a")
        assert await at.storage.tell(comparison.id) == {"a": 1, "b": 2}
        await at.storage.delete_comparison(comparison.id)
        assert [await at.rows(table) for table in ("comparisons", "ballots")] == [0, 0]


async def test_takes_of_one_opening_are_found_the_newest_first(database_url: str) -> None:
    async with desk(database_url) as at:
        assert await at.storage.takes_of(ANN) == []
        first, second = await at.finished(), await at.finished()
        alone = await at.finished(opening=b"another")
        hidden = [await at.finished(opening=b"hidden", place=replace(PLACE, private=True)) for _ in range(2)]
        await at.finished(BOB)
        await at.submit()
        assert [piece.id for piece in await at.storage.takes_of(ANN)] == [second, first]
        assert [piece.id for piece in await at.storage.takes_of(ANN, alone)] == [alone]
        assert [piece.id for piece in await at.storage.takes_of(ANN, hidden[0])] == hidden[::-1]


# ---------------------------------------------------------------------- branches


async def test_branches_come_with_what_they_came_from_and_no_more_than_asked_for(database_url: str) -> None:
    async with desk(database_url) as at:
        theirs = await at.finished(BOB)
        first = await at.finished(parent=theirs)
        deleted = await at.finished(parent=first)
        last = await at.finished(parent=deleted)
        await at.finished(place=ELSEWHERE)
        await at.submit(parent=last)
        await at.finished(BOB, parent=last)
        await at.storage.delete_piece(deleted)
        here = PLACE.channel
        for count, expected in ((40, [theirs, first, deleted, last]), (2, [deleted, last]), (1, [last])):
            found, all_of_them = await at.storage.branches_of(ANN, here, count)
            assert [piece.id for piece in found] == expected
            assert all_of_them == 2
        unheard, hummed = await at.submit(**UNHEARD), await at.submit(**UNHEARD)
        await at.storage.set_heard(hummed.id, b"MThd\x00\xff heard", 2, {"kind": "voice"}, Listening())
        found, all_of_them = await at.storage.branches_of(ANN, None, 40)
        assert (len(found), all_of_them) == (6, 4)
        assert [piece.id for piece in found if piece.hearing] == [hummed.id] != [unheard.id]
        assert await at.storage.branches_of(ANN, 1, 40) == ([], 0)


# ---------------------------------------------------------------------- privacy


async def test_to_forget_somebody_leaves_other_peoples_rows(database_url: str) -> None:
    async with desk(database_url) as at:
        for user in (ANN, BOB):
            await at.storage.set(user, "temperature", "all", 0.5)
            await at.storage.save_preset(user, "calm")
            await at.storage.delete_piece(await at.finished(user))
            await at.finished(user)
        await at.storage.set_guild(41771983423143937, Guild(2, 3, ()))
        await vote(at)
        bobs = await at.storage.pieces_of(BOB, None)
        assert [piece.loves for piece in bobs] == [2]
        assert await at.storage.kept_of(ANN) == await at.storage.kept_of(BOB) == (len(SETTABLE), 1, 2, 4)
        async with at.database.write() as connection:
            await at.jobs.forget(connection, str(ANN))
            await at.storage.forget(connection, ANN)
        assert await at.storage.kept_of(ANN) == (0, 0, 0, 0)
        assert [await at.rows(table) for table in ("people", "presets", "pieces", "jobs")] == [1, 1, 2, 2]
        assert [await at.rows(table) for table in ("votes", "comparisons", "ballots")] == [1, 1, 1]
        assert await at.storage.kept_of(BOB) == (len(SETTABLE), 1, 2, 2)
        assert await at.storage.pieces_of(BOB, None) == [replace(piece, loves=1) for piece in bobs]
        assert await at.storage.guild(41771983423143937) == Guild(2, 3, ())


async def test_a_forgotten_person_is_all_there_or_all_gone(database_url: str) -> None:
    async with desk(database_url) as at:
        await at.storage.set(ANN, "temperature", "pitch", 0.5)
        number = await at.finished()
        with contextlib.suppress(ZeroDivisionError):
            async with at.database.write() as connection:
                await at.jobs.forget(connection, str(ANN))
                await at.storage.forget(connection, ANN)
                raise ZeroDivisionError
        assert await at.storage.kept_of(ANN) == (1, 0, 1, 0)
        assert await at.jobs.get(number) is not None


async def test_a_sweep_takes_the_pieces_that_are_older_than_they_are_kept(database_url: str) -> None:
    async with desk(database_url) as at:
        old, older, new = [await at.finished() for _ in range(3)]
        async with at.database.write() as connection:
            for number, days in ((old, 91), (older, 400), (new, 89)):
                aged = sa.update(tables.pieces).where(tables.pieces.c.id == number)
                await connection.execute(aged.values(asked_at=tables.pieces.c.asked_at - days * DAY_SECONDS))
        assert await at.storage.sweep(90) == 2
        assert [piece.id for piece in await at.storage.pieces_of(ANN, None)] == [new]
        assert await at.storage.sweep(90) == 0


# ---------------------------------------------------------------------- marks


async def test_a_mark_holds_what_was_last_written_under_its_name(database_url: str) -> None:
    async with opened(database_url) as storage:
        assert await storage.mark("commands:1") is None
        for value in ("a" * 64, "b" * 64):
            await storage.set_mark("commands:1", value)
            await storage.set_mark("commands:2", "other")
            assert await storage.mark("commands:1") == value
        assert await storage.mark("commands:2") == "other"
