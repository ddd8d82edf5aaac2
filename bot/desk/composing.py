"""A new piece from this one: continue, accompany, vary, retry, and go on from what was heard."""

from __future__ import annotations

from dataclasses import replace

from bot.errors import NotFinishedError, NotYourRecordingError
from bot.intake import Ask, new_seed, order_of
from bot.replies import Interaction, begin
from bot.storage.piece import Piece
from composer.order import Order


async def carry_on(interaction: Interaction, piece: Piece) -> None:
    """From where it ended, for as many bars again.

    Raises:
        NotFinishedError: it has not ended yet.
    """
    await work_on(interaction, piece, Order(bars=_bars(piece), seed=new_seed(), sampling=piece.sampling))


async def vary(interaction: Interaction, piece: Piece) -> None:
    """The same opening and settings, with a new seed."""
    await again(interaction, piece, _same(piece, new_seed()))


async def accompany(interaction: Interaction, piece: Piece) -> None:
    """An accompaniment to the piece, where all of it is a melody, or to the melody that it or a recording began with.

    Raises:
        NotYourRecordingError: it is somebody else's recording.
    """
    if piece.hearing is not None and interaction.user.id != piece.owner:
        raise NotYourRecordingError
    order = Order(seed=new_seed(), sampling=piece.sampling, accompany=True)
    whole = piece.receipt is not None and piece.receipt["melody"] == "piece"
    await (work_on if whole else again)(interaction, piece, order)


async def retry(interaction: Interaction, piece: Piece) -> None:
    """The same once more."""
    await again(interaction, piece, _same(piece, piece.seed))


async def go_on(interaction: Interaction, piece: Piece) -> None:
    """Compose on from what was heard, as it was asked for with the recording.

    Raises:
        NotFinishedError: nothing was heard yet.
    """
    if piece.heard is None:
        raise NotFinishedError
    ask = replace(await _ask(interaction, piece, order_of(piece)), heard=piece.heard, lost=piece.lost)
    await interaction.client.services.intake.compose_again(ask, piece)


async def as_written(interaction: Interaction, piece: Piece) -> None:
    """Compose on from a MIDI file on its own beats, where others were found in it.

    Raises:
        GoneError: it is no longer kept.
    """
    order = order_of(piece) if piece.hearing else _same(piece, piece.seed)
    ask = replace(await _ask(interaction, piece, order), lost=piece.lost)
    await interaction.client.services.intake.compose_as_written(ask, piece)


async def work_on(interaction: Interaction, piece: Piece, order: Order) -> None:
    """A new piece of a finished one.

    Raises:
        NotFinishedError: it has not ended yet.
        SettingsError: there is nothing in it to do what is asked for.
    """
    await interaction.client.services.intake.work_on(await _ask(interaction, piece, order), piece)


async def again(interaction: Interaction, piece: Piece, order: Order) -> None:
    """Another continuation of the opening that a piece was made from."""
    await interaction.client.services.intake.compose_again(await _ask(interaction, piece, order), piece)


def _same(piece: Piece, seed: int) -> Order:
    """What the piece was asked for by."""
    return Order.doing(piece.task, bars=piece.bars, seed=seed, sampling=piece.sampling)


def _bars(piece: Piece) -> int:
    """To go on for: as many as were asked for when it last did."""
    return piece.bars if piece.all_bars > piece.opening_bars else Order.bars


async def _ask(interaction: Interaction, piece: Piece, order: Order) -> Ask:
    place = await begin(interaction, piece.place.private)
    return Ask(str(interaction.id), interaction.user.id, place, piece.title, order, piece.program, piece.id)
