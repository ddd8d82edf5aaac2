"""Guard rails while a piece is composed. No torch: they read words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from composer.words import Family, Word

LONGEST_PERIOD = 8  # bars
ALIKE = 0.7  # two bars are the same to the ear when they share so much of what sounds in either
LEAST_BARS, LEAST_PERIODS = 8, 3  # from so many on a repetition is a loop

Onsets = frozenset[tuple[int, int]]  # (position, pitch)


class LoopGuard:
    """Watches the bars of one piece, and says when it is about to be stuck.

    A loop is a run of bars, each like the one a period before it, of 8 bars and 3 periods at least.
    """

    def __init__(self, opening: Iterable[Word]) -> None:
        self.bars: list[Onsets] = []
        self.runs = [0] * (LONGEST_PERIOD + 1)  # by period: how many of the last bars are like those before
        self.free_bars = 0  # bars that are still to be kept away from what came before
        self.acted = 0  # times it did
        self.open: set[tuple[int, int]] = set()
        self.position = 0
        for word in opening:
            self.read(word)
        self.free_bars = self.acted = 0

    def read(self, word: Word) -> None:
        if word.family == Family.METRICAL:
            self.position = word.position
        if word.family == Family.NOTE:
            self.open.add((self.position, word.pitch))
        if word.family == Family.BAR:
            self._close()

    def _close(self) -> None:
        self.bars.append(frozenset(self.open))
        self.open.clear()
        self.free_bars = max(0, self.free_bars - 1)
        for period in self._stuck():
            self.free_bars = max(self.free_bars, min(period, 4))
            self.acted += 1
            self.runs = [0] * (LONGEST_PERIOD + 1)
            break

    def _stuck(self) -> Iterator[int]:
        for period in range(1, min(LONGEST_PERIOD, len(self.bars) - 1) + 1):
            self.runs[period] = self.runs[period] + 1 if alike(self.bars[-1], self.bars[-1 - period]) else 0
        for period in range(1, LONGEST_PERIOD + 1):
            if self.runs[period] + period >= max(LEAST_BARS, LEAST_PERIODS * period) - 1:
                yield period


def alike(one: Onsets, other: Onsets) -> bool:
    return bool(one) and len(one & other) >= ALIKE * len(one | other)
