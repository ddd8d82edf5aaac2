"""From an opening to finished pieces, with the model in this process: what `segue compose` does."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from composer.candidates import compose_all
from composer.engine.checkpoint import Checkpoint
from composer.opening import Opening
from composer.order import Order
from composer.piece import Take, finish

MOST_SLOTS = 64  # at once; what is more waits for the first to end


def compose(
    opening: Opening,
    checkpoint: Checkpoint,
    order: Order,
    device: torch.device | None = None,
    on_bars: Callable[[int], None] | None = None,
) -> list[Take]:
    """Continue the opening `order.takes` times. The same arguments give the same pieces.

    on_bars: called after every word with the bars done so far, over all takes
    """
    requests = order.requests(opening.score, checkpoint.vocabulary)
    started = time.monotonic()
    takes = compose_all(checkpoint, requests, MOST_SLOTS, device, on_bars=on_bars)
    seconds = time.monotonic() - started
    return [finish(opening.score, one.request, one.composed(seconds), checkpoint.vocabulary) for one in takes]
