"""From an opening to finished pieces and their receipts, with the model in this process: what `segue compose` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from composer.encoding import join, to_words
from composer.engine.checkpoint import Checkpoint
from composer.engine.generator import Generator
from composer.engine.scheduler import Request
from composer.errors import SettingsError
from composer.key import Key, find_key
from composer.opening import Opening
from composer.sampling import SamplingParams
from composer.score import TICKS_PER_BAR, Score
from composer.words import Family, Word

MAX_BARS = 512
MAX_TAKES = 64
MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class Order:
    """What is asked for. Raises SettingsError outside the ranges.

    seed: of the first take; the second has the next number, and so on
    """

    bars: int = 32
    takes: int = 1
    seed: int = 7
    sampling: SamplingParams = field(default_factory=SamplingParams)

    def __post_init__(self) -> None:
        for name, value, highest in (("bars", self.bars, MAX_BARS), ("takes", self.takes, MAX_TAKES)):
            if not 1 <= value <= highest:
                raise SettingsError(f"The number of {name} lies between 1 and {highest}; {value} does not.")
        if not 0 <= self.seed <= MAX_SEED - self.takes:
            raise SettingsError(f"A seed is a whole number from 0 to {MAX_SEED - self.takes}; {self.seed} is not.")


@dataclass(frozen=True)
class Take:
    """One finished piece: the opening as it was played, and its continuation."""

    score: Score
    opening_bars: int
    words: tuple[Word, ...]  # of the continuation, the end word included
    seed: int
    seconds: float  # that the whole batch took

    @property
    def bars(self) -> int:
        """Bars added to the opening."""
        return self.score.bars - self.opening_bars

    @property
    def boundary(self) -> int:
        """Where the continuation begins, in ticks."""
        return self.opening_bars * TICKS_PER_BAR

    @property
    def keys(self) -> tuple[Key | None, Key | None]:
        """The keys of the opening and of the continuation."""
        notes = self.score.notes
        before, after = (n for n in notes if n.start < self.boundary), (n for n in notes if n.start >= self.boundary)
        return find_key(before), find_key(after)

    @property
    def continuation_notes(self) -> int:
        return sum(word.family == Family.NOTE for word in self.words)


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
    vocabulary = checkpoint.vocabulary
    given = to_words(opening.score, vocabulary)
    requests = [Request(tuple(given), order.bars, order.seed + k, order.sampling) for k in range(order.takes)]
    generator = Generator(checkpoint, slots=order.takes, device=device)
    started = time.monotonic()
    for pieces in generator.compose(requests):
        if on_bars is not None:
            on_bars(sum(piece.bars_done for piece in pieces))
    seconds = time.monotonic() - started
    return [
        Take(
            score=join(opening.score, [*given, *piece.words], vocabulary),
            opening_bars=opening.bars,
            words=tuple(piece.words),
            seed=piece.request.seed,
            seconds=seconds,
        )
        for piece in pieces
    ]


def receipt(take: Take, checkpoint: Checkpoint, order: Order, command: str, device: str) -> Mapping[str, object]:
    """All that tells how a piece came about, ready for JSON.

    command: what, typed again, gives the same piece   device: where the model ran; others may round differently
    """
    score, boundary = take.score, take.boundary
    key, new_key = take.keys
    tempos = [change.bpm for change in score.tempos if change.tick >= boundary]
    in_force = [change.bpm for change in score.tempos if change.tick < boundary][-1]
    return {
        "checkpoint": {"name": checkpoint.name, "digest": checkpoint.digest},
        "seed": take.seed,
        "settings": order.sampling.to_json(),
        "bars": {"opening": take.opening_bars, "added": take.bars},
        "key": {"opening": key and key.name, "continuation": new_key and new_key.name},
        "tempo": {
            "opening_ends_at": round(in_force, 1),
            "continuation": [round(bpm, 1) for bpm in tempos or [in_force]],
        },
        "words": len(take.words),
        "notes": {"added": take.continuation_notes},
        "seconds": {"composing": round(take.seconds, 2), "music": round(score.seconds_at(score.end), 2)},
        "device": device,
        "command": command,
    }
