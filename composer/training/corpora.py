"""The corpora: who plays what in them, and how they become one file of words.

A corpus that is known is one line in CORPORA; of any other nothing is said of its parts. The file is all that a
training needs (composer.training.lessons).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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
from composer.music.words import END, Vocabulary, Words, default_vocabulary
from composer.order import STYLES
from composer.training.lessons import Lessons, stretch_name
from composer.training.sources import Source, Split, find_sources, read_sources

ENCODING_VERSION = 1  # raise it when the same files give other words: encoded corpora are made anew
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
    Collection("pop909_aligned", "pop", _pop909, True, 0.28, POP909_TIERS),
    Collection("pop909_aligned_versions", "pop", nothing_said, True, 0.04, POP909_TIERS),
    Collection("pop1k7", "pop transcribed", nothing_said, True, 0.26),
    Collection("scores/songs", "song", _song, False, 0.10),
    Collection("scores/polish", "classical", nothing_said, False, 0.08),
    Collection("scores/chopin", "classical", nothing_said, False, 0.03),
    Collection("scores/mutopia", "classical", nothing_said, False, 0.09),
    Collection("scores/quartets", "quartet", _quartet, False, 0.08),
    Collection("scores/freedoom", "game", nothing_said, False, 0.04),
)


def collection_of(folder: Path, style: str) -> Collection:
    """The one that a folder is known as, by the end of its path; else a new one of this style, played by people."""
    path = folder.resolve().as_posix()
    known = (corpus for corpus in CORPORA if path.endswith(f"/{corpus.folder}"))
    return next(known, Collection(folder.resolve().name, style, nothing_said, True, 0.3))


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
    for first, behind in stretches_of(score, vocabulary):
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


def stretches_of(score: Score, vocabulary: Vocabulary) -> Iterator[tuple[int, int]]:
    """First bar and the one behind the last, of every run of bars that the vocabulary knows."""
    known = [vocabulary.meter_id(bar.meter, bar.ticks) is not None for bar in score.bars]
    for is_known, run in groupby(range(len(known)), key=known.__getitem__):
        numbers = list(run)
        if is_known and len(numbers) >= SHORTEST_BARS:
            yield numbers[0], numbers[-1] + 1


def load_lessons(folders: Sequence[Path], cache: Path, style: str = STYLES[0]) -> Lessons:
    """The corpora of these folders, encoded, or as they lie encoded in `cache`. A file of encoded corpora stands for
    all that are in it.

    Args:
        folders: each with its MIDI files and its lists (composer.training.sources); or one file.
        cache: where encoded corpora are kept.
        style: one of STYLES, for those that are not in CORPORA.

    Raises:
        SettingsError: a folder holds no split, or no music that can be used.
    """
    if len(folders) == 1 and folders[0].is_file():
        return Lessons.load(folders[0])
    vocabulary = default_vocabulary()
    corpora = [(folder, collection_of(folder, style)) for folder in folders]
    listing = [f"{ENCODING_VERSION} {vocabulary.digest}"]
    for folder, corpus in corpora:
        listing.append(f"{corpus.folder} {corpus.style} {corpus.performed} {corpus.share}")
        listing += [f"{s.name} {s.split} {s.size}" for s in find_sources(folder, corpus.tiers)]
    path = cache / f"{hashlib.sha256(chr(10).join(listing).encode()).hexdigest()[:16]}.npz"
    if not path.exists():
        encode_all(corpora, vocabulary, path)
    return Lessons.load(path)


def encode_all(corpora: Sequence[tuple[Path, Collection]], vocabulary: Vocabulary, path: Path) -> None:
    """Write the words of corpora into one file, and say what was left out of each.

    Raises:
        SettingsError: a folder holds no split, or no music that can be used.
    """
    stretches: list[tuple[int, Split, Stretch]] = []
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for number, (folder, corpus) in enumerate(corpora):
            sources = list(read_sources(find_sources(folder, corpus.tiers)))
            job = partial(_encode_job, roles=corpus.roles, vocabulary=vocabulary)
            results = pool.map(job, [data for _, data in sources])
            progress = tqdm(zip(sources, results, strict=True), desc=corpus.folder, total=len(sources), unit="song")
            found, left_out = _taken(progress)
            if not found:
                raise SettingsError(f"No song of {folder} can be used: {', '.join(sorted(left_out))}.")
            stretches += [(number, *one) for one in found]
            print(f"{corpus.folder}: {len(sources)} files, left out: {dict(left_out) or 'none'}", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez_compressed(
        part,
        vocabulary=np.array(vocabulary.to_json()),
        corpora=np.array([corpus.folder for _, corpus in corpora]),
        styles=np.array([STYLES.index(corpus.style) for _, corpus in corpora]),
        performed=np.array([corpus.performed for _, corpus in corpora]),
        shares=np.array([corpus.share for _, corpus in corpora]),
        words=np.concatenate([stretch.words for *_, stretch in stretches]),
        lengths=np.array([len(stretch.words) for *_, stretch in stretches]),
        names=np.array([stretch.name for *_, stretch in stretches]),
        corpus=np.array([number for number, *_ in stretches]),
        validation=np.array([split == "validation" for _, split, _ in stretches]),
    )
    part.replace(path)  # whoever finds the file finds it whole


def _taken(
    results: Iterable[tuple[tuple[Source, bytes], list[Words] | str]],
) -> tuple[list[tuple[Split, Stretch]], Counter[str]]:
    """What songs gave, and how many gave nothing, by reason."""
    found: list[tuple[Split, Stretch]] = []
    left_out: Counter[str] = Counter()
    for (source, _), result in results:
        if isinstance(result, str):
            left_out[result] += 1
        else:
            found += [(source.split, Stretch(stretch_name(source.name, i), words)) for i, words in enumerate(result)]
    return found, left_out


def _encode_job(data: bytes, roles: Roles, vocabulary: Vocabulary) -> list[Words] | str:
    try:
        return encode_song(data, roles, vocabulary)
    except OpeningError as error:
        return type(error).__name__
    except SettingsError as error:
        return str(error)
