"""Sequences for training in the words of the first edition, drawn from encoded corpora (composer.training.dataset)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from composer.engine.anchors import BARS_BEFORE, BARS_LEFT, FIELDS, UNKNOWN, Bars, begun, end_in
from composer.training.corruption import crowded
from composer.training.dataset import Corpus, Song
from composer.training.lessons import (
    ANCHOR_BARS,
    SHARE_OPENED,
    TRANSPOSITIONS,
    VALIDATION_ANCHOR,
    excerpt,
    transposed,
)
from composer.training.train import Windows
from composer.words import COLUMN, Family, Vocabulary

UNTOLD = (0.1, 0.1, 0.1, 0.1, 0.1, 0.4)  # the share of sequences that are not told a field; most pieces need no end


class Batch(NamedTuple):
    """Sequences of words, and what stands before them; and what each but the last word is told beside."""

    words: npt.NDArray[np.int64]  # (sequences, past + length, attributes): what is heard
    anchors: npt.NDArray[np.int64]  # (sequences, length, fields)
    truth: npt.NDArray[np.int64]  # (sequences, length, attributes): what comes next


def anchors_by_word(
    bars: Bars, begins: bool, of_word: npt.NDArray[np.int64], first: int, behind: int, transposed: int = 0
) -> npt.NDArray[np.int64]:
    """What the bars from `first` up to `behind` say, told to the words that stand behind them; and to every word how
    many bars stand before its own.

    begins: whether the bars are a song's first ones, for otherwise nobody knows how many stand before
    of_word: (words,), the bar of each -> (words, fields)
    """
    told = np.zeros((len(of_word), len(FIELDS)), dtype=np.int64)
    told[of_word >= behind, :BARS_BEFORE] = bars.anchors(first, behind, transposed)
    if begins:
        told[:, BARS_BEFORE] = begun(of_word)
    return told


class Sampler:
    """Draws training sequences: a stretch by its length, a place in it, a transposition. All from (seed, step).

    A step's batch depends on nothing before it, so a resumed run sees what an unbroken one would have seen.
    """

    def __init__(
        self,
        songs: Sequence[Song],
        vocabulary: Vocabulary,
        length: int,
        seed: int,
        augment: bool = True,
        past: int = 0,
        crowding: bool = False,
    ):
        self.words = np.concatenate([song.words for song in songs])
        lengths = np.array([len(song.words) for song in songs])
        self.ends = np.cumsum(lengths)
        self.starts = self.ends - lengths
        self.shares = lengths / lengths.sum()
        self.length, self.seed, self.past, self.crowding = length, seed, past, crowding
        self.vocabulary = vocabulary
        self.bars = [Bars(song.words, vocabulary) for song in songs]
        self.begins = [song.begins for song in songs]
        self.tables = {k: vocabulary.transposed_ids(k) for k in (TRANSPOSITIONS if augment else (0,))}

    def batch(self, step: int, size: int) -> Batch:
        """Excerpts of length + 1 words, and what stands before them.

        Padded with IGNORE before the beginning of a stretch and behind its end.
        """
        rng = np.random.default_rng((self.seed, step))
        rows = np.zeros((size, self.past + self.length, len(self.vocabulary.sizes)), dtype=np.int64)
        anchors = np.zeros((size, self.length, len(FIELDS)), dtype=np.int64)
        truth = np.zeros((size, self.length, len(self.vocabulary.sizes)), dtype=np.int64)
        songs = rng.choice(len(self.shares), size=size, p=self.shares)
        for row, told, true, song in zip(rows, anchors, truth, songs, strict=True):
            stretch = self.words[self.starts[song] : self.ends[song]]
            start, before, some = excerpt(stretch, self.length, self.past, rng)
            words, semitones = transposed(some, self.tables, rng)
            row[self.past - before : self.past] = words[:before]
            heard, following = words[before:-1], words[before + 1 :]
            if self.crowding:
                heard, following = crowded(words[before:], self.vocabulary, rng)
            count = min(len(heard), self.length)
            row[self.past : self.past + count], true[:count] = heard[:count], following[:count]
            told[:count] = self._anchors(song, start, heard[:count], semitones, rng)
        return Batch(rows, anchors, truth)

    def _anchors(
        self, song: int, start: int, heard: npt.NDArray[np.int64], semitones: int, rng: np.random.Generator
    ) -> npt.NDArray[np.int64]:
        """What each word heard from `start` on is told; now and then less, for it has to do without as well."""
        bars = self.bars[song]
        first = bars.of_word[start]
        some = min(int(rng.choice(ANCHOR_BARS)), bars.count)
        begin = 0 if rng.random() < SHARE_OPENED else int(rng.integers(0, max(0, first - some) + 1))
        opens = heard[:, COLUMN["family"]] == Family.BAR
        of_word = first + np.cumsum(opens) - opens[0]
        told = anchors_by_word(bars, self.begins[song], of_word, begin, begin + some, semitones)
        if self.words[self.ends[song] - 1, 0] == Family.END:
            told[:, BARS_LEFT] = end_in(bars.count - 1 - of_word)
        told[:, rng.random(len(FIELDS)) < UNTOLD] = UNKNOWN
        return told


def validation_windows(songs: Sequence[Song], vocabulary: Vocabulary, length: int, past: int = 0) -> Batch:
    """Every word of the songs once, in order, padded with IGNORE. Anchored in the first 8 bars, no end in sight.

    The first word of a window is context only, so windows overlap by one word.
    """
    windows, anchors, truths = [], [], []
    for song in songs:
        bars = Bars(song.words, vocabulary)
        for start in range(0, len(song.words) - 1, length):
            before = min(start, past)
            heard, truth = song.words[start - before : start + length], song.words[start + 1 : start + length + 1]
            heard = heard[: before + len(truth)]
            windows.append(np.pad(heard, ((past - before, length + before - len(heard)), (0, 0))))
            truths.append(np.pad(truth, ((0, length - len(truth)), (0, 0))))
            of_word = bars.of_word[start : start + length]
            told = anchors_by_word(bars, song.begins, of_word, 0, min(VALIDATION_ANCHOR, bars.count))
            anchors.append(np.pad(told, ((0, length - len(told)), (0, 0))))
    return Batch(*(np.stack(rows).astype(np.int64) for rows in (windows, anchors, truths)))


class FirstEdition:
    """Corpora in the words of the first edition, as composer.training.train.Data."""

    def __init__(
        self, corpora: Sequence[Corpus], vocabulary: Vocabulary, length: int, seed: int, past: int, crowding: bool
    ) -> None:
        self.corpora, self.vocabulary, self.length, self.past = corpora, vocabulary, length, past
        songs = [song for corpus in corpora for song in corpus.train]
        self._sampler = Sampler(songs, vocabulary, length, seed, past=past, crowding=crowding)

    @property
    def described(self) -> dict[str, dict[str, int]]:
        return {c.name: {"train": len(c.train), "validation": len(c.validation)} for c in self.corpora}

    def batch(self, step: int, size: int) -> Batch:
        return self._sampler.batch(step, size)

    def validation(self) -> list[Windows]:
        return [
            Windows(
                corpus.name,
                [
                    Batch(*(array[None] for array in one))
                    for one in zip(
                        *validation_windows(corpus.validation, self.vocabulary, self.length, self.past), strict=True
                    )
                ],
            )
            for corpus in self.corpora
            if corpus.validation
        ]
