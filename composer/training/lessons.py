"""Sequences for training, drawn from the one file of encoded corpora (composer.training.corpora).

A step's batch depends on (seed, step) and on nothing before it, so a resumed run sees what an unbroken one would have
seen. Needs numpy and torch alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from composer.engine.anchors import BARS_BEFORE, BARS_LEFT, FIELDS, UNKNOWN, Bars, begun, end_in
from composer.engine.model import HEARD
from composer.music.words import COLUMN, IGNORE, Family, Vocabulary
from composer.music.words import Words as Encoded
from composer.training.corruption import crowded
from composer.training.tasks import Lesson, Words, given, redo, split_bars
from composer.training.train import Batch, Windows

TRANSPOSITIONS = range(-6, 6)  # semitones: every key once
ANCHOR_BARS = (2, 4, 8, 8, 16)  # so many bars an anchor is taken from, as openings are short or long
VALIDATION_ANCHOR = 8  # bars
SHARE_OPENED = 0.75  # of anchors, that are taken from the first bars, where a song's opening is
SHARE_BEGUN = 0.4  # of sequences that go on, that begin where their stretch does, as all begin that are composed
# The share of sequences that are not told a field, the style last; most pieces need no end.
UNTOLD = (0.1, 0.1, 0.1, 0.1, 0.1, 0.4, 0.2)
STYLE = len(FIELDS)  # the anchor behind the others
SHARE_REDO, SHARE_PARTS, SHARE_CHORDS = 0.2, 0.15, 0.1  # of sequences; the others go on
SHARE_BOTH = 0.3  # of those that are given parts, that are given the chords as well
LONGEST_HOLE = 8  # bars
BY_RULE = tuple(COLUMN[name] for name in ("velocity", "tempo"))  # of what was not performed


def stretch_name(song: str, number: int) -> str:
    return f"{song}/{number}"


@dataclass(frozen=True)
class Song:
    """A stretch of bars of one song. corpus: its number in Lessons.corpora"""

    name: str
    words: Encoded
    corpus: int

    @property
    def begins(self) -> bool:
        """Whether it is the first stretch of its song, so that its bars are counted from the song's beginning."""
        return self.name.endswith(stretch_name("", 0))

    @property
    def ends(self) -> bool:
        return bool(self.words[-1, 0] == Family.END)


@dataclass(frozen=True)
class Lessons:
    """Encoded corpora.

    Attributes:
        vocabulary: of their words.
        corpora: their names.
        styles: of each corpus, its number in STYLES.
        performed: of each, whether velocity and tempo were played.
        shares: of each, its share of the training sequences beside those of the others.
        train: what is trained on.
        validation: what is held out.
    """

    vocabulary: Vocabulary
    corpora: Sequence[str]
    styles: Sequence[int]
    performed: Sequence[bool]
    shares: Sequence[float]
    train: Sequence[Song]
    validation: Sequence[Song]

    @classmethod
    def load(cls, path: Path) -> Lessons:
        """From the file that composer.training.corpora writes."""
        with np.load(path, allow_pickle=False) as data:
            parts = np.split(data["words"], np.cumsum(data["lengths"])[:-1])
            songs = [
                Song(str(name), words, int(corpus))
                for name, words, corpus in zip(data["names"], parts, data["corpus"], strict=True)
            ]
            held_out = data["validation"].tolist()
            return cls(
                Vocabulary.from_json(str(data["vocabulary"])),
                [str(name) for name in data["corpora"]],
                data["styles"].tolist(),
                data["performed"].tolist(),
                data["shares"].tolist(),
                train=[song for song, out in zip(songs, held_out, strict=True) if not out],
                validation=[song for song, out in zip(songs, held_out, strict=True) if out],
            )

    @property
    def described(self) -> dict[str, dict[str, int]]:
        """How many stretches of each corpus there are."""
        sides = {"train": self.train, "validation": self.validation}
        return {
            name: {side: sum(song.corpus == number for song in songs) for side, songs in sides.items()}
            for number, name in enumerate(self.corpora)
        }

    def bars_of(self, song: Song) -> Bars:
        return Bars(song.words, self.vocabulary)

    def unperformed(self, song: Song, truth: Words) -> None:
        """Ask for no velocity and no tempo that was made by rule."""
        if not self.performed[song.corpus]:
            truth[:, BY_RULE] = IGNORE


def told(
    bars: Bars, begins: bool, style: int, of_word: npt.NDArray[np.int64], first: int, behind: int, transposed: int = 0
) -> npt.NDArray[np.int64]:
    """What the bars from `first` up to `behind` say, told to the words that stand behind them; to every word how many
    bars stand before its own, and its style.

    begins: whether the bars are a song's first ones, for otherwise nobody knows how many stand before
    of_word: (words,), the bar of each -> (words, fields)
    """
    rows = np.zeros((len(of_word), len(FIELDS) + 1), dtype=np.int64)
    rows[of_word >= behind, :BARS_BEFORE] = bars.anchors(first, behind, transposed)
    if begins:
        rows[:, BARS_BEFORE] = begun(of_word)
    rows[:, STYLE] = 1 + style
    return rows


class Sampler:
    """Draws training sequences: a corpus by its share, a stretch by its length, a task, a place, a transposition."""

    def __init__(self, lessons: Lessons, length: int, seed: int, past: int = 0, crowding: bool = True) -> None:
        self.lessons, self.length, self.seed, self.past, self.crowding = lessons, length, seed, past, crowding
        self.vocabulary = lessons.vocabulary
        self.songs = lessons.train
        lengths = np.array([len(song.words) for song in self.songs], dtype=np.float64)
        corpus = np.array([song.corpus for song in self.songs])
        of_corpus = np.bincount(corpus, lengths, minlength=len(lessons.shares))
        self.shares = lengths * (np.array(lessons.shares) / np.maximum(of_corpus, 1))[corpus]
        self.shares /= self.shares.sum()
        self.tables = {semitones: self.vocabulary.transposed_ids(semitones) for semitones in TRANSPOSITIONS}
        self.bars: dict[int, Bars] = {}

    @property
    def described(self) -> dict[str, dict[str, int]]:
        return self.lessons.described

    def validation(self) -> list[Windows]:
        return validation_windows(self.lessons, self.length, self.past)

    def batch(self, step: int, size: int) -> Batch:
        """Padded with IGNORE before what is heard and behind it."""
        rng = np.random.default_rng((self.seed, step))
        attributes = len(self.vocabulary.sizes)
        words = np.zeros((size, self.past + self.length, attributes), dtype=np.int64)
        anchors = np.zeros((size, self.length, len(FIELDS) + 1), dtype=np.int64)
        segments = np.zeros((size, self.length), dtype=np.int64)
        truth = np.zeros((size, self.length, attributes), dtype=np.int64)
        for row, number in enumerate(rng.choice(len(self.songs), size=size, p=self.shares)):
            before, lesson, row_anchors = self._lesson(int(number), rng)
            count = len(lesson.heard)
            words[row, self.past - len(before) : self.past] = before
            words[row, self.past : self.past + count] = lesson.heard
            anchors[row, :count], segments[row, :count] = row_anchors, lesson.segments
            truth[row, :count] = lesson.truth
        return Batch(words, anchors, segments, truth)

    def _lesson(self, number: int, rng: np.random.Generator) -> tuple[Words, Lesson, npt.NDArray[np.int64]]:
        """The words before what is heard, the sequence, and what its words are told."""
        song = self.songs[number]
        if number not in self.bars:
            self.bars[number] = self.lessons.bars_of(song)
        bars = self.bars[number]
        task = rng.random()
        if task < SHARE_REDO + SHARE_PARTS + SHARE_CHORDS:
            found = self._conditioned(song, task, rng)
            if found is not None:
                before, lesson, semitones = found
                anchors = self._anchors(song, bars, lesson, semitones, rng)
                self.lessons.unperformed(song, lesson.truth)
                return before, lesson, anchors
        start, count, some = excerpt(song.words, self.length, self.past, rng)
        words, semitones = transposed(some, self.tables, rng)
        heard, following = words[count:-1], words[count + 1 :]
        if self.crowding:
            heard, following = crowded(words[count:], self.vocabulary, rng)
        heard, following = heard[: self.length], following[: self.length].copy()
        opens = heard[:, COLUMN["family"]] == Family.BAR
        bar = bars.of_word[start] + np.cumsum(opens) - opens[0]
        lesson = Lesson(heard, following, np.full(len(heard), HEARD), bar, np.full(len(heard), -1))
        self.lessons.unperformed(song, lesson.truth)
        return words[:count], lesson, self._anchors(song, bars, lesson, semitones, rng)

    def _conditioned(self, song: Song, task: float, rng: np.random.Generator) -> tuple[Words, Lesson, int] | None:
        """A hole, or parts or chords that are given. None where the stretch does not have what it takes."""
        words, semitones = transposed(song.words, self.tables, rng)
        bars = split_bars(words)
        if task < SHARE_REDO:
            count = int(rng.integers(1, min(LONGEST_HOLE, len(bars)) + 1))
            hole = int(rng.integers(0, len(bars) - count + 1))
            if bars[-1][-1, 0] == Family.END:
                bars[-1] = bars[-1][:-1]
            lesson = redo(bars, hole, hole + count, self.length)
        else:
            roles = np.unique(words[:, COLUMN["role"]])
            roles = roles[roles != IGNORE]
            parts = task < SHARE_REDO + SHARE_PARTS
            if parts and len(roles) < 2:
                return None
            some = rng.permutation(roles)[: int(rng.integers(1, len(roles)))] if parts else roles[:0]
            chords = not parts or rng.random() < SHARE_BOTH
            first = int(rng.integers(0, len(bars))) if rng.random() > SHARE_BEGUN else 0
            lesson = given(bars, first, [int(role) for role in some], chords, self.length)
        if lesson is None:
            return None
        before = np.concatenate([words[:0], *bars[: lesson.bar.min()]])
        return before[max(0, len(before) - self.past) :], lesson, semitones

    def _anchors(
        self, song: Song, bars: Bars, lesson: Lesson, semitones: int, rng: np.random.Generator
    ) -> npt.NDArray[np.int64]:
        """What each word heard is told; now and then less, for the model has to do without as well."""
        first = int(lesson.bar.min())
        some = min(int(rng.choice(ANCHOR_BARS)), bars.count)
        begin = 0 if rng.random() < SHARE_OPENED else int(rng.integers(0, max(0, first - some) + 1))
        style = int(self.lessons.styles[song.corpus])
        rows = told(bars, song.begins, style, lesson.bar, begin, begin + some, semitones)
        if song.ends:
            rows[:, BARS_LEFT] = end_in(bars.count - 1 - lesson.bar)
        rows[:, rng.random(len(UNTOLD)) < np.array(UNTOLD)] = UNKNOWN
        hole = lesson.left >= 0
        if hole.any():  # how long it is is always told, and nothing of an end elsewhere
            rows[:, BARS_LEFT] = np.where(hole, end_in(np.maximum(lesson.left, 0)), UNKNOWN)
        return rows


def excerpt(words: Encoded, length: int, past: int, rng: np.random.Generator) -> tuple[int, int, Encoded]:
    """Where an excerpt of a stretch starts, how many words of the past there are, and they and the excerpt.

    From a bar line on, as every opening starts, often the first one; or the last words of the stretch, so that ends are
    learned. The excerpt has one word more than `length`.
    """
    bar_lines = np.flatnonzero(words[:, COLUMN["family"]] == Family.BAR)
    start = min(int(rng.choice(bar_lines)), max(0, len(words) - length - 1))
    if rng.random() < SHARE_BEGUN:
        start = 0
    before = min(start, past)
    return start, before, words[start - before : start + length + 1]


def transposed(
    words: Encoded, tables: Mapping[int, Mapping[str, npt.NDArray[np.int64]]], rng: np.random.Generator
) -> tuple[Words, int]:
    """The words moved by some semitones, and by how many. tables: by semitones, as Vocabulary.transposed_ids"""
    result: Words = words.astype(np.int64)
    pitches = result[:, COLUMN["pitch"]]
    used = pitches > 0
    for semitones in rng.permutation(list(tables)):
        table = tables[int(semitones)]
        moved = table["pitch"][pitches]
        if moved[used].all():  # every note stays on the piano
            result[:, COLUMN["pitch"]] = moved
            result[:, COLUMN["chord"]] = table["chord"][result[:, COLUMN["chord"]]]
            return result, int(semitones)
    return result, 0


# ------------------------------------------------------------------ validation


def validation_windows(lessons: Lessons, length: int, past: int = 0) -> list[Windows]:
    """Every word of the validation songs once, in order: to go on. Anchored in the first 8 bars, no end in sight.

    By corpus, and by corpus and the meter that most of a song's bars have. The first word of a window is context only,
    so windows overlap by one word.
    """
    splits: dict[str, list[Batch]] = {}
    for song in lessons.validation:
        meters = song.words[:, COLUMN["meter"]]
        meter = lessons.vocabulary.meters[np.bincount(meters[meters > 0]).argmax() - 1]
        windows = list(_windows_of(song, lessons, length, past))
        name = lessons.corpora[song.corpus]
        splits.setdefault(name, []).extend(windows)
        splits.setdefault(f"{name} {meter}", []).extend(windows)
    return [Windows(name, windows) for name, windows in sorted(splits.items())]


def _windows_of(song: Song, lessons: Lessons, length: int, past: int) -> Iterator[Batch]:
    bars = lessons.bars_of(song)
    style = int(lessons.styles[song.corpus])
    for start in range(0, len(song.words) - 1, length):
        before = min(start, past)
        truth = song.words[start + 1 : start + length + 1].astype(np.int64)
        count = len(truth)
        heard = song.words[start - before : start + count].astype(np.int64)
        lessons.unperformed(song, truth)
        of_word = bars.of_word[start : start + count]
        anchors = told(bars, song.begins, style, of_word, 0, min(VALIDATION_ANCHOR, bars.count))
        rows = (
            np.pad(heard, ((past - before, length - count), (0, 0))),
            np.pad(anchors, ((0, length - count), (0, 0))),
            np.zeros(length, dtype=np.int64),
            np.pad(truth, ((0, length - count), (0, 0))),
        )
        yield Batch(*(row[None] for row in rows))
