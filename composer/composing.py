"""From an opening to finished pieces, with the model in this process: what `segue compose` does."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from composer.engine.checkpoint import Checkpoint
from composer.engine.generator import Generator
from composer.opening import Opening
from composer.piece import Order, Take, finish
from composer.request import Composed


def compose(
    opening: Opening,
    checkpoint: Checkpoint,
    order: Order,
    device: torch.device | None = None,
    on_bars: Callable[[int], None] | None = None,
) -> list[Take]:
    """Continue the opening `order.takes` times in one batch. The same arguments give the same pieces.

    on_bars: called after every word with the bars done so far, over all takes
    """
    generator = Generator(checkpoint, slots=order.takes, device=device)
    started = time.monotonic()
    for pieces in generator.compose(order.requests(opening.score, checkpoint.vocabulary)):
        if on_bars is not None:
            on_bars(sum(piece.bars_done for piece in pieces))
    seconds = time.monotonic() - started
    return [
        finish(
            opening.score,
            piece.request,
            Composed(tuple(piece.words), checkpoint.name, checkpoint.digest, generator.device.type, seconds),
            checkpoint.vocabulary,
        )
        for piece in pieces
    ]
