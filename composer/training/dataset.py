"""From folders of MIDI files to arrays of words, encoded once and kept.

The words are those of the first edition. Which files make a corpus, says composer.training.sources.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from composer.encoding import to_words
from composer.errors import OpeningError, SettingsError
from composer.music.midi import leaving_out, parse_midi
from composer.music.score import TICKS_PER_BAR, TICKS_PER_BEAT, Score
from composer.training.sources import ANNOTATIONS, Source, Split, find_sources, read_sources
from composer.words import END, Vocabulary

Words = npt.NDArray[np.uint8]  # (words, attributes)

ENCODING_VERSION = 3  # raise it when the same files give other words: encoded corpora are made anew
SHORTEST_BARS = 8  # what is left between two short bars has to be a phrase at least
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


def _digest(sources: Iterable[Source], vocabulary: Vocabulary) -> str:
    listing = "".join(f"{s.name} {s.split} {s.size}\n" for s in sources)
    return hashlib.sha256(f"{ENCODING_VERSION} {vocabulary.digest}\n{listing}".encode()).hexdigest()[:16]


def stretches_in_four(score: Score) -> list[tuple[int, int]]:
    """First bar and the one behind the last of the stretches in 4/4, cut where a bar of another meter stands."""
    stretches = []
    for in_four, run in groupby(range(len(score.bars)), key=lambda number: score.bars[number].meter == (4, 4)):
        first, *others = run
        behind = first + len(others) + 1
        if in_four and score.bars[behind - 1].end - score.bars[first].start >= SHORTEST_BARS * TICKS_PER_BAR:
            stretches.append((first, behind))
    return stretches


def share_on_grid(score: Score, ticks_per_position: int) -> float:
    """The share of onsets within a 24th of a beat of the grid."""
    onsets = np.array([note.start for note in score.notes])
    off = np.abs((onsets + ticks_per_position // 2) % ticks_per_position - ticks_per_position // 2)
    return float((off <= GRID_TOLERANCE_TICKS).mean())


def encode_song(data: bytes, vocabulary: Vocabulary) -> list[Words]:
    """The words of each stretch in 4/4. An end word stands where the song ends, not where a short bar cuts it.

    Raises OpeningError if the file cannot be read, SettingsError if its music does not fit the vocabulary.
    """
    score = parse_midi(data, leaving_out(ANNOTATIONS)).without_drums()
    if share_on_grid(score, vocabulary.ticks_per_position) < LEAST_ON_GRID:
        raise SettingsError("off the grid")
    pitches = [note.pitch for note in score.notes]
    if min(pitches) < vocabulary.pitches[0] or max(pitches) > vocabulary.pitches[-1]:
        raise SettingsError("off the piano")
    encoded: list[Words] = []
    for first, behind in stretches_in_four(score):
        part = score.excerpt(first, behind)
        if part.notes:
            words = to_words(part, vocabulary)
            ids = np.array([*words, END] if behind == len(score.bars) else words, dtype=np.uint8)
            encoded.append(ids[:, : len(vocabulary.sizes)])
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
