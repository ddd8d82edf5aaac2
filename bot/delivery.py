"""The way of a piece to its message, whatever Discord does meanwhile.

A piece has one message: it tells how far the piece is, and in the end it becomes the piece. There are these ways to
write to it, tried in this order; each may be closed, and each but the last may close while the piece is composed:

    edit by the token      a message that the interaction's webhook made, for 15 minutes from the command
    edit by the bot        any message that others see too, also days later
    a new message          in the channel, where there is none or it is gone
    a follow-up            by the token, where the bot may not write: Discord takes five where it is no member
    a direct message       where nothing else is left

A way that was closed for a message is not asked again (`reopen` forgets that). Where it is only the files that may not
go, the text still can. An edit can be repeated without harm. A new message carries a nonce, by which Discord knows a
repetition for some minutes; later the message is found again by its buttons.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, NamedTuple

import aiohttp
import discord
import structlog

from bot.desk.buttons import buttons, ids_in
from bot.errors import GoneError
from bot.letters import Letter, headed
from bot.messages import say
from bot.storage import Storage
from bot.storage.piece import Piece, Place
from composer.errors import SegueError
from composer.pauses import Pauses

TOKEN_SECONDS = 14 * 60.0  # it lives for 15 minutes; the last of them is for the upload
CALL_SECONDS = 60.0  # for one call, discord.py's own repetitions included
LOOK_SECONDS = 1.5  # for a look at a message, while a press waits for its answer
LONGEST_PAUSE = 30.0
NONCE_CHARACTERS = 25  # at most
LOOKED_AT = 100  # messages, when one of ours is searched for

RATE_LIMITED = 429  # a status
TOO_LARGE = 40005  # and codes
INVALID_FORM = 50035
UNKNOWN_MESSAGE = 10008
MISSING_PERMISSIONS = 50013  # also of files alone, where text may be written
AUTOMOD = (200000, 200001)  # words, or a title, that the server's AutoMod blocks

log = structlog.get_logger("delivery")


class TooLargeError(SegueError):
    """Discord takes no files of this size here."""


class TitleRefusedError(SegueError):
    """The server's AutoMod takes no message with such words; of ours, only the title is a stranger's."""


class UndeliverableError(SegueError):
    """Every way to the person is closed."""


class Delivery:
    """clock: seconds since 1970 as the database counts them"""

    def __init__(self, storage: Storage, clock: Callable[[], Awaitable[float]]) -> None:
        self.client: discord.AutoShardedClient | None = None  # that is logged in now, if any is
        self.edits = 0
        self._storage, self._clock = storage, clock
        self._closed: defaultdict[int, set[_Closed]] = defaultdict(set)  # of each piece that met any

    async def show(self, piece: Piece, letter: Letter) -> Piece:
        """Tell how far a piece is. What cannot be told now is not told: the next state will be.

        Raises TitleRefusedError.
        """
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await self._write(piece, letter, self._ways_of_progress)
        except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError, UndeliverableError) as error:
            if isinstance(error, UndeliverableError) and letter.files:  # where no picture may go, text still can
                return await self.show(piece, replace(letter, files=None))
            log.info("progress not shown", job=piece.id, error=type(error).__name__)
            return await self._storage.piece(piece.id) or piece  # it may have been shown all the same

    async def post(self, piece: Piece, letter: Letter) -> Piece:
        """Make the message what it is to be in the end, however long Discord is out of reach.

        Returns the piece with the place that its message has now. Raises TooLargeError, TitleRefusedError or
        UndeliverableError.
        """
        pauses = Pauses(1.0, LONGEST_PAUSE)
        while True:
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    return await self._write(piece, letter, self._ways)
            except (
                discord.HTTPException,
                discord.RateLimited,
                aiohttp.ClientError,
                OSError,
                TimeoutError,
                _NotNowError,
            ) as error:
                if isinstance(error, discord.HTTPException) and _too_large(error):
                    raise TooLargeError("The files are too large for this channel.") from error
                pause = pauses.next()
                log.warning("not delivered yet", job=piece.id, error=_brief(error), pause=pause)
            await asyncio.sleep(pause)
            piece = await self._storage.piece(piece.id) or piece

    def reopen(self, number: int) -> None:
        """Forget which ways were closed for a piece: it is delivered, or a permission may have been given."""
        self._closed.pop(number, None)

    async def remove(self, piece: Piece) -> bool:
        """Delete the message. False: it could not be, or there is none.

        A message counts as gone where a way that could have seen it says that it is unknown.
        """
        message = piece.place.message
        if message is None:
            return False
        for way in await self._ways_to_edit(piece):
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    if way == self._edit_by_token:
                        await self._webhook(piece.place).delete_message(message)
                    else:
                        await self._message(piece.place).delete()
            except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
                if isinstance(error, discord.NotFound) and error.code == UNKNOWN_MESSAGE:
                    return True
                log.info("message not removed", job=piece.id, way=way.__name__, error=_brief(error))
            else:
                return True
        return False

    async def remove_at(self, guild: int | None, channel: int, message: int) -> bool:
        """Delete a message that is no piece's. False: it could not be."""
        there = self._connected().get_partial_messageable(channel, guild_id=guild)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await there.get_partial_message(message).delete()
        except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
            return isinstance(error, discord.NotFound) and error.code == UNKNOWN_MESSAGE
        return True

    async def is_there(self, piece: Piece) -> bool:
        """Whether others can open the piece's message. What the bot may not see, or not within a moment, is not."""
        if piece.link is None:
            return False
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._message(piece.place).fetch()
        except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError):
            return False
        return True

    # ------------------------------------------------------------------ the ways

    async def _write(self, piece: Piece, letter: Letter, ways: Callable[[Piece, Letter], AsyncIterator[_Way]]) -> Piece:
        async for way in ways(piece, letter):
            if self._is_closed(piece, letter, way):
                continue
            try:
                place = await way(piece, letter)
            except discord.HTTPException as error:
                if error.status == RATE_LIMITED or error.status >= 500 or _too_large(error):
                    raise
                if error.code in AUTOMOD:
                    raise TitleRefusedError("The server's AutoMod refuses the title.") from error
                if error.code == INVALID_FORM:
                    log.error("Discord does not understand a message", job=piece.id, error=_brief(error))
                only_files = error.code == MISSING_PERMISSIONS and bool(letter.files)
                closed = _Closed(way.__name__, piece.place.message, error.code, only_files)
                self._closed[piece.id].add(closed)  # unknown, forbidden, an archived thread: no new try opens it again
                continue
            self.edits += 1
            if place != piece.place:
                await self._storage.set_place(piece.id, place)
            if way == self._by_direct_message:
                await self._point_elsewhere(piece)
            return replace(piece, place=place)
        raise UndeliverableError("Every way to the person is closed.")

    def _is_closed(self, piece: Piece, letter: Letter, way: _Way) -> bool:
        return any(
            (closed.way, closed.message) == (way.__name__, piece.place.message)
            and (bool(letter.files) or not closed.only_files)
            for closed in self._closed.get(piece.id, ())
        )

    def _is_gone(self, piece: Piece) -> bool:
        """Whether a way that could have seen the message has found none."""
        edits = (self._edit_by_token.__name__, self._edit_by_bot.__name__)
        return any(
            closed.message == piece.place.message and closed.way in edits and closed.code == UNKNOWN_MESSAGE
            for closed in self._closed.get(piece.id, ())
        )

    async def _ways_to_edit(self, piece: Piece) -> list[_Way]:
        """Those that can see the message: the webhook only what it made, the bot what not one person alone sees."""
        place = piece.place
        if place.message is None:
            return []
        ways: list[_Way] = []
        if place.by_webhook and await self._fresh(piece):
            ways.append(self._edit_by_token)
        if not (place.by_webhook and place.private):
            ways.append(self._edit_by_bot)
        return ways

    async def _ways_of_progress(self, piece: Piece, _: Letter) -> AsyncIterator[_Way]:
        """Whoever deleted the message does not want another one that only tells how far it is."""
        for way in await self._ways_to_edit(piece):
            yield way
        if piece.place.message is None and piece.place.writable:
            yield self._anew

    async def _ways(self, piece: Piece, letter: Letter) -> AsyncIterator[_Way]:
        """To the end of a piece. Whoever deleted the message does not want to be told that it failed, either."""
        for way in await self._ways_to_edit(piece):
            yield way
        if self._is_gone(piece) and not letter.files:
            return
        if piece.place.writable:
            yield self._anew
        if piece.place.token and await self._fresh(piece):
            yield self._follow_up
        yield self._by_direct_message

    async def _edit_by_token(self, piece: Piece, letter: Letter) -> Place:
        message = piece.place.message or 0
        view = buttons(piece, letter.acts)
        await self._webhook(piece.place).edit_message(
            message, content=letter.text, view=view, attachments=letter.replacements()
        )
        return piece.place

    async def _edit_by_bot(self, piece: Piece, letter: Letter) -> Place:
        view = buttons(piece, letter.acts)
        await self._message(piece.place).edit(content=letter.text, view=view, attachments=letter.replacements())
        return piece.place

    async def _follow_up(self, piece: Piece, letter: Letter) -> Place:
        """It has no nonce: rather the bot's own message, where that may be, and for the end alone."""
        place, webhook = piece.place, self._webhook(piece.place)
        await _check_answered(webhook)
        sent = await webhook.send(
            letter.text,
            view=buttons(piece, letter.acts),
            files=letter.attachments(),
            ephemeral=place.private,
            wait=True,
        )
        return replace(place, message=sent.id, by_webhook=True)

    async def _anew(self, piece: Piece, letter: Letter) -> Place:
        channel = self._connected().get_partial_messageable(piece.place.channel, guild_id=piece.place.guild)
        return await self._send(piece, letter, channel)

    async def _by_direct_message(self, piece: Piece, letter: Letter) -> Place:
        person = await self._connected().fetch_user(piece.owner)
        text = f"{letter.text}\n{say(piece.place.language, 'by_message')}"
        return await self._send(piece, replace(letter, text=text), await person.create_dm())

    async def _point_elsewhere(self, piece: Piece) -> None:
        """Have the message that told how far the piece is say where it has gone, if it still can be told."""
        letter = Letter(headed(piece, say(piece.place.language, "elsewhere")), files={})
        for way in await self._ways_to_edit(piece):
            if self._is_closed(piece, letter, way):
                continue
            try:
                await way(piece, letter)
            except discord.HTTPException as error:
                log.info("not told where it has gone", job=piece.id, way=way.__name__, error=_brief(error))
            else:
                return

    async def _send(
        self, piece: Piece, letter: Letter, channel: discord.PartialMessageable | discord.DMChannel
    ) -> Place:
        """A new message, unless an earlier try has sent it already."""
        if piece.posting_at is not None and (found := await self._find(piece, channel)):
            view = buttons(piece, letter.acts)
            await found.edit(content=letter.text, view=view, attachments=letter.replacements())
            return _moved(piece.place, channel, found.id)
        if not await self._storage.set_posting(piece.id):
            raise GoneError
        view = buttons(piece, letter.acts)
        nonce = _nonce(piece, channel.id)
        sent = await channel.send(letter.text, view=view, files=letter.attachments(), nonce=nonce)
        if len(sent.attachments) < len(letter.files or ()):  # by its nonce, an earlier try that was only progress
            await sent.edit(content=letter.text, view=buttons(piece, letter.acts), attachments=letter.replacements())
        return _moved(piece.place, channel, sent.id)

    async def _find(
        self, piece: Piece, channel: discord.PartialMessageable | discord.DMChannel
    ) -> discord.Message | None:
        """The message of ours in that channel that has this piece's buttons. None also where we may not look."""
        try:
            async for message in channel.history(limit=LOOKED_AT):
                if any((found.piece, found.owner) == (piece.id, piece.owner) for found in ids_in(message)):
                    return message
        except discord.Forbidden:
            log.info("may not read the channel's history", job=piece.id)
        return None

    async def _fresh(self, piece: Piece) -> bool:
        return await self._clock() - piece.asked_at < TOKEN_SECONDS

    def _webhook(self, place: Place) -> discord.Webhook:
        webhook = discord.Webhook.partial(place.application, place.token or "", client=self._connected())
        webhook.type = discord.WebhookType.application  # which may answer one person alone
        return webhook

    def _message(self, place: Place) -> discord.PartialMessage:
        channel = self._connected().get_partial_messageable(place.channel, guild_id=place.guild)
        return channel.get_partial_message(place.message or 0)

    def _connected(self) -> discord.Client:
        if self.client is None or self.client.is_closed():
            raise _NotNowError
        return self.client


_Way = Callable[[Piece, Letter], Coroutine[Any, Any, Place]]


class _Closed(NamedTuple):
    """A way that did not lead to a message (None: to a new one), and by which of Discord's codes."""

    way: str
    message: int | None
    code: int
    only_files: bool


class _NotNowError(discord.DiscordException):
    """The client is being started anew, or the command's own answer is still owed."""


async def _check_answered(webhook: discord.Webhook) -> None:
    """Raises _NotNowError as long as a command's answer is owed, for a follow-up would become it, and that message is
    another take's."""
    try:
        original = await webhook.fetch_message("@original")  # type: ignore[arg-type] # as Discord has it
    except discord.NotFound:  # it was deleted: nothing is owed
        return
    if original.flags.loading:
        raise _NotNowError


def _moved(place: Place, channel: discord.PartialMessageable | discord.DMChannel, message: int) -> Place:
    """Where a message of the bot's own stands; a direct message is on no server."""
    guild = place.guild if channel.id == place.channel else None
    return replace(place, guild=guild, channel=channel.id, message=message, by_webhook=False)


def _nonce(piece: Piece, channel: int) -> str:
    """The same for the same try. Discord keeps them by author: that of a message that was deleted finds no message, so
    what follows one, or goes elsewhere, has another."""
    return hashlib.sha256(f"{piece.id} {channel} {piece.place.message}".encode()).hexdigest()[:NONCE_CHARACTERS]


def _too_large(error: discord.HTTPException) -> bool:
    return error.status == 413 or error.code == TOO_LARGE


def _brief(error: BaseException) -> str:
    if isinstance(error, discord.HTTPException):
        return f"{error.status} {error.code}"
    return type(error).__name__
