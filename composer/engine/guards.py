"""Guard rails while a piece is composed: stuck in a loop, or copying a training song. No torch: they read words.

They look at each bar as it ends. Where one acts, some bars are drawn again: warmer in pitch, and without being told
what came before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from composer.engine.runs import RUN, STEPS, RunIndex, run_hashes
from composer.request import Request, Watched
from composer.words import BAR, Family, Vocabulary, Word

LONGEST_PERIOD = 8  # bars
ALIKE = 0.7  # two bars are the same to the ear when they share so much of what sounds in either
LEAST_BARS, LEAST_PERIODS = 8, 3  # from so many on a repetition is a loop
MOST_BARS_WARM = 4  # behind a loop; the way out of it is found or not within a phrase
MOST_RETURNS = 6  # times a piece goes back for a loop; then it is kept, and only told less
MOST_TRIES = 3  # times a bar is drawn again because it copies; then it is kept, and the receipt says so

Onsets = frozenset[tuple[int, int]]  # (position, pitch)


class Verdict(NamedTuple):
    """back: bars to draw again, the one that has just ended included   warm: how many bars from there on are warmed"""

    back: int
    warm: int


class Watch:
    """The guard rails of one piece."""

    def __init__(self, request: Request, vocabulary: Vocabulary, runs: RunIndex | None) -> None:
        self._request, self._vocabulary = request, vocabulary
        self._runs = runs if request.guards.copies else None
        self._tried: dict[int, int] = {}  # by bar, how often it was drawn again because it copied
        self.watched = Watched()
        self._begin([BAR])  # which is given: the opening's last bar ends there

    def read(self, word: Word, bars: int) -> Verdict | None:
        """Hear the newest word of a piece, of which so many bars are complete."""
        loop = self._loops.read(word) if self._loops else 0
        copied = self._copies.read(word) if self._copies else False
        if loop and self.watched.loops < MOST_RETURNS:
            self.watched = replace(self.watched, loops=self.watched.loops + 1)
            return Verdict(min(loop, bars), min(loop, MOST_BARS_WARM))
        if copied and self._tried.get(bars, 0) < MOST_TRIES:
            self._tried[bars] = self._tried.get(bars, 0) + 1
            self.watched = replace(self.watched, redrawn=self.watched.redrawn + 1)
            return Verdict(1, 1)
        if self._copies:
            self.watched = replace(self.watched, common=self._copies.longest, song=self._copies.song)
        if loop:
            self.watched = replace(self.watched, stuck=True)
            return Verdict(0, min(loop, MOST_BARS_WARM))
        return None

    def go_back(self, words: Sequence[Word]) -> None:
        """The piece has only these words again."""
        self._begin(words)

    def _begin(self, words: Sequence[Word]) -> None:
        self._loops = LoopGuard([*self._request.words, *words]) if self._request.guards.loops else None
        self._copies = CopyGuard(self._runs, self._vocabulary) if self._runs else None
        for word in words if self._copies else ():
            assert self._copies is not None
            self._copies.read(word)


class LoopGuard:
    """Hears the bars of a piece, and says when it is about to be stuck.

    A loop is a run of bars, each like the one a period before it, of 8 bars and 3 periods at least.
    """

    def __init__(self, opening: Iterable[Word]) -> None:
        self.bars: list[Onsets] = []
        self.runs = [0] * (LONGEST_PERIOD + 1)  # by period: how many of the last bars are like those before
        self.open: set[tuple[int, int]] = set()
        self.position = 0
        for word in opening:
            self.read(word)

    def read(self, word: Word) -> int:
        """The period of the loop that the bar which ends with this word completes; 0 for none."""
        if word.family == Family.METRICAL:
            self.position = word.position
        if word.family == Family.NOTE:
            self.open.add((self.position, word.pitch))
        if word.family not in (Family.BAR, Family.END):
            return 0
        self.bars.append(frozenset(self.open))
        self.open.clear()
        return next(self._stuck(), 0)

    def _stuck(self) -> Iterator[int]:
        for period in range(1, min(LONGEST_PERIOD, len(self.bars) - 1) + 1):
            self.runs[period] = self.runs[period] + 1 if alike(self.bars[-1], self.bars[-1 - period]) else 0
        for period in range(1, LONGEST_PERIOD + 1):
            if self.runs[period] + period >= max(LEAST_BARS, LEAST_PERIODS * period) - 1:
                yield period


def alike(one: Onsets, other: Onsets) -> bool:
    return bool(one) and len(one & other) >= ALIKE * len(one | other)


class CopyGuard:
    """Hears the words of a continuation, and says when a bar completes a run that stands in a training song."""

    def __init__(self, runs: RunIndex, vocabulary: Vocabulary) -> None:
        self.runs, self.vocabulary = runs, vocabulary
        self.times: list[int] = []  # in steps, and the pitches: of all notes up to the last bar line
        self.pitches: list[int] = []
        self.open: list[tuple[int, int]] = []  # of the bar that is being heard
        self.bars, self.position = 0, 0
        self.common = 0  # runs of training songs that the last notes make, one after the other
        self.longest, self.song = 0, ""  # notes of the longest such stretch, and a song that it is in

    def read(self, word: Word) -> bool:
        if word.family == Family.METRICAL:
            self.position = (word.position - 1) * STEPS // self.vocabulary.positions
        if word.family == Family.NOTE:
            time = self.bars * STEPS + self.position
            self.open.append((time, self.vocabulary.pitches[word.pitch - 1]))
        if word.family not in (Family.BAR, Family.END):
            return False
        notes, self.open = sorted(self.open), []
        self.bars += 1
        self.times += [time for time, _ in notes]
        self.pitches += [pitch for _, pitch in notes]
        reach = len(notes) + RUN  # the notes of all runs that end in this bar
        owners = self.runs.owners(run_hashes(np.array(self.times[-reach:]), np.array(self.pitches[-reach:])))
        for owner in owners:
            self.common = self.common + 1 if owner >= 0 else 0
            if owner >= 0 and self.common + RUN > self.longest:
                self.longest, self.song = self.common + RUN, self.runs.names[owner]
        return any(owner >= 0 for owner in owners)
