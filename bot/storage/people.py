"""People: their settings, and presets of them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import TooManyPresetsError
from bot.storage.schema import Part, insert, people, presets, put
from composer.errors import UnknownNameError
from composer.sampling import SamplingParams

MAX_PRESETS = 25  # of one user: as many as Discord shows in a list


class People(Part):
    """Only what differs from the defaults is kept, so that a person gets the defaults of today."""

    async def sampling(self, user: int) -> SamplingParams:
        """The user's own settings, upon the defaults of today."""
        return SamplingParams.from_json(await self.own_settings(user))

    async def own_settings(self, user: int) -> dict[str, dict[str, float]]:
        """{knob: {attribute: value}}, only what the user has set."""
        async with self._database.read() as connection:
            found = await connection.scalar(sa.select(people.c.sampling).where(people.c.id == user))
        return dict(found or {})

    async def set(self, user: int, knob: str, attribute: str, value: float) -> SamplingParams:
        """Change one setting.

        Args:
            user: whose it is.
            knob: of a Nucleus.
            attribute: the knob's for one attribute of a word; `all`: for every one.
            value: what it is from now on.

        Returns:
            All settings of the user.

        Raises:
            SettingsError: there is no such setting, or it does not go so far.
        """
        changed = SamplingParams().with_setting(knob, attribute, value).to_json()[knob]
        async with self._database.write() as connection:
            found = await _held_settings(connection, user)
            names = changed if attribute == "all" else [attribute]
            settings = {**found, knob: {**found.get(knob, {}), **{name: changed[name] for name in names}}}
            await put(connection, people, {"id": user}, {"sampling": settings})
        return SamplingParams.from_json(settings)

    async def reset(self, user: int) -> None:
        async with self._database.write() as connection:
            await connection.execute(sa.delete(people).where(people.c.id == user))

    async def save_preset(self, user: int, name: str) -> None:
        """Keep the user's settings under a name, over an earlier preset of it.

        Raises:
            TooManyPresetsError: there are MAX_PRESETS of other names.
        """
        async with self._database.write() as connection:
            settings = await _held_settings(connection, user)
            others = sa.select(sa.func.count()).where(presets.c.owner == user, presets.c.name != name)
            if (await connection.scalar(others) or 0) >= MAX_PRESETS:
                raise TooManyPresetsError(MAX_PRESETS)
            await put(connection, presets, {"owner": user, "name": name}, {"sampling": settings})

    async def preset(self, user: int, name: str) -> SamplingParams:
        """The settings that the user keeps under a name.

        Raises:
            UnknownNameError: there is no such preset.
        """
        return SamplingParams.from_json(await self._preset(user, name))

    async def load_preset(self, user: int, name: str) -> SamplingParams:
        """Make a preset the user's settings.

        Returns:
            These settings.

        Raises:
            UnknownNameError: there is no such preset.
        """
        settings = await self._preset(user, name)
        async with self._database.write() as connection:
            await put(connection, people, {"id": user}, {"sampling": settings})
        return SamplingParams.from_json(settings)

    async def delete_preset(self, user: int, name: str) -> None:
        """Forget a preset.

        Raises:
            UnknownNameError: there is no such preset.
        """
        async with self._database.write() as connection:
            found = await connection.execute(
                sa.delete(presets).where(presets.c.owner == user, presets.c.name == name).returning(presets.c.name)
            )
            gone = found.first() is not None
        if not gone:
            raise UnknownNameError("preset", name, tuple(await self.presets(user)))

    async def presets(self, user: int) -> dict[str, dict[str, dict[str, float]]]:
        """The user's presets by name."""
        async with self._database.read() as connection:
            found = await connection.execute(
                sa.select(presets.c.name, presets.c.sampling).where(presets.c.owner == user).order_by(presets.c.name)
            )
            return {row.name: row.sampling for row in found}

    async def _preset(self, user: int, name: str) -> dict[str, dict[str, float]]:
        there = await self.presets(user)
        if name not in there:
            raise UnknownNameError("preset", name, tuple(there))
        return there[name]


async def _held_settings(connection: AsyncConnection, user: int) -> dict[str, dict[str, float]]:
    """A user's own settings. Whoever else asks for them by this function waits until the transaction ends."""
    row = insert(connection, people).values(id=user, sampling={})  # or there would be nothing to wait for
    await connection.execute(row.on_conflict_do_nothing())
    mine = sa.select(people.c.sampling).where(people.c.id == user).with_for_update()
    return dict(await connection.scalar(mine) or {})
