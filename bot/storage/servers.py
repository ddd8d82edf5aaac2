"""Servers: what each allows."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from bot.storage.schema import Part, guilds, put


@dataclass(frozen=True, slots=True)
class Guild:
    """What a server allows.

    Attributes:
        in_line: pieces of one user at a time; None: as the bot's own settings say.
        a_day: pieces of one user; None likewise.
        channels: where pieces may be asked for; empty: everywhere.
        votes: whether pieces have hearts.
    """

    in_line: int | None = None
    a_day: int | None = None
    channels: tuple[int, ...] = ()
    votes: bool = True


class Servers(Part):
    """One row a server that has said anything."""

    async def guild(self, guild: int | None) -> Guild:
        """What a server allows; of none at all, a direct message for instance, the bot's own settings hold."""
        async with self._database.read() as connection:
            found = (await connection.execute(sa.select(guilds).where(guilds.c.id == guild))).first()
        return Guild(found.in_line, found.a_day, tuple(found.channels), found.votes) if found else Guild()

    async def set_guild(self, guild: int, allowed: Guild) -> None:
        values = {"in_line": allowed.in_line, "a_day": allowed.a_day, "channels": list(allowed.channels)}
        values |= {"votes": allowed.votes}
        async with self._database.write() as connection:
            await put(connection, guilds, {"id": guild}, values)
