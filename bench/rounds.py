"""Rates of several contenders, taken in turns, so that what else runs on the machine hits them all alike.

Each runs with one thread and with all, in every round: which is faster depends on the work, and on how busy the
machine is, so a choice made beforehand may be the wrong one a minute later.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tqdm import tqdm

from bench.machine import cores, threads


def thread_counts() -> list[int]:
    """One, and all."""
    return sorted({1, cores()})


@dataclass
class Contender:
    """Something that produces, step by step.

    step: does one, and returns how many of its unit came of it   rates: units a second in each round, by threads
    """

    name: str
    step: Callable[[], float]
    rates: dict[int, list[float]] = field(default_factory=lambda: {used: [] for used in thread_counts()})

    @property
    def threads(self) -> int:
        """With how many it was faster, by the medians of the rounds."""
        return max(self.rates, key=lambda used: statistics.median(self.rates[used]))

    @property
    def rate(self) -> float:
        """Units a second with so many threads: the median of the rounds."""
        return statistics.median(self.rates[self.threads])

    def run(self, seconds: float) -> None:
        """Take its rates over so much time each, and over one step at least."""
        for used, rates in self.rates.items():
            with threads(used):
                began = time.perf_counter()
                made = self.step()
                while (passed := time.perf_counter() - began) < seconds:
                    made += self.step()
            rates.append(made / passed)


def take_turns(contenders: Sequence[Contender], rounds: int, seconds: float, after: Callable[[], None]) -> None:
    """In each round every contender runs, and then `after` is called."""
    for _ in tqdm(range(rounds), desc="rounds"):
        for contender in contenders:
            contender.run(seconds)
        after()
