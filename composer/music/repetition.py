"""How a piece repeats itself, heard a bar at a time: by what guards it as it is composed (composer.engine.guards) and
by what judges it afterwards (composer.audition.metrics).

A bar is the set of its onsets; one without any is like no other. A run of some period is how many of the last bars are
each like the bar that period before: a chorus of 16 bars that comes back makes one run of 16, a loop one that goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Onsets = frozenset[tuple[int, int]]  # (position in the bar, pitch), on any grid

LONGEST_PERIOD = 40  # bars
ALIKE = 0.7  # two bars are the same to the ear when they share so much of what sounds in either
LEAST_BARS, LEAST_PERIODS = 8, 3  # from so many on a repetition is a loop
MOST_ALIKE = 24  # bars in a row that are as those a long period before; in real songs a chorus of 22 returns at most
WINDOW = 16  # bars that novelty looks back over


class Repetition:
    """What has been heard of a piece.

    Attributes:
        bars: all of them.
        runs: by period, how many of the last bars are like those before; the first is of no period.
        longest: bars of the longest run so far, of any period.
    """

    def __init__(self, bars: Iterable[Onsets] = (), alike: float = 1.0) -> None:
        """alike: how much of what sounds in either two bars share that are like each other; 1 for equal ones"""
        self._alike = alike
        self.bars: list[Onsets] = []
        self.runs = [0] * (LONGEST_PERIOD + 1)
        self.longest = 0
        for bar in bars:
            self.hear(bar)

    def hear(self, bar: Onsets) -> None:
        for period in range(1, min(LONGEST_PERIOD, len(self.bars)) + 1):
            self.runs[period] = self.runs[period] + 1 if overlap(bar, self.bars[-period]) >= self._alike else 0
        self.bars.append(bar)
        self.longest = max(self.longest, *self.runs)

    @property
    def novelty(self) -> float:
        """The share of different ones among the last WINDOW bars."""
        return distinct(self.bars[-WINDOW:])


def overlap(one: Onsets, other: Onsets) -> float:
    """What they share of what sounds in either (Jaccard), 0 of two empty ones."""
    return len(one & other) / (len(one | other) or 1)


def distinct(bars: Sequence[Onsets]) -> float:
    """The share of different ones among those that have notes; 1 where none has."""
    full = [bar for bar in bars if bar]
    return len(set(full)) / len(full) if full else 1.0


def least_bars(period: int) -> int:
    """How many bars in all make a loop."""
    return max(LEAST_BARS, min(LEAST_PERIODS * period, period + MOST_ALIKE))
