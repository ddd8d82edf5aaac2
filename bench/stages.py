"""Where the time goes: work that is timed stage by stage."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class Stages:
    """Seconds of each stage, in the order in which they were first entered."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """What the block takes is added to the stage."""
        began = time.perf_counter()
        yield
        self.add(stage, time.perf_counter() - began)

    def add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


def medians(rounds: Sequence[Stages]) -> dict[str, float]:
    """Of each stage over the rounds, all of which have the same stages."""
    return {stage: statistics.median(each.seconds[stage] for each in rounds) for stage in rounds[0].seconds}
