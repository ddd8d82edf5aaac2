"""Marks: what the bot has written down for itself."""

from __future__ import annotations

import sqlalchemy as sa

from bot.storage.schema import Part, marks, put


class Marks(Part):
    """A short text under a name."""

    async def mark(self, name: str) -> str | None:
        """What was written down under a name, such as the hash of the commands that Discord has."""
        async with self._database.read() as connection:
            return await connection.scalar(sa.select(marks.c.value).where(marks.c.name == name))

    async def set_mark(self, name: str, value: str) -> None:
        async with self._database.write() as connection:
            await put(connection, marks, {"name": name}, {"value": value})
