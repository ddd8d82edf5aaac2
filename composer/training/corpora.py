"""The corpora of the second edition: who plays what in them, and how they become one file of words.

    ./run bench corpora ../shared/data --out .cache/corpora.npz

A new corpus is one line in CORPORA. The file is all that a training needs (composer.training.lessons).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from composer.errors import OpeningError, SettingsError
from composer.music.encoding import to_words
from composer.music.grid import TICKS_PER_POSITION, snap
from composer.music.midi import Roles, nothing_said, parse_midi
from composer.music.score import Role, Score
from composer.music.words import Vocabulary, Words
from composer.training.dataset import stretch_name
from composer.training.lessons import STYLES
from composer.training.sources import Split, find_sources, read_sources
from composer.words import END

SHORTEST_BARS = 8  # what is left between two bars of unknown length has to be a phrase at least
GRID_TOLERANCE = TICKS_PER_POSITION // 2  # ticks
LEAST_ON_GRID = 0.6  # of the onsets; below it the music stands on no grid, and words would misstate it


def _pop909(names: Sequence[str]) -> list[Role | None]:
    known = {"MELODY": Role.MELODY, "BRIDGE": Role.INNER, "PIANO": Role.ACCOMPANIMENT, "CHORD": None}
    return [known.get(name, Role.UNSAID) for name in names]


def _song(names: Sequence[str]) -> list[Role | None]:
    """The first voice has the melody; the piano's staves are named by their hands."""
    hands = [re.search(r"\b(RH|LH)$", name) is not None for name in names]
    voices = [index for index, is_hand in enumerate(hands) if not is_hand]
    roles: list[Role | None] = [Role.ACCOMPANIMENT] * len(names)
    for number, index in enumerate(voices):
        roles[index] = Role.MELODY if number == 0 else Role.INNER
    return roles


def _quartet(names: Sequence[str]) -> list[Role | None]:
    if len(names) < 3:
        return [Role.UNSAID] * len(names)
    return [Role.MELODY, *[Role.INNER] * (len(names) - 2), Role.BASS]


@dataclass(frozen=True)
class Collection:
    """One corpus.

    performed: velocity and tempo were played; where they were made by rule they are no example   share: of the
    training sequences, beside those of the others
    """

    folder: str
    style: str
    roles: Roles
    performed: bool
    share: float
    tiers: tuple[str, ...] = ("A",)


POP909_TIERS = ("A", "B", "C-3/4", "C-triplet")
CORPORA = (
    Collection("pop909_aligned", "pop", _pop909, True, 0.30, POP909_TIERS),
    Collection("pop909_aligned_versions", "pop", nothing_said, True, 0.04, POP909_TIERS),
    Collection("pop1k7", "pop transcribed", nothing_said, True, 0.26),
    Collection("scores/songs", "song", _song, False, 0.16),
    Collection("scores/polish", "classical", nothing_said, False, 0.08),
    Collection("scores/chopin", "classical", nothing_said, False, 0.03),
    Collection("scores/mutopia", "classical", nothing_said, False, 0.05),
    Collection("scores/quartets", "quartet", _quartet, False, 0.05),
    Collection("scores/freedoom", "game", nothing_said, False, 0.03),
)


class Stretch(NamedTuple):
    """Some bars in a row of one song. name: of the song, and the stretch's number"""

    name: str
    words: Words


def encode_song(data: bytes, roles: Roles, vocabulary: Vocabulary) -> list[Words]:
    """The words of each stretch of bars that the vocabulary knows. An end word stands where the song ends.

    Raises:
        OpeningError: it cannot be read.
        SettingsError: its music does not fit the vocabulary.
    """
    score = parse_midi(data, roles).without_drums()
    if _share_on_grid(score) < LEAST_ON_GRID:
        raise SettingsError("off the grid")
    encoded = []
    for first, behind in _stretches(score, vocabulary):
        excerpt = score.excerpt(first, behind)
        if any(part.notes for part in excerpt.pitched):
            words = to_words(excerpt, vocabulary)
            encoded.append(np.array([*words, END] if behind == len(score.bars) else words, dtype=np.uint8))
    if not encoded:
        raise SettingsError("bars of unknown length")
    return encoded


def _share_on_grid(score: Score) -> float:
    onsets = np.array([note.start for part in score.pitched for note in part.notes])
    return float((np.abs(snap(onsets.tolist(), score.bars) - onsets) <= GRID_TOLERANCE).mean())


def _stretches(score: Score, vocabulary: Vocabulary) -> Iterator[tuple[int, int]]:
    """First bar and the one behind the last, of every run of bars that the vocabulary knows."""
    known = [vocabulary.meter_id(bar.meter, bar.ticks) is not None for bar in score.bars]
    for is_known, run in groupby(range(len(known)), key=known.__getitem__):
        numbers = list(run)
        if is_known and len(numbers) >= SHORTEST_BARS:
            yield numbers[0], numbers[-1] + 1


def encode_all(folder: Path, vocabulary: Vocabulary, path: Path, corpora: Sequence[Collection] = CORPORA) -> None:
    """Write the words of all corpora below a folder into one file, and say what was left out of each."""
    stretches: list[tuple[int, Split, Stretch]] = []
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for number, corpus in enumerate(corpora):
            sources = list(read_sources(find_sources(folder / corpus.folder, corpus.tiers)))
            left_out: Counter[str] = Counter()
            job = partial(_encode_job, roles=corpus.roles, vocabulary=vocabulary)
            results = pool.map(job, [data for _, data in sources])
            progress = tqdm(zip(sources, results, strict=True), desc=corpus.folder, total=len(sources), unit="song")
            for (source, _), result in progress:
                if isinstance(result, str):
                    left_out[result] += 1
                else:
                    stretches += [
                        (number, source.split, Stretch(stretch_name(source.name, i), words))
                        for i, words in enumerate(result)
                    ]
            print(f"{corpus.folder}: {len(sources)} files, left out: {dict(left_out) or 'none'}", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez_compressed(
        part,
        vocabulary=np.array(vocabulary.to_json()),
        corpora=np.array([corpus.folder for corpus in corpora]),
        styles=np.array([STYLES.index(corpus.style) for corpus in corpora]),
        performed=np.array([corpus.performed for corpus in corpora]),
        shares=np.array([corpus.share for corpus in corpora]),
        words=np.concatenate([stretch.words for *_, stretch in stretches]),
        lengths=np.array([len(stretch.words) for *_, stretch in stretches]),
        names=np.array([stretch.name for *_, stretch in stretches]),
        corpus=np.array([number for number, *_ in stretches]),
        validation=np.array([split == "validation" for _, split, _ in stretches]),
    )
    part.replace(path)


def _encode_job(data: bytes, roles: Roles, vocabulary: Vocabulary) -> list[Words] | str:
    try:
        return encode_song(data, roles, vocabulary)
    except OpeningError as error:
        return type(error).__name__
    except SettingsError as error:
        return str(error)
