"""/compose, and "Continue this" on a message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import PurePath

import aiohttp
import discord
from discord import app_commands
from discord.app_commands import Choice, Range

from bot.commands import Command
from bot.commands.settings import preset_names
from bot.desk.buttons import ids_in
from bot.desk.composing import carry_on, go_on
from bot.errors import FileTooLargeError, NoOpeningHereError, UnreadableError
from bot.intake import MAX_BARS, Ask, new_seed
from bot.messages import Stranger
from bot.replies import Interaction, begin, suggestions
from bot.storage.piece import Hearing, Piece
from bot.workshop import FULL_BARS, Doubtful, Read
from composer.errors import RecordingTooLongError
from composer.music.drums import Drums
from composer.music.meter import BEATS_PER_BAR
from composer.music.midi import MAX_BYTES
from composer.music.notation import is_notation
from composer.order import STYLES, Order
from composer.parsing import chords_from
from composer.rendering.instruments import INSTRUMENTS, program_of
from composer.transcription.beats import FASTEST, SLOWEST
from composer.transcription.recording import MAX_BYTES as MAX_RECORDING_BYTES
from composer.transcription.recording import MAX_SECONDS, is_recording
from composer.transcription.synchronise import Listening

MAX_TAKES = 4
PROMPT_SECONDS = 1.0  # so long a refusal may take and still be seen by nobody else; Discord waits for 3
MAX_SEED = 2**53 - 5  # a whole number in Discord is a double
HEADERS = (b"MThd", b"RIFF")  # of a MIDI file, and of one in a RIFF wrapper
LOOKED_INTO = 4  # attachments of a message


def commands() -> list[Command]:
    return [
        app_commands.Command(name="compose", description="Continue the opening of a piece", callback=compose),
        app_commands.ContextMenu(name="Continue this", callback=continue_this),
    ]


File = tuple[discord.Attachment, bytes]


async def _instruments(_: Interaction, current: str) -> list[Choice[str]]:
    return suggestions([(name, name) for name in INSTRUMENTS], current)


@app_commands.describe(
    opening="MIDI, MusicXML or ABC of up to 15 minutes, or a recording of up to 40 s",
    bars="How many bars to add (32)",
    takes="How many different continuations (1)",
    preset="One of your presets, for this piece only",
    seed="The same seed and settings give the same piece",
    instrument="What plays it, where it has one part (its own)",
    private="Whether only you see it",
    bpm="Its tempo, where it is heard wrong: quarter notes a minute",
    downbeat="On which beat of the bar it begins, where that is heard wrong",
    first="The opening's first bar, where it is not the first there is",
    last="The opening's last bar: it goes on from there, and what is behind is left out",
    cut="Whether to begin right behind the opening's last note, not at the next bar line",
    as_written="Whether to take the beats that a MIDI file has, however freely it was played",
    accompany="A MIDI melody: accompany it; a hummed one: give it plain chords (yes)",
    drums="What drums do behind the opening (their pattern goes on)",
    chords="Of the new bars in turn: Am F C G; with | between bars: Am F | C",
    key="Of what is new: A minor",
    style="What the music is like (as the opening)",
    sheet="Whether you get it as sheet music too",
    go="Whether to compose at once, without asking if it was heard right",
)
@app_commands.rename(first="from", last="to")
@app_commands.choices(style=suggestions([(style, style) for style in STYLES], ""))
@app_commands.autocomplete(preset=preset_names, instrument=_instruments)
async def compose(
    interaction: Interaction,
    opening: discord.Attachment,
    bars: Range[int, 1, MAX_BARS] = 32,
    takes: Range[int, 1, MAX_TAKES] = 1,
    preset: str | None = None,
    seed: Range[int, 0, MAX_SEED] | None = None,
    instrument: str | None = None,
    private: bool = False,
    bpm: Range[float, SLOWEST, FASTEST] | None = None,
    downbeat: Range[int, 1, BEATS_PER_BAR] | None = None,
    first: Range[int, 1, FULL_BARS] | None = None,
    last: Range[int, 1, FULL_BARS] | None = None,
    cut: bool = False,
    as_written: bool = False,
    accompany: bool | None = None,
    drums: Drums = Drums.PATTERN,
    chords: Range[str, 1, 200] | None = None,
    key: Range[str, 1, 20] | None = None,
    style: str = "",
    sheet: bool = False,
    go: bool = False,
) -> None:
    storage, user = interaction.client.services.storage, interaction.user.id
    _check_size(opening)
    program = program_of(instrument) if instrument else None
    sampling = await (storage.preset(user, preset) if preset else storage.sampling(user))
    order = Order(
        bars,
        takes,
        new_seed() if seed is None else seed,
        sampling,
        accompany=accompany is True,
        chords=chords_from(chords or ""),
        key=key or "",
        from_bar=first or 0,
        to_bar=last or 0,
        cut=cut,
        drums=drums,
        style=style,
        sheet=sheet,
    )
    hearing = Hearing(takes, seed is not None, go, Listening(bpm, downbeat, accompany is not False, as_written))
    await _take(interaction, partial(_given, opening), order, hearing, program, private)


async def continue_this(interaction: Interaction, message: discord.Message) -> None:
    if piece := await _own_piece(interaction, message):
        await (carry_on if piece.receipt else go_on)(interaction, piece)
        return
    sampling = await interaction.client.services.storage.sampling(interaction.user.id)
    await _take(interaction, partial(_find_opening, message), Order(seed=new_seed(), sampling=sampling), Hearing())


async def _take(
    interaction: Interaction,
    fetch: Callable[[], Awaitable[File]],
    order: Order,
    hearing: Hearing,
    program: int | None = None,
    private: bool = False,
) -> None:
    """Continue a file, or hear a recording first.

    What is refused at once is refused in private; only what takes longer is answered before.
    """
    intake = interaction.client.services.intake
    reading = asyncio.create_task(_read(interaction, fetch, order, hearing))
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(reading), PROMPT_SECONDS)
        place = await begin(interaction, private)
        title, found = await reading
    finally:
        reading.cancel()
    ask = Ask(str(interaction.id), interaction.user.id, place, Stranger(title), order, program)
    if isinstance(found, Read):
        await intake.take(ask, found)
    elif isinstance(found, Doubtful):
        await intake.ask(ask, found, hearing)
    else:
        # The chords that a hummed line gets are heard with it.
        await intake.listen(replace(ask, order=replace(order, accompany=False)), found, hearing)


async def _read(
    interaction: Interaction, fetch: Callable[[], Awaitable[File]], order: Order, hearing: Hearing
) -> tuple[str, Read | Doubtful | bytes]:
    """The title and what was read in a MIDI file, or a recording that somebody has to listen to."""
    intake, user = interaction.client.services.intake, interaction.user.id
    await intake.admit(user, interaction.guild_id)
    attachment, data = await fetch()
    # The name that Discord gives a file is ASCII; what it was called before is its title.
    title = attachment.title or PurePath(attachment.filename).stem
    if not is_recording(data, attachment.filename):
        return title, await intake.read(user, data, order, hearing.listening, asks=not hearing.go)
    await intake.check(str(interaction.id), user, interaction.guild_id, data)
    return title, data


async def _own_piece(interaction: Interaction, message: discord.Message) -> Piece | None:
    """The finished piece of ours that the message holds, or the recording that was heard there."""
    if message.author.id != interaction.application_id:
        return None
    found = next(ids_in(message), None)
    piece = await interaction.client.services.storage.piece(found.piece) if found else None
    return piece if piece and (piece.receipt or (piece.hearing and piece.heard)) else None


async def _given(opening: discord.Attachment) -> File:
    return opening, await _bytes(opening)


async def _find_opening(message: discord.Message) -> File:
    """The first attachment, of the message or of one that it forwards, that is a MIDI file or a recording, by what it
    holds.

    Raises NoOpeningHereError, FileTooLargeError or RecordingTooLongError.
    """
    forwarded = [attachment for snapshot in message.message_snapshots for attachment in snapshot.attachments]
    attachments = [*message.attachments, *forwarded]
    named = [attachment for attachment in attachments if _is_named_midi(attachment)]
    others = [attachment for attachment in attachments if not _is_named_midi(attachment)]
    for attachment in attachments:
        if attachment in named or attachment.is_voice_message():
            _check_size(attachment)
    for attachment in [*named, *others][:LOOKED_INTO]:
        if attachment.size <= MAX_RECORDING_BYTES:
            data = await _bytes(attachment)
            if data.startswith(HEADERS) or is_notation(data) or is_recording(data, attachment.filename):
                return attachment, data
    raise NoOpeningHereError


def _is_named_midi(attachment: discord.Attachment) -> bool:
    return PurePath(attachment.filename).suffix.lower() in (".mid", ".midi", ".kar", ".rmi")


def _check_size(attachment: discord.Attachment) -> None:
    """Of bytes, and of the seconds that Discord tells of a voice message."""
    limit = MAX_BYTES if _is_named_midi(attachment) else MAX_RECORDING_BYTES
    if attachment.size > limit:
        raise FileTooLargeError(attachment.size, limit)
    if attachment.duration is not None and attachment.duration > MAX_SECONDS:
        raise RecordingTooLongError(MAX_SECONDS)


async def _bytes(attachment: discord.Attachment) -> bytes:
    try:
        return await attachment.read()
    except (discord.HTTPException, aiohttp.ClientError, TimeoutError) as error:
        raise UnreadableError from error
