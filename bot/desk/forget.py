"""All of a user's data gone, and the messages that hold it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import structlog

from bot.messages import say
from bot.replies import Interaction, language, whisper

AT_ONCE = 4  # messages that are deleted side by side

log = structlog.get_logger("forget")


async def forget(interaction: Interaction, _: int) -> None:
    """First the data, then the messages: whatever happens meanwhile, the data are gone."""
    await interaction.response.defer(thinking=True, ephemeral=True)
    services, user = interaction.client.services, interaction.user.id
    pieces, compared = await services.storage.pieces_of(user, count=None), await services.storage.comparisons_of(user)
    async with services.database.write() as connection:
        await services.jobs.forget(connection, str(user))
        await services.storage.forget(connection, user)
    log.info("forgotten", user=user, pieces=len(pieces))

    lane = asyncio.Semaphore(AT_ONCE)

    async def remove(removing: Awaitable[bool]) -> bool:
        async with lane:
            return await removing

    delivery = services.delivery
    posted = [delivery.remove(piece) for piece in pieces if piece.place.message is not None]
    posted += [delivery.remove_at(each.guild, each.channel, each.message) for each in compared]
    removed = await asyncio.gather(*map(remove, posted))
    text = say(language(interaction), "forgotten", messages=sum(removed), left=removed.count(False))
    await whisper(interaction, text)
