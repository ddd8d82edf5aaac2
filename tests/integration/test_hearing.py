"""From a recording in the table to what its sender sees, with all real parts but a worker and Discord."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import sqlalchemy as sa
from recordings import silence, song

from bot import tidings as module
from bot.attendance import Attendance
from bot.desk.buttons import Act
from bot.errors import GoneError, NobodyListensError
from bot.intake import Ask, Intake, order_of
from bot.letters import Letter
from bot.messages import Stranger, describe, say
from bot.storage import Storage
from bot.storage.piece import Hearing, Piece, Place
from bot.storage.servers import Guild
from bot.studio import Studio
from composer.database import Database
from composer.errors import LineFullError, NotAudioError, NothingPlayedError, OutOfRangeError, to_reason
from composer.line.asking import Limits
from composer.line.jobs import Jobs
from composer.line.schema import PERFORMANCE, Job, Kind, State
from composer.line.schema import jobs as jobs_table
from composer.music.words import default_vocabulary
from composer.order import Order
from composer.telemetry import Exposition
from composer.transcription.synchronise import Listening, performance_of

PATIENCE = 60.0  # seconds that no test needs
VOCABULARY = default_vocabulary()
ANN, GUILD = 7, 70
PLACE = Place(GUILD, 71, 72, "token", False, True, 10 * 2**20, "en", message=73)
PERFORMED = replace(performance_of(song(8)), kind="piano").to_json()
RIGHT = Listening(bpm=100, downbeat=1)
WAVE = silence(1, "-f", "wav", "-")


@dataclass
class Desk:
    """Delivery's place: every message as it is now, by its piece."""

    letters: dict[int, list[Letter]] = field(default_factory=dict)

    async def show(self, piece: Piece, letter: Letter) -> Piece:
        self.letters.setdefault(piece.id, []).append(letter)
        return piece

    post = show

    def last(self, piece: Piece) -> Letter | None:
        return self.letters.get(piece.id, [None])[-1]


@dataclass
class Scene:
    jobs: Jobs
    storage: Storage
    desk: Desk
    intake: Intake
    attendance: Attendance

    async def hum(self, hearing: Hearing, key: str = "hum") -> Piece:
        ask = Ask(key, ANN, PLACE, Stranger("hum"), Order(4, hearing.takes, 5))
        return await self.intake.listen(ask, b"OggS", hearing)

    async def heard(self, result: dict[str, Any] | None = None, refusal: str | None = None) -> Job:
        """What a listener does."""
        (job,) = await self.jobs.claim("ear", PERFORMANCE, 1, Kind.TRANSCRIBE)
        if refusal is None:
            await self.jobs.finish(job, result or PERFORMED)
        else:
            await self.jobs.fail(job, refusal)
        return job

    async def until(self, piece: Piece, wanted: Callable[[Letter], object]) -> Letter:
        async with asyncio.timeout(PATIENCE):
            while not ((letter := self.desk.last(piece)) and wanted(letter)):
                await asyncio.sleep(0.02)
        return letter

    async def delivered(self, number: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while not ((job := await self.jobs.get(number)) and job.delivered_at):
                await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    shared = Studio(VOCABULARY)
    yield shared
    asyncio.run(shared.close())


@asynccontextmanager
async def running(url: str, studio: Studio, limits: Limits | None = None) -> AsyncIterator[Scene]:
    """A bot until the block ends; there may be one after the other on a database."""
    async with Database(url) as database:
        desk, jobs, storage = Desk(), Jobs(database), Storage(database)
        intake = Intake(database, jobs, storage, studio, limits or Limits(in_line_anywhere=9, a_day_anywhere=9))
        attendance = Attendance(
            database,
            jobs,
            storage,
            studio,
            desk,  # type: ignore[arg-type]
            intake,
            Exposition(),
        )
        task = asyncio.create_task(attendance.run())
        try:
            yield Scene(jobs, storage, desk, intake, attendance)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_what_was_heard_is_shown_and_asked_about(database_url: str, studio: Studio) -> None:
    async with running(database_url, studio) as at:
        piece = await at.hum(Hearing(takes=2, listening=RIGHT))
        await at.until(piece, lambda letter: letter.acts == (Act.CANCEL,))
        await at.heard()
        letter = await at.until(piece, lambda letter: letter.files)
        assert list(letter.files or {}) == ["hum.mid", "hum.png"]
        assert letter.acts == (Act.GO, Act.HALF, Act.DOUBLE, Act.DELETE)
        assert say("en", "heard_right", bars=4) in letter.text
        await at.delivered(piece.id)
        shown = await at.storage.piece(piece.id)
        assert shown is not None
        assert shown.heard is not None
        assert f"{shown.heard['notes']} notes" in letter.text

        # Gone on twice: as it was asked for, from what is heard now, each time with other seeds.
        requests = []
        for key in ("first", "second"):
            ask = Ask(key, ANN, PLACE, Stranger("hum"), order_of(shown), parent=piece.id, heard=shown.heard)
            pieces = await at.intake.compose_again(ask, shown)
            requests += [(each.bars, each.opening_bars, each.heard) for each in pieces]
            assert len({each.seed for each in pieces}) == 2
        assert requests == [(4, shown.opening_bars, shown.heard)] * 4
        assert len({each.seed for each in await at.storage.pieces_of(ANN, None)}) == 5


async def test_the_tempo_can_be_halved_and_doubled_without_a_new_transcription(
    database_url: str, studio: Studio
) -> None:
    async with running(database_url, studio) as at:
        piece = await at.hum(Hearing(listening=replace(RIGHT, accompany=False)))
        await at.heard()
        await at.delivered(piece.id)
        tempos = []
        for factor in (0.5, 2.0, 2.0):
            shown = await at.storage.piece(piece.id)
            assert shown is not None
            letter = await at.attendance.hear_again(shown, factor)
            changed = await at.storage.piece(piece.id)
            assert changed is not None
            assert changed.heard is not None
            assert changed.hearing is not None
            assert changed.hearing.listening.accompany is False
            assert f"{changed.heard['tempo']:.0f} BPM" in letter.text
            tempos.append(changed.heard["tempo"])
        assert tempos == pytest.approx([50, 100, 200], rel=0.05)
        assert letter.acts == (Act.GO, Act.HALF, Act.DELETE), "400 is no tempo"
        with pytest.raises(OutOfRangeError):
            await at.attendance.hear_again(changed, 2.0)
        await at.storage.delete_piece(piece.id)
        await at.jobs.strip(piece.id)
        with pytest.raises(GoneError):
            await at.attendance.hear_again(changed, 0.5)


async def test_with_go_the_pieces_have_the_message(database_url: str, studio: Studio) -> None:
    async with running(database_url, studio) as at:
        piece = await at.hum(Hearing(takes=2, seeded=True, go=True, listening=RIGHT))
        await at.heard()
        await at.delivered(piece.id)
        second, first = await at.storage.pieces_of(ANN, None)
        assert [(each.seed, each.place.message) for each in (first, second)] == [(5, PLACE.message), (6, None)]
        assert first.heard is not None
        assert (first.asked_at, first.heard["notes"]) == (piece.asked_at, len(PERFORMED["notes"]))
        job = await at.jobs.get(piece.id)
        assert job is not None
        assert (job.state, job.result) == (State.DONE, None), "what was heard is in the pieces alone"


async def test_a_bot_that_dies_between_going_on_and_saying_so_makes_no_piece_twice(
    database_url: str, studio: Studio
) -> None:
    async with running(database_url, studio) as at:
        piece = await at.hum(Hearing(go=True, listening=RIGHT))
        await at.heard()
        await at.delivered(piece.id)
        made = [each.id for each in await at.storage.pieces_of(ANN, None)]
        async with at.jobs.database.write() as connection:
            undone = sa.update(jobs_table).where(jobs_table.c.id == piece.id)
            await connection.execute(undone.values(delivered_at=None, tender=None, result=PERFORMED))
    async with running(database_url, studio) as at:
        await at.delivered(piece.id)
        assert [each.id for each in await at.storage.pieces_of(ANN, None)] == made
        assert at.desk.last(piece) is None
        job = await at.jobs.get(piece.id)
        assert job is not None
        assert job.result is None


async def test_where_the_line_is_full_what_was_heard_is_shown_instead(database_url: str, studio: Studio) -> None:
    async with running(database_url, studio, Limits(a_day_anywhere=1)) as at:
        piece = await at.hum(Hearing(go=True, listening=RIGHT))
        await at.heard()
        letter = await at.until(piece, lambda letter: letter.files)
        assert describe(LineFullError("a_day", 1, None, 86400), "en").partition(".")[0] in letter.text
        assert Act.GO in letter.acts


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        (to_reason(NothingPlayedError("noise")), describe(NothingPlayedError("noise"), "en")),
        ("time", say("en", "not_transcribed")),
        ("attempts", say("en", "not_transcribed")),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_was_not_heard_has_its_sentence(
    database_url: str, studio: Studio, refusal: str, sentence: str
) -> None:
    async with running(database_url, studio) as at:
        piece = await at.hum(Hearing(go=True))
        await at.heard(refusal=refusal)
        letter = await at.until(piece, lambda letter: sentence in letter.text)
        assert letter.acts == (Act.DELETE,)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_two_notes_are_no_opening(database_url: str, studio: Studio) -> None:
    async with running(database_url, studio) as at:
        piece = await at.hum(Hearing())
        await at.heard(PERFORMED | {"notes": PERFORMED["notes"][:2]})
        letter = await at.until(piece, lambda letter: letter.acts == (Act.DELETE,))
        assert "notes" in letter.text
        await at.delivered(piece.id)


async def test_a_recording_that_nobody_comes_for_is_given_back(
    database_url: str, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEAF_SECONDS", 0.3)
    monkeypatch.setattr(module, "NEWS_SECONDS", 0.1)
    async with running(database_url, studio) as at:
        await at.jobs.enlist("worker", 4, VOCABULARY.digest, 5.0)
        with pytest.raises(NobodyListensError):
            await at.intake.check("check", ANN, GUILD, WAVE)
        piece = await at.hum(Hearing())
        letter = await at.until(piece, lambda letter: letter.acts == (Act.DELETE,))
        assert say("en", "nobody_listens") in letter.text
        assert await at.jobs.claim("late", PERFORMANCE, 1, Kind.TRANSCRIBE) == []
        await at.jobs.enlist("worker-ear", 1, PERFORMANCE, 5.0, Kind.TRANSCRIBE)
        await at.intake.check("check", ANN, GUILD, WAVE)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_recordings_that_are_refused_use_up_the_day(database_url: str, studio: Studio) -> None:
    async with running(database_url, studio, Limits(a_day_anywhere=2)) as at:
        await at.intake.check("well", ANN, GUILD, WAVE)
        for key in ("first", "second"):
            await at.intake.admit(ANN, GUILD)
            with pytest.raises(NotAudioError):
                await at.intake.check(key, ANN, GUILD, b"ffconcat version 1.0")
        with pytest.raises(LineFullError):
            await at.intake.admit(ANN, None)
        await at.intake.admit(ANN + 1, GUILD)
        assert await at.storage.pieces_of(ANN, None) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_recording_counts_as_a_piece_does(database_url: str, studio: Studio) -> None:
    async with running(database_url, studio) as at:
        await at.storage.set_guild(GUILD, Guild(in_line=1))
        piece = await at.hum(Hearing())
        with pytest.raises(LineFullError):
            await at.hum(Hearing(), "another")
        assert (await at.hum(Hearing())).id == piece.id, "the same request once more"
