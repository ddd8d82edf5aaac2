"""/top and /compare: what a server likes best, and two takes for people to vote on."""

from __future__ import annotations

import contextlib
import re
import secrets

import discord
from discord import app_commands
from discord.app_commands import AppCommandContext, Choice, Range

from bot.commands import Command
from bot.desk.buttons import row
from bot.errors import NoTakeError, NotTwoTakesError, VotesOffError
from bot.letters import Letter, compared_letter, deed, parts_beside
from bot.messages import lines_of, say
from bot.replies import Interaction, begin, language, suggestions
from bot.services import Services
from bot.storage import Storage
from bot.storage.piece import Piece
from bot.storage.votes import Comparison, making_of
from composer.errors import RenderingError

LOOKED_AT = 100  # the most loved pieces, among which those are that the person may see
SHOWN = 10
SHOWN_TITLE = 30  # characters


def commands() -> list[Command]:
    here = AppCommandContext(guild=True, dm_channel=False, private_channel=False)
    what = "The pieces that this server likes best"
    return [
        app_commands.Command(name="top", description=what, callback=_top, allowed_contexts=here),
        app_commands.Command(
            name="compare", description="Two takes as A and B, for people to vote on", callback=_compare
        ),
    ]


# ------------------------------------------------------------------ what a server likes best


async def _top(interaction: Interaction) -> None:
    storage, spoken, guild = interaction.client.services.storage, language(interaction), interaction.guild_id or 0
    if not (await storage.guild(guild)).votes:
        raise VotesOffError
    await interaction.response.defer(thinking=True, ephemeral=True)
    seen: dict[int, bool] = {}
    lines: list[str] = []
    for piece in await storage.loved(guild, LOOKED_AT):
        number = piece.place.channel
        if number not in seen:
            seen[number] = await _may_see(interaction, number)
        if seen[number]:
            title = piece.title.first(SHOWN_TITLE)
            lines.append(f"♥ **{piece.loves}** · [{title}]({piece.link}) · <@{piece.owner}>")
        if len(lines) == SHOWN:
            break
    text = lines_of(spoken, say(spoken, "top_title"), lines) if lines else say(spoken, "top_empty")
    letter = Letter(text)
    await interaction.edit_original_response(content=letter.text)


async def _may_see(interaction: Interaction, number: int) -> bool:
    """Whether the person can look into a channel, as far as the bot knows: of hidden ones not even titles are told."""
    if number == interaction.channel_id:
        return True
    guild, person = interaction.guild, interaction.user
    if guild is None or not isinstance(person, discord.Member) or not interaction.is_guild_integration():
        return False
    with contextlib.suppress(discord.DiscordException):  # it is gone, or hidden from the bot too
        channel = guild.get_channel_or_thread(number) or await guild.fetch_channel(number)  # a thread that sleeps
        is_hidden = isinstance(channel, discord.Thread) and channel.is_private()
        return not is_hidden and channel.permissions_for(person).view_channel
    return False


# ------------------------------------------------------------------ two takes


async def _takes(interaction: Interaction, current: str) -> list[Choice[str]]:
    spoken = language(interaction)
    pieces = await interaction.client.services.storage.pieces_of(interaction.user.id, LOOKED_AT)
    found = [
        (f"{piece.title.bare} · {deed(spoken, piece, None)} · {piece.seed}", str(piece.id))
        for piece in pieces
        if piece.receipt
    ]
    return suggestions(found, current)


@app_commands.describe(
    one="A take, or the link to it (your newest)", other="Another take of the same opening (the newest)"
)
@app_commands.autocomplete(one=_takes, other=_takes)
async def _compare(
    interaction: Interaction, one: Range[str, 1, 200] | None = None, other: Range[str, 1, 200] | None = None
) -> None:
    """Which of them is A, chance decides."""
    services, user = interaction.client.services, interaction.user.id
    if not (await services.storage.guild(interaction.guild_id)).votes:
        raise VotesOffError
    takes = await _two(services.storage, user, one, other)
    secrets.SystemRandom().shuffle(takes)
    place = await begin(interaction, private=False)
    files: dict[str, bytes] = {}
    for name, take in zip(("A", "B"), takes, strict=True):
        files |= await _heard_and_seen(services, name, take, place.filesize_limit // 2)
    a, b = map(making_of, takes)
    message = place.message or 0
    await services.storage.add_comparison(Comparison(interaction.id, user, place.guild, place.channel, message, a, b))
    letter = compared_letter(place.language, user, takes[0].title, files)
    view = row(letter.acts, interaction.id, user, place.language)
    await interaction.edit_original_response(content=letter.text, view=view, attachments=letter.attachments())


async def _two(storage: Storage, user: int, one: str | None, other: str | None) -> list[Piece]:
    """The two that are meant. Raises NoTakeError or NotTwoTakesError."""
    named = [await _take(storage, user, text) for text in (one, other) if text]
    takes = await storage.takes_of(user, named[0].id if named else None)
    numbers = dict.fromkeys([piece.id for piece in [*named, *takes]])
    two = [piece for number in list(numbers)[:2] for piece in takes if piece.id == number]
    if len(two) < 2:
        raise NotTwoTakesError
    return two


async def _take(storage: Storage, user: int, text: str) -> Piece:
    """What is chosen from the list, or linked to."""
    piece = None
    if link := re.search(r"/(\d{1,19})/(\d{1,19})/?$", text):
        piece = await storage.piece_at(int(link[1]), int(link[2]))
    elif re.fullmatch(r"\d{1,9}", text):
        piece = await storage.piece(int(text))
    if piece is None or piece.owner != user or piece.deleted or piece.receipt is None:
        raise NoTakeError
    return piece


async def _heard_and_seen(services: Services, name: str, take: Piece, limit: int) -> dict[str, bytes]:
    """Files that say nothing of how it was made; the MIDI only where there is no sound."""
    midi = await services.storage.midi_of(take.id)
    if midi is None:
        raise NoTakeError
    picture = await services.studio.picture(midi, name, take.first_new, take.bars, parts_beside(take))
    try:
        sound = (await services.studio.sound(midi, name, limit)).mp3
    except RenderingError:
        sound = None
    return {f"{name}.mp3" if sound else f"{name}.mid": sound or midi, f"{name}.png": picture}
