"""From an opening to finished pieces, with the model in this process: what `segue compose` does."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from composer.engine.checkpoint import Checkpoint
from composer.engine.generator import Generator
from composer.engine.runs import LONGEST_COMMON
from composer.opening import Opening
from composer.order import Order
from composer.piece import Take, finish


def compose(
    opening: Opening,
    checkpoint: Checkpoint,
    order: Order,
    device: torch.device | None = None,
    on_bars: Callable[[int], None] | None = None,
) -> list[Take]:
    """Continue the opening `order.takes` times in one batch. The same arguments give the same pieces.

    `order.spare` more are drawn; those that pass the gates (no loop, no copy, the key kept) come before those that do
    not. Among them none is preferred: what a model finds likeliest is farther from real music than what it draws first
    (`./run bench critic`).

    on_bars: called after every word with the bars done so far, over all that are drawn
    """
    generator = Generator(checkpoint, slots=order.drawn, device=device)
    started = time.monotonic()
    for pieces in generator.compose(order.requests(opening.score, checkpoint.vocabulary)):
        if on_bars is not None:
            on_bars(sum(piece.bars_done for piece in pieces))
    seconds = time.monotonic() - started
    takes = [
        finish(opening.score, piece.request, generator.composed(piece, seconds), checkpoint.vocabulary)
        for piece in pieces
    ]
    return sorted(takes, key=_fails)[: order.takes] if order.spare else takes


def _fails(take: Take) -> bool:
    """Whether it does not pass a gate."""
    watched = take.composed.watched
    return watched.stuck or watched.common > LONGEST_COMMON or not take.keeps_key
