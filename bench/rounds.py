"""Rates of several contenders, taken in turns, so that what else runs on the machine hits them all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tqdm import tqdm

from bench.machine import cores, threads

TRIALS = 2  # of each number of threads


@dataclass
class Contender:
    """Something that produces, step by step.

    step: does one, and returns how many of its unit came of it   threads: of torch, on the CPU
    """

    name: str
    step: Callable[[], float]
    threads: int = 1
    rates: list[float] = field(default_factory=list)  # units a second, one of each round

    @property
    def rate(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rates)

    def run(self, seconds: float) -> float:
        """Units a second over so much time, and over one step at least."""
        with threads(self.threads):
            began = time.perf_counter()
            made = self.step()
            while (passed := time.perf_counter() - began) < seconds:
                made += self.step()
        return made / passed

    def choose_threads(self, seconds: float) -> None:
        """Take one thread or all of them, whichever is faster here and now."""
        best = dict.fromkeys(sorted({1, cores()}), 0.0)
        for _ in range(TRIALS):
            for count in best:
                self.threads = count
                best[count] = max(best[count], self.run(seconds))
        self.threads = max(best, key=lambda count: best[count])


def take_turns(contenders: Sequence[Contender], rounds: int, seconds: float, after: Callable[[], None]) -> None:
    """In each round every contender runs once, and then `after` is called."""
    for _ in tqdm(range(rounds), desc="rounds"):
        for contender in contenders:
            contender.rates.append(contender.run(seconds))
        after()
