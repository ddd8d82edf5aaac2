"""All that commands and buttons call upon, made once and closed in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from bot.attendance import Attendance
from bot.delivery import Delivery
from bot.intake import Intake
from bot.settings import ConfigurationError, Settings
from bot.storage import Storage
from bot.studio import Studio
from composer.database import Database, now
from composer.line.asking import Limits
from composer.line.jobs import Jobs
from composer.music.words import Vocabulary
from composer.telemetry import Exposition


@dataclass(frozen=True)
class Services:
    settings: Settings
    database: Database
    jobs: Jobs
    storage: Storage
    studio: Studio
    delivery: Delivery
    intake: Intake
    attendance: Attendance
    exposition: Exposition


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Raises DatabaseError or ConfigurationError."""
    async with Database(settings.database_url.get_secret_value()) as database:
        await database.migrate()

        async def clock() -> float:
            async with database.read() as connection:
                return float(await connection.scalar(sa.select(now())) or 0)

        jobs, storage, exposition = Jobs(database, settings.lease_seconds), Storage(database), Exposition()
        studio = Studio(load_vocabulary(settings), settings.renderers, settings.soundfont)
        delivery = Delivery(storage, clock)
        defaults = Limits(in_line_anywhere=settings.in_line, a_day_anywhere=settings.a_day, table=settings.line)
        intake = Intake(database, jobs, storage, studio, defaults)
        attendance = Attendance(database, jobs, storage, studio, delivery, intake, exposition)
        try:
            await studio.warm_up()
            yield Services(settings, database, jobs, storage, studio, delivery, intake, attendance, exposition)
        finally:
            await studio.close()


def load_vocabulary(settings: Settings) -> Vocabulary:
    """That of the checkpoint which the workers compose with. Raises ConfigurationError."""
    path = settings.checkpoint / "vocabulary.json"
    try:
        return Vocabulary.from_json(path.read_text())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"CHECKPOINT: {path} cannot be read. Name the folder of a trained model.") from error
