"""The way of a piece to its message, whatever Discord does meanwhile.

A piece has one message: it tells how far the piece is, and in the end it becomes the piece. There are four ways to
write to it, tried in this order; each may be closed, and each but the last may close while the piece is composed:

    the interaction's token      15 minutes from the command; the only way where the bot is no member
    the bot's own token          edits the message, also days later; not for messages that only one person sees
    a new message in the channel where the first one is gone
    a direct message             where nothing else is left

An edit can be repeated without harm. A new message carries a nonce, by which Discord knows a repetition for some
minutes; later the message is found again by its buttons.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import aiohttp
import discord
import structlog

from bot.buttons import Act, buttons, custom_id
from bot.messages import say
from bot.storage import Piece, Place, Storage
from composer.errors import SegueError

TOKEN_SECONDS = 14 * 60.0  # it lives for 15 minutes; the last of them is for the upload
CALL_SECONDS = 60.0  # for one call, discord.py's own repetitions included
LONGEST_PAUSE = 30.0
LOOKED_AT = 100  # messages, when one of ours is searched for

RATE_LIMITED = 429  # a status
TOO_LARGE = 40005  # and two codes
INVALID_FORM = 50035

log = structlog.get_logger("delivery")


class TooLargeError(SegueError):
    """Discord takes no files of this size here."""


class UndeliverableError(SegueError):
    """Every way to the person is closed."""


class ClosedError(Exception):
    """This way is closed."""


@dataclass(frozen=True)
class Letter:
    """What a message is to be. files: name -> bytes, in the order in which they are shown"""

    text: str
    acts: Sequence[Act] = ()
    files: Mapping[str, bytes] | None = None  # None: leave those that are there

    def attachments(self) -> list[discord.File]:
        return [discord.File(BytesIO(data), name) for name, data in (self.files or {}).items()]

    def replacements(self) -> Any:
        """What an edit takes for attachments: all of them, or discord.py's word for none to be changed."""
        return discord.utils.MISSING if self.files is None else self.attachments()


class Delivery:
    """clock: seconds since 1970 as the database counts them"""

    def __init__(self, storage: Storage, clock: Callable[[], Awaitable[float]]) -> None:
        self.client: discord.AutoShardedClient | None = None  # that is logged in now, if any is
        self.edits = 0
        self._storage, self._clock = storage, clock

    async def show(self, piece: Piece, letter: Letter) -> Piece:
        """Tell how far a piece is. What cannot be told now is not told: the next state will be."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await self._write(piece, letter)
        except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError, UndeliverableError) as error:
            log.info("progress not shown", job=piece.id, error=type(error).__name__)
            return await self._storage.piece(piece.id) or piece  # it may have been shown all the same

    async def post(self, piece: Piece, letter: Letter) -> Piece:
        """Make the message what it is to be in the end, however long Discord is out of reach.

        Returns the piece with the place that its message has now. Raises TooLargeError or UndeliverableError.
        """
        pause = 1.0
        while True:
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    return await self._write(piece, letter)
            except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError, _NotConnectedError) as error:
                if isinstance(error, discord.HTTPException) and _too_large(error):
                    raise TooLargeError("The files are too large for this channel.") from error
                log.warning("not delivered yet", job=piece.id, error=_brief(error), pause=pause)
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)
            piece = await self._storage.piece(piece.id) or piece

    async def remove(self, piece: Piece) -> bool:
        """Delete the message. False: it could not be, or there is none."""
        if piece.place.message is None:
            return False
        if piece.place.token and await self._fresh(piece):
            webhook = discord.Webhook.partial(piece.place.application, piece.place.token, client=self._connected())
            action = webhook.delete_message(piece.place.message)
        elif piece.place.private:
            return False  # only the token reached it
        else:
            action = self._message(piece.place).delete()
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await action
        except discord.NotFound:
            return True
        except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
            log.info("message not removed", job=piece.id, error=_brief(error))
            return False
        return True

    # ------------------------------------------------------------------ the ways

    async def _write(self, piece: Piece, letter: Letter) -> Piece:
        async for way in self._ways(piece, letter):
            try:
                place = await way(piece, letter)
            except ClosedError:
                continue
            except discord.HTTPException as error:
                if error.status == RATE_LIMITED or error.status >= 500 or _too_large(error):
                    raise
                if error.code == INVALID_FORM:
                    log.error("Discord does not understand a message", job=piece.id, error=_brief(error))
                continue  # unknown, forbidden, an archived thread: no new try opens this way again
            self.edits += 1
            if place != piece.place:
                await self._storage.set_message(piece.id, place.channel, place.message or 0)
            return replace(piece, place=place)
        raise UndeliverableError("Every way to the person is closed.")

    async def _ways(self, piece: Piece, letter: Letter) -> AsyncIterator[Callable[[Piece, Letter], Awaitable[Place]]]:
        place = piece.place
        if place.token and await self._fresh(piece):
            yield self._by_token
        if place.reachable and not place.private and place.message is not None:
            yield self._by_edit
        if letter.files is None and place.message is not None:
            return  # whoever deleted the message does not want another one that only tells how far it is
        if place.reachable and not place.private:
            yield self._anew
        if letter.files is not None:
            yield self._by_direct_message

    async def _by_token(self, piece: Piece, letter: Letter) -> Place:
        place = piece.place
        webhook = discord.Webhook.partial(place.application, place.token or "", client=self._connected())
        view = buttons(piece, letter.acts)
        if place.message is not None:
            await webhook.edit_message(place.message, content=letter.text, view=view, attachments=letter.replacements())
            return place
        if (place.reachable and not place.private) or letter.files is None:
            raise ClosedError  # a followup has no nonce: rather the bot's own message, and for the piece alone
        sent = await webhook.send(
            letter.text, view=view, files=letter.attachments(), ephemeral=place.private, wait=True
        )
        return replace(place, message=sent.id)

    async def _by_edit(self, piece: Piece, letter: Letter) -> Place:
        view = buttons(piece, letter.acts)
        await self._message(piece.place).edit(content=letter.text, view=view, attachments=letter.replacements())
        return piece.place

    async def _anew(self, piece: Piece, letter: Letter) -> Place:
        channel = self._connected().get_partial_messageable(piece.place.channel, guild_id=piece.place.guild)
        return await self._send(piece, letter, channel)

    async def _by_direct_message(self, piece: Piece, letter: Letter) -> Place:
        person = await self._connected().fetch_user(piece.owner)
        text = f"{letter.text}\n{say(piece.place.language, 'by_message')}"
        return await self._send(piece, replace(letter, text=text), await person.create_dm())

    async def _send(
        self, piece: Piece, letter: Letter, channel: discord.PartialMessageable | discord.DMChannel
    ) -> Place:
        """A new message, unless an earlier try has sent it already."""
        if piece.posting_at is not None and (found := await self._find(piece, channel)):
            view = buttons(piece, letter.acts)
            await found.edit(content=letter.text, view=view, attachments=letter.replacements())
            return replace(piece.place, channel=channel.id, message=found.id)
        if not await self._storage.set_posting(piece.id):
            raise UndeliverableError("Its owner has had everything deleted.")
        view = buttons(piece, letter.acts)
        sent = await channel.send(letter.text, view=view, files=letter.attachments(), nonce=f"segue-{piece.id}")
        if len(sent.attachments) < len(letter.files or ()):  # by its nonce, an earlier try that was only progress
            await sent.edit(content=letter.text, view=buttons(piece, letter.acts), attachments=letter.replacements())
        return replace(piece.place, channel=channel.id, message=sent.id)

    async def _find(
        self, piece: Piece, channel: discord.PartialMessageable | discord.DMChannel
    ) -> discord.Message | None:
        """The message of ours in that channel that has this piece's buttons. None also where we may not look."""
        mine = re.compile(custom_id("[a-z]+", piece.id, piece.owner))
        try:
            async for message in channel.history(limit=LOOKED_AT):
                parts = [part for row in message.components for part in getattr(row, "children", ())]
                if any(mine.fullmatch(getattr(part, "custom_id", None) or "") for part in parts):
                    return message
        except discord.Forbidden:
            log.info("may not read the channel's history", job=piece.id)
        return None

    async def _fresh(self, piece: Piece) -> bool:
        return await self._clock() - piece.asked_at < TOKEN_SECONDS

    def _message(self, place: Place) -> discord.PartialMessage:
        channel = self._connected().get_partial_messageable(place.channel, guild_id=place.guild)
        return channel.get_partial_message(place.message or 0)

    def _connected(self) -> discord.Client:
        if self.client is None or self.client.is_closed():
            raise _NotConnectedError
        return self.client


class _NotConnectedError(discord.DiscordException):
    """The client is being started anew."""


def _too_large(error: discord.HTTPException) -> bool:
    return error.status == 413 or error.code == TOO_LARGE


def _brief(error: BaseException) -> str:
    if isinstance(error, discord.HTTPException):
        return f"{error.status} {error.code}"
    return type(error).__name__
