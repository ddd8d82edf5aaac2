"""Guard rails while a piece is composed: stuck in a loop, copying a training song, drifting. No torch: they read words.

They look at each bar as it ends. Where it is stuck or copies, some bars are drawn again: warmer in pitch, and without
being told what came before. Where few of the last bars are new, the next one is drawn so: a section returns once or
twice, and then varies. Where the music has drifted away from the opening, denser and denser or louder and louder as its
own slips add up, what follows is pulled back a little.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from composer.engine.runs import RUN, STEPS, RunIndex, nearest_step, run_hashes
from composer.music.repetition import ALIKE, WINDOW, Repetition, least_bars
from composer.music.words import Family, Vocabulary, Word, by_bar
from composer.request import Request, Watched

MOST_BARS_WARM = 4  # behind a loop; the way out of it is found or not within a phrase
MOST_RETURNS = 6  # times a piece goes back for a loop, in each RETURN_BARS; then it is kept, and only told less
RETURN_BARS = 64
LEAST_NOVELTY = 0.5  # of the last 16 new bars; real songs are hardly ever below, and a piece is told less of its past
MOST_TRIES = 3  # times a bar is drawn again because it copies; then it is kept, and the receipt says so

DRIFT_BARS = 4  # so many of the last bars are held against the opening
LONGEST_HOME = 16  # bars, the last ones of the opening, that say what it is like
# So far real music goes from its opening, and beyond it so much each is pulled; docs/decisions.md has the figures.
MUCH_FULLER, MUCH_LOUDER, MUCH_HIGHER = 1.0, 1.0, 4.0  # octaves of notes or onsets a bar, steps of velocity, semitones
NOTES_PULL, SPREAD_PULL, LOUDNESS_PULL, REGISTER_PULL = 3.0, 0.4, 0.1, 0.03  # spread: for each sixteenth


class Verdict(NamedTuple):
    """back: bars to draw again, the one that has just ended included   warm: how many bars from there on are warmed"""

    back: int
    warm: int


class Pull(NamedTuple):
    """notes: nats taken from another note at a position   spread: nats for each position that is left out before the
    next   loudness: nats for each step of velocity up   register: nats for each semitone up"""

    notes: float = 0.0
    spread: float = 0.0
    loudness: float = 0.0
    register: float = 0.0


NO_PULL = Pull()


class Watch:
    """The guard rails of one piece.

    pull: what is drawn next is pulled so
    """

    def __init__(self, request: Request, words: Sequence[Word], vocabulary: Vocabulary, runs: RunIndex | None) -> None:
        """words: what the piece has before anything is drawn, the bar word that opens it"""
        self._request, self._vocabulary = request, vocabulary
        self._runs = runs if request.guards.copies else None
        self._tried: dict[int, int] = {}  # by bar, how often it was drawn again because it copied
        self._returned: Counter[int] = Counter()  # by stretch of RETURN_BARS, how often it went back for a loop
        self.watched = Watched()
        self._begin(words)

    def read(self, word: Word, bars: int) -> Verdict | None:
        """Hear the newest word of a piece, of which so many bars are complete."""
        loop = self._loops.read(word) if self._loops else 0
        copied = self._copies.read(word) if self._copies else False
        if self._drift and self._drift.read(word):
            self.watched = replace(self.watched, pulled=self.watched.pulled + (self.pull != NO_PULL))
        if loop and self._returned[bars // RETURN_BARS] < MOST_RETURNS:
            self._returned[bars // RETURN_BARS] += 1
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
        ends = word.family in (Family.BAR, Family.END)
        if ends and self._loops and self._loops.novelty < LEAST_NOVELTY:
            return Verdict(0, 1)
        return None

    @property
    def pull(self) -> Pull:
        return self._drift.pull if self._drift else NO_PULL

    def go_back(self, words: Sequence[Word]) -> None:
        """The piece has only these words again."""
        self._begin(words)

    def _begin(self, words: Sequence[Word]) -> None:
        self._loops = LoopGuard(self._request.words, words) if self._request.guards.loops else None
        self._copies = CopyGuard(self._runs, self._vocabulary) if self._runs else None
        # Where the piece is to be unlike its opening, or has none, there is nothing to pull it back to.
        request = self._request
        pulls = request.guards.drift and request.words and not request.wishes
        self._drift = DriftGuard(request.words, self._vocabulary) if pulls else None
        for word in words:
            if self._copies:
                self._copies.read(word)
            if self._drift:
                self._drift.read(word)


class LoopGuard:
    """Hears the bars of a piece, and says when it is about to be stuck.

    A loop is a run of bars, each like the one a period before it, of 8 bars and 3 periods at least; of a long period
    so many bars as composer.music.repetition has it (MOST_ALIKE) and one period are enough.
    """

    def __init__(self, opening: Iterable[Word], words: Iterable[Word] = ()) -> None:
        """words: what there is behind the opening"""
        self.heard = Repetition(alike=ALIKE)
        self.open: set[tuple[int, int]] = set()
        self.position = 0
        for word in opening:
            self.read(word)
        self.given = len(self.heard.bars) + bool(self.open)  # bars; the last one ends with the next word
        for word in words:
            self.read(word)

    @property
    def novelty(self) -> float:
        """Of the last bars; 1 until there are enough behind the opening, whose loops are its own affair."""
        return self.heard.novelty if len(self.heard.bars) >= self.given + WINDOW else 1.0

    def read(self, word: Word) -> int:
        """The period of the loop that the bar which ends with this word completes; 0 for none."""
        if word.family == Family.METRICAL:
            self.position = word.position
        if word.family == Family.NOTE:
            self.open.add((self.position, word.pitch))
        if word.family not in (Family.BAR, Family.END):
            return 0
        self.heard.hear(frozenset(self.open))
        self.open.clear()
        return next((period for period, run in enumerate(self.heard.runs) if run + period >= least_bars(period) - 1), 0)


class DriftGuard:
    """Hears the bars of a continuation, and says how to pull back what has drifted away from the opening."""

    def __init__(self, opening: Sequence[Word], vocabulary: Vocabulary) -> None:
        self.spread_pull = SPREAD_PULL * STEPS / vocabulary.positions_per_whole
        self.home = _texture(by_bar(opening)[-LONGEST_HOME:])
        self.bars: list[list[Word]] = []
        self.open: list[Word] = []
        self.pull = NO_PULL

    def read(self, word: Word) -> bool:
        """Whether a bar has ended with the word, so that the pull may be another."""
        if word.family not in (Family.BAR, Family.END):
            self.open.append(word)
            return False
        self.bars = [*self.bars, self.open][-DRIFT_BARS:]
        self.open = []
        self.pull = self._pull()
        return True

    def _pull(self) -> Pull:
        here = _texture(self.bars)
        if not (self.home.notes and here.notes):
            return NO_PULL
        fuller, busier = (
            max(0.0, math.log2(now / then) - MUCH_FULLER) for now, then in zip(here[:2], self.home[:2], strict=True)
        )
        louder, higher = here.velocity - self.home.velocity, here.pitch - self.home.pitch
        return Pull(
            NOTES_PULL * fuller,
            self.spread_pull * busier,
            -LOUDNESS_PULL * _beyond(louder, MUCH_LOUDER),
            -REGISTER_PULL * _beyond(higher, MUCH_HIGHER),
        )


def _beyond(off: float, much: float) -> float:
    """What is more than much, up or down."""
    return math.copysign(max(0.0, abs(off) - much), off)


class Texture(NamedTuple):
    """In the mean over some bars: notes and onsets a bar, and the ids of the notes' velocities and pitches.

    All 0 without notes.
    """

    notes: float
    onsets: float
    velocity: float
    pitch: float


def _texture(bars: Sequence[Sequence[Word]]) -> Texture:
    notes = [word for bar in bars for word in bar if word.family == Family.NOTE]
    if not notes:
        return Texture(0, 0, 0, 0)
    onsets = sum(
        word.family == Family.METRICAL and following.family == Family.NOTE
        for bar in bars
        for word, following in pairwise(bar)
    )
    velocity, pitch = (sum(getattr(note, name) for note in notes) / len(notes) for name in ("velocity", "pitch"))
    return Texture(len(notes) / len(bars), max(onsets, 1) / len(bars), velocity, pitch)


class CopyGuard:
    """Hears the words of a continuation, and says when a bar completes a run that stands in a training song."""

    def __init__(self, runs: RunIndex, vocabulary: Vocabulary) -> None:
        self.runs, self.vocabulary = runs, vocabulary
        self.times: list[int] = []  # in steps, and the pitches: of all notes up to the last bar line
        self.pitches: list[int] = []
        self.open: list[tuple[int, int]] = []  # of the bar that is being heard
        self.start, self.length, self.position = 0, 0, 0  # of the open bar, and the last one in it, in positions
        self.common = 0  # runs of training songs that the last notes make, one after the other
        self.longest, self.song = 0, ""  # notes of the longest such stretch, and a song that it is in

    def read(self, word: Word) -> bool:
        if word.family == Family.METRICAL:
            self.position = word.position - 1
        if word.family == Family.NOTE:
            place = np.array(self.start + self.position)
            step = int(nearest_step(place, self.vocabulary.positions_per_whole))
            self.open.append((step, self.vocabulary.pitches[word.pitch - 1]))
        if word.family not in (Family.BAR, Family.END):
            return False
        notes, self.open = sorted(self.open), []
        self.start, self.length = self.start + self.length, self.vocabulary.bar_lengths[word.meter]
        self.times += [time for time, _ in notes]
        self.pitches += [pitch for _, pitch in notes]
        reach = len(notes) + RUN  # the notes of all runs that end in this bar
        owners = self.runs.owners(run_hashes(np.array(self.times[-reach:]), np.array(self.pitches[-reach:])))
        for owner in owners:
            self.common = self.common + 1 if owner >= 0 else 0
            if owner >= 0 and self.common + RUN > self.longest:
                self.longest, self.song = self.common + RUN, self.runs.names[owner]
        return any(owner >= 0 for owner in owners)
