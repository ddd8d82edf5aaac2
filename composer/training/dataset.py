"""From folders of MIDI files to arrays of words, encoded once and kept.

A corpus is a folder that holds .mid files, or .tar.gz archives of them, and two lists of song ids, a line each,
train.txt and validation.txt, in the folder or in the one above. A file belongs to the song that its name starts
with: 011.mid and 011-v1.mid to song 011. Where a manifest.tsv has a column `tier`, only the asked tiers are taken.
"""

from __future__ import annotations

import csv
import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from composer.encoding import to_words
from composer.engine.anchors import BARS_BEFORE, BARS_LEFT, FIELDS, UNKNOWN, Bars, begun, end_in
from composer.errors import OpeningError, SettingsError
from composer.midi import parse_midi
from composer.score import TICKS_PER_BAR, TICKS_PER_BEAT, Score, excerpt
from composer.training.corruption import crowded
from composer.training.train import Windows
from composer.words import ATTRIBUTES, END, Family, Vocabulary

Words = npt.NDArray[np.uint8]  # (words, attributes)
Split = Literal["train", "validation"]

ENCODING_VERSION = 3  # raise it when the same files give other words: encoded corpora are made anew
SHORTEST_BARS = 8  # what is left between two short bars has to be a phrase at least
ANNOTATIONS = frozenset({"CHORD"})  # POP909's track of chord labels, which nobody plays
GRID_TOLERANCE_TICKS = TICKS_PER_BEAT // 24
LEAST_ON_GRID = 0.6  # below it the music is not in sixteenths (triplets, rubato), and words would misstate it


@dataclass(frozen=True)
class Song:
    """One stretch of music in 4/4: a whole song, or what lies between two of its short bars."""

    name: str
    words: Words

    @property
    def begins(self) -> bool:
        """Whether it is the first stretch of its song, so that its bars are counted from the song's beginning."""
        return self.name.endswith(stretch_name("", 0))


def stretch_name(song: str, number: int) -> str:
    return f"{song}/{number}"


@dataclass(frozen=True)
class Corpus:
    """The songs of one folder by split, and how many files were left out, by reason."""

    name: str
    train: list[Song]
    validation: list[Song]
    left_out: dict[str, int]


def load_corpus(folder: Path, vocabulary: Vocabulary, cache: Path, tiers: Sequence[str] = ("A",)) -> Corpus:
    """Read the encoded corpus from `cache`, or encode it and keep it there.

    Raises SettingsError if the folder holds no split or no music that can be used.
    """
    sources = find_sources(folder, tiers)
    path = cache / f"{folder.name}-{_digest(sources, vocabulary)}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _encode_all(sources, vocabulary, path, folder.name)
    return _read(path, folder.name)


# ------------------------------------------------------------------ which files


@dataclass(frozen=True)
class Source:
    """Where the bytes of one file lie, and which split it belongs to."""

    name: str
    split: Split
    container: Path  # the .mid file itself, or the archive
    size: int


def find_sources(folder: Path, tiers: Sequence[str] = ("A",)) -> list[Source]:
    """The files of a corpus that have a split, in the order of their names. Raises SettingsError if there are none."""
    sources = list(_sources(folder, _splits(folder), _left_out_tiers(folder, tiers)))
    if not sources:
        raise SettingsError(f"{folder} holds no MIDI file of a song that train.txt or validation.txt names.")
    return sources


def read_sources(sources: Sequence[Source]) -> Iterator[tuple[Source, bytes]]:
    """The bytes of every source; an archive is gone through once."""
    for container in sorted({source.container for source in sources}):
        wanted = {source.name: source for source in sources if source.container == container}
        if container.suffix == ".mid":
            yield wanted[container.name], container.read_bytes()
            continue
        with tarfile.open(container) as members:
            for member in members:
                source = wanted.get(Path(member.name).name)
                content = members.extractfile(member) if source else None
                if source and content:
                    yield source, content.read()


def _song_id(name: str) -> str:
    return name.removesuffix(".mid").split("-")[0]


def _splits(folder: Path) -> dict[str, Split]:
    """The split of each song id. Validation wins: a song on both lists is never trained on."""
    found: dict[str, Split] = {}
    for split in ("train", "validation"):
        lists = [place / f"{split}.txt" for place in (folder, folder.parent)]
        path = next((p for p in lists if p.is_file()), None)
        if path is None:
            raise SettingsError(f"{folder} has no {split}.txt, nor has the folder above: list its song ids there.")
        found |= {_song_id(line.strip()): split for line in path.read_text().splitlines() if line.strip()}
    return found


def _left_out_tiers(folder: Path, tiers: Sequence[str]) -> set[str]:
    manifest = folder / "manifest.tsv"
    if not manifest.is_file():
        return set()
    with manifest.open(newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        return {row["id"] for row in rows if "tier" in row and row["tier"] not in tiers}


def _sources(folder: Path, splits: dict[str, Split], left_out: set[str]) -> Iterator[Source]:
    """Every file that has a split, in the order of its name."""
    files = [(path.name, path, path.stat().st_size) for path in folder.rglob("*.mid")]
    for archive in folder.rglob("*.tar.gz"):
        with tarfile.open(archive) as members:
            files += [(Path(m.name).name, archive, m.size) for m in members if m.name.endswith(".mid")]
    for name, container, size in sorted(files):
        split = splits.get(_song_id(name))
        if split is not None and name.removesuffix(".mid") not in left_out:
            yield Source(name, split, container, size)


def _digest(sources: Iterable[Source], vocabulary: Vocabulary) -> str:
    listing = "".join(f"{s.name} {s.split} {s.size}\n" for s in sources)
    return hashlib.sha256(f"{ENCODING_VERSION} {vocabulary.digest}\n{listing}".encode()).hexdigest()[:16]


# ------------------------------------------------------------------ encoding


def stretches_in_four(score: Score) -> list[tuple[int, int]]:
    """Start and end, in ticks, of the stretches in 4/4, cut where a bar of another length stands."""
    meters = [meter for meter in score.meters if meter.tick < score.end]  # a file may name more behind its music
    starts = [meter.tick for meter in meters]
    found: list[tuple[int, int]] = []
    for meter, start, end in zip(meters, starts, [*starts[1:], score.end], strict=True):
        if (meter.numerator, meter.denominator) != (4, 4):
            continue
        if found and found[-1][1] == start:  # 4/4 said twice
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return [(start, end) for start, end in found if end - start >= SHORTEST_BARS * TICKS_PER_BAR]


def share_on_grid(score: Score, ticks_per_position: int) -> float:
    """The share of onsets within a 24th of a beat of the grid."""
    onsets = np.array([note.start for note in score.notes])
    off = np.abs((onsets + ticks_per_position // 2) % ticks_per_position - ticks_per_position // 2)
    return float((off <= GRID_TOLERANCE_TICKS).mean())


def encode_song(data: bytes, vocabulary: Vocabulary) -> list[Words]:
    """The words of each stretch in 4/4. An end word stands where the song ends, not where a short bar cuts it.

    Raises OpeningError if the file cannot be read, SettingsError if its music does not fit the vocabulary.
    """
    score = parse_midi(data, leave_out=ANNOTATIONS)
    if share_on_grid(score, vocabulary.ticks_per_position) < LEAST_ON_GRID:
        raise SettingsError("off the grid")
    pitches = [note.pitch for note in score.notes]
    if min(pitches) < vocabulary.pitches[0] or max(pitches) > vocabulary.pitches[-1]:
        raise SettingsError("off the piano")
    encoded: list[Words] = []
    for start, end in stretches_in_four(score):
        part = excerpt(score, start, end)
        if part.notes:
            words = to_words(part, vocabulary)
            encoded.append(np.array([*words, END] if end == score.end else words, dtype=np.uint8))
    if not encoded:
        raise SettingsError("not in 4/4")
    return encoded


def _encode_all(sources: Sequence[Source], vocabulary: Vocabulary, path: Path, name: str) -> None:
    stretches: list[tuple[str, Split, Words]] = []
    left_out: list[str] = []
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = [(source, pool.submit(_encode_job, data, vocabulary)) for source, data in read_sources(sources)]
        for source, job in tqdm(jobs, desc=f"encoding {name}", unit="song"):
            result = job.result()
            if isinstance(result, str):
                left_out.append(result)
            else:
                stretches += [(stretch_name(source.name, i), source.split, words) for i, words in enumerate(result)]
    if not stretches:
        raise SettingsError(f"No song of {name} can be used: {', '.join(sorted(set(left_out)))}.")
    part = path.with_suffix(".part.npz")
    np.savez_compressed(
        part,
        words=np.concatenate([words for *_, words in stretches]),
        lengths=np.array([len(words) for *_, words in stretches]),
        names=np.array([name for name, *_ in stretches]),
        splits=np.array([split for _, split, _ in stretches]),
        left_out=np.array(left_out, dtype=np.str_),
    )
    part.replace(path)  # whoever finds the file finds it whole


def _encode_job(data: bytes, vocabulary: Vocabulary) -> list[Words] | str:
    try:
        return encode_song(data, vocabulary)
    except OpeningError as error:
        return type(error).__name__
    except SettingsError as error:
        return str(error)


def _read(path: Path, name: str) -> Corpus:
    with np.load(path, allow_pickle=False) as data:
        parts = np.split(data["words"], np.cumsum(data["lengths"])[:-1])
        songs = [Song(str(n), words) for n, words in zip(data["names"], parts, strict=True)]
        splits, left_out = data["splits"], data["left_out"]
    reasons, counts = np.unique(left_out, return_counts=True)
    return Corpus(
        name,
        train=[song for song, split in zip(songs, splits, strict=True) if split == "train"],
        validation=[song for song, split in zip(songs, splits, strict=True) if split == "validation"],
        left_out=dict(zip(map(str, reasons), map(int, counts), strict=True)),
    )


# ------------------------------------------------------------------ sequences for training

COLUMN = {name: i for i, name in enumerate(ATTRIBUTES)}
TRANSPOSITIONS = range(-6, 6)  # semitones: every key once
ANCHOR_BARS = (2, 4, 8, 8, 16)  # so many bars an anchor is taken from, as openings are short or long
VALIDATION_ANCHOR = 8  # bars
SHARE_OPENED = 0.75  # of anchors, that are taken from the first bars, where a song's opening is
SHARE_BEGUN = 0.4  # of sequences, that begin where their stretch does, as all begin that are composed
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
        rows = np.zeros((size, self.past + self.length, len(ATTRIBUTES)), dtype=np.int64)
        anchors = np.zeros((size, self.length, len(FIELDS)), dtype=np.int64)
        truth = np.zeros((size, self.length, len(ATTRIBUTES)), dtype=np.int64)
        songs = rng.choice(len(self.shares), size=size, p=self.shares)
        for row, told, true, song in zip(rows, anchors, truth, songs, strict=True):
            start, before, excerpt = self._excerpt(song, rng)
            words, semitones = self._transposed(excerpt, rng)
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

    def _excerpt(self, song: int, rng: np.random.Generator) -> tuple[int, int, Words]:
        """Where the excerpt starts, how many words of the past there are, and they and the excerpt.

        From a bar line on, as every opening starts, often the first one; or the last words of the stretch, so that ends
        are learned.
        """
        words = self.words[self.starts[song] : self.ends[song]]
        bar_lines = np.flatnonzero(words[:, COLUMN["family"]] == Family.BAR)
        start = min(int(rng.choice(bar_lines)), max(0, len(words) - self.length - 1))
        if rng.random() < SHARE_BEGUN:
            start = 0
        before = min(start, self.past)
        return start, before, words[start - before : start + self.length + 1]

    def _transposed(self, words: Words, rng: np.random.Generator) -> tuple[npt.NDArray[np.int64], int]:
        """The words moved by some semitones, and by how many."""
        result = words.astype(np.int64)
        pitches = result[:, COLUMN["pitch"]]
        used = pitches > 0
        for semitones in rng.permutation(list(self.tables)):
            table = self.tables[int(semitones)]
            moved = table["pitch"][pitches]
            if moved[used].all():  # every note stays on the piano
                result[:, COLUMN["pitch"]] = moved
                result[:, COLUMN["chord"]] = table["chord"][result[:, COLUMN["chord"]]]
                return result, int(semitones)
        return result, 0


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
