"""/queue, /cancel and /history: a person's own pieces."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import Choice

from bot.commands import Command
from bot.errors import EndedError, NotYoursError
from bot.letters import say_heard
from bot.messages import Language, lines_of, say, say_key, say_settings, say_time
from bot.replies import Interaction, language, suggestions, whisper
from bot.storage.piece import Piece
from composer.line.asking import Progress
from composer.line.schema import Kind, State

LOOKED_AT = 100  # newest pieces, among which those in line are
SHOWN = 10
SHOWN_TITLE = 30  # characters


def commands() -> list[Command]:
    return [
        app_commands.Command(name="queue", description="Your pieces in line", callback=_queue),
        app_commands.Command(
            name="cancel", description="Cancel a piece of yours that waits or is being composed", callback=_cancel
        ),
        app_commands.Command(name="history", description="Your last pieces, with links", callback=_history),
    ]


async def _in_line(interaction: Interaction) -> list[tuple[Piece, Progress]]:
    """The person's pieces that wait or are being composed, the next to be done first."""
    services = interaction.client.services
    pieces = {piece.id: piece for piece in await services.storage.pieces_of(interaction.user.id, LOOKED_AT)}
    progress = await services.jobs.progress(list(pieces))
    under_way = [found for found in progress.values() if found.state in (State.QUEUED, State.RUNNING)]
    return [(pieces[found.id], found) for found in sorted(under_way, key=lambda found: (found.place, found.id))]


def _where(spoken: Language, progress: Progress) -> str:
    if progress.kind is Kind.TRANSCRIBE:
        running = progress.state is State.RUNNING
        what = say(spoken, "queue_listening" if running else "queue_recording", place=progress.place)
    elif progress.state is State.RUNNING:
        what = say(spoken, "queue_running", done=progress.bars_done, bars=progress.bars)
    else:
        what = say(spoken, "queue_waiting", place=progress.place)
    if progress.seconds is None:
        return what
    return say(spoken, "queue_about", what=what, time=say_time(spoken, progress.seconds))


async def _queue(interaction: Interaction) -> None:
    spoken = language(interaction)
    lines = [f"**{_linked(piece)}** · {_where(spoken, progress)}" for piece, progress in await _in_line(interaction)]
    text = lines_of(spoken, say(spoken, "queue_title"), lines) if lines else say(spoken, "queue_empty")
    await whisper(interaction, text)


def _linked(piece: Piece) -> str:
    title = piece.title.first(SHOWN_TITLE)
    return f"[{title}]({piece.link})" if piece.link else f"{title}"


async def _suggest(interaction: Interaction, current: str) -> list[Choice[int]]:
    spoken = language(interaction)
    found = [(f"{piece.title.bare} · {_where(spoken, at)}", piece.id) for piece, at in await _in_line(interaction)]
    return suggestions(found, current)


@app_commands.describe(piece="Which one (all of them)")
@app_commands.autocomplete(piece=_suggest)
async def _cancel(interaction: Interaction, piece: int | None = None) -> None:
    services, mine = interaction.client.services, [found.id for found, _ in await _in_line(interaction)]
    if piece is not None and piece not in mine:
        found = await services.storage.piece(piece)
        raise EndedError if found and found.owner == interaction.user.id else NotYoursError
    cancelled = [await services.jobs.cancel(number) for number in (mine if piece is None else [piece])]
    if not any(cancelled):
        raise EndedError
    await whisper(interaction, say(language(interaction), "cancelled_count", count=sum(cancelled)))


async def _history(interaction: Interaction) -> None:
    spoken = language(interaction)
    pieces = await interaction.client.services.storage.pieces_of(interaction.user.id, LOOKED_AT)
    lines = [
        f"**{_linked(piece)}** · <t:{piece.asked_at:.0f}:R> · {_in_short(spoken, piece)}"
        for piece in [piece for piece in pieces if piece.receipt or _was_heard(piece)][:SHOWN]
    ]
    text = lines_of(spoken, say(spoken, "history_title"), lines) if lines else say(spoken, "history_empty")
    await whisper(interaction, text)


def _was_heard(piece: Piece) -> bool:
    return piece.hearing is not None and piece.heard is not None


def _in_short(spoken: Language, piece: Piece) -> str:
    if piece.receipt is None:
        return say(spoken, "history_heard", heard=say_heard(spoken, piece.heard or {}))
    key = say_key(spoken, piece.receipt["key"]["continuation"])
    return f"{key} · `{piece.seed}` · {say_settings(spoken, piece.sampling)}"
